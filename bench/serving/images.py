"""Compare scoring images: ``python -m bench.serving.images`` (needs a Docker engine, a base image and a package index).

Ours is what ``mlops package`` makes of the newest model version (run ``make demo`` first). The peer is what a user
writes for Azure's server: the same base image, the same versions of scikit-learn, NumPy and joblib, and
azureml-inference-server-http with a plain entry script. Both get the same model; starts are interleaved.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import docker

from .stacks import HERE, KIT

PEER = "bench-azureml-inference-server"
SAME = ("scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl")
DOCKERFILE = """
ARG BASE
FROM ${BASE} AS build
COPY wheels/ /wheels/
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --no-index --find-links /wheels PACKAGES
FROM ${BASE}
COPY --from=build /opt/venv /opt/venv
COPY app/ /app/
COPY model/ /model/
ENV AZUREML_MODEL_DIR=/model
EXPOSE 5001
CMD ["/opt/venv/bin/azmlinfsrv", "--entry_script", "/app/azure_entry.py", "--port", "5001"]
"""


def ours(command: str) -> str:
    """The reference of our image of the newest version."""
    done = subprocess.run([command, "package", "-o", "json"], cwd=KIT, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    return str(document.get("image", document).get("reference"))


def peer(client: Any, base: str, model: Path) -> str:
    """Build the peer's image; its reference."""
    minor = ".".join(map(str, sys.version_info[:2]))
    lock = (KIT / "requirements" / "locks" / f"score-{minor}.txt").read_text()
    pins = [line.split()[0] for line in lock.splitlines() if line.split("==")[0] in SAME]
    packages = ["azureml-inference-server-http", *pins]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        download = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d"]
        subprocess.run([*download, str(folder / "wheels"), "--only-binary", ":all:", *packages], check=True)
        (folder / "app").mkdir()
        shutil.copy(HERE / "apps" / "azure_entry.py", folder / "app")
        shutil.copytree(model, folder / "model" / "diabetes")
        (folder / "Dockerfile").write_text(DOCKERFILE.replace("PACKAGES", " ".join(packages)))
        client.images.build(path=name, tag=PEER, buildargs={"BASE": base}, rm=True)
    return PEER


def extract(client: Any, image: str, target: Path) -> Path:
    """The model folder of our image, so that both serve the same."""
    container = client.containers.create(image)
    try:
        stream, _ = container.get_archive("/opt/model")
        archive = target / "model.tar"
        archive.write_bytes(b"".join(stream))
        shutil.unpack_archive(archive, target, filter="data")
    finally:
        container.remove(force=True)
    return next((target / "model").rglob("model.joblib")).parent


def start(client: Any, image: str, body: bytes, headers: dict[str, str]) -> tuple[float, list[float]]:
    """Seconds from ``docker run`` to the first prediction, and that prediction."""
    began = time.monotonic()
    options: dict[str, Any] = {"tmpfs": {"/tmp": "size=64m"}, "ports": {"5001/tcp": ("127.0.0.1", None)}}
    container = client.containers.run(image, detach=True, read_only=True, **options)
    try:
        url = ""
        while True:
            try:
                if not url:
                    container.reload()
                    port = container.ports["5001/tcp"][0]["HostPort"]
                    url = f"http://127.0.0.1:{port}/score"
                with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5) as answer:
                    return time.monotonic() - began, json.loads(answer.read())["result"]
            except (OSError, KeyError, IndexError, TypeError):
                if time.monotonic() - began > 120:
                    raise RuntimeError(f"{image} does not answer: {container.logs(tail=20).decode()}") from None
                time.sleep(0.01)
    finally:
        container.remove(force=True)


def main() -> None:
    """Build, measure, print a table."""
    flags = argparse.ArgumentParser(description="Compare scoring images: size and time to the first prediction.")
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--mlops", default=str(Path(sys.executable).with_name("mlops")), help="the command of the kit")
    args = flags.parse_args()
    client = docker.from_env()
    mine = ours(args.mlops)
    label = client.images.get(mine).labels
    base = label["org.opencontainers.image.base.name"]
    with tempfile.TemporaryDirectory() as folder:
        model = extract(client, mine, Path(folder))
        golden = json.loads((model / "golden.json").read_text())
        images = {"ours": mine, "azureml-inference-server-http": peer(client, base, model)}
    body = json.dumps(golden["request"]).encode()
    times: dict[str, list[float]] = {name: [] for name in images}
    for _ in range(args.rounds):
        for name, image in images.items():
            seconds, result = start(client, image, body, {"Content-Type": "application/json"})
            expected = golden["response"]["result"]
            if any(abs(a - b) > 1e-6 * abs(b) for a, b in zip(result, expected, strict=True)):
                raise RuntimeError(f"{name} answers {result}, not {expected}")
            times[name].append(seconds)
    below = client.images.get(base)
    print(f"base {base}: {below.attrs['Size'] / 1e6:.0f} MB; medians of {args.rounds} interleaved starts\n")
    print("| image | MB | of these above the base | layers above the base | docker run to first prediction s |")
    print("|---|---|---|---|---|")
    for name, image in images.items():
        found = client.images.get(image).attrs
        layers = len(found["RootFS"]["Layers"]) - len(below.attrs["RootFS"]["Layers"])
        size = found["Size"] / 1e6
        above = size - below.attrs["Size"] / 1e6
        print(f"| {name} | {size:.0f} | {above:.0f} | {layers} | {statistics.median(times[name]):.2f} |")


if __name__ == "__main__":
    main()
