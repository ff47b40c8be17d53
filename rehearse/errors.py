"""What can be wrong with a pipeline file, or with a rehearsal of it."""

from __future__ import annotations


class RehearseError(Exception):
    """Base of every error of this package.

    Parameters
    ----------
    message : str
        What is wrong; one line.
    where : str, optional
        ``file:line`` of the place in the YAML.
    hint : str, optional
        What to do next.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.message}" + (f" ({self.hint})" if self.hint else "")


class PipelineError(RehearseError):
    """The file is not a pipeline that the service would accept: bad YAML, key, reference, parameter."""


class ExpressionError(RehearseError):
    """An expression cannot be read or evaluated."""


class NotRehearsed(RehearseError):
    """A task, action, key or function that the interpreter does not know. Named, never skipped in silence."""
