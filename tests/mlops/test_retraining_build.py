"""What a retraining registers is found by the build that ran it, not by the one that published the pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_retraining_registers_under_its_own_build(tmp_path: Path) -> None:
    def mlops(*arguments: str, build: str) -> Any:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "BUILD_"))}
        variables |= {"MLOPS_STATE": str(tmp_path), "MLOPS_BUILD_ID": build, "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "mlops", *arguments, "-o", "json"],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    mlops("pipeline", "publish", "--build-id", "11", build="11")
    run = mlops("pipeline", "run", "--published", build="22")
    assert run["decision"] == "promote"
    assert mlops("pipeline", "model", "--build-id", "22", build="22")["model"] == run["model"]
    assert mlops("pipeline", "model", "--build-id", "11", build="22")["model"] is None
