"""The exceptions that this room raises."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
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


class ProjectFileFailed(ModelError):
    """A file that the project replaces (dataset, estimator, features) cannot be imported, or raised."""


YOURS = ("dataset.py", "estimator.py", "features.py")


def project_error(error: BaseException) -> ProjectFileFailed | None:
    """`error` as one of the project's own file, if the innermost code that it went through here is one of those.

    A mistake there is no defect of the kit, and whoever made it wants file and line.
    """
    here = Path(__file__).resolve().parent
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:  # what cannot be parsed has no frame
        places.append((error.filename, error.lineno))
    for name, line in reversed(places):
        path = Path(name).resolve()
        if path.parent == here and path.name in YOURS:
            what = error.msg if isinstance(error, SyntaxError) else f"{error}" or "no message"
            text = f"model/{path.name}, line {line}: {type(error).__name__}: {what}"
            return ProjectFileFailed(text, hint=f"mend model/{path.name}")
        if path.is_relative_to(here.parent) and "site-packages" not in path.parts:
            return None  # it came up in code of the kit
    return None


class Incompatible(ArtifactUnreadable):
    """The model was made with another Python minor version, platform or library version."""
