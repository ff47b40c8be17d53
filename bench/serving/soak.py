"""Load a service for minutes while its workers are killed: ``python -m bench.serving.soak --minutes 5``.

Fails (exit 1) when an answer is wrong, when more requests fail than workers were killed, when memory grows, or when a
process or descriptor is left over.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from .run import family, prepare
from .stacks import KIT

GROWTH = 1.25
"""Largest allowed ratio of the front's memory at the end to that after the first quarter."""


def resident(pid: int) -> float:
    """MB."""
    text = Path(f"/proc/{pid}/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Client(threading.Thread):
    """Sends rows of all sizes on one connection after the other, and compares every answer."""

    def __init__(self, port: int, model: Any, rows: np.ndarray, end: float, seed: int) -> None:
        super().__init__()
        self.port, self.model, self.rows, self.end = port, model, rows, end
        self.random = random.Random(seed)
        self.answered = self.failed = self.wrong = 0
        self.problems: list[str] = []

    def run(self) -> None:
        """Until the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while time.monotonic() < self.end:
            count = self.random.choice((1, 2, 2, 2, 20, 400))
            chosen = self.rows[[self.random.randrange(len(self.rows)) for _ in range(count)]]
            body = json.dumps({"data": chosen.tolist()})
            try:
                connection.request("POST", "/score", body, {"Authorization": "Bearer bench-key"})
                answer = connection.getresponse()
                data = answer.read()
            except OSError as error:
                self.failed += 1
                self.problems.append(repr(error))
                connection.close()
                continue
            if answer.status != 200:
                self.failed += 1
                self.problems.append(f"{answer.status} {data[:200]!r}")
            elif not np.allclose(json.loads(data)["result"], self.model.predict(chosen), rtol=1e-9):
                self.wrong += 1
            else:
                self.answered += 1
            if self.random.random() < 0.01:
                connection.close()
        connection.close()


def main() -> int:
    """Run the soak and print what was seen, as JSON."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--minutes", type=float, default=5.0)
    flags.add_argument("--kill-every", type=float, default=5.0, help="seconds between kills of a worker")
    flags.add_argument("--clients", type=int, default=8)
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder = Path(name)
        model, rows = prepare(folder, folder / "no-peers")
        command = [sys.executable, "-m", "score", "--entry-script", "score/score.py", "--port", "0", "--workers", "2"]
        command += ["--model-dir", str(folder / "models"), "--keys-file", str(folder / "keys.json")]
        process = subprocess.Popen(command, cwd=KIT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        start = time.monotonic()
        end = start + args.minutes * 60
        clients = [Client(port, model, rows, end, seed) for seed in range(args.clients)]
        for client in clients:
            client.start()
        kills, early, next_kill = 0, 0.0, start + args.kill_every
        descriptors = Path(f"/proc/{process.pid}/fd")
        while time.monotonic() < end:
            time.sleep(0.1)
            if not early and time.monotonic() > start + args.minutes * 15:
                early, early_files = resident(process.pid), len(list(descriptors.iterdir()))
            if time.monotonic() > next_kill:
                next_kill += args.kill_every
                workers = [pid for pid in family(process.pid) if pid != process.pid]
                if workers:
                    os.kill(random.choice(workers), signal.SIGKILL)
                    kills += 1
        for client in clients:
            client.join()
        late, late_files = resident(process.pid), len(list(descriptors.iterdir()))
        everyone = family(process.pid)
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        left = [pid for pid in everyone if Path(f"/proc/{pid}").exists()]
        process.stdout.close()
    seen = {
        "minutes": args.minutes,
        "answered": sum(client.answered for client in clients),
        "wrong": sum(client.wrong for client in clients),
        "failed": sum(client.failed for client in clients),
        "kills": kills,
        "front_mb": [round(early, 1), round(late, 1)],
        "descriptors": [early_files, late_files],
        "exit": status,
        "left_over": left,
        "problems": sorted({problem for client in clients for problem in client.problems})[:5],
    }
    good = not seen["wrong"] and seen["failed"] <= kills and late <= early * GROWTH and not left and status == 0
    good = good and late_files <= early_files + 2 * args.clients
    print(json.dumps({"good": good, **seen}, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
