"""Routes of data sets."""

from __future__ import annotations

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.datasets.responses")

BASE = "/dataset/v1.0{workspace}"
SDK = "azureml-core 1.61, azureml._restclient.operations.dataset_operations and azureml.data._dataset_rest_helper"
OK = Evidence.SDK_ACCEPTS
DATA = "/data/v1.0{workspace}/dataversion/{name}/versions/{version}"

SERVICE = Service(
    name="datasets",
    title="Data sets",
    family=hosts.API,
    style=Style.HISTORY,
    routes=[
        Route("GET", f"{BASE}/datasets", "Dataset_List", r.list_datasets, OK, SDK),
        Route("POST", f"{BASE}/datasets", "Dataset_Register", r.register, OK, SDK),
        Route("GET", f"{BASE}/datasets/query/{{query}}", "Dataset_Query", r.query, OK, SDK),
        Route("GET", f"{BASE}/datasets/{{dataset}}", "Dataset_GetById", r.get_dataset, OK, SDK),
        Route("PUT", f"{BASE}/datasets/{{dataset}}", "Dataset_Update", r.update_dataset, OK, SDK),
        Route("DELETE", f"{BASE}/datasets/{{dataset}}", "Dataset_Unregister", r.unregister, OK, SDK),
        Route(
            "GET", f"{BASE}/datasets/{{dataset}}/definitions", "Dataset_ListDefinitions", r.list_definitions, OK, SDK
        ),
        Route(
            "GET",
            f"{BASE}/datasets/{{dataset}}/definitions/{{version}}",
            "Dataset_GetDefinition",
            r.get_definition,
            Evidence.ASSUMED,
            SDK,
        ),
        Route("POST", f"{BASE}/saveddatasets", "Dataset_EnsureSaved", r.ensure_saved, OK, SDK),
        Route("GET", f"{BASE}/saveddatasets/{{saved}}", "Dataset_GetSaved", r.get_saved, OK, SDK),
        Route("GET", DATA, "DataVersion_Get", r.get_data_version, OK, SDK),
    ],
)
