"""Expressions of Azure Pipelines, by the tables of the "Expressions" page of its documentation."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.azure.evaluate import Evaluator, Strict
from rehearse.azure.values import to_boolean, to_number, to_text
from rehearse.errors import ExpressionError, NotRehearsed

CONTEXTS = {
    "variables": {"Build.Reason": "Manual", "letters": "ABC", "empty": "", "count": "12"},
    "parameters": Strict({"flag": True, "items": ["a", "b"], "rows": [{"id": "1"}, {"id": "2"}, {"other": "x"}]}),
    "pipeline": {"startTime": datetime(2026, 3, 4, 5, 6, 7)},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # literals
        ("true", True),
        ("TRUE", True),
        ("-1.2", -1.2),
        ("'It''s OK'", "It's OK"),
        ("variables['noSuch']", None),
        ("variables.letters", "ABC"),
        ("variables['build.reason']", "Manual"),
        ("parameters.items[1]", "b"),
        ("parameters.items[7]", None),
        # functions, mostly with the examples of the page
        ("and(eq(variables.letters, 'ABC'), eq(variables.count, 12))", True),
        ("coalesce(variables.noSuch, variables.empty, 'literal')", "literal"),
        ("contains('ABCDE', 'bcd')", True),
        ("containsValue(parameters.items, 'B')", True),
        ("endsWith('ABCDE', 'de')", True),
        ("startsWith('ABCDE', 'AB')", True),
        ("eq(variables.letters, 'abc')", True),
        ("eq(1, 'one')", False),
        ("ne(1, 'one')", True),
        ("eq(true, 'false')", True),
        ("format('Hello {0} {1} {{x}}', 'John', 'Doe')", "Hello John Doe {x}"),
        ("format('{0:yyyyMMdd}', pipeline.startTime)", "20260304"),
        ("ge(5, 5)", True),
        ("gt(5, 2)", True),
        ("le(2, 2)", True),
        ("lt(2, 5)", True),
        ("gt('b', 'A')", True),
        ("in('B', 'A', 'b', 'C')", True),
        ("notIn('D', 'A', 'B', 'C')", True),
        ("join(';', parameters.items)", "a;b"),
        ("join(';', 'alone')", "alone"),
        ("length('fabrikam')", 8),
        ("lower('FOO')", "foo"),
        ("upper('bah')", "BAH"),
        ("replace('a-b-c', '-', '.')", "a.b.c"),
        ("split('a,b', ',')", ["a", "b"]),
        ("trim('  x ')", "x"),
        ("not(eq(1, 2))", True),
        ("or(eq(1, 1), eq(2, 3))", True),
        ("xor(true, false)", True),
        ("xor(true, true)", False),
        ("iif(parameters.flag, 'yes', 'no')", "yes"),
        ("eq(1.2.3, '1.2.3')", True),
        ("gt(1.10.0, 1.9.5)", True),
        ("parameters.rows.*.id", ["1", "2"]),
        ("containsValue(parameters.rows.*.id, '2')", True),
        ("convertToJson(parameters.items)", '[\n  "a",\n  "b"\n]'),
        ("and(true,\n  true)", True),
    ],
)
def test_values(text: str, expected: object) -> None:
    assert Evaluator(CONTEXTS)(text) == expected


def test_and_or_and_iif_stop_early() -> None:
    calls: list[str] = []
    evaluate = Evaluator(CONTEXTS, {"seen": lambda name: calls.append(name) or True})
    assert evaluate("or(true, seen('a'))") is True
    assert evaluate("and(false, seen('b'))") is False
    assert evaluate("iif(true, 'x', seen('c'))") == "x"
    assert calls == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope('x')", "function nope() is not known"),
        ("nothing.here", "unrecognized value 'nothing'"),
        ("parameters.missing", "there is no parameter 'missing'"),
        ("eq(1)", "eq() takes 2 arguments, not 1"),
        ("eq(1, 2", "expected ','"),
        ("eq(1, 2))", "unexpected ')'"),
        ("a == b", "is no operator here"),
        ("'open", "cannot read"),
        ("gt(5, 'x')", "'x' is no number"),
        ("format('{0', 1)", "a single '{'"),
        ("format('{3}', 1)", "there is no argument 3"),
        ("", "an expression is empty"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises((ExpressionError, NotRehearsed)) as caught:
        Evaluator(CONTEXTS)(text, "file.yml:7")
    assert message in str(caught.value)


def test_unknown_functions_are_named_with_their_place() -> None:
    with pytest.raises(NotRehearsed) as caught:
        Evaluator({})("hashFiles('x')", "ci.yml:3")
    assert str(caught.value).startswith("ci.yml:3: ")


@pytest.mark.parametrize(
    ("value", "boolean", "text"),
    [
        (None, False, ""),
        ("", False, ""),
        ("false", True, "false"),
        (0, False, "0"),
        (2.0, True, "2"),
        (True, True, "True"),
    ],
)
def test_conversions(value: object, boolean: bool, text: str) -> None:
    assert (to_boolean(value), to_text(value)) == (boolean, text)


@given(st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 3)))
def test_numbers_survive_being_text(number: float) -> None:
    text = f"{number:f}" if isinstance(number, float) else str(number)
    assert to_number(text) == pytest.approx(number)


@given(st.text())
def test_quoted_text_comes_back(text: str) -> None:
    assert Evaluator({})("'" + text.replace("'", "''") + "'") == text
