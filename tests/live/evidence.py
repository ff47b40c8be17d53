"""Which operations of the fake a live run has compared with Azure: those that its passed tests were answered to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter

from fakes.core import hosts
from fakes.core.application import discover
from fakes.core.routing import Router
from fakes.core.verified import FILE

OTHER_FILE = "MLOPS_LIVE_EVIDENCE"
"""Variable: where to write instead. A run against the fake proves nothing of Azure and may write nowhere else."""


class Evidence:
    """Notes what Azure answers while a test runs, and keeps it when the test has passed."""

    def __init__(self) -> None:
        self.operations: set[str] = set()
        self.from_the_fake = False
        self._seen: set[str] = set()
        self._routers: dict[str, Router] = {}
        for service in discover():
            router = self._routers.setdefault(service.family, Router())
            for route in service.routes:
                router.add(route, service)

    @contextmanager
    def test(self, passed: Callable[[], bool]) -> Iterator[None]:
        """While a test runs; `passed` is asked at its end."""
        self._seen = set()
        before: Any = HTTPAdapter.send

        def send(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            answer = before(adapter, request, *args, **kwargs)
            self.note(str(request.method), str(request.url), answer.status_code, answer.headers.get("Server", ""))
            return answer

        HTTPAdapter.send = send  # type: ignore[method-assign]
        try:
            yield
        finally:
            HTTPAdapter.send = before  # type: ignore[method-assign]
        if passed():
            self.operations |= self._seen

    def note(self, method: str, url: str, status: int, server: str = "") -> None:
        """One answer. Only successes count: a refusal may have another reason than the one that a test wants."""
        parts = urlsplit(url)
        router = self._routers.get(hosts.family_of(parts.netloc) or "")
        found = router.match(method, parts.path, dict(parse_qsl(parts.query))) if router else None
        if found is not None and status < 400:
            self._seen.add(found[0].operation)
            self.from_the_fake |= server.startswith("fakes")

    def write(self, path: Path = FILE) -> None:
        """Add what was proved to the file.

        Raises
        ------
        RuntimeError
            It was the fake that answered, and `path` is the file that says what Azure does.
        """
        if self.from_the_fake and path == FILE:
            raise RuntimeError(f"these tests ran against the fake: {FILE.name} is for what Azure itself answered")
        if not self.operations:
            return
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        now = {"date": datetime.now(timezone.utc).date().isoformat(), "sdk": metadata.version("azureml-core")}
        document = {**known, **dict.fromkeys(self.operations, now)}
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")
