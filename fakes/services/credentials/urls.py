"""Routes of secrets."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.credentials.responses")

_BASE = "/credential/v2.0{workspace}/secrets"
_YES, _CLIENT = Evidence.SDK_ACCEPTS, Evidence.DOCUMENTED
_SDK = "azureml-core 1.61, azureml.core.Keyvault and azureml._restclient.operations.credential_operations"

SERVICE = Service(
    "credentials",
    API,
    Style.HISTORY,
    [
        Route("PUT", _BASE, "Secrets_Put", r.put_secret, _YES, _SDK),
        Route("GET", _BASE, "Secrets_List", r.list_secrets, _YES, _SDK),
        Route("PUT", f"{_BASE}:putbatch", "Secrets_PutBatch", r.put_secrets, _YES, _SDK),
        Route("POST", f"{_BASE}:getbatch", "Secrets_GetBatch", r.get_secrets, _YES, _SDK),
        Route("POST", f"{_BASE}:deletebatch", "Secrets_DeleteBatch", r.delete_secrets, _CLIENT, _SDK),
        Route("GET", f"{_BASE}/{{name}}", "Secrets_Get", r.get_secret, _YES, _SDK),
        Route("DELETE", f"{_BASE}/{{name}}", "Secrets_Delete", r.delete_secret, _YES, _SDK),
    ],
    title="Secrets",
)
