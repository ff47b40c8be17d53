"""docs/backends.md against the contract suites: every adapter is named, and so is every test that one leaves out."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/backends.md").read_text()
FILES = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "integration").rglob("test_*.py")]


@cache
def adapters() -> dict[str, ast.ClassDef]:
    """Test classes that inherit a contract suite, by name."""
    found = {}
    for text in (file.read_text() for file in FILES):
        for node in ast.walk(ast.parse(text)) if "Contract" in text else ():
            if isinstance(node, ast.ClassDef) and any("Contract" in ast.unparse(base) for base in node.bases):
                found[node.name] = node
    return found


def test_every_adapter_is_on_the_page() -> None:
    missing = [name for name in adapters() if f"`{name}`" not in PAGE]
    assert missing == []


def test_the_page_names_no_adapter_that_is_gone() -> None:
    named = {part for part in PAGE.split("`") if part.startswith("Test")}
    assert named <= set(adapters())


def test_what_an_adapter_leaves_out_is_a_difference_on_the_page() -> None:
    for name, node in adapters().items():
        for item in node.body:
            if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant) and item.value.value is None:
                for target in item.targets:
                    assert f"`{ast.unparse(target)}`" in PAGE, f"{name} leaves out {ast.unparse(target)}"
