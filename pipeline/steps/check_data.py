"""Find the data set version to train on and check it against the contract; register it if it is new."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import ContractBroken
from pipeline.context import StepContext
from pipeline.results import DataResult
from registry.errors import NotFound, RegistryError

if TYPE_CHECKING:
    from model.contract import Checked
    from registry.data import DataSetVersion


def check_data(context: StepContext) -> DataResult:
    """Check before anything is registered: data that breaks the contract leaves no version behind.

    Raises
    ------
    model.errors.DataNotFound, model.errors.DataUnreadable
        ``config.data_path`` names no table.
    model.errors.ContractBroken
        With every violation. A shifted distribution alone is tolerated when ``config.allow_shift`` is set.
    registry.errors.NotFound
        ``config.data_version`` is not there.
    """
    config = context.config
    with tempfile.TemporaryDirectory() as scratch:
        known, path = _locate(context, Path(scratch))
        checked, tolerated = _check(context, path, known)
        version = known or _register(context, path, checked)
        context.progress(f"data set {version.reference}: {len(checked.frame)} rows keep the contract")
        context.run.log_parameters({"data": version.reference, "data_digest": version.digest})
        context.log_metrics({"rows": float(len(checked.frame))})
        context.set_tags({"data": version.reference})
        return DataResult(
            config.data,
            version.version,
            version.digest,
            len(checked.frame),
            path.name,
            [str(item) for item in tolerated],
        )


def _locate(context: StepContext, scratch: Path) -> tuple[DataSetVersion | None, Path]:
    from model import dataset

    config = context.config
    if config.data_path is not None:
        return None, Path(config.data_path)
    try:
        known = context.data.get(config.data, config.data_version)
    except NotFound:
        if config.data_version is not None:
            raise
        context.progress("no data set is registered yet: taking the sample")
        path = scratch / f"{dataset.NAME}.csv"
        # Fixed line ends: the same sample has the same digest everywhere.
        dataset.sample().to_csv(path, index=False, lineterminator="\n")
        return None, path
    return known, context.data.download(known.name, known.version, scratch)


def _check(context: StepContext, path: Path, known: DataSetVersion | None) -> tuple[Checked, list[Any]]:
    from model import contract, dataset, tables

    columns = (*dataset.FEATURES, dataset.TARGET)
    checked = contract.check(tables.read(path), columns, baseline=_baseline(context, known))
    shifts = [item for item in checked.violations if item.rule == "distribution"]
    context.run.set_tags({"violations": str(len(checked.violations))})
    for item in checked.violations:
        context.progress(str(item))
    if len(checked.violations) > len(shifts) or (shifts and not context.config.allow_shift):
        first, more = checked.violations[0], len(checked.violations) - 1
        only_shifts = len(checked.violations) == len(shifts)
        raise ContractBroken(
            f"{path} breaks the data contract: {first}" + (f", and {more} more" if more else ""),
            violations=checked.violations,
            hint="train on it all the same with --allow-shift"
            if only_shifts
            else "mlops data check shows every violation; the contract is in model/dataset.py",
        )
    return checked, shifts


def _baseline(context: StepContext, known: DataSetVersion | None) -> Mapping[str, Any] | None:
    """The profile of the data that production was trained on, else of the newest data set version."""
    config = context.config
    try:
        number = context.models.alias(config.model, config.compare_to)
        if number is not None:
            reference = context.models.get(config.model, number).lineage.data or ""
            name, _, version = reference.rpartition(":")
            if name == config.data and version.isdecimal():
                return context.data.get(name, int(version)).profile or None
    except RegistryError:
        pass  # the gate judges an unreadable production model, not this step
    if known is not None:
        return None
    try:
        return context.data.get(config.data).profile or None
    except NotFound:
        return None


def _register(context: StepContext, path: Path, checked: Checked) -> DataSetVersion:
    from model import dataset, profile

    description = "the sample" if context.config.data_path is None else ""
    return context.data.register(
        context.config.data,
        path,
        description=description,
        profile=profile.make(checked.frame, (*dataset.FEATURES, dataset.TARGET)),
    )
