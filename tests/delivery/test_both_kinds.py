"""Azure Pipelines and GitHub Actions do the same steps in the same order, for the same environments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rehearse.compare import Work, flow
from rehearse.conditions import condition, rescues
from rehearse.kits import open_kit

NAMES = ["pr", "ci", "cd", "retrain", "batch", "monitor", "newest", "infra"]


def azure_flow(root: Path, name: str) -> list[Work]:
    """What Azure does when `name` runs: its own jobs, then those of the release that its tag triggers."""
    kit = open_kit("azure", root, {})
    work = flow(kit.expand(name))
    if name != "ci":
        return work
    release = kit.expand("cd")
    triggers = {str(item["source"]): item["trigger"] for item in release.triggers["pipelines"]}
    assert triggers[name]["tags"] == ["model-registered"], "the release must wait for the tag that --ci sets"
    first, *others = flow(release)
    # A run that failed triggers nothing, and the tag is set where the output is.
    return [
        *work,
        replace(first, after=("Train",), condition=condition("needs.Train.outputs.registered == 'true'", "github")),
        *others,
    ]


def github_flow(root: Path, name: str, inputs: dict[str, str] | None = None) -> list[Work]:
    return flow(open_kit("github", root, {}).expand(name), inputs=inputs)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_work(root: Path, name: str) -> None:
    assert azure_flow(root, name) == github_flow(root, name, {"model": ""})


def test_the_same_release_of_a_version_that_is_named(root: Path) -> None:
    """Nothing is fetched then."""
    azure = flow(open_kit("azure", root, {}).expand("cd", {"model": "diabetes:3"}))
    assert azure == github_flow(root, "cd", {"model": "diabetes:3"})
    assert not any(step.what.startswith("download") for work in azure for step in work.steps)
    assert any(step.what.startswith("download") for work in azure_flow(root, "cd") for step in work.steps)


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
    assert works["Rollback_Production"].condition == (
        "(Smoke_Production canceled or Smoke_Production failed) and Deploy_Production succeeded"
    )


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
        (
            "in(dependencies.A.result, 'Failed', 'Canceled')",
            'always() && contains(fromJSON(\'["cancelled", "failure"]\'), needs.A.result)',
        ),
        ("not(and(always(), eq(variables.a, 'b')))", "always() && inputs.a != 'b'"),
        ("or(and(failed(), eq(variables.a, 'b')), canceled())", "cancelled() || failure() && inputs.a == 'b'"),
        ("always()", "always()"),
    ],
)
def test_conditions_in_one_spelling(azure: str, github: str) -> None:
    assert condition(azure, "azure") == condition(github, "github")


def test_different_conditions_stay_different() -> None:
    assert condition("failed()", "azure") != condition("always()", "github")
    assert condition("succeeded('A')", "azure") != condition("needs.B.result == 'success'", "github")
    assert condition("failed()", "azure") != condition("success() || failure()", "github")
    # Azure asks for no status that is not written; GitHub asks for success.
    assert condition("eq(variables.a, 'b')", "azure") != condition("inputs.a == 'b'", "github")
    assert condition("and(always(), eq(variables.a, 'b'))", "azure") != condition("inputs.a == 'b'", "github")
    assert condition("always() && inputs.a == 'b'", "github") != condition("inputs.a == 'b'", "github")
    # An `or` inside of an `and` is not an `and` inside of an `or`.
    assert condition("and(failed(), or(canceled(), eq(variables.a, 'b')))", "azure") != condition(
        "failure() && cancelled() || inputs.a == 'b'", "github"
    )
    assert condition("eq(variables.a, 'b')", "azure") != condition("ne(variables.a, 'b')", "azure")


@pytest.mark.parametrize(
    ("text", "rescue"),
    [
        (None, False),
        ("failed()", True),
        ("and(succeeded('A'), in(dependencies.B.result, 'Failed', 'Canceled'))", True),
        ("succeededOrFailed()", False),
        ("always()", False),
        ("not(failed())", False),
        ("and(succeeded(), eq(variables.failed, 'failed'))", False),
    ],
)
def test_jobs_that_run_only_when_something_went_wrong(text: str | None, rescue: bool) -> None:
    assert rescues(text, "azure") == rescue
