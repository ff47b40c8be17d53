"""``score/swagger3.json`` says what the entry script accepts and answers: requests come from it, answers fit it."""

from __future__ import annotations

import copy
import io
import json
from functools import cache
from typing import Any
from urllib.parse import quote

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.schemas import Draft202012Validator, checked
from tests.score.client import Answer, call, score
from tests.score.hosts import Host
from tests.score.openapi import document, narrowed, resolved, values

FEATURES = 10
NARROW = narrowed(FEATURES)
DOCUMENT = resolved(document(), document())
POST = DOCUMENT["paths"]["/score"]["post"]
INPUT = resolved(NARROW["components"]["schemas"]["ServiceInput"], NARROW)
WIDE = POST["requestBody"]["content"]["application/json"]["schema"]
WIDE_VALIDATOR, INPUT_VALIDATOR = checked(WIDE), checked(INPUT)
# More text than the pattern promises holds a number (" 1", "1e5", "1_000"), and large finite numbers may do.
LOOSE = copy.deepcopy(INPUT)
LOOSE["properties"]["data"]["items"]["items"] = {"type": ["number", "boolean", "string"]}
LOOSE_VALIDATOR = checked(LOOSE)
few = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def body_of(path: str, method: str, status: str, kind: str) -> Draft202012Validator:
    """What the document says of a body."""
    return checked(DOCUMENT["paths"][path][method]["responses"][status]["content"][kind]["schema"])


@cache
def header_of(path: str, method: str, status: str, name: str) -> Draft202012Validator:
    """What the document says of a header."""
    return checked(DOCUMENT["paths"][path][method]["responses"][status]["headers"][name]["schema"])


def check(answer: Answer, path: str = "/score", method: str = "post") -> Answer:
    """The document lists this status, and its body and headers fit."""
    said = DOCUMENT["paths"][path][method]["responses"]
    assert str(answer.status) in said, (answer.status, answer.body[:300])
    response = said[str(answer.status)]
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if "content" in response:
        assert kind in response["content"]
        if kind == "application/json":
            body_of(path, method, str(answer.status), kind).validate(answer.json())
    else:
        assert answer.body == b""
    for name in response.get("headers", {}):
        if name.lower() in answer.headers:
            header_of(path, method, str(answer.status), name).validate(answer.headers[name.lower()])
    if method == "post":
        promised = {"x-request-id", "x-ms-request-id", "x-ms-run-function-failed"} & {*response["headers"]}
        assert promised <= {*answer.headers}
    return answer


@few
@given(body=values(INPUT))
def test_what_the_document_allows_is_scored(served: Host, body: Any) -> None:
    WIDE_VALIDATOR.validate(body)
    answer = check(score(served.port, body))
    assert answer.status == 200, (body, answer.body)
    assert len(answer.json()["result"]) == len(body["data"])
    assert answer.headers["x-model-digest"] == served.ready["model_digest"]


@few
@given(body=values(INPUT))
def test_query_is_scored_like_a_body(served: Host, body: Any) -> None:
    target = f"/score?data={quote(json.dumps(body['data']))}"
    assume(len(target) < 8000)
    answer = check(call(served.port, "GET", target), method="get")
    assert answer.json() == score(served.port, body).json()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.just("data"), inner, max_size=3)
    ),
    max_leaves=12,
)


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """A good body with one thing in it replaced, removed or added: mostly no longer good."""
    body = copy.deepcopy(draw(values(INPUT)))
    rows = body["data"]
    row = draw(st.integers(0, len(rows) - 1))
    how = draw(st.sampled_from(("value", "row", "data", "shorter", "longer", "empty", "body")))
    if how == "value":
        rows[row][draw(st.integers(0, FEATURES - 1))] = draw(JUNK)
    elif how == "row":
        rows[row] = draw(JUNK)
    elif how == "data":
        body["data"] = draw(JUNK)
    elif how == "shorter":
        rows[row].pop()
    elif how == "longer":
        rows[row].append(0.5)
    elif how == "empty":
        rows.clear()
    else:
        body = draw(JUNK)
    return body


def fits(body: Any) -> bool:
    """Whether the narrow document allows it."""
    try:
        json.dumps(body, allow_nan=False)
    except ValueError:
        return False
    return INPUT_VALIDATOR.is_valid(body)


@few
@given(body=broken())
def test_what_the_document_does_not_allow_is_a_400_that_it_describes(served: Host, body: Any) -> None:
    answer = check(score(served.port, body))
    if fits(body):
        assert answer.status == 200
    elif answer.status == 200:
        LOOSE_VALIDATOR.validate(body)
    elif answer.status == 500:
        assert b"is not a finite number" in answer.body  # finite input, but beyond what the model can multiply
    else:
        assert answer.status == 400
        assert answer.json()["message"]


@few
@given(body=st.binary(max_size=300), kind=st.sampled_from(sorted(POST["requestBody"]["content"])))
def test_bytes_never_get_an_undocumented_answer(served: Host, body: bytes, kind: str) -> None:
    assert check(score(served.port, body, Content_Type=kind)).status == 400


@few
@given(rows=st.integers(1, 4), dtype=st.sampled_from(("f8", "f4", "i4", "u1", "?")), fortran=st.booleans())
def test_arrays_are_scored(served: Host, rows: int, dtype: str, fortran: bool) -> None:
    array = np.arange(rows * FEATURES).reshape(rows, FEATURES).astype(dtype)
    file = io.BytesIO()
    np.save(file, np.asfortranarray(array) if fortran else array)
    answer = check(score(served.port, file.getvalue(), Content_Type="application/x-npy"))
    assert answer.status == 200
    assert np.load(io.BytesIO(answer.body), allow_pickle=False).shape == (rows,)


def test_other_operations(served: Host) -> None:
    for path in ("/", "/livez", "/readyz"):
        assert check(call(served.port, "GET", path), path, "get").status == 200
        assert check(call(served.port, "GET", path, x_request_id="x" * 101), path, "get").status == 431
    assert check(call(served.port, "OPTIONS", "/score"), method="options").status == 200
    versions = DOCUMENT["paths"]["/swagger.json"]["get"]["parameters"][0]["schema"]["enum"]
    for version in versions:
        answer = call(served.port, "GET", f"/swagger.json?version={version}")
        assert check(answer, "/swagger.json", "get").status == 200
    assert check(call(served.port, "GET", "/swagger.json?version=9"), "/swagger.json", "get").status == 404


def test_the_document_is_what_the_service_serves(served: Host) -> None:
    assert call(served.port, "GET", "/swagger.json?version=3").json() == document()


def test_the_example_is_scored(served: Host) -> None:
    assert check(score(served.port, WIDE["example"])).status == 200
