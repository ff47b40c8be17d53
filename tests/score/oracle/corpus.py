"""The corpus: entry scripts, and requests to each. Every request goes to Azure's server and to ours."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
ROWS = {"data": [[1, 2, 3], [4, 5, 6]]}


def npy(rows: int, columns: int) -> bytes:
    """A NumPy ``.npy`` file of float64 ones, made by hand (NumPy's format, version 1.0)."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    values = struct.pack(f"<{rows * columns}d", *[1.0] * (rows * columns))
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + values


NPY, NPY_WIDE = npy(2, 3), npy(2, 4)


@dataclass(frozen=True)
class Case:
    """One request."""

    id: str
    method: str = "POST"
    target: str = "/score"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON),)
    body: bytes = b""


@dataclass(frozen=True)
class Group:
    """One server: an entry script and its environment variables, with its requests."""

    entry: str
    name: str
    cases: tuple[Case, ...]
    env: dict[str, str] = field(default_factory=dict)
    model: str = "."
    """The model folder, relative to the folder of this file."""


def post(id_: str, body: Any, *headers: tuple[str, str], target: str = "/score", kind: str | None = JSON) -> Case:
    """A POST; `body` is sent as it is when it is bytes, else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = ((("Content-Type", kind),) if kind is not None else ()) + headers
    return Case(id_, "POST", target, given, data)


def get(id_: str, target: str, *headers: tuple[str, str], method: str = "GET") -> Case:
    """A request without a body."""
    return Case(id_, method, target, headers)


BODIES: dict[str, bytes] = {
    "good": json.dumps(ROWS).encode(),
    "empty": b"",
    "space": b"  \n\t ",
    "null": b"null",
    "true": b"true",
    "list": b"[]",
    "object": b"{}",
    "text": b'"text"',
    "number": b"12",
    "truncated": b'{"data": [[1, 2',
    "trailing": b'{"data": [[1,2,3]]} x',
    "two_documents": b'{"data": [[1,2,3]]}{"data": [[1,2,3]]}',
    "single_quotes": b"{'data': [[1,2,3]]}",
    "comment": b'{"data": [[1,2,3]] /* three */}',
    "trailing_comma": b'{"data": [[1,2,3],]}',
    "duplicate_key": b'{"data": [[0,0,0]], "data": [[1,2,3]]}',
    "extra_key": b'{"data": [[1,2,3]], "more": 1}',
    "wrong_case": b'{"Data": [[1,2,3]]}',
    "other_key": b'{"rows": [[1,2,3]]}',
    "null_data": b'{"data": null}',
    "text_data": b'{"data": "1,2,3"}',
    "scalar_data": b'{"data": 1}',
    "no_rows": b'{"data": []}',
    "empty_row": b'{"data": [[]]}',
    "one_row": b'{"data": [[1,2,3]]}',
    "flat": b'{"data": [1,2,3]}',
    "deep": b'{"data": [[[1,2,3]]]}',
    "ragged": b'{"data": [[1,2,3],[1,2]]}',
    "narrow": b'{"data": [[1,2]]}',
    "wide": b'{"data": [[1,2,3,4]]}',
    "words": b'{"data": [["a","b","c"]]}',
    "numeric_text": b'{"data": [["1","2","3"]]}',
    "booleans": b'{"data": [[true,false,true]]}',
    "null_cell": b'{"data": [[1,null,3]]}',
    "object_cell": b'{"data": [[1,{},3]]}',
    "list_cell": b'{"data": [[1,[2],3]]}',
    "nan": b'{"data": [[NaN,2,3]]}',
    "infinity": b'{"data": [[Infinity,2,3]]}',
    "minus_infinity": b'{"data": [[-Infinity,2,3]]}',
    "1e999": b'{"data": [[1e999,2,3]]}',
    "1e308": b'{"data": [[1e308,1e308,1e308]]}',
    "subnormal": b'{"data": [[5e-324,0,0]]}',
    "minus_zero": b'{"data": [[-0.0,-0.0,-0.0]]}',
    "big_integer": b'{"data": [[9007199254740993,1,1]]}',
    "huge_integer": b'{"data": [[' + b"9" * 400 + b",1,1]]}",
    "5000_digits": b'{"data": [[' + b"9" * 5000 + b",1,1]]}",
    "leading_zero": b'{"data": [[01,2,3]]}',
    "hex": b'{"data": [[0x1,2,3]]}',
    "plus": b'{"data": [[+1,2,3]]}',
    "bad_utf8": b'{"data": [["\xff\xfe"]]}',
    "latin1": '{"data": "é"}'.encode("latin-1"),
    "bom": b"\xef\xbb\xbf" + b'{"data": [[1,2,3]]}',
    "utf16": json.dumps(ROWS).encode("utf-16"),
    "lone_surrogate": b'{"data": "\\ud800"}',
    "nul": b'{"data": "\\u0000"}',
    "raw_nul": b'{"data": "\x00"}',
    "nested_600": b'{"data": ' + b"[" * 600 + b"]" * 600 + b"}",
    "nested_100000": b'{"data": ' + b"[" * 100_000,
    "long_key": b'{"' + b"k" * 5000 + b'": 1}',
    "escaped_key": b'{"d\\u0061ta": [[1,2,3]]}',
    "many_rows": json.dumps({"data": [[i, i + 1, i + 2] for i in range(3000)]}).encode(),
}

CONTENT_TYPES = (
    None,
    "",
    "text/plain",
    "application/json; charset=utf-8",
    "application/json; charset=latin-1",
    "APPLICATION/JSON",
    "application/vnd.api+json",
    "application/x+json",
    "application/jsonx",
    "text/json",
    "application/xml",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "a",
    "application/json, text/plain",
)


def ids(body: Any) -> tuple[Case, ...]:
    """The id headers: absent, present, at the limit, above it, in all combinations."""
    names = ("x-request-id", "x-ms-request-id", "x-ms-client-request-id")
    values = {"-": None, "s": "abc-1", "m": "m" * 100, "L": "L" * 101}
    cases = []
    for a in values:
        for b in values:
            for c in values:
                chosen = [(n, values[k]) for n, k in zip(names, (a, b, c), strict=True) if values[k] is not None]
                cases.append(post(f"ids_{a}{b}{c}", body, *((n, f"{v}") for n, v in chosen)))
    for name in names:
        cases.append(post(f"id_odd_{name}", body, (name, "a b;c=d/é~")))
    cases.append(post("id_empty", body, ("x-request-id", "")))
    cases.append(post("ids_with_trace", body, ("TraceId", "trace-1"), ("x-request-id", "r")))
    cases.append(get("ids_health", "/", ("x-request-id", "r"), ("x-ms-client-request-id", "c")))
    cases.append(get("ids_health_long", "/", ("x-request-id", "r" * 101)))
    cases.append(get("ids_missing_page", "/nope", ("x-request-id", "r"), ("TraceId", "t")))
    return tuple(cases)


def routes(body: Any) -> tuple[Case, ...]:
    """Paths and methods."""
    cases = []
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST"):
        for path in ("/", "/score", "/score/", "/swagger.json", "/nope", "/SCORE", "/score?x=1"):
            name = f"route_{method}_{path}"
            cases.append(post(name, body, target=path) if method == "POST" else get(name, path, method=method))
    for path in (
        "/%73core",
        "/score%2F",
        "/./score",
        "/a/../score",
        "/score;x=1",
        "/score?",
        "/?x=1",
        "/favicon.ico",
        "//score",
        "/score//",
    ):
        cases.append(post(f"path_{path}", body, target=path))
    return tuple(cases)


def queries() -> tuple[Case, ...]:
    """GET with parameters."""
    texts = (
        "data=[[1,2,3]]",
        "data=[[1,2,3]]&more=1",
        "data=1&data=2",
        "data=text",
        "data=null",
        "data=",
        "data",
        "",
        "a=1&b=[1,2]&c=a&d=null",
        "data=%5B%5B1%2C2%2C3%5D%5D",
        "data=%C3%A9",
        "data=%FF",
        "data=1e999",
        "data=NaN",
        "data=%22q%22",
        "name=x&count=2",
        "name=x",
        "count=2",
        "name=x&count=text",
    )
    return tuple(get(f"query_{text}", f"/score?{text}") for text in texts)


def bodies() -> tuple[Case, ...]:
    """Every body as JSON."""
    return tuple(post(f"body_{name}", body) for name, body in BODIES.items())


def kinds(body: Any) -> tuple[Case, ...]:
    """Every content type, with a good body and with a form."""
    cases = [post(f"type_{kind}", body, kind=kind) for kind in CONTENT_TYPES]
    cases += [post(f"form_{kind}", b"data=1&b=2", kind=kind) for kind in CONTENT_TYPES]
    return tuple(cases)


def swagger() -> tuple[Case, ...]:
    """Every version of the document."""
    versions = ("", "2", "2.0", "3", "3.0", "3.1", "1", "4", "abc", "3.0.3", " 2")
    cases = [get(f"swagger_{v}", f"/swagger.json?version={v.replace(' ', '%20')}") for v in versions]
    return (*cases, get("swagger", "/swagger.json"), get("swagger_other", "/swagger.json?v=3"))


def cors(body: Any) -> tuple[Case, ...]:
    """Cross-origin requests."""
    cases = []
    for origin in ("http://a.example", "http://b.example", "http://A.example", "https://a.example", "null", ""):
        given = (("Origin", origin),)
        cases += [
            post(f"cors_post_{origin}", body, *given),
            get(f"cors_health_{origin}", "/", *given),
            get(f"cors_missing_{origin}", "/nope", *given),
        ]
        for asked in ("POST", "GET", "DELETE"):
            preflight = (*given, ("Access-Control-Request-Method", asked))
            cases.append(get(f"cors_pre_{origin}_{asked}", "/score", *preflight, method="OPTIONS"))
        headers = (*given, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-a, x-b"))
        cases.append(get(f"cors_pre_headers_{origin}", "/score", *headers, method="OPTIONS"))
    return (*cases, post("cors_none", body), get("cors_options", "/score", method="OPTIONS"))


def asked(*names: str, key: str = "kind") -> tuple[Case, ...]:
    """One request a name."""
    return tuple(post(f"{key}_{name}", {key: name}) for name in names)


RAW = ("echo", "text", "json", "none", "missing", "broken", "method", "form", "ids", "raise")
RESULTS = (
    "none",
    "true",
    "zero",
    "float",
    "big",
    "text",
    "unicode",
    "surrogate",
    "empty",
    "list",
    "tuple",
    "nested",
    "intkeys",
    "nan",
    "inf",
    "set",
    "bytes",
    "object",
    "raise",
    "timeout_error",
    "absent",
    "exit",
)

BINARY = ("application/x-npy", "application/octet-stream", "image/png")

GROUPS: tuple[Group, ...] = (
    Group(
        "../../../../score/score",
        "kit",
        (
            *bodies(),
            *kinds(ROWS),
            *queries(),
            *(get(f"kit_{method}", "/score", method=method) for method in ("GET", "OPTIONS", "HEAD", "PUT")),
            *(post(f"kit_binary_{kind}", NPY, kind=kind) for kind in BINARY),
            post("kit_npy_as_json", NPY, ("Accept", "application/json"), kind="application/x-npy"),
            post("kit_json_as_npy", ROWS, ("Accept", "application/x-npy")),
            post("kit_npy_wide", NPY_WIDE, kind="application/x-npy"),
            post("kit_npy_cut", NPY[:-3], kind="application/x-npy"),
            post("kit_npy_empty", b"", kind="application/x-npy"),
            post("kit_gzip", ROWS, ("Content-Encoding", "gzip")),
            post("kit_identity", ROWS, ("Content-Encoding", "identity")),
        ),
        model="model",
    ),
    Group("plain", "plain", (*bodies(), *kinds(ROWS), *queries(), *routes(ROWS), *ids(ROWS), *swagger())),
    Group("numpy_schema", "numpy", (*bodies(), *kinds(ROWS), *queries(), *routes(ROWS), *swagger())),
    Group(
        "standard_schema",
        "standard",
        (
            *queries(),
            *swagger(),
            post("both", {"name": "x", "count": 2}),
            post("default", {"name": "x"}),
            post("missing", {"count": 2}),
            post("wrong_type", {"name": 1, "count": "two"}),
            post("null", {"name": None}),
        ),
    ),
    Group(
        "pandas_schema",
        "pandas",
        (
            *swagger(),
            post("records", {"frame": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}),
            post("no_rows", {"frame": []}),
            post("extra", {"frame": [{"a": 1, "b": 2, "c": 3}]}),
            post("short", {"frame": [{"a": 1}]}),
            post("text", {"frame": "text"}),
            post("words", {"frame": [{"a": "x", "b": "y"}]}),
        ),
    ),
    Group(
        "raw",
        "raw",
        (
            *(
                post(f"raw_{want}", b"\x00\xffbody", target=f"/score?want={want}", kind=None)
                for want in RAW
                if want != "form"
            ),
            *(get(f"raw_get_{want}", f"/score?want={want}") for want in RAW),
            get("raw_options", "/score?want=method", method="OPTIONS"),
            post("raw_form", b"a=1&b=2", target="/score?want=form", kind="application/x-www-form-urlencoded"),
            post("raw_form_echo", b"a=1&b=2", kind="application/x-www-form-urlencoded"),
            *swagger(),
        ),
    ),
    Group("flask_response", "responses", asked("jsonify", "500", "502", "stream", "other")),
    Group(
        "headers",
        "headers",
        (
            post("mine", b"x", ("X-Mine", "1"), ("Authorization", "Bearer k")),
            post("twice", b"x", ("X-Mine", "1"), ("X-Mine", "2")),
            post("id", b"x", ("x-request-id", "abc")),
            get("get", "/score?a=1", ("X-Mine", "1")),
        ),
    ),
    Group("results", "results", asked(*RESULTS)),
    Group("plain", "cors", cors(ROWS), {"AML_CORS_ORIGINS": "http://a.example, http://c.example"}),
    Group("plain", "cors_one", cors(ROWS), {"AML_CORS_ORIGINS": "http://a.example"}),
    Group("plain", "cors_all", cors(ROWS), {"AML_CORS_ORIGINS": "*"}),
    Group(
        "numpy_schema",
        "names",
        swagger(),
        {"SERVICE_NAME": "my-service", "SERVICE_VERSION": "7", "SERVICE_PATH_PREFIX": "/api/v1/service/x/"},
    ),
    Group(
        "slow",
        "timeout",
        (post("quick", {"seconds": 0}), post("late", {"seconds": 30}), post("after", {"seconds": 0})),
        {"SCORING_TIMEOUT_MS": "300"},
    ),
    Group(
        "plain",
        "no_version",
        (post("plain", ROWS), get("health", "/")),
        {"SERVER_VERSION_LOG_RESPONSE_ENABLED": "false"},
    ),
)
