"""``mlops release`` as a pipeline calls it: what a file names, with a canary or without."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import SmokeFailed
from mlops.__main__ import run
from pipeline.release import Release
from registry.files.models import FileModelRegistry
from registry.models import Lineage
from tests.contract.services_project import Project

pytestmark = pytest.mark.slow
LOCKS = Path(__file__).parents[2] / "requirements" / "locks"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
SETTINGS = """
backend = "local"
[model]
name = "line"
entry_script = "score/line.py"
[services]
target = "process"
qa = "line-qa"
production = "line-production"
[canary]
requests = 4
max_latency_ratio = 1000.0
"""


class Shell:
    """Calls ``mlops`` in a project with three versions of a model."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        project = Project(folder)
        (folder / "mlops.toml").write_text(SETTINGS)
        (folder / "requirements" / "locks").mkdir(parents=True)
        shutil.copy(LOCKS / f"score-{MINOR}.txt", folder / "requirements" / "locks")
        self.registry = FileModelRegistry(folder / ".mlops" / "registry")
        for slope in (3.0, 3.3, 9.0):
            self.registry.register("line", project.artifact(slope), lineage=Lineage(python=MINOR))

    def __call__(self, *words: str, code: int = 0) -> Any:
        self.capsys.readouterr()
        found = run([*words, "--project", str(self.folder), "-o", "json"])
        printed = self.capsys.readouterr()
        assert found == code, printed.err
        return json.loads(printed.out) if code == 0 else printed.err

    def answer(self) -> float:
        answered = self("services", "invoke", "line-production", "--data", '{"data": [[2]]}')
        return float(json.loads(answered["body"])["result"][0])


@pytest.fixture
def mlops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    shell = Shell(tmp_path / "project", capsys)
    yield shell
    run(["services", "stop", "--all", "--project", str(shell.folder), "-q"])


def test_releases_of_a_pipeline(mlops: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    mlops("deploy", "line:1", "--stage", "qa")
    assert mlops("release", "--canary", "0")["version"] == "line:1"
    assert "has not passed QA" in mlops("release", "line:2", code=2)

    file = mlops.folder / "model.json"
    file.write_text(json.dumps({"model": "line:2"}))
    mlops("deploy", f"@{file}", "--stage", "qa")
    released = mlops("release", f"@{file}", "--canary", "20")
    assert (released["version"], released["canary"]["canary"]["answers"]) == ("line:2", 4)
    assert mlops.registry.alias("line", "production") == 2
    assert mlops.answer() == pytest.approx(6.6)

    # one that answers otherwise is taken back
    mlops("deploy", "line:3", "--stage", "qa")
    assert "line:3 was taken back, line:2 serves on" in mlops("release", "line:3", "--canary", "20", code=7)
    assert mlops.answer() == pytest.approx(6.6)

    # and so is one that fails once it has everything
    real = Release.smoke

    def smoke(self: Release, stage: str, version: Any, **options: Any) -> Any:
        if version.version == 3:
            raise SmokeFailed("no answer", phase="smoke")
        return real(self, stage, version, **options)

    monkeypatch.setattr(Release, "smoke", smoke)
    assert "no answer" in mlops("release", "line:3", code=7)
    assert mlops.registry.alias("line", "production") == 2
    assert mlops.answer() == pytest.approx(6.6)
