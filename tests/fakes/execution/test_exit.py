"""Nothing that the fake runs outlives it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.jobs import alive, project, until

pytestmark = pytest.mark.azure

SLEEP = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
SUBMIT = """
import json, os, sys, time
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
size = AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1)
ComputeTarget.create(ws, "cpu", size).wait_for_completion()
config = ScriptRunConfig(
    sys.argv[1], script="sleep.py", arguments=[sys.argv[2]], compute_target="cpu", environment=Environment("e")
)
Experiment(ws, "e").submit(config)
while not os.path.exists(sys.argv[2]) or not open(sys.argv[2]).read():
    time.sleep(0.1)
if sys.argv[3] == "stay":
    time.sleep(600)
"""


def begun(fake: subprocess.Popen[bytes], told: Path) -> str:
    assert fake.poll() in (None, 0), "the program failed before the job began"
    return told.read_text() if told.exists() else ""


@pytest.mark.parametrize("how", ["the program ends", "the fake is killed"])
def test_jobs_end_with_the_fake(tmp_path: Path, how: str) -> None:
    source, told = project(tmp_path / "src", sleep=SLEEP), tmp_path / "pid.txt"
    project(tmp_path, submit=SUBMIT)
    root = Path(__file__).resolve().parents[3]
    argv = [sys.executable, "-m", "fakes", "run", "--", sys.executable, str(tmp_path / "submit.py"), source, str(told)]
    fake = subprocess.Popen(
        [*argv, "stay" if how == "the fake is killed" else "go"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        pid = int(until(lambda: begun(fake, told), "the job to begin"))
        if how == "the fake is killed":
            assert alive(pid)
            os.kill(fake.pid, signal.SIGKILL)
        else:
            assert fake.wait(60) == 0, fake.stdout
        until(lambda: not alive(pid), "the end of the job")
    finally:
        try:
            os.killpg(fake.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        fake.communicate(timeout=30)
