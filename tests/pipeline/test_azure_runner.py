"""The contract of pipeline runners, for Azure: submitted steps really run, as child processes of the fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.azure.graph import Compute
from pipeline.azure.runner import AzureRunner
from pipeline.config import PipelineConfig
from pipeline.graph import Pipeline
from pipeline.local.executors import Seams
from registry.azure.data import AzureDataSets
from registry.azure.models import AzureModelRegistry
from registry.azure.runs import AzureRunHistory
from registry.azure.workspace import AzureWorkspace
from registry.runs import RunState
from tests.contract.azure import azure_account, azure_workspace
from tests.contract.batches import BatchContract
from tests.contract.pipelines import PipelineRunnerContract

__all__ = ["azure_account", "azure_workspace"]
pytestmark = [pytest.mark.azure, pytest.mark.slow]
PROJECT = Path(__file__).parents[2]


class TestAzureRunner(PipelineRunnerContract, BatchContract):
    """A compute cluster of a workspace."""

    # Steps are child processes of the fake, which reach it through its server whichever door the test itself takes.
    @pytest.fixture(params=("inprocess", pytest.param("live", marks=pytest.mark.live)))
    def azure_door(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def seams(self, azure_workspace: AzureWorkspace) -> Seams:
        return Seams(
            AzureModelRegistry(azure_workspace), AzureRunHistory(azure_workspace), AzureDataSets(azure_workspace)
        )

    @pytest.fixture
    def runner(self, azure_workspace: AzureWorkspace, seams: Seams) -> AzureRunner:
        from azureml.core.compute import AmlCompute, ComputeTarget

        configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=1)
        ComputeTarget.create(azure_workspace.sdk, "train-cluster", configuration).wait_for_completion()
        assert isinstance(seams.runs, AzureRunHistory)
        return AzureRunner(azure_workspace, seams.runs, PROJECT, Compute("train-cluster", "training"))

    def test_an_interrupt_cancels_the_run(
        self, runner: AzureRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        def interrupt(line: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            runner.run(pipeline, config, progress=interrupt)
        parent = next(run for run in seams.runs.search() if run.parent is None)  # a workspace keeps all runs
        assert parent.state is RunState.CANCELED
        assert list(seams.models.versions()) == []
