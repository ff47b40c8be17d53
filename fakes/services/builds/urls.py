"""Routes of environment builds."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.builds.responses")

_SDK = Evidence.SDK_ACCEPTS
_FROM = "azureml-core 1.61, Environment.build and ImageBuildDetails"
_NEW = "/environment/v2.0{workspace}/environments/{name}/versions/{version}"
_OLD = "/environment/v1.0{workspace}/environments/{name}"

SERVICE = Service(
    "builds",
    API,
    Style.HISTORY,
    [
        Route("POST", _NEW + "/image", "Environments_Build", r.start_build, _SDK, _FROM),
        Route("POST", _NEW + "/imageoncompute/{compute}", "Environments_BuildOnCompute", r.start_build, _SDK, _FROM),
        Route("GET", _NEW + "/image/{id}", "Environments_BuildStatus", r.get_build, _SDK, _FROM, locked=False),
        Route("GET", _OLD + "/image", "Environments_GetImageLatest", r.get_image, _SDK, _FROM),
        Route("GET", _OLD + "/versions/{version}/image", "Environments_GetImage", r.get_image, _SDK, _FROM),
    ],
    title="Environment images",
)
