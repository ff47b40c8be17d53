"""What ``mlops batch --published`` asks the published pipeline for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas
import pytest

from mlops.__main__ import run as mlops
from mlops.app import App
from mlops.output import Output
from pipeline.local.runner import LocalRunner
from pipeline.provenance import ROOT


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_dir: Path) -> App:
    """A state of the test's own with a model and a published pipeline."""
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "state"))
    app = App(ROOT, Output())
    app.backend.registry.register(app.settings["model.name"], model_dir / "model")
    assert mlops(["batch", "publish", "--build-id", "8", "--project", str(ROOT), "-q"]) == 0
    return app


@pytest.mark.slow
def test_tables_are_sent_without_a_place_for_their_scores(
    app: App,
    sample: pandas.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[Mapping[str, Any]] = []

    def submitted(*_: Any, parameters: Mapping[str, Any], **more: Any) -> str:
        asked.append(parameters)
        return "run-1"

    monkeypatch.setattr(LocalRunner, "submit", submitted)
    monkeypatch.chdir(tmp_path)  # a place that is not given is no place, not the one where somebody stands
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    sample.head(3).to_csv(folder / "a.csv", index=False)
    sample.head(4).to_csv(folder / "b" / "c.csv", index=False)
    (folder / "notes.txt").write_text("no table")
    capsys.readouterr()
    arguments = ["batch", "--published", "--model", f"{app.settings['model.name']}:1", "--project", str(ROOT)]
    for number, source in enumerate((folder / "a.csv", folder), 1):
        assert mlops([*arguments, "--no-wait", "--input", str(source), "-o", "json", "-q"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["run_id"], said["data"]) == ("run-1", f"{app.settings['batch.data']}:{number}")
        assert (asked[-1]["data_version"], asked[-1]["scores"]) == (number, "")
    sent = app.backend.data.download(app.settings["batch.data"], 2, tmp_path / "sent")
    assert sorted(path.relative_to(sent).as_posix() for path in sent.rglob("*.*")) == ["a.csv", "b/c.csv"]
    assert mlops([*arguments, "--input", str(folder), "-q"]) == 2  # who waits says where the scores go
    assert mlops([*arguments, "--no-wait", "--input", str(folder / "notes.txt"), "-q"]) == 5
    assert len(asked) == 2
