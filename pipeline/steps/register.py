"""Register the candidate, unless production is kept, and let the alias ``candidate`` name it."""

from __future__ import annotations

from pipeline.context import StepContext
from pipeline.results import EvaluateResult, RegisterResult, TrainResult
from pipeline.steps.train import MODEL
from registry.digests import tree_digest
from registry.errors import Corrupt
from registry.models import Lineage, ModelVersion

CANDIDATE = "candidate"


def register(context: StepContext) -> RegisterResult:
    """Register with full lineage. Doing it again for the same training run gives the same version back.

    Raises
    ------
    registry.errors.Corrupt
        The model folder is not the one that was evaluated.
    """
    config = context.config
    trained = TrainResult.read(context.result_of("train"))
    verdict = EvaluateResult.read(context.result_of("evaluate"))
    if verdict.decision != "promote":
        reason = f"{verdict.decision}: {verdict.reason}"
        context.set_tags({"register": "skipped"})
        context.progress(f"nothing registered: {reason}")
        if config.cancel_on_keep and context.parent is not None:
            context.parent.cancel()
        return RegisterResult(None, None, None, trained.run_id, reason)
    folder = context.inputs["train"] / MODEL
    if tree_digest(folder) != trained.model_digest:
        raise Corrupt(f"{folder} is not the model that was evaluated", hint="train again")
    version = _registered(context, trained)
    if version is None:
        version = context.models.register(
            config.model,
            folder,
            description=config.description,
            metrics=trained.metrics,
            parameters=trained.parameters,
            tags=_tags(context, trained),
            properties={
                "metric_definition": trained.metric_definition,
                "holdout_digest": trained.holdout_digest,
                "split": trained.split,
            },
            lineage=lineage(context, trained),
        )
    context.models.set_alias(config.model, CANDIDATE, version.version, who=config.who or "pipeline", why=verdict.reason)
    context.set_tags({"model": version.reference})
    context.progress(f"registered {version.reference}")
    return RegisterResult(version.reference, version.version, version.digest, trained.run_id)


def lineage(context: StepContext, trained: TrainResult) -> Lineage:
    """Where the candidate came from."""
    config = context.config
    return Lineage(
        run_id=trained.run_id,
        experiment=trained.experiment,
        data=trained.data,
        data_digest=trained.data_digest,
        build_id=config.build_id,
        build_uri=config.build_uri,
        git_revision=config.git_revision,
        git_dirty=config.git_dirty,
        lock_digest=trained.lock_digest,
        python=trained.python,
        platform=trained.platform,
        code_digest=trained.code_digest,
    )


def _registered(context: StepContext, trained: TrainResult) -> ModelVersion | None:
    """The version that an earlier, interrupted attempt registered."""
    for version in context.models.versions(context.config.model, tags={"run_id": trained.run_id}, limit=1):
        if version.digest == trained.model_digest:
            return version
    return None


def _tags(context: StepContext, trained: TrainResult) -> dict[str, str]:
    config = context.config
    tags = {**config.tags, "run_id": trained.run_id}
    if context.parent is not None:
        tags["pipeline_run"] = context.parent.id
    if config.build_id:
        tags["build_id"] = config.build_id
    return tags
