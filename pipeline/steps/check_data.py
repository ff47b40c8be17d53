"""Find the data set version to train on and check it against the contract; register it if it is new."""

from __future__ import annotations

import tempfile
from pathlib import Path

from model.contract import Violation, broken
from pipeline import checking
from pipeline.context import StepContext
from pipeline.results import DataResult


def check_data(context: StepContext) -> DataResult:
    """Check before anything is registered: data that breaks the contract leaves no version behind.

    A gate that cannot decide is refused here too: after training it would have cost that.

    Raises
    ------
    model.errors.CannotDecide
        The metric that decides, or its direction, cannot be what it is set to.
    model.errors.DataNotFound, model.errors.DataUnreadable
        ``config.data_path`` names no table.
    model.errors.ContractBroken
        With every violation. A shifted distribution alone is tolerated when ``config.allow_shift`` is set.
    registry.errors.NotFound
        ``config.data_version`` is not there.
    """
    config = context.config
    if config.evaluate:
        checking.rule(config)
    with tempfile.TemporaryDirectory() as scratch:
        known, path = checking.locate(context.data, config, Path(scratch), context.progress)
        checked = checking.check(path, checking.baseline(context.models, context.data, config, known))
        context.run.set_tags({"violations": str(len(checked.violations))})
        for item in checked.violations:
            context.progress(str(item))
        shifts = [item for item in checked.violations if item.rule == "distribution"]
        if len(checked.violations) > len(shifts) or not config.allow_shift:
            _require(path, checked.violations, only_shifts=len(checked.violations) == len(shifts))
        version = known or checking.register(context.data, config, path, checked)
        context.progress(f"data set {version.reference}: {len(checked.frame)} rows keep the contract")
        context.run.log_parameters({"data": version.reference, "data_digest": version.digest})
        context.log_metrics({"rows": float(len(checked.frame))})
        context.set_tags({"data": version.reference})
        return DataResult(
            name=config.data,
            version=version.version,
            digest=version.digest,
            rows=len(checked.frame),
            file=path.name,
            violations=[str(item) for item in shifts],
        )


def _require(path: Path, violations: tuple[Violation, ...], *, only_shifts: bool) -> None:
    if violations:
        error = broken(str(path), violations)
        if only_shifts:
            error.hint = "train on it all the same with --allow-shift"
        raise error
