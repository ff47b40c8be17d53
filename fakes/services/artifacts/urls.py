"""Routes of the artifact service."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.artifacts.responses")

_BASE = "/artifact/v2.0{workspace}/artifacts"
_BOX = "/{origin}/{container}"
_SDK = "azureml-core 1.61"
_YES, _CLIENT = Evidence.SDK_ACCEPTS, Evidence.DOCUMENTED
_IN_CLIENT = "the REST client inside azureml-core 1.61 declares it"

SERVICE = Service(
    "artifacts",
    API,
    Style.HISTORY,
    [
        Route("POST", f"{_BASE}/batch/metadata{_BOX}", "Artifacts_CreateBatch", r.create_batch, _YES, _SDK),
        Route("POST", f"{_BASE}/metadata", "Artifacts_Create", r.create_one, _CLIENT, _IN_CLIENT),
        Route("GET", f"{_BASE}/metadata{_BOX}/{{path*}}", "Artifacts_Get", r.get_metadata, _CLIENT, _IN_CLIENT),
        Route(
            "DELETE", f"{_BASE}/metadata{_BOX}/{{path*}}", "Artifacts_Delete", r.delete_metadata, _CLIENT, _IN_CLIENT
        ),
        Route("DELETE", f"{_BASE}/batch{_BOX}", "Artifacts_DeleteContainer", r.delete_container, _CLIENT, _IN_CLIENT),
        Route(
            "GET", f"{_BASE}/contentinfo{_BOX}/{{path*}}", "Artifacts_GetContentInfo", r.content_information, _YES, _SDK
        ),
        Route("GET", f"{_BASE}/write{_BOX}/{{path*}}", "Artifacts_GetWriteAddress", r.write_address, _YES, _SDK),
        Route(
            "GET",
            f"{_BASE}/prefix/contentinfo{_BOX}/{{prefix*}}",
            "Artifacts_ListContentInfo",
            r.list_contents,
            _YES,
            _SDK,
        ),
        Route("GET", f"{_BASE}/content{_BOX}/{{path*}}", "Artifacts_Download", r.download, _CLIENT, _IN_CLIENT),
        Route("POST", f"{_BASE}/content{_BOX}/{{path*}}", "Artifacts_Upload", r.upload, _YES, _SDK),
        Route("GET", f"{_BASE}{_BOX}", "Artifacts_ListInContainer", r.list_artifacts, _YES, _SDK),
        Route("GET", f"{_BASE}{_BOX}/{{path*}}", "Artifacts_ListInPath", r.list_artifacts, _CLIENT, _IN_CLIENT),
    ],
    title="Artifacts",
)
