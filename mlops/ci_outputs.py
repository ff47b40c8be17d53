"""Tell the CI that runs this command what it found: output variables and tags, in the way of whichever CI it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO


def tell(
    outputs: Mapping[str, str],
    tags: Sequence[str] = (),
    *,
    environ: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
) -> str | None:
    """Set outputs of the step that runs, and tags of the run where the CI has tags.

    Azure Pipelines reads ``##vso[...]`` lines from either stream, so they go to stderr and stdout stays the result's;
    GitHub reads the file that ``GITHUB_OUTPUT`` names.

    Parameters
    ----------
    outputs : mapping of str to str
        Names and one-line values.
    tags : sequence of str
        Tags of the run (Azure Pipelines alone has them).
    environ, stream : optional
        Instead of the process's own; for tests.

    Returns
    -------
    str or None
        ``azure`` or ``github``; ``None`` when no CI is recognised, and nothing is written.

    Raises
    ------
    ValueError
        A value has more than one line.
    """
    environ = os.environ if environ is None else environ
    for name, value in outputs.items():
        if "\n" in value or "\r" in value:
            raise ValueError(f"the output {name!r} has more than one line")
    if environ.get("TF_BUILD"):
        stream = stream or sys.stderr
        for name, value in outputs.items():
            print(f"##vso[task.setvariable variable={name};isOutput=true]{_escaped(value)}", file=stream)
        for tag in tags:
            print(f"##vso[build.addbuildtag]{_escaped(tag)}", file=stream, flush=True)
        return "azure"
    if environ.get("GITHUB_OUTPUT"):
        with Path(environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in outputs.items())
        return "github"
    return None


def _escaped(text: str) -> str:
    """Characters that mean something in a logging command."""
    for character, mark in (("%", "%AZP25"), (";", "%3B"), ("]", "%5D")):
        text = text.replace(character, mark)
    return text
