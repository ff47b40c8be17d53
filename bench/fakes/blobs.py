"""Blob storage of the fake beside Azurite, with the storage client that the SDK brings: create, put, get, list.

    python bench/fakes/blobs.py --count 200
    AZURITE_ACCOUNTS=bench:YmVuY2g= azurite-blob --inMemoryPersistence --skipApiVersionCheck --silent &
    python bench/fakes/blobs.py --count 200 --azurite http://127.0.0.1:10000/bench

Prints one JSON document: wall time a call in milliseconds. The fake is reached through its server, with TLS and shared
keys; Azurite in plain HTTP, as it is usually run.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# Of the account that the command above gives Azurite: "bench" in base64.
AZURITE_KEY = base64.b64encode(b"bench").decode()


def main() -> None:
    """Measure one side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--azurite", help="address of the account of a running Azurite")
    arguments = parser.parse_args()
    with _azurite(arguments.azurite) if arguments.azurite else _fake() as (side, service):
        times = _measure(service, arguments.count)
    found = {
        name: {"median": round(statistics.median(values), 2), "p95": round(sorted(values)[int(len(values) * 0.95)], 2)}
        for name, values in times.items()
    }
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"side": side, "count": arguments.count, "ms": found, "load": load}, indent=2))


@contextlib.contextmanager
def _fake() -> Iterator[tuple[str, Any]]:
    import fakes

    with fakes.mock_azure(door="server") as fake:
        from azureml._vendor.azure_storage.blob import BlobServiceClient

        account = fake.state.workspace().storage_account
        key = fake.state.tenancy.accounts[account].keys[0]
        yield "fake, server door", BlobServiceClient(f"https://{account}.blob.core.windows.net", credential=key)


@contextlib.contextmanager
def _azurite(address: str) -> Iterator[tuple[str, Any]]:
    from azureml._vendor.azure_storage.blob import BlobServiceClient

    yield "azurite", BlobServiceClient(address, credential=AZURITE_KEY)


def _measure(service: Any, count: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, work: Any) -> Any:
        began = time.perf_counter()
        found = work()
        times[name].append((time.perf_counter() - began) * 1000)
        return found

    box = service.get_container_client(f"bench-{os.getpid()}")
    box.create_container()
    body = os.urandom(10_000)
    for number in range(count):
        blob = box.get_blob_client(f"folder/{number % 50}")
        timed("put 10 kB", lambda b=blob: b.upload_blob(body, overwrite=True))
        assert timed("get", lambda b=blob: b.download_blob().readall()) == body
        timed("list (50)", lambda: len(list(box.list_blobs())))
    box.delete_container()
    return times


if __name__ == "__main__":
    main()
