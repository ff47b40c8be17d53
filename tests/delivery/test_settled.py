"""What stands beside the work itself: when it starts, what may run at once, who may do what, with which names.

Both kinds have their own words for these, so each is held against one table here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearse.graph import Job, Step
from rehearse.kits import open_kit
from rehearse.run.project import Project
from rehearse.source import Node, load

from .conftest import ROOT

NAMES = ["pr", "ci", "cd", "retrain", "batch", "monitor", "newest", "infra"]
SCHEDULES = {"retrain": "0 3 * * 1", "batch": "0 5 * * *", "monitor": "0 6 * * *", "newest": "0 4 * * 6"}
# Names that only one kind has a use for.
AZURE_ALONE = {"WORKSPACE_SVC_CONNECTION", "AZURE_RM_SVC_CONNECTION"}
GITHUB_IDENTITY = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_INFRA_CLIENT_ID"}
INFRA_ALONE = {"BASE_NAME", "MLOPS_AZURE_AKS_RESOURCE_ID"}
GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def azure(root: Path, name: str) -> Node:
    return load(root / ".pipelines" / f"{name}.yml", root)


def github(root: Path, name: str) -> Node:
    return load(root / ".github" / "workflows" / f"{name}.yml", root)


def steps(kind: str, root: Path, name: str) -> Iterator[tuple[Job, Step]]:
    for _, job in open_kit(kind, root, {}).expand(name).jobs:
        for step in job.steps:
            yield job, step


@pytest.mark.parametrize("name", NAMES)
def test_when_azure_starts_it(root: Path, name: str) -> None:
    document = azure(root, name)
    push = {"batch": "true", "branches": {"include": ["main"]}, "paths": {"exclude": ["docs", "*.md"]}}
    assert document["trigger"] == (push if name == "ci" else "none")
    assert document["pr"] == ({"branches": {"include": ["main"]}} if name == "pr" else "none")
    schedules = [(item["cron"], item["branches"], item["always"]) for item in document.get("schedules", [])]
    wanted = [(SCHEDULES[name], {"include": ["main"]}, "true")] if name in SCHEDULES else []
    assert schedules == wanted
    resources = [dict(item) for item in document.get("resources", {}).get("pipelines", [])]
    trigger = {"branches": {"include": ["main"]}, "tags": ["model-registered"]}
    assert resources == ([{"pipeline": "ci", "source": "ci", "trigger": trigger}] if name == "cd" else [])


@pytest.mark.parametrize("name", NAMES)
def test_when_github_starts_it(root: Path, name: str) -> None:
    on: Any = github(root, name)["on"]
    by_hand = {} if name == "pr" else {"workflow_dispatch": on.get("workflow_dispatch")}
    own: dict[str, Any] = {
        "pr": {"pull_request": {"branches": ["main"]}},
        "ci": {"push": {"branches": ["main"], "paths-ignore": ["docs/**", "**.md"]}},
        "cd": {"workflow_call": on.get("workflow_call")},
    }.get(name, {"schedule": [{"cron": SCHEDULES[name]}]} if name in SCHEDULES else {})
    assert dict(on) == {**own, **by_hand}


def test_one_release_at_a_time(root: Path) -> None:
    for name in ("cd", "retrain"):
        expanded = open_kit("azure", root, {}).expand(name)
        assert expanded.extra["lockBehavior"] == "sequential", name
        for stage in expanded.stages:
            if any(job.deployment for job in stage.jobs):
                assert stage.extra["lockBehavior"] == "sequential", f"{name} {stage.name}"
    # The behaviour counts where the environment has the check, and there it counts across pipelines.
    checks = yaml.safe_load((root / ".pipelines" / "rehearsal.yml").read_text())["environments"]
    assert all(check["exclusive_lock"] for check in checks.values())
    assert github(root, "cd")["concurrency"] == {"group": "cd", "cancel-in-progress": "false"}


def test_a_release_that_waits_holds_up_no_other_change(root: Path) -> None:
    """Of ci and retrain, the training runs once at a time, not the workflow: their last job waits for an approval."""
    for name in ("ci", "retrain"):
        document = github(root, name)
        assert "concurrency" not in document
        alone = {job: body["concurrency"] for job, body in document["jobs"].items() if "concurrency" in body}
        assert alone == {"Train": {"group": f"{name}-train", "cancel-in-progress": "false"}}


@pytest.mark.parametrize("name", ["batch", "monitor", "infra"])
def test_what_github_runs_once_at_a_time(root: Path, name: str) -> None:
    assert github(root, name)["concurrency"] == {"group": name, "cancel-in-progress": "false"}


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_a_job_may_do_what_it_needs_and_no_more(root: Path, path: Path) -> None:
    document = github(root, path.stem)
    assert document["permissions"] == {"contents": "read"}
    for name, job in document["jobs"].items():
        signs_in = any("azure/login" in str(step.get("uses", "")) for step in job.get("steps", []))
        calls_one = str(job.get("uses", "")).endswith(("train.yml", "cd.yml"))
        wanted = {"contents": "read", "id-token": "write"} if signs_in or calls_one else None
        assert job.get("permissions") == wanted, name


@pytest.mark.parametrize("kind", ["azure", "github"])
@pytest.mark.parametrize("name", NAMES)
def test_no_credential_stays_in_the_checkout(kind: str, name: str, root: Path) -> None:
    found = [step for _, step in steps(kind, root, name) if "checkout" in step.uses]
    assert found
    key = "persistCredentials" if kind == "azure" else "persist-credentials"
    assert {str(step.inputs[key]) for step in found} == {"false"}


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_workflows_that_sign_in_pass_on_every_name_of_the_group(root: Path, project: Project, path: Path) -> None:
    """Azure gives each step the whole group; GitHub gives it what a workflow names."""
    document = github(root, path.stem)
    jobs = document["jobs"].values()
    if not any("azure/login" in str(step.get("uses", "")) for job in jobs for step in job.get("steps", [])):
        return
    group = set(project.groups["devopsforai-aml-vg"]) - AZURE_ALONE - GITHUB_IDENTITY
    wanted = {name: f"${{{{ vars.{name} }}}}" for name in (group if path.stem == "infra" else group - INFRA_ALONE)}
    wanted["AZURE_TENANT_ID"] = "${{ vars.AZURE_TENANT_ID }}"
    own = "AZURE_INFRA_CLIENT_ID" if path.stem == "infra" else "AZURE_CLIENT_ID"
    wanted["AZURE_CLIENT_ID"] = f"${{{{ vars.{own} }}}}"
    wanted["MLOPS_BACKEND"] = "${{ vars.MLOPS_BACKEND || 'azure' }}"
    env = {name: str(value) for name, value in document["env"].items()}
    assert {name: env.get(name) for name in wanted} == wanted
    assert env["BUILD_URI"].endswith("/actions/runs/${{ github.run_id }}")
    for job in jobs:
        for step in job.get("steps", []):
            if "azure/login" in str(step.get("uses", "")):
                assert str(step["if"]) == "env.MLOPS_BACKEND == 'azure'"
                given = {name: str(value) for name, value in step["with"].items()}
                assert given == {
                    "client-id": "${{ env.AZURE_CLIENT_ID }}",
                    "tenant-id": "${{ env.AZURE_TENANT_ID }}",
                    "subscription-id": "${{ vars.SUBSCRIPTION_ID }}",
                }


def test_both_kinds_take_the_same_python_and_say_where_a_build_is(root: Path) -> None:
    shared = {item["name"]: str(item["value"]) for item in azure(root, "variables")["variables"] if "name" in item}
    assert shared["BUILD_URI"].endswith("_build/results?buildId=$(Build.BuildId)")
    named = [github(root, path.stem).get("env", {}).get("PYTHON_VERSION") for path in GITHUB]
    assert {str(version) for version in named if version} == {shared["PYTHON_VERSION"]}
    assert (root / "requirements" / "locks" / f"azure-{shared['PYTHON_VERSION']}.txt").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_only_infra_may_make_resources_and_no_sign_in_runs_out(root: Path, name: str) -> None:
    """The connection of each step; and az is signed in again while it runs, else it ends after ten minutes."""
    for _, step in steps("azure", root, name):
        if step.uses.startswith("AzureCLI@"):
            wanted = "$(AZURE_RM_SVC_CONNECTION)" if name == "infra" else "$(WORKSPACE_SVC_CONNECTION)"
            assert step.inputs["azureSubscription"] == wanted, step.where
            assert step.inputs["keepAzSessionActive"] == "true", step.where


def test_the_reports_that_the_tests_write_are_those_that_are_published(root: Path) -> None:
    for kind in ("azure", "github"):
        found = {step.uses.partition("@")[0]: step for job, step in steps(kind, root, "pr") if job.name == "Tests"}
        tests = next(step for job, step in steps(kind, root, "pr") if str(step.script).strip() == "make test")
        options = str(tests.env["PYTEST_ADDOPTS"])
        written = re.findall(r"reports/[\w.]+", options)
        assert written == ["reports/junit.xml", "reports/coverage.xml"]
        if kind == "github":
            upload = found["actions/upload-artifact"]
            assert str(upload.inputs["path"]).split() == written
            assert (upload.condition, upload.inputs["if-no-files-found"]) == ("success() || failure()", "error")
            continue
        results, coverage = found["PublishTestResults"], found["PublishCodeCoverageResults"]
        assert [results.inputs["testResultsFiles"], coverage.inputs["summaryFileLocation"]] == written
        assert {results.condition, coverage.condition} == {"succeededOrFailed()"}
        assert {results.inputs["failTaskOnFailedTests"], results.inputs["failTaskOnMissingResultsFile"]} == {"true"}


@pytest.mark.parametrize("kind", ["azure", "github"])
@pytest.mark.parametrize(("name", "option"), [("batch", "--input"), ("monitor", "--input")])
def test_the_tables_that_are_read_exist(kind: str, name: str, option: str, root: Path) -> None:
    variable = {"batch": "SCORING_INPUT", "monitor": "MONITOR_INPUT"}[name]
    expanded = open_kit(kind, root, {}).expand(name)
    values = {entry.name: str(entry.value) for entry in expanded.variables}
    assert (ROOT / values[variable]).is_file()


def test_a_model_is_passed_from_train_to_release_under_one_name(root: Path) -> None:
    for kind in ("azure", "github"):
        for name in ("retrain", "ci"):
            found = [step for _, step in steps(kind, root, name)]
            uploads = [s for s in found if s.uses == "publish" or s.uses.startswith("actions/upload-artifact")]
            names = {str(s.inputs.get("artifact") or s.inputs.get("name")) for s in uploads} - {"sbom", "reports"}
            assert names == {"model"}, f"{kind} {name}"
