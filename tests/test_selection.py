from __future__ import annotations

import pytest

from tests.selection import unwanted

FAST = "not docker and not live and not azure and not slow"


@pytest.mark.parametrize(
    "marks",
    [
        "pytest.mark.azure",
        "pytest.mark.slow  # all of them together",
        "[pytest.mark.azure, pytest.mark.slow]",
        "[\n    pytest.mark.slow,\n    pytest.mark.timeout(1800),\n]",
        '[\n    pytest.mark.skipif(which("strace") is None, reason="needs it"),\n    pytest.mark.slow,\n]',
    ],
)
def test_a_file_that_says_it_for_all_of_its_tests_is_left_out(marks: str) -> None:
    source = f'"""A file."""\n\nimport pytest\n\npytestmark = {marks}\n\n\ndef test() -> None: ...\n'
    assert unwanted(source, FAST)
    assert not unwanted(source, "not live")


@pytest.mark.parametrize(
    "source",
    [
        "@pytest.mark.azure\ndef test() -> None: ...\n",
        "pytestmark = pytest.mark.timeout(60)\n",
        "pytestmark = pytest.mark.timeout(60)  # as pytest.mark.slow\n",
        "pytestmark = [pytest.mark.timeout(60)]\n\n\n@pytest.mark.slow\ndef test() -> None: ...\nmore = []\n",
        "    pytestmark = pytest.mark.azure\n",
        "",
    ],
)
def test_any_other_file_is_loaded(source: str) -> None:
    assert not unwanted(source, FAST)


@pytest.mark.parametrize("expression", ["", "azure", "azure or not slow", "not (azure and slow)", "not azure or slow"])
def test_an_expression_of_another_form_is_left_to_pytest(expression: str) -> None:
    assert not unwanted("pytestmark = pytest.mark.azure\n", expression)
