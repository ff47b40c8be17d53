"""Routes of datastores."""

from __future__ import annotations

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.datastores.responses")

BASE = "/datastore/v1.0{workspace}"
SDK = "azureml-core 1.61, azureml._restclient.operations.data_stores_operations"
OK = Evidence.SDK_ACCEPTS

SERVICE = Service(
    name="datastores",
    title="Datastores",
    family=hosts.API,
    style=Style.HISTORY,
    routes=[
        Route("GET", f"{BASE}/datastores", "DataStores_List", r.list_datastores, OK, SDK),
        Route("POST", f"{BASE}/datastores", "DataStores_Create", r.create_datastore, OK, SDK),
        Route("GET", f"{BASE}/datastores/{{name}}", "DataStores_Get", r.get_datastore, OK, SDK),
        Route("PUT", f"{BASE}/datastores/{{name}}", "DataStores_Update", r.update_datastore, OK, SDK),
        Route("DELETE", f"{BASE}/datastores/{{name}}", "DataStores_Delete", r.delete_datastore, OK, SDK),
        Route("GET", f"{BASE}/default", "DataStores_GetDefault", r.get_default, OK, SDK),
        Route("PUT", f"{BASE}/default/{{name}}", "DataStores_SetDefault", r.set_default, OK, SDK),
    ],
)
