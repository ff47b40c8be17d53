"""Telemetry goes nowhere."""

from __future__ import annotations

import requests


def test_items_are_accepted(azure):
    for path in ("v2/track", "v2.1/track"):
        answer = requests.post(f"https://dc.services.visualstudio.com/{path}", json=[{"name": "a"}, {"name": "b"}])
        assert answer.json() == {"itemsReceived": 2, "itemsAccepted": 2, "errors": []}
    lines = b'{"name": "a"}\n{"name": "b"}\n'
    answer = requests.post("https://dc.services.visualstudio.com/v2/track", data=lines)
    assert answer.json()["itemsAccepted"] == 2
