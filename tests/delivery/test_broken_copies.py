# ruff: noqa: E501 (tables: one case a line)
"""Changes that break a pipeline are found without running it: each one here was made to a copy of the real files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearse.compare import flow
from rehearse.kits import open_kit

from .conftest import ROOT

Edit = tuple[str, str, str]

BROKEN: dict[str, tuple[str, list[Edit], str]] = {
    "renamed variable": (
        "azure", [(".pipelines/variables.yml", "name: PYTHON_VERSION", "name: PYTHON")], "$(PYTHON_VERSION) is no variable",
    ),
    "renamed group": (
        "azure", [(".pipelines/variables.yml", "devopsforai-aml-vg", "devops-vg")], "there is no variable group 'devops-vg'",
    ),
    "missing template": (
        "azure", [(".pipelines/ci.yml", "templates/train.yml", "templates/training.yml")], "there is no template",
    ),
    "renamed template parameter": (
        "azure", [(".pipelines/templates/setup.yml", "- name: environment", "- name: env")], "unexpected parameter 'environment'",
    ),
    "stage that is gone": (
        "azure", [(".pipelines/templates/releases.yml", "dependsOn: Release_QA", "dependsOn: QA")], "'QA', which does not exist",
    ),
    "condition on a variable that is gone": (
        "azure", [(".pipelines/ci.yml", "auto-trigger-training'", "trigger-training'")], "variables['trigger-training'] is no variable",
    ),
    "condition on a step that is gone": (
        "azure", [(".pipelines/templates/train.yml", "name: model\n", "name: found\n")], "variables['model.registered'] is no variable",
    ),
    "condition that is no expression": (
        "azure", [(".pipelines/templates/train.yml", "and(succeeded(), eq(", "and(succeeded() && eq(")], "is no operator here",
    ),
    "condition with an unknown function": (
        "azure", [(".pipelines/templates/release.yml", "succeeded('Deploy", "hasSucceeded('Deploy")], "hasSucceeded() is not known",
    ),
    "condition on a job that is gone": (
        "azure", [(".pipelines/templates/release.yml", "succeeded('Deploy_$", "succeeded('Test_$")], "names 'Test_QA', which does not exist",
    ),
    "environment that is gone": (
        "azure", [(".pipelines/rehearsal.yml", "  production:", "  prod:")], "there is no environment 'production'",
    ),
    "old task version": (
        "azure", [(".pipelines/templates/signed-in.yml", "AzureCLI@2", "AzureCLI@1")], "the task AzureCLI@1 is not known",
    ),
    "task input that is gone": (
        "azure", [(".pipelines/templates/tests.yml", "failTaskOnMissingResultsFile", "failOnMissing")], "no input 'failOnMissing'",
    ),
    "triggering pipeline that is gone": (
        "azure", [(".pipelines/cd.yml", "source: ci\n", "source: Model-CI\n")], "'Model-CI', which does not exist",
    ),
    "key of a later version": (
        "azure", [(".pipelines/ci.yml", "pr: none", "pr: none\nretention: 3")], "a pipeline has no key 'retention'",
    ),
    "workflow input that is gone": (
        "github", [(".github/workflows/train.yml", "build-id:", "build:")], "has no input 'build-id'",
    ),
    "workflow output that is gone": (
        "github", [(".github/workflows/train.yml", "      registered:\n", "      found:\n")], "needs.Train has no output 'registered'",
    ),
    "step output that is gone": (
        "github", [(".github/workflows/train.yml", "id: model", "id: found")], "steps.model does not exist here",
    ),
    "repository variable that is gone": (
        "github", [(".pipelines/rehearsal.yml", "RESOURCE_GROUP:", "GROUP:")], "vars.RESOURCE_GROUP does not exist",
    ),
    "permission to sign in that is gone": (
        "github", [(".github/workflows/batch.yml", "id-token: write", "id-token: none")], "needs the permission id-token: write",
    ),
    "need that is gone": (
        "github", [(".github/workflows/cd.yml", "needs: Smoke_QA", "needs: Smoke")], "'Smoke', which does not exist",
    ),
    "action of another version": (
        "github", [(".github/workflows/ci.yml", "# v3.0.2", "# v1.6.1")], "azure/login is known here at",
    ),
    "action at a commit of no known version": (
        "github", [(".github/workflows/ci.yml", " # v3.0.2", "")], "no comment behind it says its version",
    ),
    "parameter that is gone": (
        "azure", [(".pipelines/cd.yml", "parameters.canary", "parameters.share")], "share",
    ),
    "variable of a release that is gone": (
        "github", [(".github/workflows/cd.yml", "inputs.canary", "inputs.share")], "inputs.share does not exist",
    ),
    "expression that is none": (
        "github", [(".github/workflows/cd.yml", "needs.Deploy_QA.result == 'success'", "needs.Deploy_QA.result = 'success'")], "cannot read",
    ),
}  # fmt: skip


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[list[Edit]], Path]:
    def copy(edits: list[Edit]) -> Path:
        for folder in (".pipelines", ".github"):
            shutil.copytree(ROOT / folder, tmp_path / folder)
        for name, old, new in edits:
            path = tmp_path / name
            text = path.read_text(encoding="utf-8")
            assert old in text, f"{name} has no {old!r}: mend this test"
            path.write_text(text.replace(old, new), encoding="utf-8")
        return tmp_path

    return copy


@pytest.mark.parametrize("what", BROKEN)
def test_found(what: str, broken: Callable[[list[Edit]], Path]) -> None:
    kind, edits, message = BROKEN[what]
    folder = broken(edits)
    kit = open_kit(kind, folder, {})
    found = [str(problem) for name in kit.names() for problem in kit.problems(name)]
    assert any(message in problem for problem in found), found
    assert all(problem.startswith((".pipelines/", ".github/", "the resource")) for problem in found), found


DIFFERENT: dict[str, Edit] = {
    "a step more": (".github/workflows/batch.yml", "    - run: make azure\n", "    - run: make azure\n    - run: make lint\n"),
    "another order": (".pipelines/templates/tests.yml", "  - bash: make audit\n    displayName: Known vulnerabilities\n  - bash: make image-scan\n", "  - bash: make image-scan\n  - bash: make audit\n"),
    "another environment": (".github/workflows/cd.yml", "environment: production", "environment: qa"),
    "another condition": (".github/workflows/cd.yml", "needs.Deploy_QA.result == 'success'", "needs.Deploy_QA.result != 'success'"),
    "no approval in between": (".github/workflows/cd.yml", "needs: Smoke_QA", "needs: Package"),
    "another release": (".github/workflows/cd.yml", '--canary "$CANARY_PERCENT"', "--canary 50"),
    "a condition that holds more often": (".pipelines/templates/train.yml", "and(succeeded(), eq(", "and(always(), eq("),
    "a step whose failure is tolerated": (".github/workflows/tests.yml", "    - run: make lint\n", "    - run: make lint\n      continue-on-error: true\n"),
    "a step that is switched off": (".pipelines/templates/tests.yml", "  - bash: make lint\n", "  - bash: make lint\n    enabled: false\n"),
    "another time limit": (".pipelines/templates/release.yml", "timeoutInMinutes: 30", "timeoutInMinutes: 60"),
    "another variable of a step": (".github/workflows/tests.yml", "--cov-report=xml:reports/coverage.xml", "--cov-report=xml:coverage.xml"),
    "fetched under another condition": (".github/workflows/cd.yml", "if: inputs.model == ''", "if: inputs.model != ''"),
    "a rollback that asks for less": (".github/workflows/cd.yml", '"failure", "cancelled"', '"failure"'),
    "another option": (".pipelines/templates/release.yml", "mlops smoke --stage", "mlops smoke --timeout 5 --stage"),
    "not signed in": (".github/workflows/infra.yml", "uses: azure/login@7ddb5af1ef8758cf1353cf3b42f940aee27ba21c # v3.0.2", "uses: actions/setup-python@v6"),
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENT)
def test_kinds_that_drift_apart_are_found(what: str, broken: Callable[[list[Edit]], Path]) -> None:
    folder = broken([DIFFERENT[what]])
    azure, github = open_kit("azure", folder, {}), open_kit("github", folder, {})
    names = ("pr", "cd", "retrain", "batch", "infra")
    same = [flow(azure.expand(name)) == flow(github.expand(name), inputs={"model": ""}) for name in names]
    assert not all(same)
