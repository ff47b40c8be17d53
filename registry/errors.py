"""The exceptions that this room raises."""

from __future__ import annotations


class RegistryError(Exception):
    """Something that is remembered could not be read or written.

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


class NotFound(RegistryError):
    """There is no such model, version, alias, run or data set."""


class InvalidName(RegistryError):
    """A name, version, tag or path is not allowed."""


class Conflict(RegistryError):
    """Somebody else was first, or the thing is in use."""


class AliasMoved(Conflict):
    """The alias no longer names the version that the caller expected.

    Attributes
    ----------
    winner : int or None
        The version that the alias names now.
    """

    def __init__(self, message: str, *, winner: int | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.winner = winner


class InUse(Conflict):
    """A version that an alias names cannot be deleted."""


class Corrupt(RegistryError):
    """Stored content is unreadable, truncated, or does not match its digest."""


class NewerSchema(RegistryError):
    """The entry was written by a newer release of this kit."""


class Unavailable(RegistryError):
    """The store cannot be reached, is read-only, is full, or cannot give its guarantees."""
