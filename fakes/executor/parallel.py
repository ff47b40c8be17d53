"""``ParallelRunStep``: how its driver is called.

Azure brings the driver itself (``driver/amlbi_main.py``); it is in no snapshot. Ours is `parallel_driver`, a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

DRIVER = Path(__file__).with_name("parallel_driver.py")


def is_parallel(module: Mapping[str, Any]) -> bool:
    """Whether a module is a ParallelRunStep."""
    return module.get("ModuleType") == "BatchInferencing" or module.get("StepType") == "ParallelRunStep"


def command_line(python: str, arguments: list[str], values: Mapping[str, str | None]) -> list[str]:
    """Program and arguments of the driver."""
    return [python, str(DRIVER), *arguments]
