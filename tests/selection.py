"""Files none of whose tests are wanted need not be loaded."""

from __future__ import annotations

import re

MARKS = re.compile(r"^pytestmark = (pytest\.mark\.[^\n]+|\[[^\n]*\]|\[\n.*?^\])", re.MULTILINE | re.DOTALL)
WITHOUT = re.compile(r"not \w+( and not \w+)*")


def unwanted(source: str, expression: str) -> bool:
    """Whether ``-m expression`` leaves out all tests of a file, by the marks that it gives to all of them.

    Only an expression of the form ``not a and not b`` is looked at; with another one the answer is no.
    """
    if not WITHOUT.fullmatch(expression):
        return False
    found = MARKS.search(source)
    marks = re.findall(r"pytest\.mark\.(\w+)", found[1].partition("#")[0]) if found else []
    return not set(marks).isdisjoint(re.findall(r"not (\w+)", expression))
