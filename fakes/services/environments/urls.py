"""Routes of the environment service."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.environments.responses")

_BASE = "/environment/v1.0{workspace}/environments"
_SDK = "azureml-core 1.61"
_YES = Evidence.SDK_ACCEPTS
_VERSION = f"{_BASE}/{{name}}/versions/{{version}}"

SERVICE = Service(
    "environments",
    API,
    Style.HISTORY,
    [
        Route("PUT", f"{_BASE}/{{name}}", "Environments_Register", r.register, _YES, _SDK),
        Route("PUT", _VERSION, "Environments_RegisterVersion", r.register, _YES, _SDK),
        Route("GET", f"{_BASE}/{{name}}", "Environments_GetLatest", r.get_environment, _YES, _SDK),
        Route("GET", _VERSION, "Environments_Get", r.get_environment, _YES, _SDK),
        Route("GET", f"{_BASE}/{{name}}/versions", "Environments_ListVersions", r.list_versions, Evidence.ASSUMED),
        Route("GET", f"{_BASE}/{{name}}/labels/{{label}}", "Environments_GetByLabel", r.get_by_label, _YES, _SDK),
        Route("PUT", f"{_VERSION}/metadata", "Environments_SetLabels", r.set_labels, _YES, _SDK),
        Route("GET", _BASE, "Environments_List", r.list_environments, _YES, _SDK),
    ],
    title="Environments",
)
