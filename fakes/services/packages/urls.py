"""Routes of model packages."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import API
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.packages.responses")

SERVICE = Service(
    "packages",
    API,
    Style.MMS,
    [
        Route(
            "POST",
            "/modelmanagement/v1.0{workspace}/packages",
            "Packages_Create",
            r.create_package,
            Evidence.SDK_ACCEPTS,
            "azureml-core 1.61, Model.package",
        )
    ],
    title="Model packages",
)
