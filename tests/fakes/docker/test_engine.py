"""The mocked engine, through docker-py; the same suite runs against a real one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fakes import mock_docker

docker = pytest.importorskip("docker")
errors = docker.errors

RECIPE = """
# A comment
ARG BASE
FROM ${BASE} AS build
ARG SUITE
LABEL stage=${SUITE}
COPY app/ /opt/app/
FROM ${BASE}
ARG GREETING=none
ENV GREETING=${GREETING} \\
    WHERE=/opt/app
LABEL made.by="a test"
COPY --from=build /opt/app/ /opt/app/
WORKDIR /opt/app
EXPOSE 5001
ENTRYPOINT ["python3", "/opt/app/serve.py"]
CMD ["--port", "5001"]
"""
SERVE = """
import http.server, os, sys
print("to stdout", flush=True)
print("to stderr", file=sys.stderr, flush=True)
if "--end" in sys.argv:
    sys.exit(int(sys.argv[sys.argv.index("--end") + 1]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{os.environ['GREETING']} {open(os.environ['WHERE'] + '/data.txt').read()}".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(text))); self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args): pass
http.server.HTTPServer(("0.0.0.0", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


@dataclass
class Bench:
    """An engine, a base image in it, and a name that nothing else has."""

    client: Any
    base: str
    name: str

    def build(self, recipe: str = RECIPE, **options: Any) -> list[dict[str, Any]]:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            for path, text in (("Dockerfile", recipe), ("app/serve.py", SERVE), ("app/data.txt", "data")):
                info = tarfile.TarInfo(path)
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        file.seek(0)
        arguments = {"BASE": self.base, "SUITE": self.name} | options.pop("buildargs", {})
        return list(
            self.client.api.build(
                fileobj=file,
                custom_context=True,
                tag=f"{self.name}:1",
                rm=True,
                pull=False,
                network_mode="none",
                buildargs=arguments,
                labels={"suite": self.name},
                decode=True,
                **options,
            )
        )

    def create(self, command: list[str] | None = None, **options: Any) -> Any:
        return self.client.containers.create(
            f"{self.name}:1", command, labels={"suite": self.name}, ports={"5001/tcp": ("127.0.0.1",)}, **options
        )


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The mocked engine, and the real one where it answers and has an image with Python."""
    name = f"suite-{uuid.uuid4().hex[:8]}"
    if request.param == "mock":
        with mock_docker() as engine:
            client = docker.from_env()
            yield Bench(client, next(iter(engine.images.values())).tags[0], name)
            unknown = [operation for operation in engine.calls if operation.startswith("unknown")]
            client.close()
            assert unknown == []
        return
    try:
        client = docker.from_env()
        client.ping()
    except errors.DockerException:
        pytest.skip("no Docker engine answers")
    bases = [tag for image in client.images.list() for tag in image.tags if "python" in tag]
    if not bases:
        pytest.skip("the engine has no image with Python")
    yield Bench(client, bases[0], name)
    for container in client.containers.list(all=True, filters={"label": f"suite={name}"}, ignore_removed=True):
        container.remove(force=True)
    for image in client.images.list(filters={"label": f"suite={name}"}):
        for tag in image.tags:
            client.images.remove(tag, force=True)
    for stage in client.images.list(filters={"label": f"stage={name}"}):
        client.images.remove(stage.id, force=True)
    client.close()


def test_an_image_is_built_and_described(bench: Bench) -> None:
    lines = [event.get("stream", "") for event in bench.build()]
    assert any(line.startswith("Step 1/") for line in lines)
    assert any(f"Successfully tagged {bench.name}:1" in line for line in lines)
    image = bench.client.images.get(f"{bench.name}:1")
    assert image.id.startswith("sha256:") and image.tags == [f"{bench.name}:1"]
    config = image.attrs["Config"]
    assert config["Labels"]["made.by"] == "a test" and config["Labels"]["suite"] == bench.name
    assert "GREETING=none" in config["Env"] and config["WorkingDir"] == "/opt/app"
    assert config["Entrypoint"] == ["python3", "/opt/app/serve.py"] and config["Cmd"] == ["--port", "5001"]
    assert list(config["ExposedPorts"]) == ["5001/tcp"]
    assert [i.id for i in bench.client.images.list(filters={"label": f"suite={bench.name}"})] == [image.id]
    again = bench.build()
    assert again and bench.client.images.get(f"{bench.name}:1").id == image.id
    image.tag(f"{bench.name}-other", "2")
    assert bench.client.images.get(f"{bench.name}-other:2").id == image.id
    bench.client.images.remove(f"{bench.name}-other:2")
    bench.client.images.remove(f"{bench.name}:1")
    with pytest.raises(errors.ImageNotFound):
        bench.client.images.get(f"{bench.name}:1")


@pytest.mark.parametrize(
    ("recipe", "said"),
    [("ARG BASE\nFROM ${BASE}\nCOPY nothing /x\n", "nothing"), ("ARG BASE\nFROM ${BASE}\nFLY away\n", "FLY")],
)
def test_a_build_that_fails_says_why(bench: Bench, recipe: str, said: str) -> None:
    try:
        events = bench.build(recipe)
    except errors.APIError as error:  # a real engine refuses what it cannot parse before it begins
        assert said in str(error)
        return
    assert any(said in str(event.get("error")) for event in events)


def test_a_container_serves_is_stopped_and_removed(bench: Bench) -> None:
    bench.build(buildargs={"GREETING": "hello"})
    container = bench.create(name=bench.name)
    assert container.status == "created"
    container.start()
    container.reload()
    assert container.attrs["State"]["Running"] and container.status == "running"
    (binding,) = container.attrs["NetworkSettings"]["Ports"]["5001/tcp"]
    assert binding["HostIp"] == "127.0.0.1"
    assert ask(int(binding["HostPort"])) == "hello data"
    assert bench.client.containers.get(bench.name).id == container.id
    assert [c.name for c in bench.client.containers.list(filters={"label": f"suite={bench.name}"})] == [bench.name]
    with pytest.raises(errors.APIError, match=r"[Rr]unning container|cannot remove"):
        container.remove()
    with pytest.raises(errors.APIError, match="already in use"):
        bench.create(name=bench.name)
    container.stop(timeout=5)
    container.reload()
    assert not container.attrs["State"]["Running"] and container.attrs["State"]["ExitCode"] in (137, 143)
    assert sorted(container.logs().decode().splitlines()) == ["to stderr", "to stdout"]
    assert container.logs(stdout=True, stderr=False) == b"to stdout\n"
    assert len(container.logs(tail=1).splitlines()) == 1
    container.start()
    container.reload()
    container.remove(force=True, v=True)
    with pytest.raises(errors.NotFound):
        bench.client.containers.get(bench.name)


def test_an_exit_code_is_kept(bench: Bench) -> None:
    bench.build()
    container = bench.create(["--end", "7"])
    container.start()
    assert container.wait()["StatusCode"] == 7
    container.reload()
    assert (container.status, container.attrs["State"]["ExitCode"]) == ("exited", 7)
    container.remove()


def test_run_gives_output_or_an_error(bench: Bench) -> None:
    code = "import sys; print('out'); sys.exit(int(sys.argv[1]))"

    def run(*command: str) -> Any:
        # A container that cannot be started is left by docker-py; the label lets the fixture remove it.
        options: dict[str, Any] = {"labels": {"suite": bench.name}, "network_mode": "none", "remove": True}
        return bench.client.containers.run(bench.base, list(command), entrypoint="", **options)

    assert run("python3", "-I", "-c", code, "0") == b"out\n"
    with pytest.raises(errors.ContainerError):
        run("python3", "-I", "-c", code, "3")
    with pytest.raises(errors.APIError, match=r"executable file not found|no such file"):
        run("/no/such/program")


def test_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(errors.ImageNotFound):
        bench.client.images.get("no-such-image-anywhere:1")
    with pytest.raises(errors.ImageNotFound):
        bench.client.containers.create("no-such-image-anywhere:1")
    with pytest.raises(errors.NotFound):
        bench.client.containers.get("no-such-container")


def test_version_and_architecture(bench: Bench) -> None:
    import platform

    assert bench.client.version()["ApiVersion"]
    assert bench.client.info()["Architecture"] == platform.machine()


def ask(port: int) -> str:
    """Ask until it listens."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            os.sched_yield()
            subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    raise AssertionError("nothing listens")


def test_faults_pull_and_push() -> None:
    with mock_docker() as engine:
        client = docker.from_env()
        engine.fail("Image*", "no space left on device")
        with pytest.raises(errors.APIError, match="no space left"):
            client.images.list()
        assert client.images.list()
        assert client.images.pull("python", "3.12-slim").tags == ["python:3.12-slim"]
        with pytest.raises(errors.NotFound, match="manifest unknown"):
            client.images.pull("nothing/here", "1")
        client.images.get("python:3.12-slim").tag("registry.example/app", "1")
        events = list(client.api.push("registry.example/app", "1", stream=True, decode=True))
        assert events[-1]["aux"]["Digest"] == engine.pushed["registry.example/app:1"]
        engine.refuse_push.add("registry.example")
        assert "error" in next(client.api.push("registry.example/app", "1", stream=True, decode=True))
        assert engine.calls["ImagePush"] == 2
        client.close()


def test_an_operation_that_the_mock_does_not_have_is_named() -> None:
    with mock_docker() as engine:
        client = docker.from_env()
        with pytest.raises(errors.APIError, match="does not implement GET /volumes"):
            client.volumes.list()
        assert engine.calls["unknown: GET /volumes"] == 1
        client.close()


def test_nothing_is_left_and_docker_host_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///before")
    with mock_docker() as engine:
        assert os.environ["DOCKER_HOST"] == engine.address
        client = docker.from_env()
        bench = Bench(client, next(iter(engine.images.values())).tags[0], "left")
        bench.build()
        container = bench.create()
        container.start()
        container.reload()
        pid = container.attrs["State"]["Pid"]
        os.kill(pid, 0)
        client.close()
    assert os.environ["DOCKER_HOST"] == "unix:///before"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not engine.folder.exists()
    assert json.dumps(sorted(engine.calls))
