"""Routes of compute targets: reads on the data plane, writes on ARM."""

from __future__ import annotations

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.compute.responses")

_SDK = Evidence.SDK_ACCEPTS
_FROM = "azureml-core 1.61, azureml.core.compute"
_ONE = "{workspace}/computes/{name}"
API_VERSION = "2020-02-02"
_VERSIONS = (API_VERSION,)
_LOCATION = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"

SERVICES = [
    Service(
        "compute",
        hosts.API,
        Style.ARM,
        [
            Route("GET", "/rp/workspaces{workspace}/computes", "Compute_List", r.list_targets, _SDK, _FROM),
            Route("GET", "/rp/workspaces{workspace}/computes/{name}", "Compute_Get", r.get_target, _SDK, _FROM),
        ],
        title="Compute targets (reads)",
    ),
    Service(
        "compute",
        hosts.ARM,
        Style.ARM,
        [
            Route("PUT", _ONE, "Compute_Put", r.put_target, _SDK, _FROM, _VERSIONS),
            Route("PATCH", _ONE, "Compute_Update", r.patch_target, _SDK, _FROM, _VERSIONS),
            Route("DELETE", _ONE, "Compute_Delete", r.delete_target, _SDK, _FROM, _VERSIONS),
            Route("GET", _ONE, "Compute_GetArm", r.get_target, Evidence.DOCUMENTED, "REST reference, Compute - Get"),
            Route("POST", _ONE + "/listNodes", "Compute_ListNodes", r.list_nodes, _SDK, _FROM, _VERSIONS),
            Route("POST", _ONE + "/listKeys", "Compute_ListKeys", r.list_keys, _SDK, _FROM, _VERSIONS),
            Route(
                "GET",
                _LOCATION + "/computeOperationsStatus/{id}",
                "Compute_OperationStatus",
                r.get_operation,
                _SDK,
                _FROM,
                _VERSIONS,
                locked=False,
            ),
            Route("GET", _LOCATION + "/vmSizes", "Compute_ListSizes", r.list_sizes, _SDK, _FROM, _VERSIONS),
            Route(
                "GET",
                _LOCATION + "/usages",
                "Compute_ListUsages",
                r.list_usages,
                _SDK,
                f"{_FROM}; rows: Azure/azure-rest-api-specs, ListUsages.json (2020-03-01)",
                _VERSIONS,
            ),
        ],
        title="Compute targets (writes)",
    ),
]
