"""Read test results (JUnit) and coverage (Cobertura), as the publishing tasks do."""

from __future__ import annotations

import glob
from pathlib import Path
from xml.etree import ElementTree

from rehearse.errors import RehearseError


def find(patterns: str, base: Path) -> list[Path]:
    """Files below `base` that match one of the lines of `patterns`."""
    found: list[Path] = []
    for line in patterns.splitlines():
        pattern = line.strip()
        if pattern:
            full = pattern if Path(pattern).is_absolute() else str(base / pattern)
            found.extend(Path(name) for name in sorted(glob.glob(full, recursive=True)) if Path(name).is_file())  # noqa: PTH207
    return list(dict.fromkeys(found))


def _parse(path: Path) -> ElementTree.Element:
    try:
        # The files were written by the steps of this rehearsal, on this machine.
        return ElementTree.parse(path).getroot()  # noqa: S314
    except ElementTree.ParseError as error:
        raise RehearseError(f"{path.name} is no XML: {error}") from None


def tests(files: list[Path]) -> tuple[int, int, int]:
    """Numbers of tests, failures (errors included) and skipped ones."""
    total = failed = skipped = 0
    for path in files:
        root = _parse(path)
        for suite in [root] if root.tag == "testsuite" else root.iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    return total, failed, skipped


def coverage(path: Path) -> float:
    """Share of lines that were run, between 0 and 1."""
    root = _parse(path)
    rate = root.get("line-rate")
    if rate is None:
        raise RehearseError(f"{path.name} is no Cobertura report: it has no line-rate")
    return float(rate)
