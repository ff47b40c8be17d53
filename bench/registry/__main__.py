"""``python -m bench.registry [--quick]``: this kit's registry beside its peers, interleaved in one run.

Each peer is a process of its own in an environment of its own. In every round each peer does each operation some
times; the peers take turns, so that a change in the machine's speed meets all of them. Figures are medians of all
calls; compare the ratios, not the milliseconds. "ours_cold" opens the registry anew for every call: no index in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.registry.environments import python_of

PEERS = ("floor", "ours", "ours_cold", "mlflow_sqlite", "modelstore_files")
READS = ("latest", "by_tag", "by_alias", "list")
GOALS = {  # at least so many times as fast as MLflow's SQLite store
    "latest": 20.0,
    "by_tag": 20.0,
    "by_alias": 10.0,
    "list": 5.0,
}
GOAL_FLOOR, GOAL_AT_ONCE = 1.5, 15.0


class Driver:
    """A peer's process."""

    def __init__(self, peer: str, folder: Path, artifact: Path) -> None:
        self.peer = peer
        python, self.problem = python_of(peer)
        if self.problem:
            return
        command = [python, str(Path(__file__).with_name("driver.py")), peer, str(folder), str(artifact)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]) if peer.startswith("ours") else ""}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        if not self.process.stdout.readline():
            self.problem = "it did not start"

    def send(self, **command: Any) -> None:
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "it died"}

    def ask(self, **command: Any) -> dict[str, Any]:
        self.send(**command)
        return self.receive()

    def end(self) -> None:
        if not self.problem:
            self.process.stdin.close()
            self.process.wait(timeout=60)


def scratch_folder() -> Path:
    """On the disk of this checkout: a temporary folder in memory would make every fsync free."""
    folder = Path(__file__).parents[2] / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def one_at_a_time(count: int, rounds: int, repeat: int, peers: tuple[str, ...], size: int) -> dict[str, dict[str, Any]]:
    """Median milliseconds of each operation of each peer, at `count` versions."""
    results: dict[str, dict[str, Any]] = {peer: {} for peer in peers}
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as scratch:
        artifact = Path(scratch) / "model.bin"
        artifact.write_bytes(os.urandom(size))
        drivers = {peer: Driver(peer, Path(scratch), artifact) for peer in peers}
        live = {}
        for peer, driver in drivers.items():
            problem = driver.problem or driver.ask(do="prepare", count=count).get("error")
            if problem:
                results[peer]["problem"] = problem
            else:
                live[peer] = driver
        times: dict[tuple[str, str], list[float]] = {}
        for number in range(rounds):
            for operation in ("register", *READS):
                # Writes wait for the disk, which others may use too: there the peers take turns call by call.
                turns, calls = (repeat, 1) if operation == "register" else (1, repeat)
                for turn in range(turns):
                    start = (number + turn) % len(peers)
                    for peer in (*peers[start:], *peers[:start]):
                        if peer in live:
                            answer = live[peer].ask(do=operation, repeat=calls, warm=int(turn == 0))
                            times.setdefault((peer, operation), []).extend(answer.get("times", []))
                            if "error" in answer:
                                results[peer][f"{operation} error"] = answer["error"]
        for (peer, operation), found in times.items():
            if found:
                results[peer][operation] = statistics.median(found)
        for driver in drivers.values():
            driver.end()
    return results


def at_once(processes: int, each: int, rounds: int, peers: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Registrations a second of so many processes at one store."""
    rates: dict[str, list[float]] = {peer: [] for peer in peers}
    errors: dict[str, str] = {}
    for number in range(rounds):
        for peer in (*peers[number % len(peers) :], *peers[: number % len(peers)]):
            with tempfile.TemporaryDirectory(dir=scratch_folder()) as scratch:
                artifact = Path(scratch) / "model.bin"
                artifact.write_bytes(os.urandom(2000))
                first = Driver(peer, Path(scratch), artifact)
                if problem := first.problem or first.ask(do="register", repeat=1).get("error"):
                    errors[peer] = problem
                    continue
                drivers = [first, *(Driver(peer, Path(scratch), artifact) for _ in range(processes - 1))]
                for driver in drivers:
                    driver.ask(do="register", repeat=2)
                for driver in drivers:
                    driver.send(do="register", repeat=each)
                answers = [driver.receive() for driver in drivers]
                for driver in drivers:
                    driver.end()
                well = [answer for answer in answers if "error" not in answer]
                if len(well) < len(answers):
                    errors[peer] = next(answer["error"] for answer in answers if "error" in answer)
                if well:
                    span = max(answer["ended"] for answer in well) - min(answer["began"] for answer in well)
                    rates[peer].append(len(well) * each / span)
    return {
        peer: {"rate": statistics.median(rates[peer]) if rates[peer] else None, "error": errors.get(peer)}
        for peer in peers
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.registry", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer versions and rounds; about a minute")
    parser.add_argument("--only", choices=PEERS, action="append", help="only these peers")
    parser.add_argument("--part", choices=("one", "many"), help="only one process at a time, or only many at once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    options = parser.parse_args()
    peers = tuple(peer for peer in PEERS if not options.only or peer in options.only)
    counts = () if options.part == "many" else (10, 1000) if options.quick else (10, 1000, 10_000)
    sizes = () if options.part == "many" else (1_000_000,) if options.quick else (1_000_000, 50_000_000)
    crowds = () if options.part == "one" else (8,) if options.quick else (2, 8)
    rounds, repeat = (2, 10) if options.quick else (5, 20)
    report: dict[str, Any] = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
        "versions": {},
        "artifact_bytes": {},
        "at_once": {},
    }
    print(report["machine"])
    for count in counts:
        chosen = tuple(peer for peer in peers if peer != "modelstore_files" or count <= 1000)
        found = report["versions"][count] = one_at_a_time(count, rounds, repeat, chosen, 2000)
        print(f"\n{count} versions, an artifact of 2 kB; median milliseconds")
        table(found, ("register", *READS))
    for size in sizes:
        chosen = tuple(peer for peer in peers if peer in ("floor", "ours"))
        found = report["artifact_bytes"][size] = one_at_a_time(10, rounds, 5, chosen, size)
        print(f"\n10 versions, an artifact of {size // 1_000_000} MB; median milliseconds")
        table(found, ("register",))
    for processes in crowds:
        chosen = tuple(peer for peer in peers if peer != "ours_cold")
        found = report["at_once"][processes] = at_once(processes, 20, 1 if options.quick else 3, chosen)
        print(f"\n{processes} processes at once; registrations a second")
        for peer, result in found.items():
            rate = "-" if result["rate"] is None else f"{result['rate']:8.1f}"
            print(f"  {peer:<18}{rate}  {result['error'] or ''}")
    verdict = judge(report)
    print("\nGoals")
    for line in verdict:
        print(f"  {line}")
    if options.json:
        options.json.write_text(json.dumps({**report, "goals": verdict}, indent=2) + "\n")
    return 0


def table(found: dict[str, dict[str, Any]], operations: tuple[str, ...]) -> None:
    print(f"  {'':<18}" + "".join(f"{operation:>12}" for operation in operations))
    for peer, result in found.items():
        cells = (f"{result[operation]:12.3f}" if operation in result else f"{'-':>12}" for operation in operations)
        notes = "  ".join(str(value) for key, value in result.items() if key.endswith(("problem", "error")))
        print(f"  {peer:<18}" + "".join(cells) + f"  {notes}")


def judge(report: dict[str, Any]) -> list[str]:
    """Measured ratios beside the goals."""
    lines = []

    def line(what: str, ratio: float, goal: float, *, most: bool = False) -> None:
        met = "met" if (ratio <= goal if most else ratio >= goal) else "NOT MET"
        lines.append(f"{what}: {ratio:.2f}x (goal: {'at most' if most else 'at least'} {goal:g}x) {met}")

    for part, unit in (("versions", "versions"), ("artifact_bytes", "bytes")):
        for count, found in report[part].items():
            if {"floor", "ours"} <= found.keys():
                ratio = found["ours"]["register"] / found["floor"]["register"]
                line(f"register over the floor, {count} {unit}", ratio, GOAL_FLOOR, most=True)
    for count, found in report["versions"].items():
        mlflow = found.get("mlflow_sqlite", {})
        for operation, goal in GOALS.items():
            if operation in mlflow and (operation != "list" or count >= 1000):
                ratio = mlflow[operation] / found["ours"][operation]
                line(f"{operation} against MLflow's SQLite, {count} versions", ratio, goal)
    for processes, found in report["at_once"].items():
        ours, mlflow = (found.get(peer, {}).get("rate") for peer in ("ours", "mlflow_sqlite"))
        if ours and mlflow and processes == 8:
            line("8 processes registering against MLflow's SQLite", ours / mlflow, GOAL_AT_ONCE)
    return lines


if __name__ == "__main__":
    sys.exit(main())
