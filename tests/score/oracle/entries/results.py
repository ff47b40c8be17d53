"""A run that returns, or raises, what it is asked for."""

import json


def init():
    pass


def run(data):
    kind = json.loads(data)["kind"]
    if kind == "raise":
        raise ValueError("secret detail")
    if kind == "timeout_error":
        raise TimeoutError("of my own")
    if kind == "exit":
        raise SystemExit(7)
    return {
        "none": None,
        "true": True,
        "zero": 0,
        "float": 0.1 + 0.2,
        "big": 10**30,
        "text": "plain text",
        "unicode": "żółć 🎉 \u2028",
        "surrogate": "\ud800",
        "empty": "",
        "list": [],
        "tuple": (1, 2),
        "nested": {"a": [{"b": None}]},
        "intkeys": {1: "a", None: "b"},
        "nan": float("nan"),
        "inf": [1.0, float("inf")],
        "set": {1},
        "bytes": b"abc",
        "object": object(),
    }[kind]
