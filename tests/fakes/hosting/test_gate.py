"""The queue before a service."""

from __future__ import annotations

import threading

import pytest

from fakes.hosting.gate import Gate, Overloaded


def test_no_more_than_its_slots_at_once() -> None:
    gate = Gate(1)
    with gate.slot(0):
        assert gate.busy == 1
        with pytest.raises(Overloaded), gate.slot(0):
            pass
    with gate.slot(0):
        pass


def test_waits_for_requests_that_are_on_their_way() -> None:
    gate = Gate(1)
    assert gate.drained(0)
    here, go = threading.Event(), threading.Event()

    def ask() -> None:
        with gate.present():
            here.set()
            go.wait(10)

    thread = threading.Thread(target=ask)
    thread.start()
    here.wait(10)
    assert not gate.drained(0)
    threading.Timer(0, go.set).start()
    assert gate.drained(10)
    thread.join()
