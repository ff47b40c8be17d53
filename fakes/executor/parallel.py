"""``ParallelRunStep``: how its driver is called.

Azure brings the driver itself (``driver/amlbi_main.py``); it is in no snapshot. Ours is `parallel_driver`, a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakes.core.tenancy import Workspace
from fakes.executor.datasets import saved_definition
from fakes.executor.feeds import Feed
from fakes.executor.jobs import Job
from fakes.executor.script import LAUNCHER

DRIVER = Path(__file__).with_name("parallel_driver.py")


def is_parallel(module: Mapping[str, Any]) -> bool:
    """Whether a module is a ParallelRunStep."""
    return module.get("ModuleType") == "BatchInferencing" or module.get("StepType") == "ParallelRunStep"


def command_line(python: str, arguments: list[str]) -> list[str]:
    """Program and arguments of the driver."""
    return [python, str(LAUNCHER), str(DRIVER), *arguments]


def input_setting(job: Job, workspace: Workspace, feed: Feed, setting: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the driver takes an input: files are brought to it, tabular data it reads by itself."""
    if feed.saved_id is None or saved_definition(job.state, workspace, feed.saved_id)[0] == "file":
        return {**setting, "DataStoreMode": "download"}
    return {**setting, "DataStoreMode": "direct"}
