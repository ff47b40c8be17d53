"""Small repositories with pipelines in them, and worlds to run them in."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from rehearse.azure.build import pipeline
from rehearse.github.build import workflow
from rehearse.graph import Pipeline
from rehearse.run.azure_engine import AzureEngine
from rehearse.run.github_engine import GithubEngine
from rehearse.run.project import Environment, Project
from rehearse.run.results import RunResult
from rehearse.run.world import World


def repository(folder: Path, files: dict[str, str]) -> Path:
    """Write `files` (dedented) into `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content).lstrip("\n"), encoding="utf-8")
    return folder


def azure(folder: Path, content: str, *, parameters: dict[str, object] | None = None, **files: str) -> Pipeline:
    """Expand an Azure pipeline whose templates are `files` (``a__b`` is ``a/b.yml``)."""
    repository(folder, {"main.yml": content, **{f"{k.replace('__', '/')}.yml": v for k, v in files.items()}})
    return pipeline(folder / "main.yml", folder, dict(parameters or {}), {"Build.Reason": "Manual"})


def github(folder: Path, content: str, **files: str) -> Pipeline:
    """Read a workflow whose called workflows are `files`."""
    named = {f".github/workflows/{name}.yml": text for name, text in files.items()}
    repository(folder, {".github/workflows/main.yml": content, **named})
    return workflow(folder / ".github/workflows/main.yml", folder)


def project() -> Project:
    """A project with one group, one connection and two environments."""
    return Project(
        pipelines={"main": "main.yml"},
        groups={"shared": {"REGION": "west", "TOKEN": "hunter2-long-secret"}},
        secrets={"TOKEN"},
        connections=["cloud"],
        environments={"qa": Environment(), "production": Environment(["boss"], True, ["refs/heads/main"])},
    )


def world(folder: Path, scratch: Path, **options: dict[str, str]) -> World:
    """A world around the repository in `folder`."""
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return World(folder, scratch, Path(sys.prefix), **options)


def run_azure(
    folder: Path, scratch: Path, content: str, *, files: dict[str, str] | None = None, **options: object
) -> RunResult:
    """Expand and run an Azure pipeline."""
    expanded = azure(folder, content, **(files or {}))
    engine_options = {key: options.pop(key) for key in ("approve", "observe", "strict", "minute") if key in options}
    engine = AzureEngine(world(folder, scratch), project(), **engine_options)  # type: ignore[arg-type]
    return engine.run(expanded, **options)  # type: ignore[arg-type]


def run_github(
    folder: Path, scratch: Path, content: str, *, files: dict[str, str] | None = None, **options: object
) -> RunResult:
    """Read and run a workflow."""
    read = github(folder, content, **(files or {}))
    engine_options = {key: options.pop(key) for key in ("approve", "observe", "minute") if key in options}
    engine = GithubEngine(world(folder, scratch), project(), **engine_options)  # type: ignore[arg-type]
    return engine.run(read, **options)  # type: ignore[arg-type]


def printed(result: RunResult) -> list[str]:
    """What all steps printed."""
    return [line for step in result.steps() for line in step.output]


def states(result: RunResult) -> dict[str, str]:
    """The state of each stage."""
    return {name: stage.state for name, stage in result.stages.items()}
