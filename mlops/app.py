"""What every command is handed: the project, its settings, the chosen backend, the output."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.output import Output

if TYPE_CHECKING:
    from mlops.backend import Backend
    from mlops.settings import Settings


class UsageMistake(Exception):
    """The command was called in a way that cannot work.

    Parameters
    ----------
    message : str
        What is wrong; one line.
    hint : str, optional
        What to do instead.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class BackendUnavailable(Exception):
    """The chosen backend cannot be used: a package, a credential or a service is missing."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class App:
    """One call of the program.

    Attributes
    ----------
    project : pathlib.Path
        The project folder: the nearest one upwards that holds ``mlops.toml``.
    output : mlops.output.Output
        Where results and progress go.
    """

    def __init__(self, project: Path, output: Output, overrides: dict[str, str] | None = None) -> None:
        self.project = project
        self.output = output
        self._overrides = overrides or {}

    @cached_property
    def settings(self) -> Settings:
        """All settings, each with where it came from."""
        from mlops.settings import load

        return load(self.project, self._overrides)

    @cached_property
    def backend(self) -> Backend:
        """The seams of the chosen backend."""
        from mlops.backends import open_backend

        return open_backend(self.settings, self.project, self.output.say)

    @property
    def state(self) -> Path:
        """Where this machine keeps what the project does (``.mlops``)."""
        folder = Path(str(self.settings["state"]))
        return folder if folder.is_absolute() else self.project / folder


def find_project(start: Path | None = None) -> Path:
    """The nearest folder, upwards from `start`, that holds ``mlops.toml``; else `start` itself."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "mlops.toml").is_file():
            return folder
    return start
