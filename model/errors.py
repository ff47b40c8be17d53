"""The exceptions that this room raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.contract import Violation


class ModelError(Exception):
    """Data, training, evaluation or an artifact is not as it must be.

    Parameters
    ----------
    message : str
        What happened, to what, and why; one line.
    hint : str, optional
        What to do next; one line, a command where there is one.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class DataNotFound(ModelError):
    """There is no data file at the path given."""


class DataUnreadable(ModelError):
    """The data file is there but is not a table: empty, ragged, not UTF-8, not permitted."""


class ContractBroken(ModelError):
    """The data breaks the data contract.

    Attributes
    ----------
    violations : tuple of Violation
        Each with column, rule and rows.
    """

    def __init__(self, message: str, *, violations: Sequence[Violation], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.violations = tuple(violations)


class BadParameter(ModelError):
    """A training parameter is unknown, of the wrong type or out of range."""


class TrainingFailed(ModelError):
    """The estimator could not be fitted, or its predictions are of no use."""


class MetricNotFinite(TrainingFailed):
    """A metric is missing, infinite or not a number."""


class CannotDecide(ModelError):
    """The gate has no sound ground for *promote* or *keep*."""


class ArtifactUnreadable(ModelError):
    """A model folder is incomplete, or what is in it does not load."""


class Incompatible(ArtifactUnreadable):
    """The model was made with another Python minor version, platform or library version."""
