"""The contract of services, for Azure: the deployed entry script really runs behind the fake's address."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.azure.services import AzureServices
from deploy.errors import DeployError
from deploy.services import DeployRequest, Services
from registry.azure.models import AzureModelRegistry
from registry.azure.workspace import AzureWorkspace
from registry.models import Lineage, ModelVersion
from tests.contract.azure import ONE_DOOR, azure_account, azure_workspace, cluster_id
from tests.contract.canary import CanaryContract
from tests.contract.services import ServicesContract, answer_of
from tests.contract.services_project import Project

__all__ = ["azure_account", "azure_workspace"]
pytestmark = [pytest.mark.azure, pytest.mark.slow]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
LINEAGE = Lineage(python=PYTHON)
LOCK = Path(__file__).parents[2] / "requirements" / "locks" / f"score-{PYTHON}.txt"


class AzureProject(Project):
    """Requests with a lock, which Azure makes an environment from, and with resources, as the settings always give."""

    def request(self, slope: float = 3.0, **options: Any) -> DeployRequest:
        request = super().request(slope, **options)
        return replace(request, package=replace(request.package, lock=LOCK), cpu=0.5, memory_gb=0.5)


class _Azure:
    """Models are registered in the workspace."""

    @pytest.fixture(params=ONE_DOOR)
    def azure_door(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def project(self, azure_workspace: AzureWorkspace, tmp_path: Path) -> Project:
        registry = AzureModelRegistry(azure_workspace)

        def register(name: str, artifact: Path) -> ModelVersion:
            return registry.register(name, artifact, lineage=LINEAGE)

        return AzureProject(tmp_path / "project", register)


class _Aks(_Azure):
    """Endpoints on an attached cluster."""

    @pytest.fixture
    def services(self, azure_door: str, azure_workspace: AzureWorkspace) -> AzureServices:
        from azureml.core.compute import AksCompute, ComputeTarget

        configuration = AksCompute.attach_configuration(resource_id=cluster_id(azure_door))
        ComputeTarget.attach(azure_workspace.sdk, "aks", configuration).wait_for_completion()
        return AzureServices(azure_workspace, targets={"qa": "aks", "production": "aks"})


class TestAksServices(_Aks, ServicesContract):
    """Deploying, keys, logs, shares of traffic."""


class TestCanaryOfAks(_Aks, CanaryContract):
    """A share of traffic, watched, then everything or nothing."""


class TestAciServices(_Azure, ServicesContract):
    """Container groups."""

    @pytest.fixture
    def services(self, azure_workspace: AzureWorkspace) -> AzureServices:
        return AzureServices(azure_workspace)

    # Container Instances serve one version at a time: there is no share to give (docs/backends.md).
    test_a_canary_gets_its_share_then_everything = None
    test_a_canary_is_taken_back = None
    test_shares_that_do_not_add_up_change_nothing = None

    def test_a_share_is_refused_and_changes_nothing(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0))
        with pytest.raises(DeployError, match="one version at a time"):
            services.deploy(project.request(4.0), traffic=20)
        with pytest.raises(DeployError, match="one version at a time"):
            services.set_traffic("line-qa", {"any": 50})
        assert answer_of(services) == 6.0
