"""Routes of the model registry."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.models.responses")

_BASE = "/modelmanagement/v1.0{workspace}/models"
_SDK = "azureml-core 1.61"
_IN_CLIENT = "the REST client inside azureml-core 1.61 declares it"
_FILTERS = frozenset({"name", "tag", "tags", "properties", "framework", "description", "runId", "datasetId"})
_PAGING = frozenset({"count", "offset", "$skipToken", "orderBy", "latestVersionOnly"})

SERVICE = Service(
    "models",
    API,
    Style.MMS,
    [
        Route("POST", _BASE, "Models_Register", r.register, Evidence.SDK_ACCEPTS, _SDK),
        Route("GET", _BASE, "Models_List", r.list_models, Evidence.SDK_ACCEPTS, _SDK, query=_FILTERS | _PAGING),
        Route("POST", f"{_BASE}/list", "Models_ListPost", r.list_models_post, Evidence.DOCUMENTED, _IN_CLIENT),
        Route("GET", f"{_BASE}/{{id}}", "Models_Get", r.get_model, Evidence.SDK_ACCEPTS, _SDK),
        Route("PATCH", f"{_BASE}/{{id}}", "Models_Patch", r.patch_model, Evidence.SDK_ACCEPTS, _SDK),
        Route("DELETE", f"{_BASE}/{{id}}", "Models_Delete", r.delete_model, Evidence.SDK_ACCEPTS, _SDK),
    ],
    title="Models",
)
