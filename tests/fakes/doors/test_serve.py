"""``python -m fakes serve`` as a process: what it prints, keeps and leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from fakes.doors.admin_client import AdminClient

ROOT = Path(__file__).parents[3]


def test_a_server_keeps_its_state_and_leaves_nothing_else(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    fakes = [sys.executable, "-m", "fakes"]
    command = [*fakes, "serve", "--port", "0", "--seed", "7", "--state", str(tmp_path / "state.json"), "--save"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None and "seed 7" in line
        address = found.group()
        printed = subprocess.run(
            [*fakes, "env", "--address", address, "--format", "json"], env=environment, capture_output=True, check=True
        )
        variables = json.loads(printed.stdout)
        assert Path(variables["REQUESTS_CA_BUNDLE"]).is_relative_to(temporary)
        assert Path(variables["REQUESTS_CA_BUNDLE"]).is_file()
        AdminClient(address).call("PUT", "/transitions/service", {"mode": "polls", "after": 2, "failure": None})
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert json.loads((tmp_path / "state.json").read_text())["transitions"]["service"]["after"] == 2
    assert list(temporary.iterdir()) == []
