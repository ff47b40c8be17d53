"""Which data is meant, what it is compared with, and whether it keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import CannotDecide
from model.gate import Rule
from pipeline.config import PipelineConfig
from registry.errors import NotFound, RegistryError

if TYPE_CHECKING:
    from model.contract import Checked
    from registry.data import DataSets, DataSetVersion
    from registry.models import ModelRegistry


def rule(config: PipelineConfig) -> Rule:
    """The gate's rule.

    Raises
    ------
    model.errors.CannotDecide
        The metric is not measured for this task, or the other direction of it is better.
    """
    from model import dataset, metrics

    known = metrics.names(dataset.TASK)
    if config.metric not in known:
        raise CannotDecide(
            f"there is no metric {config.metric!r} of a {dataset.TASK} (there are: {', '.join(known)})",
            hint="mend gate.metric in mlops.toml",
        )
    better = metrics.DIRECTIONS.get(config.metric, config.direction)
    if better != config.direction:
        raise CannotDecide(
            f"gate.direction is {config.direction!r}, but the better {config.metric} is the {better} one",
            hint=f'direction = "{better}" under [gate] in mlops.toml, or --set gate.direction={better}',
        )
    return Rule(config.metric, config.direction, config.margin)


def locate(
    data: DataSets, config: PipelineConfig, scratch: Path, progress: Callable[[str], None]
) -> tuple[DataSetVersion | None, Path]:
    """The data set version that is meant (``None``: not registered yet) and its content on this machine.

    Raises
    ------
    registry.errors.NotFound
        ``config.data_version`` is not there.
    """
    from model import dataset

    if config.data_path is not None:
        return None, Path(config.data_path)
    try:
        known = data.get(config.data, config.data_version)
    except NotFound:
        if config.data_version is not None:
            raise
        progress("no data set is registered yet: taking the sample")
        path = scratch / f"{dataset.NAME}.csv"
        # Fixed line ends: the same sample has the same digest everywhere.
        dataset.sample().to_csv(path, index=False, lineterminator="\n")
        return None, path
    return known, data.download(known.name, known.version, scratch)


def baseline(
    models: ModelRegistry, data: DataSets, config: PipelineConfig, known: DataSetVersion | None
) -> Mapping[str, Any] | None:
    """The profile of the data that production was trained on, else of the newest data set version."""
    try:
        number = models.alias(config.model, config.compare_to)
        if number is not None:
            reference = models.get(config.model, number).lineage.data or ""
            name, _, version = reference.rpartition(":")
            if name == config.data and version.isdecimal():
                return data.get(name, int(version)).profile or None
    except RegistryError:
        pass  # the gate judges an unreadable production model, not the data check
    if known is not None:
        return None
    try:
        return data.get(config.data).profile or None
    except NotFound:
        return None


def check(path: Path, profile: Mapping[str, Any] | None) -> Checked:
    """Read and check a table. Raises ``DataNotFound`` and ``DataUnreadable``; violations are in the answer."""
    from model import contract, dataset, tables

    return contract.check(tables.read(path), (*dataset.FEATURES, dataset.TARGET), baseline=profile)


def register(data: DataSets, config: PipelineConfig, path: Path, checked: Checked) -> DataSetVersion:
    """Register a checked table with its profile."""
    from model import dataset, profile

    description = "the sample" if config.data_path is None else ""
    made = profile.make(checked.frame, (*dataset.FEATURES, dataset.TARGET))
    return data.register(config.data, path, description=description, profile=made)
