"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selection import unwanted

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests that press it could not.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The SDK reads its back-off when it is first imported, and one test in a process may do that outside of the fake: the
# fault tests after it would wait 32 s for each answer of 429.
for code in ("", "500_", "503_"):
    os.environ[f"AZUREML_DEFAULT_{code}BACKOFF"] = "0"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Load no file of which no test would run: each process of `make test-fast` would take seconds for them."""
    if collection_path.suffix != ".py" or not config.option.markexpr:
        return None
    return unwanted(collection_path.read_text(encoding="utf-8"), config.option.markexpr) or None


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """Put the variables back after all else: `monkeypatch` may restore what a fake had set that ended before it."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def no_docker_unless_marked(
    request: pytest.FixtureRequest, environment_as_it_was: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test without the mark `docker` cannot reach an engine, not even on a machine that has one."""
    if request.node.get_closest_marker("docker") is None:
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
