"""The router, and the gateway program where the services' suites do not look."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from deploy.local.routing import Router, percentile


def write(path: Path, shares: dict[str, int], generation: int = 1, **more: Any) -> None:
    revisions = [
        {"id": name, "port": 1000 + index, "traffic": share, "phase": "serving", **more}
        for index, (name, share) in enumerate(shares.items())
    ]
    other = path.with_suffix(".new")
    other.write_text(json.dumps({"generation": generation, "revisions": revisions}))
    other.replace(path)


def pick(router: Router, times: int) -> list[str]:
    chosen = []
    for _ in range(times):
        upstream = router.enter()
        assert upstream is not None
        router.leave(upstream, 200, time.perf_counter())
        chosen.append(upstream.id)
    return chosen


def test_shares_are_exact_and_spread(tmp_path: Path) -> None:
    document = tmp_path / "service.json"
    write(document, {"r1": 70, "r2": 20, "r3": 10})
    chosen = pick(Router(document), 100)
    assert [chosen.count(name) for name in ("r1", "r2", "r3")] == [70, 20, 10]
    assert chosen[:10].count("r3") == 1  # not the last ten in a row


def test_the_file_is_followed_at_once(tmp_path: Path) -> None:
    document = tmp_path / "service.json"
    write(document, {"r1": 100})
    router = Router(document)
    assert set(pick(router, 5)) == {"r1"}
    write(document, {"r1": 0, "r2": 100}, generation=2)
    assert set(pick(router, 5)) == {"r2"}
    assert router.document()["generation"] == 2


def test_a_damaged_file_changes_nothing(tmp_path: Path) -> None:
    document = tmp_path / "service.json"
    write(document, {"r1": 100})
    router = Router(document)
    pick(router, 1)
    document.write_text("{")
    assert set(pick(router, 5)) == {"r1"}
    document.unlink()
    assert set(pick(router, 5)) == {"r1"}


def test_one_that_starts_gets_nothing(tmp_path: Path) -> None:
    document = tmp_path / "service.json"
    write(document, {"r1": 100}, phase="starting")
    router = Router(document)
    assert router.enter() is None
    assert router.enter("r1") is None


def test_one_that_left_counts_until_its_last_answer(tmp_path: Path) -> None:
    document = tmp_path / "service.json"
    write(document, {"r1": 100})
    router = Router(document)
    slow = router.enter()
    assert slow is not None
    write(document, {"r2": 100})
    assert {item["id"]: item["in_flight"] for item in router.document()["revisions"]} == {"r1": 1, "r2": 0}
    router.leave(slow, 200, time.perf_counter())
    assert router.in_flight() == 0


def test_asking_for_one_revision(tmp_path: Path) -> None:
    document = tmp_path / "service.json"
    write(document, {"r1": 100, "r2": 0})
    router = Router(document)
    upstream = router.enter("r2")
    assert upstream is not None and upstream.id == "r2"
    router.leave(upstream, 500, time.perf_counter())
    assert router.enter("r3") is None
    counts = {item["id"]: item for item in router.document()["revisions"]}
    assert (counts["r2"]["errors"], counts["r2"]["statuses"], counts["r1"]["requests"]) == (1, {"500": 1}, 0)
    router.reset()
    assert router.document()["revisions"][1]["requests"] == 0


def test_percentiles() -> None:
    assert percentile([], 50) is None
    seconds = [number / 1000 for number in range(1, 101)]
    assert [percentile(seconds, q) for q in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([0.002], 99) == 2
