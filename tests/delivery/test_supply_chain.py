"""`make audit` asks for every locked package, is red for a known vulnerability, and never passes without an answer."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from .conftest import ROOT

LOCKS = ROOT / "requirements" / "locks"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def pins(name: str) -> dict[str, str]:
    """The packages of a lock that apply to this machine's kind, by name."""
    text = (LOCKS / f"{name}-{MINOR}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE))


class Database(ThreadingHTTPServer):
    """Answers as api.osv.dev/v1/query (google.github.io/osv.dev/post-v1-query); `known` are vulnerable packages."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: dict[str, str] = {}
        self.known: set[str] = set()
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = query["package"]["name"]
        self.server.asked[name] = query["version"]
        body = json.dumps(_vulnerable(name) if name in self.server.known else {}).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal of the tests."""


def _vulnerable(name: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "99.0"}]
    affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"vulns": [{"id": "PYSEC-2026-1", "details": "It is too kind.", "aliases": [], "affected": [affected]}]}


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def audit(port: int) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    command = ["make", "audit", f"VENV={sys.prefix}", "ENV_READY=1", f"PYTHON={sys.executable}"]
    return subprocess.run(
        [*command, f"OSV=http://127.0.0.1:{port}/v1/query"],
        cwd=ROOT, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_locked_package_is_asked_for(database: Database) -> None:
    done = audit(database.server_address[1])
    assert done.returncode == 0, done.stderr
    assert database.asked.items() <= pins("azure").items()
    assert database.asked.items() >= pins("score").items(), "the image holds what is not audited"
    assert len(database.asked) > 80


def test_a_known_vulnerability_is_red_and_named(database: Database) -> None:
    database.known = {"flask"}
    done = audit(database.server_address[1])
    assert done.returncode != 0
    assert "flask" in done.stdout
    assert "PYSEC-2026-1" in done.stdout


def test_no_answer_is_red(database: Database) -> None:
    database.status = 503
    assert audit(database.server_address[1]).returncode != 0
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    done = audit(port)
    assert done.returncode != 0
    assert "No known vulnerabilities" not in done.stdout + done.stderr
