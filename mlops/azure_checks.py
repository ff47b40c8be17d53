"""What ``mlops doctor --backend azure`` looks at: SDK, clock, sign-in, workspace, region, role, compute, quota."""

from __future__ import annotations

import math
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.checks import Check

if TYPE_CHECKING:
    from deploy.azure.capacity import Region
    from mlops.azure_backend import AzureBackend
    from mlops.settings import Settings

SDK = ("azureml-core", "azureml-pipeline-core", "azureml-pipeline-steps")
ROLE = "'AzureML Data Scientist' (or Contributor)"
MORE = "https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas"


def azure_checks(backend: AzureBackend) -> list[Check]:
    """Each finding depends on the one before: the first that fails ends the list."""
    from registry.azure.sign_in import choose_method
    from registry.errors import RegistryError

    found = sdk_checks(backend.project)
    if any(check.state == "missing" for check in found):
        return found
    found.append(clock_check())
    if found[-1].state == "missing":
        return found
    account = backend.workspace.account
    sign_in = Check("sign-in", "ok", "")
    try:
        sign_in = Check("sign-in", "ok", f"{choose_method(account)}, tenant {account.tenant_id or 'of the token'}")
        workspace = backend.workspace.sdk  # the first that signs in
    except RegistryError as error:
        if re.search(r"\bsign[- ]in\b", str(error)):
            return [*found, Check("sign-in", "missing", str(error), error.hint or "")]
        return [*found, sign_in, Check("workspace", "missing", str(error), error.hint or "")]
    found += [sign_in, Check("workspace", "ok", workspace.name)]
    found.append(region_check(workspace.location, backend.settings["azure.location"]))
    found.append(role_check(backend))
    if found[-1].state == "missing":
        return found
    return found + compute_checks(backend)


def sdk_checks(project: Path) -> list[Check]:
    """The SDK's packages, and whether they are those of the lock."""
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    lock = project / "requirements" / "locks" / f"azure-{minor}.txt"
    text = lock.read_text(encoding="utf-8") if lock.is_file() else ""
    locked = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^\s\\;]+)", text, re.MULTILINE))
    found = []
    for name in SDK:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            mend = "make azure" if name != "azureml-pipeline-steps" else "make azure with Python 3.10 or 3.11"
            found.append(Check(name, "missing", "not installed", mend))
            continue
        if locked.get(name, version) == version:
            found.append(Check(name, "ok", version))
        else:
            detail = f"{version}; the tests ran with {locked[name]}, which {lock.name} holds"
            found.append(Check(name, "note", detail, "make azure"))
    return found


def clock_check() -> Check:
    """Whether Azure answers, and whether this machine's clock agrees with it."""
    from registry.azure.clock import TOLERATED, ahead
    from registry.errors import Unavailable

    try:
        seconds = ahead()
    except Unavailable as error:
        return Check("network", "missing", str(error), error.hint or "")
    if seconds is None:
        return Check("clock", "note", "Azure answers, but did not say what time it is")
    detail = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} Azure's"
    if abs(seconds) > TOLERATED:
        return Check(
            "clock", "missing", f"{detail}: tokens would be refused", "set the clock: timedatectl set-ntp true"
        )
    return Check("clock", "ok", detail)


def region_check(location: str, wanted: str) -> Check:
    """Where the workspace is, against the setting."""
    if wanted and _region(wanted) != _region(location):
        detail = f"the workspace is in {location}, azure.location says {wanted}"
        return Check(
            "region", "note", f"{detail}: services and clusters are made in {location}", f"LOCATION={location}"
        )
    return Check("region", "ok", location)


def role_check(backend: AzureBackend) -> Check:
    """Whether the account may read the workspace, and do what the flow does."""
    from registry.azure.permissions import NEEDED, lacking
    from registry.errors import RegistryError

    try:
        names = backend.registry.names()
    except RegistryError as error:
        return Check("role", "missing", str(error), error.hint or "")
    try:
        forbidden = lacking(backend.workspace)
    except RegistryError as error:
        detail = f"models can be read ({len(names)} names); what else is allowed cannot be seen: {error}"
        return Check(
            "role", "note", detail, "the flow needs 'AzureML Data Scientist' (or Contributor) on the workspace"
        )
    if forbidden:
        mend = f"give it 'AzureML Data Scientist' (or Contributor) on workspace {backend.workspace.sdk.name!r}"
        return Check("role", "missing", f"the account may not {', '.join(forbidden)}", mend)
    return Check("role", "ok", f"may {', '.join(NEEDED)}")


def compute_checks(backend: AzureBackend) -> list[Check]:
    """The compute cluster, its quota, and AKS."""
    from deploy.azure.capacity import region_of
    from deploy.errors import DeployError

    settings, workspace = backend.settings, backend.workspace.sdk
    try:
        targets = workspace.compute_targets
    except Exception as error:
        return [Check("compute", "missing", f"compute targets cannot be listed: {error}", "check the role")]
    found = [
        target_check("compute cluster", settings["azure.compute"], targets, "mlops azure init"),
        target_check("AKS cluster", settings["azure.aks"], targets, _attach(settings)),
    ]
    try:
        region = region_of(workspace)
    except DeployError as error:
        return [*found, Check("quota", "note", str(error), error.hint or "")]
    found.append(quota_check(region, settings, targets.get(settings["azure.compute"])))
    cluster = targets.get(settings["azure.aks"])
    return found if cluster is None else [*found, aks_check(region, settings, cluster)]


def target_check(what: str, name: str, targets: dict[str, Any], mend: str) -> Check:
    """Whether a compute target is there and ready."""
    if name not in targets:
        return Check(what, "missing", f"there is no {name!r}", mend)
    state = str(targets[name].provisioning_state)
    ok = state == "Succeeded"
    return Check(what, "ok" if ok else "missing", f"{name}: {state}", "" if ok else "look at it in the portal")


def _attach(settings: Settings) -> str:
    if settings["azure.aks_resource_id"]:
        return "mlops azure init"
    return "set MLOPS_AZURE_AKS_RESOURCE_ID to the cluster's id (make infra-apply prints it), then mlops azure init"


def quota_check(region: Region, settings: Settings, cluster: Any) -> Check:
    """Whether the training cluster, as it is or as the settings want it, can have its nodes."""
    from deploy.azure.common import ours
    from deploy.errors import DeployError

    if cluster is None:
        size, most, low = settings["azure.compute_sku"], settings["azure.compute_max"], False
        least, now = settings["azure.compute_min"], 0
    else:
        if (found := _unscaled(cluster)) is not None:
            return found
        scale = cluster.scale_settings
        try:
            with ours(f"nodes of {cluster.name}"):  # the SDK prints what it makes of a cluster that is being created
                status = cluster.get_status()
        except DeployError as error:
            return Check("quota", "note", str(error), error.hint or "")
        size, most, least = str(cluster.vm_size), int(scale.maximum_node_count), int(scale.minimum_node_count)
        low = str(cluster.vm_priority or "").lower() == "lowpriority"
        now = int(getattr(status, "current_node_count", None) or 0)
    cores, room = region.cores_of(size), region.room_for(size, low_priority=low)
    if cores is None:
        offered = ", ".join(sorted(region.cores)[:5])
        mend = f"set AML_COMPUTE_CLUSTER_CPU_SKU to one of {offered}, ..."
        return Check("quota", "missing", f"{size} is not to be had in {region.name}", mend)
    if room is None:
        return Check("quota", "note", f"{size} has {cores} cores; Azure names no limit for it in {region.name}")
    limits = region.quotas_of(size, low_priority=low)
    taken = "; ".join(f"{quota.name}: {quota.used} of {quota.limit} taken" for quota in limits)
    possible = min(most, now + room)
    detail = f"{possible} of {most} nodes of {size} ({cores} cores each) can run. {taken}"
    if possible >= most:
        return Check("quota", "ok", detail)
    state = "note" if possible >= max(1, least) else "missing"
    return Check("quota", state, detail, f"ask for more ({MORE}), or choose another AML_COMPUTE_CLUSTER_CPU_SKU")


def _unscaled(cluster: Any) -> Check | None:
    """What to say of compute that is no cluster with a number of nodes; ``None`` if it is one."""
    if not hasattr(cluster, "scale_settings"):
        return Check(
            "quota",
            "note",
            f"{cluster.name} is a {_kind(cluster)}: how many nodes it can have is not told",
            "set AML_COMPUTE_CLUSTER_NAME to an AmlCompute cluster; mlops azure init makes one",
        )
    if cluster.scale_settings is None:
        return Check(
            "quota",
            "note",
            f"{cluster.name} is an {_kind(cluster)} that does not say how many nodes it may have",
            "look at it in the portal; mlops azure init makes one if AML_COMPUTE_CLUSTER_NAME is a new name",
        )
    return None


def _kind(cluster: Any) -> str:
    """Such as ``AmlCompute``, ``ComputeInstance``, ``KubernetesCompute``: the SDK's name of it."""
    return type(cluster).__name__


def aks_check(region: Region, settings: Settings, cluster: Any) -> Check:
    """Whether the nodes of the Kubernetes cluster have room for the replicas that the settings want."""
    if not hasattr(cluster, "agent_count"):
        detail = f"{cluster.name} is a {_kind(cluster)}: services of SDK v1 run on an AksCompute"
        return Check("AKS cores", "note", detail, f"set AKS_COMPUTE_NAME to a new name; {_attach(settings)}")
    nodes, size = cluster.agent_count, str(cluster.agent_vm_size or "")
    cores = region.cores_of(size)
    if not nodes or cores is None:
        return Check("AKS cores", "note", f"{cluster.name} does not say how many cores it has")
    # While a version replaces another, both run.
    least = math.ceil(2 * settings["services.replicas_min"] * settings["services.cpu"])
    most = math.ceil(settings["services.replicas_max"] * settings["services.cpu"])
    detail = f"{nodes} nodes of {size}: {nodes * cores} cores; a release needs {least}, {most} at full load"
    if nodes * cores >= max(least, most):
        return Check("AKS cores", "ok", detail)
    state = "note" if nodes * cores >= least else "missing"
    return Check("AKS cores", state, detail, "az aks scale, or lower services.cpu and services.replicas_max")


def _region(name: str) -> str:
    return name.replace(" ", "").casefold()
