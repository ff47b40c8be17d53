"""Steps sign in as on an agent: by the program az, or with GitHub's token for the job; no secret is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rehearse.clouds import Cloud, open_cloud
from rehearse.kits import describe
from rehearse.run.azure_engine import AzureEngine
from rehearse.run.github_engine import GithubEngine
from rehearse.run.project import Environment
from rehearse.run.results import RunResult
from rehearse.run.world import World
from tests.rehearse.helpers import azure, github, printed, repository, world

from .conftest import ROOT

pytestmark = pytest.mark.azure
GROUP = describe(ROOT).groups["devopsforai-aml-vg"]
LIST = f"{sys.prefix}/bin/mlops models list --project {ROOT} -o json"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VENV", sys.prefix)
        with open_cloud("azure", ROOT, tmp_path_factory.mktemp("cloud"), GROUP) as cloud:
            yield cloud


def place(cloud: Cloud, tmp_path: Path) -> World:
    # The cloud knows the repository by the name of this one's folder.
    repository(tmp_path / ROOT.name, {"README.md": ""})
    variables = {**cloud.environment, "PYTHONPATH": str(ROOT), "MLOPS_BACKEND": "azure", **GROUP}
    variables = {name: value for name, value in variables.items() if not name.startswith("AZURE_INFRA")}
    made = world(tmp_path / ROOT.name, tmp_path / "scratch", extra=variables, signed_in=cloud.agents)
    made.tools, made.issuer = cloud.tools, cloud.issuer
    return made


AZURE = f"""
steps:
- task: AzureCLI@2
  inputs:
    azureSubscription: aml-workspace
    scriptType: bash
    scriptLocation: inlineScript
    inlineScript: {LIST}
- bash: {LIST}
"""


def test_a_step_with_a_service_connection_signs_in_by_az_and_the_next_one_does_not(
    cloud: Cloud, tmp_path: Path
) -> None:
    made = place(cloud, tmp_path)
    made.extra.pop("AZURE_CLIENT_ID"), made.extra.pop("AZURE_TENANT_ID")
    result = AzureEngine(made, describe(ROOT)).run(azure(tmp_path / ROOT.name, AZURE))
    first, second = [step for step in result.steps() if step.uses != "checkout"]
    assert first.exit_code == 0, first.output
    assert second.exit_code == 8, second.output
    assert "az gives no token: Please run 'az login' to setup account." in "\n".join(second.output)


def on_github(cloud: Cloud, tmp_path: Path, permission: str, environment: str) -> RunResult:
    workflow = f"""
    on: push
    jobs:
      main:
        runs-on: ubuntu-latest
        environment: {environment}
        permissions:
          id-token: {permission}
        steps:
        - run: {LIST}
    """
    project = replace(describe(ROOT), environments={"qa": Environment(), "staging": Environment()})
    return GithubEngine(place(cloud, tmp_path), project).run(github(tmp_path / ROOT.name, workflow))


def test_a_job_of_github_signs_in_with_its_own_token(cloud: Cloud, tmp_path: Path) -> None:
    result = on_github(cloud, tmp_path, "write", "qa")
    assert [step.exit_code for step in result.steps()] == [0], printed(result)


def test_an_environment_without_a_federated_credential_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    """The guide makes one for each environment; the fake knows those and no other."""
    result = on_github(cloud, tmp_path, "write", "staging")
    assert "no federated credential matches this pipeline" in "\n".join(printed(result))


def test_a_job_without_the_permission_is_nobody(cloud: Cloud, tmp_path: Path) -> None:
    result = on_github(cloud, tmp_path, "none", "qa")
    assert "Please run 'az login' to setup account." in "\n".join(printed(result))


def test_the_guide_makes_the_federated_credentials_that_are_rehearsed(cloud: Cloud) -> None:
    guide = (ROOT / "docs" / "getting-started-azure.md").read_text(encoding="utf-8")
    for subject in cloud.fake("/state")["services"]["signin"]["subjects"]:
        assert f"`repo:ORG/REPO:{subject.split(':', 2)[2]}`" in guide, subject
