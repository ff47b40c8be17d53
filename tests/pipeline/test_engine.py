"""What becomes of work whose engine loses workers; on real clusters: ``tox -e dask,ray``."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import pytest
from joblib import delayed

from pipeline.engine import TRIES, Workers, again, engine
from pipeline.errors import EngineUnavailable


class RayActorError(Exception):
    """Looks like Ray's, which is not installed here."""

    __module__ = "ray.exceptions"


class ActorDiedError(RayActorError):
    """As Ray derives it."""


def test_work_begins_anew_when_a_worker_was_lost() -> None:
    calls: list[int] = []

    def work() -> str:
        calls.append(1)
        if len(calls) < TRIES:
            raise ActorDiedError("the worker died")
        return "done"

    assert again(work) == "done"
    assert len(calls) == TRIES


def test_a_cluster_that_loses_worker_after_worker_is_unavailable() -> None:
    def work() -> None:
        raise ActorDiedError("the worker died")

    with pytest.raises(EngineUnavailable, match=f"lost workers {TRIES} times: the worker died"):
        again(work)


def test_tasks_in_order_anew_after_a_loss_and_their_own_errors_at_once() -> None:
    losses = [ActorDiedError("gone")]

    def square(number: int) -> int:
        if losses:
            raise losses.pop()
        return number**2

    def broken(number: int) -> int:
        losses.append(ActorDiedError("not looked at"))
        raise ValueError(f"{number} is wrong")

    with engine("threading", n_jobs=2), Workers() as workers:
        assert workers([delayed(square)(number) for number in range(5)]) == [0, 1, 4, 9, 16]
        with pytest.raises(ValueError, match="0 is wrong"):
            workers([delayed(broken)(0)])


class TimedOut(Exception):
    """``asyncio.TimeoutError`` of Python 3.10, which is no built-in ``TimeoutError`` there."""


class NoCluster:
    """Looks like Dask's client, which is not installed here; nothing answers, or it has no workers."""

    answers = False

    def __init__(self, address: str, **options: object) -> None:
        if not self.answers:
            raise TimedOut(address)

    def __enter__(self) -> NoCluster:
        return self

    def __exit__(self, *_: object) -> None: ...

    def wait_for_workers(self, count: int, timeout: float) -> None:
        raise TimedOut(f"{count} workers after {timeout} s")


@pytest.mark.parametrize(("answers", "message"), [(False, "no dask scheduler answers"), (True, "has no workers")])
def test_a_dask_cluster_that_lets_one_wait_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, answers: bool, message: str
) -> None:
    distributed = ModuleType("distributed")
    distributed.__dict__["Client"] = NoCluster
    monkeypatch.setitem(sys.modules, "distributed", distributed)
    monkeypatch.setattr(asyncio, "TimeoutError", TimedOut)
    monkeypatch.setattr(NoCluster, "answers", answers)
    with pytest.raises(EngineUnavailable, match=message), engine("dask", "tcp://127.0.0.1:8786"):
        pytest.fail("there is no cluster")
