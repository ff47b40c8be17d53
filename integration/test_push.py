"""Images are pushed to a real OCI registry, Debian's docker-registry, and come back from it the same."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy.docker_images import DockerImageBuilder
from deploy.errors import DeployFailed
from deploy.local.programs import wait_until
from integration.conftest import ImageProject

CONFIG = """
version: 0.1
storage:
  filesystem:
    rootdirectory: {root}
http:
  addr: 127.0.0.1:{port}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of a registry that runs as a process of this machine."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed (apt-get install docker-registry)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, log = tmp_path / "registry.yml", tmp_path / "registry.log"
    config.write_text(CONFIG.format(root=tmp_path / "registry", port=port))
    with log.open("wb") as out, subprocess.Popen([program, "serve", str(config)], stdout=out, stderr=out) as process:
        try:
            assert wait_until(lambda: _answers(port), 20), log.read_text()
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/v2/", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_push_and_pull(registry: str, image_project: ImageProject, builder: DockerImageBuilder) -> None:
    request = image_project.request(3.0)
    assert request.image is not None
    said: list[str] = []
    pushed = builder.push(request.image, f"{registry}/models/line", progress=said.append)
    assert pushed.reference.startswith(f"{registry}/models/line:")
    assert pushed.digest.startswith("sha256:")
    assert pushed.model_digest == request.package.model.digest
    # The registry holds, under that digest, what the engine built.
    answer = requests.get(
        f"http://{registry}/v2/models/line/manifests/{pushed.digest}",
        headers={"accept": "application/vnd.docker.distribution.manifest.v2+json"},
        timeout=10,
    )
    assert answer.headers["docker-content-digest"] == pushed.digest
    client = builder.engine.client
    client.images.remove(pushed.reference, force=True)
    back = client.images.pull(f"{registry}/models/line@{pushed.digest}")
    assert back.id == request.image.digest
    client.images.remove(f"{registry}/models/line@{pushed.digest}", force=True)


def test_a_registry_that_does_not_answer(image_project: ImageProject, builder: DockerImageBuilder) -> None:
    request = image_project.request(3.0)
    assert request.image is not None
    with pytest.raises(DeployFailed, match=r"127\.0\.0\.1:9/line") as failure:
        builder.push(request.image, "127.0.0.1:9/line")
    assert failure.value.phase == "push"
    assert "docker login" in (failure.value.hint or "")
    _, _, tag = request.image.reference.rpartition(":")
    builder.engine.client.images.remove(f"127.0.0.1:9/line:{tag}", force=True)


@pytest.fixture
def builder(image_project: ImageProject) -> DockerImageBuilder:
    return image_project.builder
