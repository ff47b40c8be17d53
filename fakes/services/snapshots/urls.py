"""Routes of snapshots."""

from __future__ import annotations

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.snapshots.responses")

V1 = "/content/v1.0{workspace}/snapshots"
V2 = "/content/v2.0{workspace}/snapshots"
SDK = "azureml-core 1.61, azureml._restclient.snapshots_client"
OK = Evidence.SDK_ACCEPTS

SERVICE = Service(
    name="snapshots",
    title="Snapshots of source folders",
    family=hosts.API,
    style=Style.HISTORY,
    routes=[
        Route("GET", f"{V1}/latest/metadata", "Snapshot_GetLatest", r.get_latest, OK, SDK),
        Route("GET", f"{V1}/{{snapshot}}/metadata", "Snapshot_GetMetadata", r.get_metadata, Evidence.ASSUMED, SDK),
        Route("POST", f"{V2}/getblob", "Snapshot_GetBlobs", r.get_blobs, OK, SDK),
        Route("POST", f"{V2}/{{snapshot}}", "Snapshot_Create", r.create, OK, SDK),
        Route("POST", f"{V2}/{{snapshot}}/zip", "Snapshot_GetZip", r.get_zip, OK, SDK),
    ],
)
