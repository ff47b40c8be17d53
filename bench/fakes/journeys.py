"""How long the whole way takes, and how much of it is the fake's own.

    python bench/fakes/journeys.py --door inprocess --count 5 --parallel 1
    python bench/fakes/journeys.py --door server --count 50 --parallel 8

Prints one JSON document. ``ours_ms`` is the time inside the fake's handlers but for polls, which are held until the
work that they wait for is done, and requests to containers; ``containers_ms`` is that waiting. The rest is the SDK's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# Answers that wait for something that is not the fake.
WAITING = {"Operations_Get", "Scoring_Score", "Scoring_Get", "Compute_OperationStatus"}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--door", choices=("inprocess", "server"), default="inprocess")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--parallel", type=int, default=1)
    arguments = parser.parse_args()

    # A temporary folder of its own, so that whatever is left can be told from what others left.
    temporary = Path(tempfile.mkdtemp(prefix="journeys-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    load = os.getloadavg()[0]
    import fakes
    from fakes.core.folders import process_folder

    began = time.perf_counter()
    with fakes.mock_azure(door=arguments.door, request_log=100_000) as fake:
        activation = time.perf_counter() - began
        began = time.perf_counter()
        import azureml.core  # noqa: F401

        importing = time.perf_counter() - began
        ways = _ways(fake, arguments.door, arguments.count, arguments.parallel)
        entries = fake.state.requests.entries()
        left = len(fake.state.background.children())
        bugs = len(fake.state.bugs)
    own = process_folder()
    folders = [path.name for path in own.iterdir() if path.is_dir() and path.name != "home"]
    folders += [path.name for path in temporary.glob("fakes*") if path != own]
    ours = sum(e.milliseconds for e in entries if e.operation not in WAITING)
    waited = sum(e.milliseconds for e in entries if e.operation in WAITING)
    print(
        json.dumps(
            {
                "door": arguments.door,
                "journeys": arguments.count,
                "parallel": arguments.parallel,
                "activation_ms": round(activation * 1000, 1),
                "sdk_import_s": round(importing, 2),
                "first_prediction_s": _spread([way["first prediction"] for way in ways]),
                "whole_way_s": _spread([way["cleaned up"] for way in ways]),
                "requests_per_journey": round(len(entries) / arguments.count, 1),
                "ours_ms_per_journey": round(ours / arguments.count, 1),
                "ours_ms_per_request": round(ours / max(1, len(entries)), 3),
                "containers_ms_per_journey": round(waited / arguments.count, 1),
                "load_before": round(load, 1),
                "load_after": round(os.getloadavg()[0], 1),
                "children_left": left,
                "processes_left": _processes(temporary),
                "folders_left": folders,
                "bugs": bugs,
                "threads_left": sorted({t.name for t in threading.enumerate() if t.name.startswith("fakes-")}),
            },
            indent=2,
        )
    )
    shutil.rmtree(temporary, ignore_errors=True)
    sys.exit(1 if left or bugs or folders or _processes(temporary) else 0)


def _processes(temporary: Path) -> list[str]:
    """Command lines of other processes whose temporary folder is this one, whoever their parent is by now (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            if f"TMPDIR={temporary}".encode() in variables and process.name != str(os.getpid()):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def _ways(fake: Any, door: str, count: int, parallel: int) -> list[dict[str, float]]:
    """Seconds until each step of each journey: threads of this process, or programs of their own."""
    with tempfile.TemporaryDirectory(prefix="journeys-") as name:
        os.chdir(name)
        parsing = threading.RLock()

        def go(number: int) -> dict[str, float]:
            folder = Path(name) / f"j{number}"
            folder.mkdir()
            if door == "server":
                return _program(fake, f"j{number}", folder)
            started = time.perf_counter()
            marks: dict[str, float] = {}
            journey(f"j{number}", folder, lambda s: marks.update({s: time.perf_counter() - started}), parsing)
            return marks

        try:
            from tests.fakes.journey import journey

            with ThreadPoolExecutor(parallel) as pool:
                return list(pool.map(go, range(count)))
        finally:
            os.chdir(ROOT)


def _program(fake: Any, name: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "tests" / "fakes" / "journey.py"), name, str(folder)]
    done = subprocess.run(command, cwd=folder, env=fake.child_environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    # The SDK leaves lines open that it prints dots into.
    steps = re.findall(r"(\d+\.\d\d) s  ([a-z ]+)$", done.stdout, re.MULTILINE)
    return {step: float(seconds) for seconds, step in steps}


def _spread(values: list[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
    }


if __name__ == "__main__":
    main()
