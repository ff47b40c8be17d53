"""Notes which operations the tests reach, with which status, for the coverage page (see coverage.py)."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from fakes.core.requestlog import RequestLog

FOLDER = "FAKES_COVERAGE_DIR"


class Recorder:
    """Wraps the request log of every fake while the tests run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._seen: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.test = ""
        add = RequestLog.add

        def recorded(log: RequestLog, **entry: Any) -> None:
            self._seen[entry["operation"]][entry["status"]].add(self.test)
            add(log, **entry)

        RequestLog.add = recorded  # type: ignore[method-assign]

    def begin(self, test: str) -> None:
        """Note which test runs; write now and then, so that a run that is cut short is not lost."""
        self.test = test
        self._started += 1
        if self._started % 10 == 0:
            self.write()

    def write(self) -> None:
        """Write what was seen."""
        self._folder.mkdir(parents=True, exist_ok=True)
        worker = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{os.getpid()}"
        seen = {op: {str(s): sorted(t) for s, t in statuses.items()} for op, statuses in self._seen.items()}
        (self._folder / f"{worker}.json").write_text(json.dumps(seen))


def recorder() -> Recorder | None:
    """Return a recorder when the environment asks for one."""
    folder = os.environ.get(FOLDER)
    return Recorder(Path(folder)) if folder else None
