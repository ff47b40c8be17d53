"""What ``mlops doctor --backend azure`` looks at: SDK, sign-in, workspace, role, compute, quota."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from mlops.checks import Check

if TYPE_CHECKING:
    from mlops.azure_backend import AzureBackend

SDK = ("azureml-core", "azureml-pipeline-core", "azureml-pipeline-steps")


def azure_checks(backend: AzureBackend) -> list[Check]:
    """Each finding depends on the one before: the first that fails ends the list."""
    from registry.azure.sign_in import choose_method
    from registry.errors import RegistryError

    found = sdk_checks()
    if any(check.state == "missing" for check in found):
        return found
    account = backend.workspace.account
    try:
        found.append(Check("sign-in", "ok", f"{choose_method(account)}, tenant {account.tenant_id or 'of the token'}"))
        workspace = backend.workspace.sdk
    except RegistryError as error:
        return [*found, Check("workspace", "missing", str(error), error.hint or "")]
    found.append(Check("workspace", "ok", f"{workspace.name} in {workspace.location}"))
    try:
        names = backend.registry.names()
        found.append(Check("role", "ok", f"models can be read ({len(names)} names)"))
    except RegistryError as error:
        return [*found, Check("role", "missing", str(error), error.hint or "")]
    return found + compute_checks(backend)


def sdk_checks() -> list[Check]:
    """The SDK's packages."""
    found = []
    for name in SDK:
        try:
            found.append(Check(name, "ok", metadata.version(name)))
        except metadata.PackageNotFoundError:
            mend = "make azure" if name != "azureml-pipeline-steps" else "make azure with Python 3.10 or 3.11"
            found.append(Check(name, "missing", "not installed", mend))
    return found


def compute_checks(backend: AzureBackend) -> list[Check]:
    """The compute cluster, its quota, and AKS."""
    settings, workspace = backend.settings, backend.workspace.sdk
    try:
        targets = workspace.compute_targets
    except Exception as error:
        return [Check("compute", "missing", f"compute targets cannot be listed: {error}", "check the role")]
    found = []
    for key, what, needed in (("azure.compute", "compute cluster", True), ("azure.aks", "AKS cluster", True)):
        name = settings[key]
        if name in targets:
            state = str(targets[name].provisioning_state)
            ok = state == "Succeeded"
            found.append(Check(what, "ok" if ok else "missing", f"{name}: {state}", "" if ok else "mlops azure init"))
        else:
            found.append(Check(what, "missing" if needed else "note", f"there is no {name!r}", "mlops azure init"))
    return found
