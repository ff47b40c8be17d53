"""What the real pipeline files do when something goes wrong, on both kinds of service: what ran, and what did not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rehearse.errors import PipelineError
from rehearse.run.results import CANCELED, FAILED, GOOD, SKIPPED

from .stage import MODEL, Told, play

KINDS = ["azure", "github"]
PACKAGE = f"package {MODEL}"
QA = f"deploy {MODEL} --stage qa"
SMOKE_QA = "smoke --stage qa"
PRODUCTION = f"release {MODEL} --canary 10"
SMOKE = "smoke --stage production"
RELEASE = [PACKAGE, QA, SMOKE_QA, PRODUCTION, SMOKE]
BACK = "rollback --stage production"


def ended(told: Told) -> str:
    return told.runs[-1].state


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_checked_trained_and_released(kind: str, tmp_path: Path) -> None:
    told = play(kind, "ci", tmp_path, reason="IndividualCI")
    build = told.runs[0].id
    # How the checks go on among each other is the business of the agents.
    checks, work = told.calls[: -len(RELEASE) - 3], told.calls[-len(RELEASE) - 3 :]
    assert checks == [
        "make lint", "make lint-delivery", "data check --backend local", "make test",
        "make audit", "make image-scan", "make sbom",
    ]  # fmt: skip
    assert work == [
        f"pipeline publish --build-id {build}",
        f"pipeline run --published --build-id {build}",
        f"pipeline model --build-id {build} --file release/model.json --ci",
        *RELEASE,
    ]
    assert ended(told) in GOOD
    assert told.approvals == ["production"], "QA needs no approval"
    assert [told.states[f"Rollback_{stage}"] for stage in ("QA", "Production")] == [SKIPPED, SKIPPED]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ci", "retrain"])
def test_nothing_is_released_when_nothing_is_registered(kind: str, name: str, tmp_path: Path) -> None:
    told = play(kind, name, tmp_path, registers=False)
    assert told.released == []
    assert ended(told) in GOOD, "keeping production is a success"
    assert "model" not in told.runs[0].artifacts


@pytest.mark.parametrize("kind", KINDS)
def test_retraining_runs_the_newest_published_pipeline_and_releases(kind: str, tmp_path: Path) -> None:
    told = play(kind, "retrain", tmp_path, reason="Schedule")
    assert told.calls == [
        "pipeline run --published",
        f"pipeline model --build-id {told.runs[0].id} --file release/model.json --ci",
        *RELEASE,
    ]
    assert told.approvals == ["production"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fails", "last"),
    [
        ("data check", "make sbom"),  # the other job of the checks goes on
        ("pipeline publish", "pipeline publish"),
        ("pipeline run", "pipeline run"),
        ("pipeline model", "pipeline model"),
    ],
)
def test_what_fails_before_a_release_releases_nothing(kind: str, fails: str, last: str, tmp_path: Path) -> None:
    told = play(kind, "ci", tmp_path, fails=fails)
    assert ended(told) == FAILED
    assert told.calls[-1].startswith(last)
    assert told.released == []


@pytest.mark.parametrize("kind", KINDS)
def test_training_can_be_switched_off_when_a_run_is_started(kind: str, tmp_path: Path) -> None:
    told = play(kind, "ci", tmp_path, queue={"auto-trigger-training": "false"})
    assert ended(told) in GOOD
    assert told.calls[-1].startswith("pipeline publish")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fails", "then"),
    [
        ("^package", []),
        ("^deploy", []),  # it left the version before serving, so there is nothing to go back from
        ("^smoke --stage qa", ["rollback --stage qa"]),
        ("^release", []),
        ("^smoke --stage production", [BACK]),
        ("^(smoke|rollback) --stage production", [BACK]),
    ],
)
def test_what_follows_a_step_of_a_release_that_fails(kind: str, fails: str, then: list[str], tmp_path: Path) -> None:
    told = play(kind, "retrain", tmp_path, fails=fails)
    reached = next(index for index, call in enumerate(RELEASE) if re.search(fails, call))
    assert told.released == [*RELEASE[: reached + 1], *then]
    assert ended(told) == FAILED, "a release that was taken back is no success"


@pytest.mark.parametrize("kind", KINDS)
def test_a_smoke_test_that_never_ends_is_stopped_and_the_release_taken_back(kind: str, tmp_path: Path) -> None:
    """Its job is then Canceled, not Failed, on both kinds."""
    told = play(kind, "retrain", tmp_path, hangs="^smoke --stage production", minute=0.2)
    assert told.released == [*RELEASE, BACK]
    assert told.states["Smoke_Production"] == CANCELED
    assert told.states["Rollback_Production"] in GOOD
    assert ended(told) not in GOOD


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_that_is_not_approved(kind: str, tmp_path: Path) -> None:
    told = play(kind, "retrain", tmp_path, approve=lambda environment, approvers: environment != "production")
    assert told.released == [PACKAGE, QA, SMOKE_QA]
    assert told.approvals == ["production"]
    assert ended(told) not in GOOD


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_that_is_named_by_hand_is_released_as_it_is(kind: str, tmp_path: Path) -> None:
    told = play(kind, "cd", tmp_path, before="ci", parameters={"model": "diabetes:3", "canary": 25})
    assert told.released == [call.replace(MODEL, "diabetes:3").replace("canary 10", "canary 25") for call in RELEASE]
    assert ended(told) in GOOD


def test_azure_releases_nothing_by_hand_before_the_first_run_of_ci(tmp_path: Path) -> None:
    """A pipeline resource must have a run that succeeded, even where it is not used."""
    with pytest.raises(PipelineError, match="unable to resolve latest version for pipeline ci"):
        play("azure", "cd", tmp_path, parameters={"model": "diabetes:3"})


def test_azure_releases_by_hand_what_the_newest_run_of_ci_registered(tmp_path: Path) -> None:
    told = play("azure", "cd", tmp_path, before="ci")
    assert told.released == RELEASE


@pytest.mark.parametrize("kind", KINDS)
def test_the_monitor_publishes_its_page_when_a_feature_has_shifted(kind: str, tmp_path: Path) -> None:
    told = play(kind, "monitor", tmp_path, fails="^monitor")
    assert ended(told) == FAILED
    assert told.runs[0].artifacts == ["monitoring"]


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_published_only_when_there_are_some(kind: str, tmp_path: Path) -> None:
    assert play(kind, "batch", tmp_path / "good").runs[0].artifacts == ["scores"]
    told = play(kind, "batch", tmp_path / "bad", fails="^batch --published")
    assert (ended(told), told.runs[0].artifacts) == (FAILED, [])


@pytest.mark.parametrize("kind", KINDS)
def test_resources_are_changed_only_after_approval(kind: str, tmp_path: Path) -> None:
    told = play(kind, "infra", tmp_path / "yes")
    assert told.calls == ["make infra-plan", "make infra-apply", "azure init --yes"]
    assert told.approvals == ["infrastructure"]
    told = play(kind, "infra", tmp_path / "no", approve=lambda environment, approvers: False)
    assert told.calls == ["make infra-plan"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pull_request_is_checked_and_no_more(kind: str, tmp_path: Path) -> None:
    told = play(kind, "pr", tmp_path, reason="PullRequest")
    assert ended(told) in GOOD
    assert [call for call in told.calls if not call.startswith(("make", "data check"))] == []
    assert "sbom" in told.runs[0].artifacts
