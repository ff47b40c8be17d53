"""Routes of operations."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.operations.responses")

SERVICE = Service(
    "operations",
    API,
    Style.MMS,
    [
        Route(
            "GET",
            "/modelmanagement/v1.0{workspace}/operations/{id}",
            "Operations_Get",
            r.get_operation,
            Evidence.SDK_ACCEPTS,
            "azureml-core 1.61, Webservice.wait_for_deployment and ModelPackage",
            locked=False,
        )
    ],
    title="Operations of model management",
)
