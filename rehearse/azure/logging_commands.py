"""Logging commands: ``##vso[area.action key=value;...]text`` lines by which a script talks to the service.

Source: learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rehearse.errors import NotRehearsed

_LINE = re.compile(r"##vso\[(?P<name>[\w.]+)(?:\s+(?P<properties>[^\]]*))?\](?P<text>.*)$", re.IGNORECASE)
_ESCAPES = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))
KNOWN = (
    "task.setvariable",
    "task.complete",
    "task.logissue",
    "task.setprogress",
    "task.setsecret",
    "task.prependpath",
    "task.uploadsummary",
    "task.debug",
    "build.addbuildtag",
    "build.updatebuildnumber",
    "artifact.upload",
)


@dataclass(frozen=True)
class Command:
    """One logging command; names of properties are in lower case."""

    name: str
    properties: dict[str, str]
    text: str

    def flag(self, name: str) -> bool:
        """Whether a property is ``true``."""
        return self.properties.get(name.lower(), "").lower() == "true"


def read(line: str, where: str | None = None) -> Command | None:
    """The command in a line of output, if it has one.

    Raises
    ------
    NotRehearsed
        The command is not known here.
    """
    match = _LINE.search(line)
    if match is None:
        return None
    name = match["name"].lower()
    if name not in KNOWN:
        raise NotRehearsed(f"the logging command ##vso[{match['name']}] is not known here", where=where)
    properties: dict[str, str] = {}
    for part in (match["properties"] or "").split(";"):
        key, equals, value = part.strip().partition("=")
        if key and equals:
            properties[key.strip().lower()] = unescape(value)
    return Command(name, properties, unescape(match["text"]))


def unescape(text: str) -> str:
    """Undo the escapes of logging commands."""
    for mark, character in _ESCAPES:
        text = text.replace(mark, character)
    return text
