"""Where services run, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.docker_engine import Engine
from deploy.errors import DeployError, EngineUnavailable
from deploy.targets import LocalTarget, choose


def test_process_when_asked_for() -> None:
    assert choose("process", python="3.11").name == "process"


def test_without_an_engine_processes_and_the_reason() -> None:
    target = choose("auto", python="3.11")
    assert target.name == "process"
    assert "the Docker engine does not answer: No such file or directory" in target.reason


def test_docker_asked_for_and_not_there_is_an_error() -> None:
    with pytest.raises(EngineUnavailable, match="does not answer"):
        choose("docker", python="3.11")


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(DeployError, match="kubernetes"):
        choose("kubernetes", python="3.11")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that answers and has one base image."""
    monkeypatch.setattr(Engine, "check", lambda self: "20.10")
    monkeypatch.setattr(Engine, "has_image", lambda self, name: name == "mlops-python:3.11-slim")
    monkeypatch.setattr(Engine, "machine", lambda self: "x86_64")


def test_with_an_engine_and_a_base_image_containers(engine: None) -> None:
    target = choose("auto", python="3.11")
    assert (target.name, target.reason) == ("docker", "Docker 20.10 answers, base image mlops-python:3.11-slim")


def test_without_a_base_image_processes(engine: None) -> None:
    target = choose("auto", python="3.13")
    assert target.name == "process"
    assert "python:3.13-slim cannot be had" in target.reason


def test_without_wheels_processes(engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> Path:
        raise EngineUnavailable("the wheels of lock.txt cannot be fetched")

    monkeypatch.setattr("deploy.wheelhouse.wheelhouse", unreachable)
    target = choose("auto", python="3.11", lock=tmp_path, cache=tmp_path)
    assert (target.name, target.reason) == (
        "process",
        "no containers, because the wheels of lock.txt cannot be fetched",
    )


def test_looking_at_services_needs_no_engine(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path, wanted="docker", python="3.11")
    assert list(target.services().services()) == []
    with pytest.raises(EngineUnavailable):
        target.images()
