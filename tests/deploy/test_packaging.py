"""What is found out before anything is built or started: with no engine, no network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import packaging, wheelhouse
from deploy.errors import DeployFailed, EngineUnavailable, PackageRefused
from deploy.images import Image, ImageBuilder, PackageRequest, Progress
from deploy.process import ProcessServices
from tests.contract.images import ImageBuilderContract, with_manifest
from tests.contract.services_project import PORTS, Project

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
LOCK = ROOT / "requirements" / "locks" / f"score-{PYTHON}.txt"


@pytest.fixture
def package(tmp_path: Path) -> PackageRequest:
    return replace(Project(tmp_path / "project").request(3.0).package, lock=LOCK)


class Checks(ImageBuilder):
    """A builder that does all that goes before the build."""

    def build(self, request: PackageRequest, *, progress: Progress | None = None) -> Image:
        packaging.check_loads(request, progress=progress)
        return Image("none:1", "sha256:" + "0" * 64, request.model.reference, request.model.digest)

    def push(self, image: Image, repository: str, *, progress: Progress | None = None) -> Image:
        raise NotImplementedError


@pytest.mark.slow  # all of them together
class TestChecks(ImageBuilderContract):
    """The suite of image builders, where it ends before the build."""

    @pytest.fixture
    def builder(self) -> ImageBuilder:
        return Checks()

    @pytest.fixture
    def package(self, package: PackageRequest) -> PackageRequest:  # type: ignore[override]
        return package


def test_another_python_is_refused(package: PackageRequest) -> None:
    other = "3.10" if PYTHON != "3.10" else "3.12"
    with pytest.raises(PackageRefused, match=rf"made with Python {other}, and this is {PYTHON}"):
        packaging.check_loads(with_manifest(package, python=other))


def test_a_wrong_golden_prediction_is_refused(tmp_path: Path) -> None:
    package = replace(Project(tmp_path / "project").request(3.0, golden=99.0).package, lock=LOCK)
    with pytest.raises(PackageRefused, match="golden"):
        packaging.check_loads(package)


def test_a_model_that_does_not_load_is_refused_with_its_own_words(tmp_path: Path) -> None:
    package = replace(Project(tmp_path / "project").request(3.0, init="raise").package, lock=LOCK)
    with pytest.raises(PackageRefused, match="the weights are of the wrong kind"):
        packaging.check_loads(package)


def test_a_model_that_never_loads_is_given_up(tmp_path: Path) -> None:
    package = replace(Project(tmp_path / "project").request(3.0, init="hang").package, lock=LOCK)
    with pytest.raises(PackageRefused, match="does not load within 1 s"):
        packaging.check_loads(package, timeout=1.0)


def test_another_version_installed_here_is_named(package: PackageRequest, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("flask==0.1 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(PackageRefused, match=r"(?i)flask [\d.]+, the lock has 0\.1"):
        packaging.check_loads(replace(package, lock=lock))


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_manifest_is_refused(package: PackageRequest, content: str) -> None:
    (package.artifact / "manifest.json").write_text(content)
    with pytest.raises(PackageRefused, match=r"manifest\.json"):
        packaging.manifest_of(package.artifact)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ProcessServices]:
    services = ProcessServices(tmp_path / "services", ports=PORTS)
    yield services
    for info in list(services.services()):
        services.delete(info.name)


def test_a_local_process_has_the_packages_of_the_lock_and_no_others(services: ProcessServices, tmp_path: Path) -> None:
    project = Project(tmp_path / "other")
    script = project.root / "score" / "line.py"
    good = script.read_text()
    script.write_text(f"import numpy\n{good}")
    request = project.request(3.0)
    services.deploy(replace(request, package=replace(request.package, lock=LOCK)))
    script.write_text(f"import pandas\n{good}")
    request = project.request(4.0)
    with pytest.raises(DeployFailed) as failure:
        services.deploy(replace(request, package=replace(request.package, lock=LOCK)))
    assert "No module named 'pandas'" in failure.value.logs
    assert json.loads(services.invoke("line-qa", b'{"data": [[1]]}').body) == {"result": [3.0]}


class Pip:
    """Stands in for pip: its exit code and what it prints."""

    def __init__(self, code: int, stderr: str = "") -> None:
        self.code, self.stderr, self.calls = code, stderr, []

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.calls.append(command)
        target = Path(command[command.index("--dest") + 1])
        target.mkdir(parents=True, exist_ok=True)
        (target / "some.whl").write_text("")
        return subprocess.CompletedProcess(command, self.code, "", self.stderr)


def test_wheels_are_fetched_once_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(0)
    monkeypatch.setattr("deploy.wheelhouse.subprocess.run", pip)
    first = wheelhouse.wheelhouse(LOCK, tmp_path, machine="x86_64")
    assert wheelhouse.wheelhouse(LOCK, tmp_path, machine="x86_64") == first
    assert len(pip.calls) == 1
    assert "--require-hashes" in pip.calls[0]
    assert wheelhouse.wheelhouse(LOCK, tmp_path, machine="aarch64") != first
    assert len(pip.calls) == 2


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", PackageRefused),
        ("ERROR: No matching distribution found for numpy==9", PackageRefused),
        ("WARNING: Retrying after connection broken\nERROR: No matching distribution found", EngineUnavailable),
        ("ERROR: Could not install packages due to an OSError", EngineUnavailable),
    ],
)
def test_wheels_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: str, error: type[Exception]
) -> None:
    monkeypatch.setattr("deploy.wheelhouse.subprocess.run", Pip(1, stderr))
    with pytest.raises(error, match=LOCK.name):
        wheelhouse.wheelhouse(LOCK, tmp_path, machine="x86_64")
    assert list((tmp_path / "wheels").iterdir()) == []
