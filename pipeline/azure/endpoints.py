"""The pipeline endpoint: one address whose default version is the newest publication.

Schedules and other programs use it, so that publishing again is all that changes what they run
(https://learn.microsoft.com/azure/machine-learning/v1/how-to-deploy-pipelines#versioned-endpoints).
"""

from __future__ import annotations

from typing import Any

from pipeline.errors import PipelineNotFound
from registry.azure.workspace import AzureWorkspace, translated
from registry.errors import NotFound


def find(workspace: AzureWorkspace, name: str) -> Any:
    """The SDK's ``PipelineEndpoint``. Raises ``PipelineNotFound``."""
    from azureml.pipeline.core import PipelineEndpoint

    try:
        with translated(f"pipeline endpoint {name}"):
            return PipelineEndpoint.get(workspace.sdk, name=name)
    except NotFound:
        raise PipelineNotFound(f"no pipeline {name!r} was published", hint="mlops pipeline publish") from None


def offer(workspace: AzureWorkspace, name: str, published: Any) -> None:
    """Make a publication the default version, unless the endpoint has had it before."""
    from azureml.pipeline.core import PipelineEndpoint

    try:
        endpoint = find(workspace, name)
    except PipelineNotFound:
        with translated(f"pipeline endpoint {name}"):
            PipelineEndpoint.publish(workspace.sdk, name, f"the newest publication of {name}", published)
        return
    with translated(f"pipeline endpoint {name}"):
        if all(version.pipeline.id != published.id for version in endpoint.list_versions()):
            endpoint.add_default(published)
