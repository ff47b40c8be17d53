"""Helpers for tests of what the fake really runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEADLINE = 120.0
FINAL = ("Completed", "Failed", "Canceled", "Finished")


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait for a condition; gives its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} seconds for {what}")


def ended(run: Any) -> str:
    """Wait for the end of a run; gives its status."""
    return str(until(lambda: run.get_status() in FINAL and run.get_status(), f"the end of {run.id}"))


def cluster(workspace: Any, name: str = "cpu", nodes: int = 2) -> str:
    """Make a compute target; gives its name."""
    from azureml.core.compute import AmlCompute, ComputeTarget

    configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=nodes)
    ComputeTarget.create(workspace, name, configuration).wait_for_completion()
    return name


def project(folder: Path, **files: str) -> str:
    """Write source files (``train="..."`` makes ``train.py``); gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return str(folder)


def alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be collected does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
