"""Where our answers differ from those of Azure's server: every difference is one of these, and each is documented."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .corpus import Case

IDS = {"x-request-id", "x-ms-request-id", "x-ms-client-request-id", "x-ms-server-version", "traceid"}
FAILED = "x-ms-run-function-failed"


@dataclass(frozen=True)
class Difference:
    """A row of docs/scoring-contract.md.

    `cases` is matched against ``group/case id``; `theirs` and `ours` are the statuses; `fields` may differ.
    """

    id: str
    cases: str
    theirs: tuple[int | None, ...]
    ours: tuple[int, ...]
    fields: frozenset[str]

    def covers(self, group: str, case: Case, theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
        """Whether this row explains the difference."""
        return (
            re.fullmatch(self.cases, f"{group}/{case.id}") is not None
            and theirs["status"] in self.theirs
            and ours["status"] in self.ours
            and changed(theirs, ours) <= self.fields
        )


def changed(theirs: dict[str, Any], ours: dict[str, Any]) -> set[str]:
    """What differs: ``status``, ``body`` and names of headers."""
    a, b = theirs.get("headers", {}), ours.get("headers", {})
    names = {name for name in {*a, *b} if a.get(name) != b.get(name)}
    return names | {name for name in ("status", "body") if theirs.get(name) != ours.get(name)}


def row(id_: str, cases: str, theirs: Any, ours: Any, *fields: str) -> Difference:
    """Build a row."""
    return Difference(id_, cases, theirs, ours, frozenset(fields))


DIFFERENCES = (
    row("form-body", r"plain/(type|form)_(application/x-www-form-urlencoded|multipart.*)", (200,), (200,), "body"),
    row("ids-on-errors", r".*", (404,), (404,), *IDS),
    row("allow-on-405", r".*", (405,), (405,), "allow", "x-model-digest", *IDS),
    row("schema-misfit", r"(numpy|standard|pandas)/.*", (500,), (400,), "status", "body", FAILED),
    row("unreadable-json", r"numpy/body_(5000_digits|bad_utf8|latin1|nested_100000)", (500,), (400,), "status", "body"),
    row("not-finite", r"(numpy/body_.*|results/kind_(nan|inf))", (200,), (500,), "status", "body", FAILED),
    row("empty-id", r"plain/id_empty", (200,), (200,), "x-request-id", "x-ms-request-id"),
    row("exit", r"results/kind_exit", (500,), (500,), "body", "content-type", FAILED, *IDS),
)
