"""Turning the fake on, the first call, registering and listing: how long, and how much of it is ours.

    python bench/fakes/core.py --count 20

Prints one JSON document. Times are processor time of this process (all threads) in milliseconds, medians;
``ours_ms`` is the wall time inside the fake, a call. Run
``bench/fakes/moto_side.py`` in an environment with moto and boto3 for the comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def timed(work: Any) -> tuple[float, Any]:
    """Return milliseconds of processor time (a shared machine's load does not count) and what `work` returned."""
    began = time.process_time()
    result = work()
    return (time.process_time() - began) * 1000, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--door", choices=["inprocess", "server"], default="inprocess")
    parser.add_argument("--sdk-first", action="store_true", help="import the SDK before the fake, as a test suite does")
    arguments = parser.parse_args()
    if arguments.sdk_first:
        import azureml.core  # noqa: F401
    import_fake, fakes = timed(lambda: __import__("fakes"))
    first_on, mock = timed(lambda: _on(fakes, arguments.door))
    import_sdk, _ = timed(lambda: __import__("azureml.core"))
    times: dict[str, list[float]] = defaultdict(list)
    ours: dict[str, list[float]] = defaultdict(list)
    os.chdir(tempfile.mkdtemp())
    Path("model.bin").write_bytes(os.urandom(10_000))
    from azureml.core import Model, Workspace

    # The first round is counted apart: a service is loaded by the first request that reaches it.
    for number in range(arguments.count + 1):
        if number:
            cost, mock = timed(lambda: _on(fakes, arguments.door))
            times["activation"].append(cost)
        fake = fakes.doors.activation.ACTIVE.fake
        s = fake.settings
        where = {"subscription_id": s.subscription_id, "resource_group": s.resource_group}
        cost, workspace = timed(lambda w=where, name=s.workspace_name: Workspace.get(name, **w))
        times["workspace"].append(cost)
        cost, _ = timed(lambda w=workspace: Model.register(w, "model.bin", "m"))
        times["register"].append(cost)
        cost, _ = timed(lambda w=workspace: Model.list(w))
        times["list"].append(cost)
        for entry in fake.state.requests.entries() if number else ():
            ours[entry.operation].append(entry.milliseconds)
        cost, _ = timed(mock.stop)
        times["deactivation"].append(cost)
    first = {name: round(values.pop(0), 1) for name, values in times.items() if name != "activation"}
    every = [value for values in ours.values() for value in values]
    print(
        json.dumps(
            {
                "door": arguments.door,
                "count": arguments.count,
                "import_fake_cpu_ms": round(import_fake, 1),
                "import_sdk_cpu_ms": round(import_sdk, 1),
                "first_cpu_ms": {"activation": round(first_on, 1), **first},
                "median_cpu_ms": {name: round(statistics.median(values), 2) for name, values in times.items()},
                "ours_ms_a_call": {
                    "median": round(statistics.median(every), 3),
                    "p95": round(sorted(every)[int(len(every) * 0.95)], 3),
                },
                "p95_cpu_ms": {name: round(sorted(v)[int(len(v) * 0.95)], 2) for name, v in times.items()},
                "load": round(os.getloadavg()[0], 1),
                "ours_ms_by_operation": {name: round(statistics.median(v), 3) for name, v in sorted(ours.items())},
            },
            indent=2,
        )
    )


def _on(fakes: Any, door: str) -> Any:
    mock = fakes.mock_azure(door=door)
    mock.start()
    return mock


if __name__ == "__main__":
    main()
