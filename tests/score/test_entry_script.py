"""The kit's entry script, in a host: what it refuses and how, binary bodies, and anything at all (Hypothesis)."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.score.client import Answer, call, score
from tests.score.hosts import Host

SLOW_MACHINES = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
FINITE = st.floats(-1e6, 1e6)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


GOOD = [0.5] * 10


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        ({"rows": [GOOD]}, 'the key "data"'),
        ([GOOD], 'the key "data"'),
        ({"data": []}, "no rows"),
        ({"data": {}}, "list of rows"),
        ({"data": [GOOD, GOOD[:9]]}, "Row 1 has 9 values, expected 10"),
        ({"data": [GOOD[:9]]}, "Row 0 has 9 values, expected 10"),
        ({"data": [[*GOOD, 1]]}, "Row 0 has 11 values, expected 10"),
        ({"data": GOOD}, "Row 0 is not a list"),
        ({"data": [GOOD, [*GOOD[:4], "abc", *GOOD[5:]]]}, "Row 1, column 4 is 'abc', not a number"),
        ({"data": [GOOD, [*GOOD[:4], None, *GOOD[5:]]]}, "Row 1, column 4 is null"),
        ({"data": [[*GOOD[:9], [1]]]}, "Row 0, column 9 is a list"),
        ({"data": [[[1]] * 10]}, "Row 0, column 0 is a list"),
        ({"data": [[*GOOD[:9], 10**400]]}, "Row 0, column 9 is an integer too large"),
        ({"data": [[*GOOD[:9], float("nan")]]}, "Row 0, column 9 is nan"),
        ({"data": [[*GOOD[:9], float("-inf")]]}, "Row 0, column 9 is -inf"),
        (b'{"data": [[1,2,3,4,5,6,7,8,9,1e999]]}', "Row 0, column 9 is inf"),
        (b'{"data": [[' + b"9" * 5000 + b"]]}", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"data": ' + b"[" * 100_000, "not JSON"),
    ],
)
def test_refusals_say_where(served: Host, body: Any, message: str) -> None:
    answer = score(served.port, body)
    assert answer.status == 400
    assert message in answer.json()["message"]
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert answer.headers["x-model-digest"] == served.ready["model_digest"]


def test_binary_in_and_out(served: Host, diabetes: tuple[Any, np.ndarray]) -> None:
    model, rows = diabetes
    for sent in (rows, rows.astype(np.float32), np.asfortranarray(rows), np.ones((3, 10), dtype=np.int16)):
        answer = call(served.port, "POST", "/score", npy(sent), Content_Type="application/x-npy")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/x-npy")
        np.testing.assert_allclose(np.load(io.BytesIO(answer.body)), model.predict(sent.astype(float)), rtol=1e-9)


def test_binary_in_json_out_and_the_reverse(served: Host, diabetes: tuple[Any, np.ndarray]) -> None:
    model, rows = diabetes
    answer = call(
        served.port, "POST", "/score", npy(rows[:2]), Content_Type="application/x-npy", Accept="application/json"
    )
    np.testing.assert_allclose(answer.json()["result"], model.predict(rows[:2]))
    answer = score(served.port, {"data": rows[:2].tolist()}, Accept="application/x-npy")
    np.testing.assert_allclose(np.load(io.BytesIO(answer.body)), model.predict(rows[:2]))


@pytest.mark.parametrize(
    "body",
    [
        npy(np.ones(10)),
        npy(np.ones((1, 1, 10))),
        npy(np.ones((2, 9))),
        npy(np.ones((0, 10))),
        npy(np.array([["a"] * 10])),
        npy(np.full((1, 10), np.nan)),
        npy(np.ones((2, 10), dtype=complex)),
        npy(np.array([[object()] * 10], dtype=object)),
        npy(np.ones((2, 10)))[:-1],
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04" + b"\0" * 100,
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999, 10), }".ljust(128),
    ],
)
def test_bad_binary_is_refused(served: Host, body: bytes) -> None:
    assert call(served.port, "POST", "/score", body, Content_Type="application/x-npy").status == 400


def check(answer: Answer) -> None:
    """What holds for every answer, whatever was sent."""
    assert answer.status in (200, 400, 415)
    document = answer.json()
    if answer.status == 200:
        assert all(isinstance(value, float) and math.isfinite(value) for value in document["result"])
    else:
        assert document["message"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=11) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=30,
)


@SLOW_MACHINES
@given(st.binary(max_size=300))
def test_any_bytes(served: Host, body: bytes) -> None:
    check(score(served.port, body))


@SLOW_MACHINES
@given(JSON_VALUES)
def test_any_json(served: Host, value: Any) -> None:
    check(score(served.port, {"data": value}))


@SLOW_MACHINES
@given(st.lists(st.lists(st.none() | st.floats() | st.integers() | st.text(max_size=3), min_size=9, max_size=11)))
def test_any_table(served: Host, rows: Any) -> None:
    check(score(served.port, {"data": rows}))


@SLOW_MACHINES
@given(arrays(np.float64, st.tuples(st.integers(1, 20), st.just(10)), elements=FINITE))
def test_any_numbers_are_predicted_as_the_model_does(
    served: Host, diabetes: tuple[Any, np.ndarray], rows: np.ndarray
) -> None:
    expected = diabetes[0].predict(rows)
    as_json = score(served.port, {"data": rows.tolist()}).json()["result"]
    as_npy = call(served.port, "POST", "/score", npy(rows), Content_Type="application/x-npy").body
    np.testing.assert_allclose(as_json, expected, rtol=1e-9)
    np.testing.assert_array_equal(np.load(io.BytesIO(as_npy)), np.array(as_json))


def test_result_that_is_not_finite_is_an_error(served: Host) -> None:
    answer = score(served.port, {"data": [GOOD, [1.7e308] * 10]})
    assert answer.status == 500
    assert "row 1 is not a finite number" in answer.json()["message"]


def test_large_batch(served: Host, diabetes: tuple[Any, np.ndarray]) -> None:
    model, rows = diabetes
    many = np.tile(rows, (20, 1))
    np.testing.assert_allclose(
        score(served.port, {"data": many.tolist()}).json()["result"], model.predict(many), rtol=1e-9
    )


def test_answer_is_compact_json(served: Host) -> None:
    body = score(served.port, {"data": [GOOD]}).body
    assert json.dumps(json.loads(body), separators=(",", ":")).encode() == body
