"""One way for services and jobs to not find what their environment does not declare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.hosting import guard
from fakes.hosting.declared import compare


@dataclass(frozen=True)
class Hiding:
    """What a program must not find.

    Attributes
    ----------
    file
        For `fakes.hosting.guard`: the modules, and what to do about it; None when nothing is hidden.
    notes
        What is to be said about the comparison, one line each.
    """

    file: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def prefix(self) -> list[str]:
        """What stands between the interpreter and the program that it runs."""
        return [] if self.file is None else [guard.__file__, str(self.file)]


def hide(environment: Mapping[str, Any], python: str, file: Path, *, always: Sequence[str], setting: str) -> Hiding:
    """Write down what an environment (as the SDK writes it) does not bring and the interpreter has.

    Parameters
    ----------
    file
        Where to.
    always
        Packages that are found although they are not declared.
    setting
        What switches this off, for the message to people.
    """
    verdict = compare(environment, python, always)
    if not verdict.hidden:
        return Hiding(notes=verdict.notes)
    file.write_text(json.dumps({"modules": verdict.hidden, "setting": setting}), encoding="utf-8")
    return Hiding(file, verdict.notes)
