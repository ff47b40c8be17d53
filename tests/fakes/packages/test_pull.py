"""Packages as real images: built by the engine, pulled by the engine from the faked registry."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.services.packages.models import Packages
from fakes.services.webservices.images import Images
from tests.fakes.packages.relay import FromUnix

pytestmark = [pytest.mark.azure, pytest.mark.docker, pytest.mark.slow]
SCRIPT = """
    import json, os
    def init(): pass
    def run(data):
        with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "line.json")) as file:
            return json.load(file)["slope"]
"""
RELAY = Path(__file__).with_name("relay.py")
LIST = ["ls", "/var/azureml-app/azureml-models/line/1"]
ANSWERS = "for i in $(seq 300); do docker -H $0 info >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1"


@pytest.fixture
def door() -> str:
    """One is enough: what the engine asks comes through the server in any case."""
    return "inprocess"


@pytest.fixture
def client() -> Iterator[Any]:
    """The local Docker engine, or a skip."""
    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker engine answers")
    yield client
    client.close()


@pytest.fixture
def package(azure: Any, workspace: Any, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package with a real image; no image is left."""
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig

    bases = [tag for image in client.images.list() for tag in image.tags if "python" in tag or "mlops-base" in tag]
    if not bases:
        pytest.skip("the engine has no image with Python")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.json").write_text('{"slope": 4}')
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "score.py").write_text(textwrap.dedent(SCRIPT))
    config = InferenceConfig("score.py", source_directory=str(tmp_path / "source"), environment=Environment("scoring"))
    packages = azure.state.backend(Packages)
    packages.local_images, packages.local_base = True, bases[0]
    model = Model.register(workspace, "line.json", "line")
    package = Model.package(workspace, [model], config, image_name="team/really", image_label="built")
    package.wait_for_creation(show_output=False)
    yield package
    remove(client, package.location)


def remove(client: Any, *names: str) -> None:
    known = {tag for image in client.images.list() for tag in image.tags}
    for name in known.intersection(names):
        client.images.remove(name, force=True)


@pytest.fixture
def docker_command(tmp_path: Path) -> Callable[..., Any]:
    """The ``docker`` command with a configuration of its own."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command on this machine")
    environment = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker")}

    def run(*arguments: str, **more: Any) -> Any:
        return subprocess.run(["docker", *arguments], env=environment, capture_output=True, text=True, **more)

    return run


def test_a_package_is_built_and_pulled_from_the_loopback_address(
    azure: Any, package: Any, client: Any, docker_command: Callable[..., Any]
) -> None:
    assert f"Successfully tagged {package.location}" in package.get_logs()
    assert client.containers.run(package.location, LIST, remove=True) == b"line.json\n"
    registry = package.get_container_registry()
    address = azure.child_environment()["FAKES_ADDRESS"].partition("//")[2]
    name = f"{address}/team/really:built"
    client.images.remove(package.location, force=True)
    assert docker_command("pull", name).returncode != 0, "without signing in"
    login = ["login", "--username", registry.username, "--password-stdin", address]
    assert docker_command(*login, input="wrong").returncode != 0
    done = docker_command(*login, input=registry.password)
    assert "Login Succeeded" in done.stdout, done.stderr
    try:
        done = docker_command("pull", name)
        assert done.returncode == 0, done.stderr
        assert azure.state.backend(Images).items[package.location].digest in done.stdout
        assert client.containers.run(name, LIST, remove=True) == b"line.json\n"
    finally:
        remove(client, name)


def test_an_image_is_pushed_and_pulled_again(
    azure: Any, client: Any, docker_command: Callable[..., Any], tmp_path: Path
) -> None:
    from fakes.services.arm.models import ArmBackend

    workspace = azure.state.workspace()
    password = azure.state.backend(ArmBackend).registry_password(workspace)
    address = azure.child_environment()["FAKES_ADDRESS"].partition("//")[2]
    name = f"{address}/team/pushed:v1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /Dockerfile\n")
    client.images.build(path=str(tmp_path), tag=name)
    try:
        assert docker_command("push", name).returncode != 0, "without signing in"
        login = ["login", "--username", workspace.container_registry, "--password-stdin", address]
        assert docker_command(*login, input=password).returncode == 0
        pushed = docker_command("push", name)
        assert pushed.returncode == 0, pushed.stderr
        before = client.images.get(name).id
        client.images.remove(name, force=True)
        pulled = docker_command("pull", name)
        assert pulled.returncode == 0, pulled.stderr
        assert client.images.get(name).id == before
    finally:
        remove(client, name)


@pytest.fixture
def proxied_engine(azure: Any) -> Iterator[str]:
    """Address of an engine that was started with the fake as its proxy, as a machine would be set up for it.

    It has a network namespace of its own: a second engine would take the bridge of the first one away.
    """
    missing = [name for name in ("dockerd", "unshare", "ip") if shutil.which(name) is None]
    if missing or os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("a Docker engine of the test's own needs dockerd, unshare, ip and root")
    variables = azure.child_environment()
    port = int(variables["FAKES_ADDRESS"].rpartition(":")[2])
    with tempfile.TemporaryDirectory(prefix="dd-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        address, way = f"unix://{folder}/s", f"{folder}/way"
        options = ["--host", address, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        options += ["--pidfile", f"{folder}/pid", "--bridge", "none", "--storage-driver", "vfs"]
        options += ["--iptables=false", "--ip6tables=false"]
        inside = f"ip link set lo up && {{ {sys.executable} {RELAY} {port} {way} & exec dockerd {' '.join(options)}; }}"
        wanted = ("HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
        environment = {"PATH": os.environ["PATH"], **{name: variables[name] for name in wanted}}
        with FromUnix(way, port) as relay, (folder / "log").open("wb") as log:
            threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
            daemon = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", inside],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                if subprocess.run(["sh", "-c", ANSWERS, address], env={"PATH": os.environ["PATH"]}).returncode:
                    pytest.skip(f"dockerd does not start here: {(folder / 'log').read_text()[-500:]}")
                yield address
            finally:
                daemon.terminate()
                daemon.wait(30)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(daemon.pid, signal.SIGKILL)
                relay.shutdown()


def test_the_sdk_pulls_by_the_registrys_own_name_when_the_engine_goes_through_the_fake(
    azure: Any, package: Any, proxied_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = pytest.importorskip("docker")
    monkeypatch.setenv("DOCKER_HOST", proxied_engine)
    package.pull()
    client = docker.from_env()
    try:
        digest = azure.state.backend(Images).items[package.location].digest
        pulled = client.images.get(package.location)
        assert pulled.attrs["RepoDigests"] == [f"{package.location.rpartition(':')[0]}@{digest}"]
    finally:
        client.close()
