"""Images: the same request gives the same content; what cannot work is refused by name before it is built."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import content as content_module
from deploy.docker_engine import Engine
from deploy.docker_images import LABEL, DockerImageBuilder
from deploy.errors import DeployFailed, EngineUnavailable, PackageRefused
from deploy.images import PackageRequest
from deploy.local.programs import wait_until
from integration.conftest import LOCK, PYTHON
from tests.contract.images import ImageBuilderContract, with_manifest
from tests.contract.services_project import Project

Tree = dict[str, tuple[Any, ...]]


@pytest.fixture
def builder(engine: Engine, cache: Path) -> DockerImageBuilder:
    return DockerImageBuilder(cache, engine)


@pytest.fixture
def request_(tmp_path: Path) -> PackageRequest:
    return replace(Project(tmp_path / "project").request(3.0).package, lock=LOCK)


class TestDockerImageBuilder(ImageBuilderContract):
    @pytest.fixture
    def builder(self, engine: Engine, cache: Path) -> DockerImageBuilder:
        return DockerImageBuilder(cache, engine)

    @pytest.fixture
    def package(self, request_: PackageRequest) -> PackageRequest:
        return request_


def test_two_builds_without_cache_are_equal(
    engine: Engine, cache: Path, request_: PackageRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At other times, from a project and a kit in other folders, with other modes and times of the files."""
    shutil.copytree(content_module.KIT / "score", tmp_path / "kit" / "score")
    monkeypatch.setattr(content_module, "KIT", tmp_path / "kit")
    builder = DockerImageBuilder(cache, engine, use_cache=False)
    first = content(engine, builder.build(request_).reference)
    elsewhere = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(request_.source, elsewhere)
    shutil.copytree(tmp_path / "kit", elsewhere / "kit")
    monkeypatch.setattr(content_module, "KIT", elsewhere / "kit")
    for path in elsewhere.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    artifact = elsewhere / request_.artifact.relative_to(request_.source)
    again = replace(request_, source=elsewhere, artifact=artifact)
    second = content(engine, builder.build(again).reference)
    assert different(first, second) == []


def test_buildkit_builds_the_same(builder: DockerImageBuilder, request_: PackageRequest, unique: str) -> None:
    """BuildKit, twice without cache: equal to each other and, in files and owners, to the engine's classic builder."""
    docker = buildkit()
    trees = []
    for number in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            arguments = builder.context(request_, Path(folder))
            tag = f"{unique}:{number}"
            command = [docker, "build", "--no-cache", "--network", "none", "--tag", tag]
            command += [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
            environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
            done = subprocess.run([*command, folder], env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
        trees.append(content(builder.engine, tag))
        builder.engine.client.images.remove(tag, force=True)
    assert different(*trees) == []
    classic = tree(builder.engine, builder.build(request_).reference)
    assert different((trees[0][0], {}), (classic, {})) == []


def test_the_image_says_what_it_is(builder: DockerImageBuilder, request_: PackageRequest) -> None:
    image = builder.build(request_)
    config = builder.engine.client.images.get(image.reference).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert list(config["ExposedPorts"]) == ["5001/tcp"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "line"
    assert labels["org.opencontainers.image.version"] == "1"
    assert labels["org.opencontainers.image.created"].endswith("Z")
    assert labels[f"{LABEL}.model.digest"] == request_.model.digest
    assert image.model_digest == request_.model.digest


def test_the_image_holds_no_pip_and_no_wheels(builder: DockerImageBuilder, request_: PackageRequest) -> None:
    names = tree(builder.engine, builder.build(request_).reference)
    assert any(name.startswith("opt/venv/lib") and "/sklearn/" in name for name in names)
    assert not [name for name in names if name.endswith(".whl") and name.startswith(("wheels", "opt"))]
    assert not [name for name in names if name.startswith("opt/venv/") and "/pip/" in name]
    assert not [name for name in names if name.startswith("tools")]
    assert "opt/model/line/weights.json" in names
    assert "opt/app/score/line.py" in names


def test_a_base_image_with_another_python_is_refused_before_the_build(
    builder: DockerImageBuilder, request_: PackageRequest
) -> None:
    base = builder.engine.base_image(None, PYTHON)
    other = "3.10" if PYTHON != "3.10" else "3.12"
    said: list[str] = []
    lock = LOCK.with_name(f"score-{other}.txt")
    with pytest.raises(PackageRefused, match=rf"Python {other}.*has Python {PYTHON}"):
        builder.build(replace(with_manifest(request_, python=other), base_image=base, lock=lock), progress=said.append)
    assert not [line for line in said if line.startswith(("building", "Step"))]


def test_a_base_image_without_python_is_refused(builder: DockerImageBuilder, request_: PackageRequest) -> None:
    client = builder.engine.client
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("empty"))
        file.seek(0)
        client.api.import_image_from_data(file.read(), repository="mlops-test-empty", tag="1")
    try:
        with pytest.raises(PackageRefused, match="no python3"):
            builder.build(replace(request_, base_image="mlops-test-empty:1"))
        assert not client.containers.list(all=True, filters={"ancestor": "mlops-test-empty:1"})
    finally:
        client.images.remove("mlops-test-empty:1", force=True)


def test_a_base_image_that_cannot_be_had(builder: DockerImageBuilder, request_: PackageRequest) -> None:
    nowhere = "127.0.0.1:9/nothing/python:3.11"
    with pytest.raises(EngineUnavailable, match=nowhere) as failure:
        builder.build(replace(request_, base_image=nowhere))
    assert "image.base" in (failure.value.hint or "")


def test_a_failing_build_shows_its_log(
    builder: DockerImageBuilder, request_: PackageRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A lock whose wheels are not in the wheelhouse: pip in the build has nothing to install from.
    monkeypatch.setattr("deploy.docker_images.wheelhouse", lambda *_, **__: request_.source / "model")
    with pytest.raises(DeployFailed) as failure:
        builder.build(request_)
    assert failure.value.phase == "build"
    assert failure.value.exit_code
    assert "No matching distribution" in failure.value.logs


def test_ctrl_c_during_the_build_leaves_no_container(engine: Engine, cache: Path, request_: PackageRequest) -> None:
    before = containers(engine)

    def interrupt(line: str) -> None:
        if " : RUN " in line:
            raise KeyboardInterrupt

    builder = DockerImageBuilder(cache, engine, use_cache=False)
    with pytest.raises(KeyboardInterrupt):
        builder.build(request_, progress=interrupt)
    assert wait_until(lambda: containers(engine) <= before, 30)


def containers(engine: Engine) -> set[str]:
    """Ids of the engine's containers: by one request; the client's own list asks again for each, which may be gone."""
    return {item["Id"] for item in engine.client.api.containers(all=True)}


def content(engine: Engine, reference: str) -> tuple[Tree, dict[str, Any]]:
    """All files of an image, and its configuration without what the engine itself notes in it."""
    config = dict(engine.client.images.get(reference).attrs["Config"])
    for noise in ("Image", "Hostname"):  # the parent's id and the builder's container, in the classic builder
        config.pop(noise, None)
    return tree(engine, reference), config


def tree(engine: Engine, reference: str) -> Tree:
    """Type, mode, owner, link and digest of each file of an image, by path."""
    container = engine.client.containers.create(reference)
    try:
        with tempfile.TemporaryFile() as file:
            for block in container.export():
                file.write(block)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                return dict(_entries(archive))
    finally:
        container.remove(force=True)


def _entries(archive: tarfile.TarFile) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for entry in archive:
        file = archive.extractfile(entry) if entry.isreg() else None
        digest = hashlib.sha256(file.read()).hexdigest() if file else ""
        yield entry.name, (entry.type, oct(entry.mode), entry.uid, entry.gid, entry.linkname, digest)


def different(first: tuple[Tree, dict[str, Any]], second: tuple[Tree, dict[str, Any]]) -> list[str]:
    """What differs, in words."""
    paths = sorted(first[0].keys() | second[0].keys())
    found = [path for path in paths if first[0].get(path) != second[0].get(path)]
    keys = sorted(first[1].keys() | second[1].keys())
    return found + [f"config {key}" for key in keys if first[1].get(key) != second[1].get(key)]


def buildkit() -> str:
    """A ``docker`` command that can use BuildKit: with the buildx plugin, or one from before that was needed."""
    candidates = [path for path in (shutil.which("docker"), "/usr/bin/docker") if path and Path(path).exists()]
    for docker in candidates:
        if subprocess.run([docker, "buildx", "version"], capture_output=True, check=False).returncode == 0:
            return docker
        version = subprocess.run([docker, "--version"], capture_output=True, text=True, check=False).stdout
        if int(version.split("version ")[1].split(".")[0]) < 23:  # 23 made the plugin a condition
            return docker
    pytest.skip("no docker command here can use BuildKit (docker buildx is missing)")
