"""Routes of Azure Resource Manager."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.hosts import ARM
from fakes.core.routing import Auth, Route, Service
from fakes.services.arm import responses

_SDK = "azureml-core 1.61"

SERVICE = Service(
    "arm",
    ARM,
    Style.ARM,
    [
        Route(
            "GET",
            "/metadata/endpoints",
            "Arm_CloudMetadata",
            responses.cloud_metadata,
            Evidence.SDK_ACCEPTS,
            _SDK,
            auth=Auth.NONE,
        ),
        Route(
            "GET",
            "/subscriptions",
            "Subscriptions_List",
            responses.list_subscriptions,
            Evidence.SDK_ACCEPTS,
            _SDK,
        ),
        Route(
            "GET",
            "{workspace}",
            "Workspaces_Get",
            responses.get_workspace,
            Evidence.SDK_ACCEPTS,
            _SDK,
        ),
    ],
    Auth.BEARER,
    "Azure Resource Manager",
)
