"""The backend that runs on Azure Machine Learning."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.app import BackendUnavailable
from mlops.backend import Backend
from mlops.settings import Settings

if TYPE_CHECKING:
    from deploy.azure.provision import Wish
    from deploy.images import ImageBuilder
    from deploy.services import Services
    from mlops.checks import Check
    from pipeline.runner import PipelineRunner
    from registry.azure.sign_in import Account
    from registry.azure.workspace import AzureWorkspace
    from registry.data import DataSets
    from registry.models import ModelRegistry
    from registry.runs import RunHistory


class AzureBackend(Backend):
    """A workspace of Azure ML (SDK v1): ACI for QA, AKS for production."""

    name = "azure"

    @cached_property
    def workspace(self) -> AzureWorkspace:
        """The workspace, signed in to when it is first needed."""
        from registry.azure.workspace import AzureWorkspace

        return AzureWorkspace(account_of(self.settings, self.project))

    @cached_property
    def registry(self) -> ModelRegistry:
        from registry.azure.models import AzureModelRegistry

        return self.signed(AzureModelRegistry(self.workspace))

    @cached_property
    def runs(self) -> RunHistory:
        from registry.azure.runs import AzureRunHistory

        return AzureRunHistory(self.workspace)

    @cached_property
    def data(self) -> DataSets:
        from registry.azure.data import AzureDataSets

        return AzureDataSets(self.workspace)

    @cached_property
    def images(self) -> ImageBuilder | None:
        from deploy.azure.images import AzureImageBuilder

        return AzureImageBuilder(self.workspace, timeout=self.settings["azure.keep_alive"])

    @cached_property
    def services(self) -> Services:
        from deploy.azure.services import AksOptions, AzureServices

        settings = self.settings
        return AzureServices(
            self.workspace,
            aks=AksOptions(
                cluster=settings["azure.aks"],
                replicas_min=settings["services.replicas_min"],
                replicas_max=settings["services.replicas_max"],
                app_insights=settings["services.app_insights"],
            ),
        )

    @cached_property
    def pipelines(self) -> PipelineRunner:
        from pipeline.azure.graph import Compute
        from pipeline.azure.runner import AzureRunner
        from pipeline.azure.sharing import Sharing
        from registry.azure.runs import AzureRunHistory

        compute = Compute(
            cluster=self.settings["azure.compute"],
            environment=self.settings["pipeline.environment"],
            allow_reuse=self.settings["pipeline.allow_reuse"],
            sharing=Sharing(
                mini_batch=self.settings["batch.mini_batch_size"],
                error_threshold=self.settings["batch.error_threshold"],
                nodes=self.settings["batch.nodes"],
                processes=self.settings["batch.processes"],
                timeout=self.settings["batch.timeout"],
                tries=self.settings["batch.tries"],
            ),
        )
        return AzureRunner(self.workspace, AzureRunHistory(self.workspace), self.project, compute)

    def checks(self) -> list[Check]:
        from mlops.azure_checks import azure_checks

        return azure_checks(self)


def account_of(settings: Settings, project: Path) -> Account:
    """Who signs in and where to: settings first, then a ``config.json`` of the project."""
    from registry.azure.sign_in import Account
    from registry.azure.workspace import from_config_json
    from registry.errors import Unavailable

    try:
        file = from_config_json(project)
    except Unavailable as error:
        raise BackendUnavailable(str(error), hint=error.hint) from error
    return Account(
        subscription_id=settings["azure.subscription_id"] or file.get("subscription_id", ""),
        resource_group=settings["azure.resource_group"] or file.get("resource_group", ""),
        workspace=settings["azure.workspace"] or file.get("workspace_name", ""),
        tenant_id=settings["azure.tenant_id"],
        client_id=settings["azure.client_id"],
        client_secret=settings.secret("azure.client_secret"),
        method=settings["azure.auth"],
    )


def wish_of(settings: Settings, project: Path) -> Wish:
    """What there should be in Azure, as the settings say."""
    from deploy.azure.provision import Wish

    return Wish(
        account=account_of(settings, project),
        location=settings["azure.location"],
        cluster=settings["azure.compute"],
        cluster_size=settings["azure.compute_sku"],
        cluster_min=settings["azure.compute_min"],
        cluster_max=settings["azure.compute_max"],
        aks=settings["azure.aks"],
        aks_resource_id=settings["azure.aks_resource_id"],
    )
