"""How much memory a fake takes while the SDK registers and downloads a large model (Linux).

    python bench/fakes/memory.py --megabytes 300

Prints one JSON document: the most memory (VmHWM, MB) that the process with the fake in it held before and after. With
door ``server`` that is the server alone; with ``inprocess`` the SDK's share is in it, and what the SDK takes by itself
is the ``client`` of the server door.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# Registers twice (a first version is small, so that what is loaded once is not counted) and downloads.
CLIENT = """
import json, os, sys
from azureml.core import Model, Workspace
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
ws = Workspace.get(os.environ["WORKSPACE_NAME"], subscription_id=os.environ["SUBSCRIPTION_ID"],
                   resource_group=os.environ["RESOURCE_GROUP"])
Model.register(ws, "small.bin", "m").download("small", exist_ok=True)
before = peak()
model = Model.register(ws, "large.bin", "m")
registered = peak()
model.download("large", exist_ok=True)
print(json.dumps({"before": round(before), "registered": round(registered), "downloaded": round(peak())}))
"""


def main() -> None:
    """Measure both doors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=300)
    size = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        folder = Path(name)
        (folder / "small.bin").write_bytes(b"small")
        with (folder / "large.bin").open("wb") as file:
            for _ in range(size):
                file.write(os.urandom(1024 * 1024))
        (folder / "client.py").write_text(CLIENT)
        found = {"megabytes": size, "server": _server(folder), "inprocess": _inprocess(folder)}
        print(json.dumps({**found, "load": round(os.getloadavg()[0], 1)}, indent=2))


def _peak(pid: int) -> int:
    (found,) = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return round(int(found) / 1024)


def _run(folder: Path, *command: str) -> dict[str, int]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def _server(folder: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "fakes", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None
        try:
            before = _peak(server.pid)
            run = [sys.executable, "-m", "fakes", "run", "--address", found.group(), "--", sys.executable, "client.py"]
            client = _run(folder, *run)
            return {"before": before, "after": _peak(server.pid), "client": client}
        finally:
            server.terminate()


def _inprocess(folder: Path) -> dict[str, int]:
    program = "import runpy, fakes\nwith fakes.mock_azure():\n    runpy.run_path('client.py', run_name='__main__')\n"
    (folder / "inside.py").write_text(program)
    return _run(folder, sys.executable, "inside.py")


if __name__ == "__main__":
    main()
