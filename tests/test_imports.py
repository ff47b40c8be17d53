from __future__ import annotations

import importlib
import pkgutil

import pytest

ROOMS = ("model", "registry", "deploy", "pipeline", "mlops")


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_can_be_imported(room: str) -> None:
    """Those of Azure, too: tests that need no SDK do not use them otherwise."""
    package = importlib.import_module(room)
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{room}.")]
    assert names
    for name in names:
        if not name.endswith(".__main__"):  # a program
            importlib.import_module(name)


def test_the_command_for_the_fast_path_can_be_imported() -> None:
    importlib.import_module("score.fastpath")
