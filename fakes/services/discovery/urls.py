"""Routes of the discovery service."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Auth, Route, Service

responses = Handlers("fakes.services.discovery.responses")

SERVICE = Service(
    "discovery",
    API,
    Style.HISTORY,
    [
        Route("GET", "/discovery", "Discovery_Get", responses.endpoints, Evidence.SDK_ACCEPTS, "azureml-core 1.61"),
        Route(
            "GET",
            "/discovery{workspace}",
            "Discovery_GetForWorkspace",
            responses.endpoints,
            Evidence.ASSUMED,
            "azureml-core 1.61 builds this form from AZUREML_DISCOVERY_SERVICE_ENDPOINT",
        ),
    ],
    Auth.NONE,
    "Discovery",
)
