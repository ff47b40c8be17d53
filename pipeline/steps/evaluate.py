"""Judge the candidate against production on the candidate's held-out rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from model.errors import CannotDecide, ModelError
from model.gate import Outcome, decide
from pipeline import checking
from pipeline.context import StepContext
from pipeline.results import EvaluateResult, TrainResult
from pipeline.steps.train import HOLDOUT
from registry.digests import tree_digest
from registry.errors import Corrupt, NotFound
from registry.models import ModelVersion


def evaluate(context: StepContext) -> EvaluateResult:
    """Say *promote* or *keep*, with the reason.

    Stored metrics of production are used only when they were measured by the same definition on the same held-out rows;
    otherwise production is loaded, in a process of its own, and scored again.

    Raises
    ------
    model.errors.CannotDecide
        A metric is missing or not finite, or production is unreadable.
    """
    config = context.config
    trained = TrainResult.read(context.result_of("train"))
    production = _production(context)
    if not config.evaluate:
        result = EvaluateResult(
            Outcome.PROMOTE.value,
            "evaluation is switched off: every candidate is registered",
            config.metric,
            trained.metrics.get(config.metric),
            production.metrics.get(config.metric) if production else None,
            production.reference if production else None,
            False,
        )
    else:
        values, rescored = (None, False) if production is None else _metrics(context, trained, production)
        verdict = decide(checking.rule(config), trained.metrics, values)
        result = EvaluateResult(
            verdict.outcome.value,
            verdict.reason,
            config.metric,
            verdict.candidate,
            verdict.production,
            production.reference if production else None,
            rescored,
        )
        if verdict.production is not None:
            context.log_metrics({f"production_{config.metric}": verdict.production})
    context.set_tags({"decision": result.decision, "reason": result.reason})
    context.progress(f"{result.decision}: {result.reason}")
    return result


def _production(context: StepContext) -> ModelVersion | None:
    config = context.config
    number = context.models.alias(config.model, config.compare_to)
    if number is None:
        return None
    try:
        return context.models.get(config.model, number)
    except (Corrupt, NotFound) as error:
        raise _unreadable(f"{config.model}:{number}", error) from error


def _metrics(context: StepContext, trained: TrainResult, production: ModelVersion) -> tuple[Mapping[str, float], bool]:
    stored = production.properties
    if (
        stored.get("metric_definition") == trained.metric_definition
        and stored.get("holdout_digest") == trained.holdout_digest
        and context.config.metric in production.metrics
    ):
        return production.metrics, False
    from model import isolated

    context.progress(f"scoring {production.reference} again on the candidate's held-out rows")
    holdout = context.inputs["train"] / HOLDOUT
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = context.models.download(production.name, production.version, Path(scratch))
            # What is about to be unpickled is what was registered, whatever the store did.
            if tree_digest(folder) != production.digest:
                raise Corrupt(f"the artifact of {production.reference} does not match its digest")
            loaded = isolated.score(folder, holdout)
    except (ModelError, Corrupt, NotFound) as error:
        raise _unreadable(production.reference, error) from error
    for note in loaded.notes:
        context.progress(f"{production.reference}: {note}; its golden prediction is reproduced all the same")
    return (loaded.scores.values if loaded.scores else {}), True


def _unreadable(reference: str, error: Exception) -> CannotDecide:
    return CannotDecide(
        f"the production model {reference} is unreadable: {error}",
        hint=getattr(error, "hint", None)
        or "mlops rollback --stage production, or register anyway: --set gate.evaluate=false",
    )
