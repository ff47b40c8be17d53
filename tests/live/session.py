"""One live run: its workspace, made when the first test asks for it, and its evidence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.core.verified import FILE
from registry.azure.sign_in import Account
from registry.azure.workspace import AzureWorkspace
from tests.live.evidence import OTHER_FILE, Evidence
from tests.live.workspace import drop, make, purge


class Live:
    """A run. At its end the workspace is deleted, also after failures; then the evidence is written."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self.account: Account = make(os.environ)

    @contextmanager
    def test(self, request: pytest.FixtureRequest) -> Iterator[Account]:
        """One test, in an empty workspace."""
        session = request.session
        failed = session.testsfailed
        with self.evidence.test(lambda: session.testsfailed == failed):
            yield self.account
        purge(AzureWorkspace(self.account))

    def close(self) -> None:
        """Clear away; say what was proved."""
        try:
            drop(AzureWorkspace(self.account).sdk)
        finally:
            self.evidence.write(Path(os.environ.get(OTHER_FILE, FILE)))


_KEY = pytest.StashKey[Live]()


def live_run(config: pytest.Config) -> Live:
    """The run of this pytest session."""
    live = config.stash.get(_KEY, None)
    if live is None:
        live = config.stash[_KEY] = Live()
        config.add_cleanup(live.close)
    return live
