"""The contracts of the registry room, for Azure: over both doors of the fake, and live when asked for."""

from __future__ import annotations

import pytest

from registry.azure.data import AzureDataSets
from registry.azure.models import AzureModelRegistry
from registry.azure.runs import AzureRunHistory
from registry.azure.workspace import AzureWorkspace
from tests.contract.azure import azure_account, azure_door, azure_workspace
from tests.contract.data import DataSetsContract, table
from tests.contract.models import ModelRegistryContract, artifact, name, other
from tests.contract.runs import RunHistoryContract, experiment

__all__ = ["artifact", "azure_account", "azure_door", "azure_workspace", "experiment", "name", "other", "table"]
pytestmark = pytest.mark.azure


class TestAzureModelRegistry(ModelRegistryContract):
    """Models of a workspace."""

    @pytest.fixture
    def registry(self, azure_workspace: AzureWorkspace) -> AzureModelRegistry:
        return AzureModelRegistry(azure_workspace)


class TestAzureRunHistory(RunHistoryContract):
    """Runs of a workspace."""

    @pytest.fixture
    def history(self, azure_workspace: AzureWorkspace) -> AzureRunHistory:
        return AzureRunHistory(azure_workspace)


class TestAzureDataSets(DataSetsContract):
    """Data sets of a workspace."""

    @pytest.fixture
    def data(self, azure_workspace: AzureWorkspace) -> AzureDataSets:
        return AzureDataSets(azure_workspace)
