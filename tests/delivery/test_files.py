"""The files themselves: accepted by the published schemas, and without a name that does not exist."""

from __future__ import annotations

import json
import re
import stat
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import pytest

from rehearse.azure.expand import Expander
from rehearse.kits import open_kit
from rehearse.run.project import Project
from tests.schemas import Draft7Validator

from .conftest import ROOT

AZURE = sorted((ROOT / ".pipelines").rglob("*.yml"))
GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@cache
def validator(name: str) -> Draft7Validator:
    """The published schema, as check-jsonschema carries it."""
    text = resources("check_jsonschema").joinpath(f"builtin_schemas/vendor/{name}.json").read_text(encoding="utf-8")
    return Draft7Validator(json.loads(text))


@pytest.mark.parametrize("backend", ["azure", "local"])
@pytest.mark.parametrize("name", ["pr", "ci", "cd", "retrain", "batch", "monitor", "newest", "infra"])
def test_azure_schema(name: str, backend: str) -> None:
    """What the service makes of the files, all templates in it. The schema knows little of template expressions."""
    expander = Expander(ROOT, {}, {"MLOPS_BACKEND": backend})
    document, _ = expander.pipeline(ROOT / ".pipelines" / f"{name}.yml")
    errors = [error.message[:200] for error in validator("azure-pipelines").iter_errors(_plain(document))]
    assert errors == []


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_github_schema(path: Path) -> None:
    import yaml

    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["on"] = document.pop(True)  # YAML 1.1 reads the key `on` as true
    document = json.loads(json.dumps(document))
    errors = [error.message[:200] for error in validator("github-workflows").iter_errors(document)]
    assert errors == []


def test_the_schemas_do_refuse() -> None:
    assert list(validator("azure-pipelines").iter_errors({"steps": [{"bash": "x", "colour": "blue"}]}))
    assert list(validator("github-workflows").iter_errors({"on": "push", "jobs": {"a": {"steps": []}}}))


@pytest.mark.parametrize("kind", ["azure", "github"])
def test_no_problem_is_found(root: Path, kind: str) -> None:
    kit = open_kit(kind, root, {})
    assert [str(problem) for name in kit.names() for problem in kit.problems(name)] == []


def test_every_template_and_called_workflow_is_used(root: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (*AZURE, *GITHUB))
    for path in (root / ".pipelines" / "templates").glob("*.yml"):
        assert f"template: {path.name}" in text or f"template: templates/{path.name}" in text, f"{path.name} is unused"


def test_actions_are_pinned_to_one_commit_each() -> None:
    pinned: dict[str, set[str]] = {}
    for path in GITHUB:
        for action, ref in re.findall(r"uses: ([\w-]+/[\w/-]+)@(.+)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", ref), f"{path.name}: {action}@{ref}"
            pinned.setdefault(action, set()).add(ref)
    assert pinned
    assert all(len(refs) == 1 for refs in pinned.values()), pinned


def test_nothing_is_left_to_old_task_versions(root: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in AZURE)
    for old in ("AzureCLI@1", "PublishCodeCoverageResults@1", "PublishBuildArtifacts@1", "UsePythonVersion@1"):
        assert old not in text


def test_no_secret_is_asked_for(project: Project, root: Path) -> None:
    """Signing in is by workload identity: no secret variable and no `secrets.` anywhere."""
    assert project.secrets == set()
    for path in (*AZURE, *GITHUB):
        assert "secrets." not in path.read_text(encoding="utf-8"), path.name


def test_names_of_earlier_projects_are_kept(project: Project) -> None:
    """Variables that users of MLOpsPython have in their group mean the same here."""
    group = project.groups["devopsforai-aml-vg"]
    for name in (
        "WORKSPACE_SVC_CONNECTION", "RESOURCE_GROUP", "WORKSPACE_NAME", "LOCATION", "AKS_COMPUTE_NAME",
        "ACI_DEPLOYMENT_NAME", "AKS_DEPLOYMENT_NAME",
    ):  # fmt: skip
        assert name in group


def test_commands_of_the_steps_exist(root: Path) -> None:
    """Each make target, and each mlops command with its options."""
    import click

    from mlops.cli import cli

    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for kind in ("azure", "github"):
        kit = open_kit(kind, root, {})
        for name in kit.names():
            for _, job in kit.expand(name).jobs:
                for step in job.steps:
                    program, *words = (step.script or "make help").split()
                    if program == "make":
                        assert f"\n{words[0]}:" in makefile, f"{step.where}: no make target {words[0]}"
                        continue
                    command: Any = cli
                    context = click.Context(cli)
                    while isinstance(command, click.Group) and not words[0].startswith("-"):
                        command = command.get_command(context, words.pop(0))
                    assert command is not None, f"{step.where}: no command {step.script}"
                    options = {option for item in command.params for option in item.opts}
                    for word in words:
                        if word.startswith("--"):
                            assert word in options, f"{step.where}: {command.name} has no option {word}"


def _plain(value: Any, task: bool = False) -> Any:
    """As the schema wants it: all scalars text, as the service reads them, but the truth values of task inputs."""
    if isinstance(value, dict):
        if value.get("task") == "PublishCodeCoverageResults@2":
            # The schema has the name of this task but not its inputs; rehearse.run.tasks has both, from its task.json.
            return {"bash": "true"}
        return {str(key): _plain(item, task or key == "inputs") for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, task) for item in value]
    if task and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    return "" if value is None else str(value)


def test_the_sample_that_is_scored_and_monitored_is_of_this_model(root: Path) -> None:
    """The rows keep the data contract, and look like the data that the model is trained on."""
    import pandas

    from model import contract, dataset, profile

    frame = pandas.read_csv(root / ".pipelines" / "batch-sample.csv")
    assert contract.check(frame, dataset.FEATURES, minimum_rows=1).violations == ()
    known = profile.make(dataset.sample(), (*dataset.FEATURES, dataset.TARGET))
    assert [shift for shift in profile.measure(known, frame, dataset.FEATURES) if shift.shifted] == []


def test_no_file_is_executable_by_accident(root: Path) -> None:
    for path in (*AZURE, *GITHUB):
        assert not path.stat().st_mode & stat.S_IXUSR, path.name
