"""What the account may do in the workspace, as Azure Resource Manager tells it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from registry.azure.clock import ARM
from registry.azure.sign_in import authentication
from registry.azure.workspace import AzureWorkspace, translated

API_VERSION = "2022-04-01"
_ML = "Microsoft.MachineLearningServices/workspaces"
NEEDED = {
    "start runs": f"{_ML}/experiments/runs/submit/action",
    "register models": f"{_ML}/models/write",
    "register data sets": f"{_ML}/datasets/registered/write",
    "deploy to Container Instances": f"{_ML}/services/aci/write",
    "deploy to Kubernetes Service": f"{_ML}/services/aks/write",
    "read keys of services": f"{_ML}/services/aci/listkeys/action",
}
"""What the flow does, and the action that allows it. Names: https://learn.microsoft.com/azure/role-based-access-control/
permissions/ai-machine-learning#microsoftmachinelearningservices"""


def lacking(workspace: AzureWorkspace, needed: Mapping[str, str] = NEEDED) -> list[str]:
    """What of `needed` the account may not do; empty if it may do all.

    Raises
    ------
    registry.errors.RegistryError
        The permissions cannot be read.
    """
    import requests

    sdk = workspace.sdk
    scope = (
        f"/subscriptions/{sdk.subscription_id}/resourceGroups/{sdk.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{sdk.name}"
    )
    granted: list[Mapping[str, Any]] = []
    with translated("the account's permissions"):
        headers = authentication(workspace.account).get_authentication_header()
        address: str | None = f"{ARM}{scope}/providers/Microsoft.Authorization/permissions?api-version={API_VERSION}"
        while address:
            answer = requests.get(address, headers=headers, timeout=30)
            answer.raise_for_status()
            document = answer.json()
            granted += document["value"]
            address = document.get("nextLink")
    return [what for what, action in needed.items() if not allowed(action, granted)]


def allowed(action: str, granted: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of the permissions has the action and does not take it away again.

    ``*`` stands for anything; https://learn.microsoft.com/azure/role-based-access-control/role-definitions.
    """
    return any(
        _any(action, permission.get("actions")) and not _any(action, permission.get("notActions"))
        for permission in granted
    )


def _any(action: str, patterns: Iterable[str] | None) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) is not None
        for pattern in patterns or ()
    )
