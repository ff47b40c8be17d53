"""Routes of web services."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.webservices.responses")

_SDK = Evidence.SDK_ACCEPTS
_FROM = "azureml-core 1.61, azureml.core.webservice"
_ALL = "/modelmanagement/v1.0{workspace}/services"
_ONE = _ALL + "/{name}"

SERVICE = Service(
    "webservices",
    API,
    Style.MMS,
    [
        Route("GET", _ALL, "Services_List", r.list_services, _SDK, _FROM),
        Route("POST", _ALL, "Services_Create", r.create_service, _SDK, _FROM),
        Route("POST", _ALL + "/validate", "Services_Validate", r.validate, _SDK, _FROM),
        Route("POST", _ALL + "/validate/resource", "Services_ValidateResource", r.validate_resource, _SDK, _FROM),
        Route("POST", _ALL + "/validate/name/{name}", "Services_ValidateName", r.validate_name, _SDK, _FROM),
        Route("GET", _ONE, "Services_Get", r.get_service, _SDK, _FROM),
        Route("PATCH", _ONE, "Services_Update", r.update_service, _SDK, _FROM),
        Route("DELETE", _ONE, "Services_Delete", r.delete_service, _SDK, _FROM),
        Route("POST", _ONE + "/listkeys", "Services_ListKeys", r.list_keys, _SDK, _FROM),
        Route("POST", _ONE + "/regenerateKeys", "Services_RegenerateKeys", r.regenerate_keys, _SDK, _FROM),
        Route("POST", _ONE + "/token", "Services_GetToken", r.get_token, _SDK, _FROM),
        Route("GET", _ONE + "/logs", "Services_GetLogs", r.get_logs, _SDK, _FROM, locked=False),
    ],
    title="Web services (ACI, AKS)",
)
