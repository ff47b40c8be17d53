"""Compare scoring services side by side: ``python -m bench.serving.run --peers .bench`` (make the peers with envs.sh).

Same model, same rows, same number of workers, one after the other in rounds, so that a slow minute of the machine hits
all of them. Every service must give the right predictions before it is measured. Needs Linux and ``wrk``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

from .stacks import KIT, Stack, all_stacks

TICKS = os.sysconf("SC_CLK_TCK")
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def prepare(folder: Path, peers: Path) -> tuple[Any, np.ndarray]:
    """Write the model in every form; the model and its data."""
    rows, target = load_diabetes(return_X_y=True)
    model = Ridge(alpha=0.4).fit(rows, target)
    place = folder / "models" / "diabetes"
    place.mkdir(parents=True)
    joblib.dump(model, place / "model.joblib")
    golden = {"request": {"data": rows[:2].tolist()}, "response": {"result": model.predict(rows[:2]).tolist()}}
    (place / "golden.json").write_text(json.dumps(golden))
    manifest = {"schema_version": 1, "features": [f"x{i}" for i in range(10)], "fast_path": None}
    (place / "manifest.json").write_text(json.dumps(manifest))
    subprocess.run([sys.executable, "-m", "score.fastpath", str(place)], cwd=KIT, check=True, stdout=subprocess.DEVNULL)
    (folder / "keys.json").write_text('{"primary": "bench-key"}')
    (folder / "mlserver").mkdir()
    settings = {
        "name": "diabetes",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(place / "model.joblib")},
    }
    (folder / "mlserver" / "model-settings.json").write_text(json.dumps(settings))
    python = peers / "mlflow" / "bin" / "python"
    if python.exists():
        code = f"import joblib, mlflow.sklearn as m; m.save_model(joblib.load({str(place / 'model.joblib')!r}), "
        code += f"{str(folder / 'mlflow')!r}, serialization_format='cloudpickle')"
        subprocess.run([str(python), "-c", code], check=False, capture_output=True)
    return model, rows


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time of a process family."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pid: int) -> tuple[float, float]:
    """MB: proportional set of the family, and of its largest process."""
    sizes = []
    for each in family(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
            sizes.append(int(re.findall(r"Pss:\s+(\d+)", text)[0]) / 1024)
    return sum(sizes), max(sizes)


def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One request."""
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        data: bytes = answer.read()
        return data


@contextlib.contextmanager
def running(stack: Stack, url: str, body: bytes, headers: dict[str, str]) -> Iterator[tuple[int, float, bytes]]:
    """The service; its process id, seconds to the first answer, and that answer."""
    started = time.monotonic()
    env = {**os.environ, **THREADS, **stack.env}
    process = subprocess.Popen(
        stack.command,
        cwd=stack.cwd,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            try:
                answer = post(url, body, headers)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() - started > 90:
                    raise RuntimeError(f"{stack.name} does not start: {' '.join(stack.command)}") from None
                time.sleep(0.02)
        yield process.pid, time.monotonic() - started, answer
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


LUA = """
local f = io.open("{file}", "rb"); wrk.body = f:read("*a"); f:close(); wrk.method = "POST"
{headers}
done = function(s, l, r)
  io.write(string.format("OUT %d %d %d %d %d %d %d\\n", s.requests, s.duration, l:percentile(50), l:percentile(99),
    l:percentile(99.9), s.errors.status, s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))
end
"""


def load(url: str, body: bytes, headers: dict[str, str], connections: int, seconds: float) -> dict[str, float]:
    """Let wrk send `body` for `seconds`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "body").write_bytes(body)
        text = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
        Path(folder, "post.lua").write_text(LUA.format(file=Path(folder, "body"), headers=text))
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
            "-s",
            f"{folder}/post.lua",
            url,
        ]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = [int(part) for part in re.findall(r"^OUT (.*)$", out, re.M)[0].split()]
    names = ("requests", "us", "p50", "p99", "p999", "bad", "errors")
    return dict(zip(names, numbers, strict=True))


def measure(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """All rounds of all services."""
    model, rows = prepare(folder, args.peers)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    many = np.tile(rows, (args.rows // len(rows) + 1, 1))[: args.rows]
    samples = []
    for number in range(args.rounds):
        for stack in all_stacks(folder, args.peers, port, args.workers):
            if args.only and stack.name not in args.only:
                continue
            url = f"http://127.0.0.1:{port}{stack.path}"
            headers = {"Content-Type": "application/json", **stack.headers}
            small = stack.body(rows[:2].tolist())
            body = stack.body(many.tolist())
            forms = [("json", body, headers)]
            if args.npy and stack.name.startswith("ours-"):
                file = io.BytesIO()
                np.save(file, many)
                forms.append(("npy", file.getvalue(), {**headers, "Content-Type": "application/x-npy"}))
            try:
                with running(stack, url, small, headers) as (pid, start, answer):
                    np.testing.assert_allclose(stack.result(answer), model.predict(rows[:2]), rtol=1e-6)
                    for form, data, given in forms:
                        for connections in args.connections:
                            before = cpu(pid)
                            sample: dict[str, Any] = load(url, data, given, connections, args.seconds)
                            sample["cpu_us"] = (cpu(pid) - before) * 1e6 / max(1, sample["requests"])
                            sample["rate"] = sample["requests"] / sample["us"] * 1e6
                            pss, worker = memory(pid)
                            sample.update(
                                stack=stack.name, form=form, c=connections, start=start, pss=pss, worker=worker
                            )
                            samples.append(sample)
                            print(f"round {number + 1} {stack.name} {form} c={connections}", file=sys.stderr)
            except (RuntimeError, OSError) as error:
                print(f"{stack.name}: {error}", file=sys.stderr)
    return samples


def table(samples: list[dict[str, Any]]) -> str:
    """Medians, best first; ratios to Azure's server on the same load."""
    names = ("service", "c", "req/s", "x azureml", "CPU us/req", "x azureml", "p50 ms", "p99 ms", "p99.9 ms")
    names += ("start s", "PSS MB", "bad")
    lines = ["| " + " | ".join(names) + " |"]
    lines.append("|" + "---|" * 12)
    for connections in sorted({sample["c"] for sample in samples}):
        groups: dict[str, list[dict[str, Any]]] = {}
        for sample in samples:
            if sample["c"] == connections:
                groups.setdefault(f"{sample['stack']} {sample['form']}", []).append(sample)

        def middle(group: list[dict[str, Any]], key: str) -> float:
            return statistics.median(sample[key] for sample in group)

        base = groups.get("azureml json")
        for name, group in sorted(groups.items(), key=lambda item: middle(item[1], "cpu_us")):
            rate, cost = middle(group, "rate"), middle(group, "cpu_us")
            ratios = (
                [f"{rate / middle(base, 'rate'):.2f}", f"{middle(base, 'cpu_us') / cost:.2f}"] if base else ["", ""]
            )
            times = [f"{middle(group, key) / 1000:.2f}" for key in ("p50", "p99", "p999")]
            bad = sum(sample["bad"] + sample["errors"] for sample in group)
            cells = [name, str(connections), f"{rate:,.0f}", ratios[0], f"{cost:,.0f}", ratios[1], *times]
            cells += [f"{middle(group, 'start'):.2f}", f"{middle(group, 'pss'):.0f}", f"{bad:.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run the comparison and print it."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--peers", type=Path, default=KIT / ".bench", help="folder with the peers' environments")
    flags.add_argument("--rows", type=int, default=2)
    flags.add_argument("--workers", type=int, default=1)
    flags.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--seconds", type=int, default=3)
    flags.add_argument("--npy", action="store_true", help="also ours with a .npy body")
    flags.add_argument("--only", nargs="*", default=[])
    flags.add_argument("--json", type=Path, help="write the samples there")
    args = flags.parse_args()
    args.peers = args.peers.resolve()
    if shutil.which("wrk") is None:
        print("wrk is not installed (apt-get install wrk)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        samples = measure(args, Path(folder))
    if args.json:
        args.json.write_text(json.dumps(samples, indent=1))
    others = os.getloadavg()[0]
    print(f"{args.rows} rows, {args.workers} worker(s), medians of {args.rounds} rounds of {args.seconds} s; ", end="")
    print(f"{os.cpu_count()} cores, load average {others:.1f} at the end\n\n{table(samples)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
