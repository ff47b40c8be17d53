"""The log goes into a pipe that nobody reads: the service goes on, and says later what was lost."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.score.client import call, connect, read_answer, score
from tests.score.hosts import KIT, PATIENCE, wait_for

pytestmark = pytest.mark.slow

SCRIPT = """
import json
def init(): pass
def run(data):
    order = json.loads(data)
    for i in range(order["lines"]): print(i, "x" * 200)
    return order["lines"]
"""
ENDS = ("pipe", "shared pipe", "socket")


@contextlib.contextmanager
def unread(kind: str, root: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """A host whose standard error is a small pipe that is not read; gives the ready line and the end to read."""
    if kind == "socket":
        left, right = socket.socketpair()
        left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        ours, theirs = right.detach(), left.detach()
    else:
        ours, theirs = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    program = [sys.executable, str(KIT / "score"), "--port", "0", "--root", str(root), "--metrics-port", "0"]
    program += ["--workers", "2"]
    if kind == "shared pipe":  # as where /proc is not there, or the pipe belongs to another user
        code = "import os, runpy, sys; opened = os.open\n"
        code += "os.open = lambda path, *more: opened(str(path).replace('/proc/self/fd', '/nowhere'), *more)\n"
        code += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
        program[1:1] = ["-c", code]
    env = {**os.environ, "MLOPS_SCORE_DRAIN_SECONDS": "5"}
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=theirs, cwd=root, env=env, text=True)
    os.close(theirs)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), ours
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(ours)


def lines_of(descriptor: int, until: str) -> list[dict[str, Any]]:
    """What the log holds up to the first line of one kind; every line must be whole JSON."""
    os.set_blocking(descriptor, False)
    data = bytearray()

    def read() -> bool:
        with contextlib.suppress(BlockingIOError):
            data.extend(os.read(descriptor, 1 << 16))
        return f'"event": "{until}"'.encode() in data and data.endswith(b"\n")

    wait_for(read, f"the log line {until}")
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("kind", ENDS)
def test_front_goes_on_and_tells_what_was_dropped(tmp_path: Path, kind: str) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    with unread(kind, tmp_path) as (ready, log):
        request = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nx-request-id: " + b"r" * 100 + b"\r\n\r\n"
        for _ in range(250):  # 20 lines a connection; about 2 MB of log, twice what is kept
            with connect(ready["port"]) as sock, sock.makefile("rb") as answers:
                sock.sendall(request * 20)
                for _ in range(20):
                    assert b" 404 " in answers.readline()
                    for line in answers:
                        if line.lower().startswith(b"content-length:"):
                            size = int(line.split(b":")[1])
                        if line == b"\r\n":
                            break
                    answers.read(size)
        metrics = call(ready["metrics_port"], "GET", "/metrics").body.decode()
        dropped = int(metrics.split("\nscoring_log_lines_dropped_total ")[1].split()[0])
        assert dropped > 0
        lines = lines_of(log, "log_lines_dropped")
        told = [line["lines"] for line in lines if line["event"] == "log_lines_dropped"]
        assert told[0] == dropped
        assert len([line for line in lines if line["event"] == "request"]) == 5000 - dropped


@pytest.mark.parametrize("kind", ENDS)
def test_workers_go_on_too(tmp_path: Path, kind: str) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    with unread(kind, tmp_path) as (ready, _log):
        for lines in (1, 2000, 2000, 2000, 1):
            assert score(ready["port"], {"lines": lines}).json() == lines
        assert call(ready["port"], "GET", "/readyz").status == 200


def test_reader_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, str(KIT / "score"), "--port", "0", "--root", str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=writer, text=True) as process:
        os.close(writer)
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with connect(port) as sock:
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(sock).status == 200
        assert score(port, {"lines": 5}).json() == 5
        process.terminate()
        assert process.wait(PATIENCE) == 0
