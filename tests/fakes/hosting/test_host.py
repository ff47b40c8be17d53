"""Hosts of entry scripts, with the real scoring program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.hosting import diagnosis
from fakes.hosting.errors import HostCrashed, HostMissing, HostNotReady
from fakes.hosting.forward import NoAnswer, TooSlow, forward
from fakes.hosting.host import Host
from fakes.hosting.program import HostRequest

ECHO = """
    import json, os
    def init():
        print("hello from init")
    def run(data):
        return {"sum": sum(json.loads(data)["data"]), "mine": os.environ.get("MINE")}
"""


@pytest.fixture
def made() -> Iterator[list[Host]]:
    """Hosts that are stopped at the end."""
    hosts: list[Host] = []
    yield hosts
    for host in hosts:
        host.stop()


def start(folder: Path, script: str, made: list[Host], **options: object) -> Host:
    root = folder / "app"
    root.mkdir()
    (folder / "models").mkdir()
    (root / "score.py").write_text(textwrap.dedent(script))
    host = Host(HostRequest(root, "score.py", folder / "models", **options), folder / "log")  # type: ignore[arg-type]
    made.append(host)
    return host


def gone(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_script_runs_answers_and_is_gone_after_stop(tmp_path: Path, made: list[Host]) -> None:
    host = start(tmp_path, ECHO, made, environment={"MINE": "yes"})
    port = host.wait_ready(30)
    answer = forward(port, "POST", "/score", [("Content-Type", "application/json")], b'{"data": [1, 2]}', timeout=10)
    assert (answer.status, answer.body) == (200, b'{"sum": 3, "mine": "yes"}')
    assert "hello from init" in host.log()
    host.stop()
    assert gone(host.pid) and host.exit_code is not None
    with pytest.raises(NoAnswer):
        forward(port, "GET", "/", [], b"", timeout=5)


RUN = "\ndef run(d): return d\n"


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("import no_such_package\ndef init(): pass", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def init(): raise ValueError('no model')", "ValueError: no model"),
        ("def init(): open('a.pkl')", "FileNotFoundError: [Errno 2] No such file or directory: 'a.pkl'"),
    ],
)
def test_a_broken_script_says_why(tmp_path: Path, made: list[Host], script: str, cause: str) -> None:
    host = start(tmp_path, script + RUN, made)
    with pytest.raises(HostCrashed) as raised:
        host.wait_ready(30)
    assert raised.value.exit_code == 3
    assert diagnosis.cause(raised.value.log) == cause


def test_a_script_that_kills_the_process_names_no_cause(tmp_path: Path, made: list[Host]) -> None:
    host = start(tmp_path, "import os\ndef init(): os._exit(9)\ndef run(d): return d\n", made)
    with pytest.raises(HostCrashed) as raised:
        host.wait_ready(30)
    assert diagnosis.cause(raised.value.log) is None


def test_a_slow_start_is_told_and_goes_on(tmp_path: Path, made: list[Host]) -> None:
    script = f"""
        import os, time
        def init():
            while not os.path.exists({str(tmp_path / "go")!r}):
                time.sleep(0.01)
        def run(d):
            return d
    """
    host = start(tmp_path, script, made)
    with pytest.raises(HostNotReady):
        host.wait_ready(0.2)
    (tmp_path / "go").touch()
    assert host.wait_ready(30) > 0


def test_a_slow_answer_is_given_up(tmp_path: Path, made: list[Host]) -> None:
    host = start(tmp_path, "import time\ndef init(): pass\ndef run(d): time.sleep(60)\n", made)
    with pytest.raises(TooSlow):
        forward(host.wait_ready(30), "POST", "/score", [("Content-Type", "application/json")], b"{}", timeout=0.3)


def test_an_unknown_program_is_named(tmp_path: Path, made: list[Host]) -> None:
    with pytest.raises(HostMissing, match="tomcat"):
        start(tmp_path, ECHO, made, program="tomcat")


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    """SIGKILL gives the parent no chance to clean up; the warden does it."""
    program = f"""
        import sys
        from pathlib import Path
        from fakes.hosting.host import Host
        from fakes.hosting.program import HostRequest
        folder = Path({str(tmp_path)!r})
        (folder / "app").mkdir(); (folder / "models").mkdir()
        (folder / "app/score.py").write_text("def init(): pass\\ndef run(d): return d\\n")
        host = Host(HostRequest(folder / "app", "score.py", folder / "models"), folder / "log")
        host.wait_ready(30)
        print(host.pid, flush=True)
        sys.stdin.read()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.communicate()
    # The child has been adopted by init by now: poll until the warden has done its work.
    done = subprocess.run(
        ["sh", "-c", f"for i in $(seq 200); do kill -0 -{pid} 2>/dev/null || exit 0; sleep 0.05; done; exit 1"]
    )
    assert done.returncode == 0
