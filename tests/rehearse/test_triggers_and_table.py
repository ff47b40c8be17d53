"""What a finished run starts, what the table shows, and the command line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from rehearse.__main__ import cli, main
from rehearse.run.results import FAILED, SUCCEEDED, JobResult, RunResult, StageResult, StepResult
from rehearse.run.table import Board
from rehearse.triggers import started_by
from tests.rehearse.helpers import azure

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("trigger", "state", "branch", "tags", "starts"),
    [
        ("true", SUCCEEDED, "refs/heads/x", [], True),
        ("none", SUCCEEDED, "refs/heads/main", [], False),
        ("{branches: {include: [main]}, tags: [good]}", SUCCEEDED, "refs/heads/main", ["good", "other"], True),
        ("{branches: {include: [main]}, tags: [good]}", SUCCEEDED, "refs/heads/main", [], False),
        ("{branches: {include: [main]}, tags: [good]}", SUCCEEDED, "refs/heads/topic", ["good"], False),
        ("{branches: [main]}", SUCCEEDED, "refs/heads/main", [], True),
        ("true", FAILED, "refs/heads/main", [], False),
    ],
)
def test_triggers(tmp_path: Path, trigger: str, state: str, branch: str, tags: list[str], starts: bool) -> None:
    content = f"""
        resources:
          pipelines:
          - pipeline: up
            source: ci
            trigger: {trigger}
        steps: [{{bash: x}}]
        """
    run = RunResult("ci", "1", "Manual", state, tags=tags)
    found = started_by(run, branch, [azure(tmp_path, content)])
    assert [alias for _, alias in found] == (["up"] if starts else [])


def test_the_table_names_what_failed_and_who_approved() -> None:
    step = StepResult("Deploy", "Bash@3", "cd.yml:9", state=FAILED, exit_code=7)
    job = JobResult("D", "Deploy it", FAILED, "production", steps=[step], seconds=2.0)
    stage = StageResult("P", "Production", FAILED, {"D": job}, checks=["approved for production by boss"])
    run = RunResult("cd", "12", "Manual", FAILED, {"P": stage})
    stream = io.StringIO()
    board = Board(Console(file=stream, width=200))
    for changed in (run, stage, job, step, run):
        board(run, changed)
    board.console.print(board.table())
    text = stream.getvalue()
    for wanted in ("cd 12", "Production", "production", "Failed", "approved for production by boss", "failed: Deploy"):
        assert wanted in text


def test_show_prints_the_expansion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(cli, ["show", "batch", "--set", "MLOPS_BACKEND=local"])
    assert result.exit_code == 0, result.output
    assert "Bash@3: .venv/bin/mlops batch" in result.output
    assert "AzureCLI@2" not in result.output


def test_errors_say_where_and_what_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["rehearse", "show"])
    assert main() == 5
    captured = capsys.readouterr()
    assert "there is no .pipelines/rehearsal.yml here" in captured.err
    assert "next: run it in the project folder" in captured.err


def test_a_pipeline_of_no_name_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["rehearse", "show", "deploy"])
    assert main() == 5
    assert "there is no pipeline 'deploy'" in capsys.readouterr().err
