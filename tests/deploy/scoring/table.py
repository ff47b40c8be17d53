"""The table of docs/scoring-contract.md that says where answers differ, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "scoring-contract.md"
HEADING = "## Local service, ACI, AKS"
CONTAINERS = "the container's"
"""In the table: the headers below, which are there where the container answered and not where a front end did."""
CONTAINER_HEADERS = frozenset(
    ("x-model-digest", "x-ms-run-fn-exec-ms", "x-ms-run-function-failed", "x-ms-server-version", "x-request-id")
)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """One difference.

    `cases` are ids of the corpus, or ``*``; `statuses` are those of local service, ACI and AKS, ``None`` where the row
    says nothing of them; `fields` may differ.
    """

    id: str
    cases: frozenset[str]
    statuses: tuple[int | None, ...]
    fields: frozenset[str]

    def about(self, case: str) -> bool:
        """Whether this row is about a request."""
        return case in self.cases or "*" in self.cases


def rows(page: Path = PAGE) -> list[Row]:
    """Read the table."""
    section = page.read_text("utf-8").partition(HEADING)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [_row([cell.strip() for cell in line.strip("|").split(" | ")]) for line in lines]


def _row(cells: list[str]) -> Row:
    name, cases, local, aci, aks, differs, _source = cells
    fields = set(_CODE.findall(differs))
    if CONTAINERS in differs:
        fields.add(CONTAINERS)
    numbers = (re.match(r"(\d{3})\b", cell) for cell in (local, aci, aks))
    return Row(
        id=name.strip("`"),
        cases=frozenset(_CODE.findall(cases)),
        statuses=tuple(int(found[1]) if found else None for found in numbers),
        fields=frozenset(fields),
    )


def folded(fields: set[str]) -> set[str]:
    """Observed fields with the container's headers as one."""
    others = fields - CONTAINER_HEADERS
    return others | {CONTAINERS} if others != fields else fields
