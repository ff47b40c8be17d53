"""Routes of the asset service."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.assets.responses")

_BASE = "/modelmanagement/v1.0{workspace}/assets"
_SDK = "azureml-core 1.61"
_IN_CLIENT = "the REST client inside azureml-core 1.61 declares it"

SERVICE = Service(
    "assets",
    API,
    Style.MMS,
    [
        Route("POST", _BASE, "Assets_Create", r.create_asset, Evidence.SDK_ACCEPTS, _SDK),
        Route("GET", f"{_BASE}/{{id}}", "Assets_Get", r.get_asset, Evidence.SDK_ACCEPTS, _SDK),
        Route("GET", _BASE, "Assets_List", r.list_assets, Evidence.DOCUMENTED, _IN_CLIENT),
        Route("PATCH", f"{_BASE}/{{id}}", "Assets_Patch", r.patch_asset, Evidence.DOCUMENTED, _IN_CLIENT),
        Route("DELETE", f"{_BASE}/{{id}}", "Assets_Delete", r.delete_asset, Evidence.DOCUMENTED, _IN_CLIENT),
    ],
    title="Assets",
)
