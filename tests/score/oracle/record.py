"""Record the answers of Azure's inference server: ``python -m tests.score.oracle.record --python ORACLE_PYTHON``.

ORACLE_PYTHON belongs to an environment with azureml-inference-server-http, inference-schema, NumPy and pandas (its pins
conflict with ours, so it is not the development environment; ``make oracle`` makes it). The result,
``recorded.json``, is kept, so that the comparison also runs without that environment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .corpus import GROUPS, Group
from .wire import send

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def azure_server(python: str, group: Group) -> Iterator[int]:
    """Azure's server on a free port of loopback."""
    port = free_port()
    code = (
        "import sys; from azureml_inference_server_http import amlserver, amlserver_linux as s; run = s.run; "
        "s.run = lambda host, *rest: run('127.0.0.1', *rest); "
        f"sys.argv = ['azmlinfsrv', '--entry_script', {group.entry + '.py'!r}, '--port', '{port}', "
        f"'--model_dir', {str(HERE / group.model)!r}]; amlserver.run()"
    )
    env = {**os.environ, "AML_APP_ROOT": str(HERE / "entries"), "HOME": tempfile.gettempdir(), **group.env}
    log = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen([python, "-c", code], cwd=HERE / "entries", env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(log.read().decode()) from None
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def main() -> None:
    """Record all groups."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--python", required=True, help="interpreter of the oracle's environment")
    python = flags.parse_args().python
    command = "import importlib.metadata as m; print(m.version('azureml-inference-server-http'))"
    version = subprocess.run([python, "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    groups = {}
    for group in GROUPS:
        with azure_server(python, group) as port:
            groups[group.name] = {case.id: send(port, case) for case in group.cases}
        print(group.name, len(group.cases))
    document = {"server": f"azureml-inference-server-http {version}", "answers": groups}
    RECORDED.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
