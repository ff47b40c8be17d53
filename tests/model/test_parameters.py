from __future__ import annotations

from typing import Any

import pytest

from model.errors import BadParameter
from model.parameters import Parameter, resolve

KNOWN = {
    "alpha": Parameter(0.5, minimum=0, maximum=10),
    "depth": Parameter(3, minimum=1),
    "solver": Parameter("auto", choices=("auto", "svd")),
    "scale": Parameter(True),
}


def test_defaults() -> None:
    assert resolve(KNOWN, {}) == {"alpha": 0.5, "depth": 3, "scale": True, "solver": "auto"}


def test_types_of_values_from_text() -> None:
    given = {"alpha": "2", "depth": "4", "scale": "false", "solver": "svd"}
    assert resolve(KNOWN, given) == {"alpha": 2.0, "depth": 4, "scale": False, "solver": "svd"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("alpha", -1, "alpha is -1; it must not be less than 0"),
        ("alpha", 11, "must not be more than 10"),
        ("alpha", "nan", "finite"),
        ("alpha", float("inf"), "finite"),
        ("alpha", "much", "must be a number"),
        ("alpha", None, "must be a number"),
        ("alpha", True, "must be a number"),
        ("depth", 2.5, "must be a whole number"),
        ("depth", "2.5", "must be a whole number"),
        ("depth", 1e400, "must be a whole number"),
        ("solver", "magic", "must be one of auto, svd"),
        ("scale", "maybe", "must be true or false"),
    ],
)
def test_out_of_range(name: str, value: Any, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        resolve(KNOWN, {name: value})


def test_unknown_names_the_nearest() -> None:
    with pytest.raises(BadParameter, match="no training parameter 'alhpa'") as caught:
        resolve(KNOWN, {"alhpa": 1})
    assert caught.value.hint == "did you mean alpha?"
