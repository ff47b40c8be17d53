"""Read a Dockerfile and lay out what its COPY instructions put into the image. RUN is noted, never run.

Source: https://docs.docker.com/reference/dockerfile/.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}|(?P<plain>[A-Za-z_]\w*))")


class BuildFailed(Exception):
    """The build cannot go on; the text is what the engine says."""


@dataclass
class Stage:
    """One stage: its files below `root`, and its settings."""

    root: Path
    base: str
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    workdir: str = "/"
    user: str = ""
    ports: list[str] = field(default_factory=list)
    # RUN may have made anything: what is copied from here need not exist.
    ran: bool = False


def instructions(text: str) -> list[tuple[str, str]]:
    """Return ``(INSTRUCTION, arguments)``, continuation lines joined and comments dropped."""
    found: list[tuple[str, str]] = []
    pending = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            pending += stripped[:-1] + " "
            continue
        word, _, rest = (pending + stripped).partition(" ")
        found.append((word.upper(), rest.strip()))
        pending = ""
    if pending:
        word, _, rest = pending.partition(" ")
        found.append((word.upper(), rest.strip()))
    return found


class Build:
    """One build of one context.

    Parameters
    ----------
    context, work : Path
        The unpacked build context, and a folder for the files of the stages.
    arguments : dict
        ``--build-arg`` values.
    base : callable
        Gives the `Stage` that an image name stands for; raises `BuildFailed` when there is none.
    say : callable
        Gets the lines of the log.
    """

    def __init__(
        self,
        context: Path,
        work: Path,
        arguments: dict[str, str],
        base: Callable[[str, Path], Stage],
        say: Callable[[str], None],
    ) -> None:
        self._context, self._work, self._given, self._base, self._say = context, work, arguments, base, say
        self._stages: dict[str, Stage] = {}
        self._arguments: dict[str, str] = {}

    def run(self, text: str) -> Stage:
        """Return the last stage. Raises `BuildFailed`."""
        steps = instructions(text)
        stage: Stage | None = None
        for number, (word, rest) in enumerate(steps, start=1):
            self._say(f"Step {number}/{len(steps)} : {word} {rest}\n")
            if word == "ARG":
                name, _, default = rest.partition("=")
                self._arguments[name] = self._given.get(name, self._expand(default, stage))
            elif word == "FROM":
                stage = self._from(rest, len(self._stages))
            elif stage is None:
                raise BuildFailed(f"no build stage in current context: {word} comes before FROM")
            else:
                self._one(stage, word, rest)
        if stage is None:
            raise BuildFailed("file with no instructions")
        return stage

    def _from(self, rest: str, number: int) -> Stage:
        parts = self._expand(rest, None).split()
        name = parts[2] if len(parts) == 3 and parts[1].upper() == "AS" else str(number)
        root = self._work / f"stage-{number}"
        if parts[0] in self._stages:
            old = self._stages[parts[0]]
            shutil.copytree(old.root, root)
            stage = Stage(root, old.base, dict(old.env), dict(old.labels), old.entrypoint, old.command, old.workdir,
                          old.user, list(old.ports), old.ran)  # fmt: skip
        else:
            root.mkdir()
            stage = self._base(parts[0], root)
        self._stages[name] = self._stages[str(number)] = stage
        return stage

    def _one(self, stage: Stage, word: str, rest: str) -> None:
        if word == "RUN":
            stage.ran = True
            self._say(" ---> not run: this engine is a mock\n")
        elif word in ("COPY", "ADD"):
            self._copy(stage, self._expand(rest, stage))
        elif word == "ENV":
            for name, value in _pairs(self._expand(rest, stage)):
                stage.env[name] = value
        elif word == "LABEL":
            for name, value in _pairs(self._expand(rest, stage)):
                stage.labels[name] = value
        elif word == "WORKDIR":
            path = self._expand(rest, stage)
            stage.workdir = path if path.startswith("/") else f"{stage.workdir.rstrip('/')}/{path}"
            _inside(stage.root, stage.workdir).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = self._expand(rest, stage)
        elif word == "EXPOSE":
            stage.ports += [p if "/" in p else f"{p}/tcp" for p in self._expand(rest, stage).split()]
        elif word in ("ENTRYPOINT", "CMD"):
            argv = _argv(rest)
            if word == "ENTRYPOINT":
                stage.entrypoint, stage.command = argv, None
            else:
                stage.command = argv
        elif word not in ("HEALTHCHECK", "STOPSIGNAL", "VOLUME", "SHELL", "MAINTAINER", "ONBUILD"):
            raise BuildFailed(f"dockerfile parse error: unknown instruction: {word}")

    def _copy(self, stage: Stage, rest: str) -> None:
        words = shlex.split(rest)
        source_root = self._context
        tolerant = False
        while words and words[0].startswith("--"):
            option, _, value = words.pop(0).partition("=")
            if option == "--from":
                if value not in self._stages:
                    raise BuildFailed(f"invalid from flag value {value}: no such stage")
                source_root, tolerant = self._stages[value].root, self._stages[value].ran
        *sources, target = words
        for source in sources:
            origin = _inside(source_root, source)
            if not origin.exists():
                if tolerant:
                    continue
                raise BuildFailed(
                    f"COPY failed: file not found in build context or excluded by .dockerignore: {source}"
                )
            place = _inside(stage.root, target if target.startswith("/") else f"{stage.workdir}/{target}")
            if origin.is_dir():
                shutil.copytree(origin, place, dirs_exist_ok=True, symlinks=True)
            else:
                if target.endswith("/") or place.is_dir() or len(sources) > 1:
                    place = place / origin.name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(origin, place)

    def _expand(self, text: str, stage: Stage | None) -> str:
        known = {**self._arguments, **(stage.env if stage else {})}

        def value(match: re.Match[str]) -> str:
            name = match["braced"] or match["plain"]
            return known.get(name) or match["default"] or ""

        return _VARIABLE.sub(value, text)


def _inside(root: Path, path: str) -> Path:
    target = (root / path.lstrip("/")).resolve()
    if not target.is_relative_to(root.resolve()):
        raise BuildFailed(f"forbidden path outside the build context: {path}")
    return target


def _pairs(text: str) -> list[tuple[str, str]]:
    words = shlex.split(text)
    if words and "=" not in words[0]:
        return [(words[0], text.partition(" ")[2].strip())]
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


def _argv(text: str) -> list[str]:
    if text.startswith("["):
        try:
            return [str(word) for word in json.loads(text)]
        except ValueError as error:
            raise BuildFailed(f"dockerfile parse error: {text}") from error
    return ["/bin/sh", "-c", text]
