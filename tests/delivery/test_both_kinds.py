"""Azure Pipelines and GitHub Actions do the same steps in the same order, for the same environments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rehearse.compare import Work, condition, flow
from rehearse.kits import open_kit

NAMES = ["pr", "ci", "cd", "retrain", "batch", "monitor", "newest", "infra"]
RELEASING = ["ci", "retrain"]


def azure_flow(root: Path, name: str) -> list[Work]:
    """What Azure does when `name` runs: its own jobs, then those of the release that its tag triggers."""
    kit = open_kit("azure", root, {})
    work = flow(kit.expand(name))
    if name not in RELEASING:
        return work
    release = kit.expand("cd")
    triggers = {str(item["source"]): item["trigger"] for item in release.triggers["pipelines"]}
    assert triggers[name]["tags"] == ["model-registered"], "the release must wait for the tag that --ci sets"
    first, *others = flow(release)
    return [*work, replace(first, after=("Train",), condition="eq(registered, 'true')"), *others]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_work(root: Path, name: str) -> None:
    assert azure_flow(root, name) == flow(open_kit("github", root, {}).expand(name))


def test_the_description_names_both_kinds_alike(root: Path) -> None:
    assert open_kit("azure", root, {}).names() == open_kit("github", root, {}).names() == NAMES


def test_every_step_that_runs_something_is_one_command_of_make_or_mlops(root: Path) -> None:
    for kind in ("azure", "github"):
        kit = open_kit(kind, root, {})
        for name in kit.names():
            for _, job in kit.expand(name).jobs:
                for step in job.steps:
                    if step.script is not None:
                        (line,) = step.script.strip().splitlines()
                        assert line.split()[0] in ("make", ".venv/bin/mlops"), f"{step.where}: {line}"
                        assert not set(line) & set(";|&><`"), f"{step.where}: {line}"


def test_the_backend_is_one_variable(root: Path) -> None:
    """With MLOPS_BACKEND=local the same commands run, and nothing is signed in."""
    for name in NAMES:
        azure = flow(open_kit("azure", root, {"MLOPS_BACKEND": "local"}).expand(name))
        github = flow(open_kit("github", root, {}).expand(name), backend="local")
        for work in (*azure, *github):
            assert not any(step.signed_in for step in work.steps), f"{name} {work.name}"
        commands = [step.what for work in flow(open_kit("azure", root, {}).expand(name)) for step in work.steps]
        assert commands == [step.what for work in azure for step in work.steps]


@pytest.mark.parametrize("kind", ["azure", "github"])
def test_a_rehearsal_can_change_a_variable_of_the_files(root: Path, kind: str) -> None:
    expanded = open_kit(kind, root, {"MONITOR_INPUT": "other.csv"}).expand("monitor")
    assert {entry.name: str(entry.value) for entry in expanded.variables}["MONITOR_INPUT"] == "other.csv"


def test_production_is_gated_and_released_last(root: Path) -> None:
    works = {work.name: work for work in azure_flow(root, "ci")}
    assert (works["Deploy_QA"].environment, works["Deploy_Production"].environment) == ("qa", "production")
    assert works["Deploy_Production"].after == ("Smoke_QA",)
    assert works["Rollback_Production"].condition == "failed Smoke_Production and succeeded Deploy_Production"


def test_production_gets_a_canary(root: Path) -> None:
    """A tenth of the traffic at first, on both; the same number is asked for when a release is started by hand."""
    for kind in ("azure", "github"):
        steps = [
            step
            for _, job in open_kit(kind, root, {}).expand("cd").jobs
            for step in (step for hook in job.hooks.values() for step in hook)
        ]
        (release,) = [step for step in steps if "mlops release" in str(step.script)]
        assert str(release.script).strip() == '.venv/bin/mlops release "$MODEL" --canary "$CANARY_PERCENT"'
    azure = open_kit("azure", root, {}).expand("cd")
    assert {entry.name: str(entry.value) for entry in azure.variables}["CANARY_PERCENT"] == "10"
    on = open_kit("github", root, {}).expand("cd").triggers["on"]
    assert {str(on[way]["inputs"]["canary"]["default"]) for way in ("workflow_call", "workflow_dispatch")} == {"10"}


@pytest.mark.parametrize(
    ("azure", "github"),
    [
        ("succeeded()", "success()"),
        ("failed()", "failure()"),
        ("succeededOrFailed()", "success() || failure()"),
        ("and(succeeded(), ne(variables['go'], 'no'))", "success() && github.event.inputs.go != 'no'"),
        ("and(succeeded(), eq(variables['s.done'], 'true'))", "steps.s.outputs.done == 'true'"),
        ("and(succeeded('A'), failed('B'))", "always() && needs.A.result == 'success' && needs.B.result == 'failure'"),
    ],
)
def test_conditions_in_one_spelling(azure: str, github: str) -> None:
    assert condition(azure, "azure") == condition(github, "github")


def test_different_conditions_stay_different() -> None:
    assert condition("failed()", "azure") != condition("always()", "github")
    assert condition("succeeded('A')", "azure") != condition("needs.B.result == 'success'", "github")
    assert condition("failed()", "azure") != condition("success() || failure()", "github")
