"""What the Azure backend needs to be there: workspace, compute cluster, AKS. Looked at first, made when asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.azure.common import message
from deploy.errors import EngineUnavailable
from registry.azure.sign_in import Account, authentication, explain
from registry.azure.workspace import AzureWorkspace, quiet, require_sdk, translated, without_secrets
from registry.errors import RegistryError, Unavailable

Progress = Callable[[str], None]
ENDED = ("Succeeded", "Failed", "Canceled")
PROVISIONING_SECONDS = 1800.0
POLL_SECONDS = 5.0


@dataclass(frozen=True)
class Wish:
    """What there should be."""

    account: Account
    location: str
    cluster: str
    cluster_size: str
    """Virtual machine size, such as ``STANDARD_DS2_V2``."""
    cluster_min: int
    cluster_max: int
    """Nodes."""
    aks: str
    aks_resource_id: str = ""
    """Resource id of an AKS cluster to attach; empty: none is attached."""


@dataclass(frozen=True)
class Item:
    """One resource of the plan."""

    kind: str
    name: str
    exists: bool
    detail: str


def plan(wish: Wish) -> list[Item]:
    """What is there and what would be made. Makes nothing.

    Raises
    ------
    deploy.errors.EngineUnavailable
        Sign-in failed, or Azure does not answer.
    """
    account = wish.account
    workspace = AzureWorkspace(account)
    size = f"{wish.cluster_size}, {wish.cluster_min} to {wish.cluster_max} nodes"
    try:
        sdk = workspace.sdk
    except Unavailable as error:
        if "there is no workspace" not in str(error):
            raise EngineUnavailable(str(error), hint=error.hint) from error
        items = [
            Item("resource group", account.resource_group, False, f"in {wish.location}, if it is not there"),
            Item("workspace", account.workspace, False, f"in {wish.location}, with storage, key vault and insights"),
            Item("compute cluster", wish.cluster, False, size),
        ]
        if wish.aks_resource_id:
            items.append(Item("AKS", wish.aks, False, f"attach {wish.aks_resource_id}"))
        return items
    with _ours("listing compute targets"):
        targets = sdk.compute_targets
    items = [Item("workspace", account.workspace, True, f"in {sdk.location}")]
    items.append(Item("compute cluster", wish.cluster, wish.cluster in targets, size))
    if wish.aks_resource_id or wish.aks in targets:
        items.append(Item("AKS", wish.aks, wish.aks in targets, f"attach {wish.aks_resource_id}".strip()))
    return items


def apply(wish: Wish, items: list[Item], progress: Progress) -> None:
    """Make what the plan says is missing, in its order."""
    for item in items:
        if item.exists:
            continue
        progress(f"making {item.kind} {item.name}: {item.detail}")
        if item.kind == "workspace":
            _make_workspace(wish)
        elif item.kind == "compute cluster":
            _make_cluster(wish)
        elif item.kind == "AKS":
            _attach_aks(wish)


def _make_workspace(wish: Wish) -> None:
    require_sdk()
    from azureml.core import Workspace

    account = wish.account
    try:
        with quiet():
            Workspace.create(
                account.workspace,
                auth=authentication(account),
                subscription_id=account.subscription_id,
                resource_group=account.resource_group,
                location=wish.location,
                create_resource_group=True,
                exist_ok=True,
            )
    except Exception as error:
        explained = explain(error, account)
        raise EngineUnavailable(str(explained), hint=explained.hint) from error


def _make_cluster(wish: Wish) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget

    sdk = AzureWorkspace(wish.account).sdk
    with _ours(f"compute cluster {wish.cluster}"):
        configuration = AmlCompute.provisioning_configuration(
            vm_size=wish.cluster_size,
            min_nodes=wish.cluster_min,
            max_nodes=wish.cluster_max,
            idle_seconds_before_scaledown=600,
        )
        made = ComputeTarget.create(sdk, wish.cluster, configuration)
    _wait(made, f"compute cluster {wish.cluster}")


def _attach_aks(wish: Wish) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget

    sdk = AzureWorkspace(wish.account).sdk
    with _ours(f"AKS {wish.aks}"):
        configuration = AksCompute.attach_configuration(resource_id=wish.aks_resource_id)
        made = ComputeTarget.attach(sdk, wish.aks, configuration)
    _wait(made, f"AKS {wish.aks}")


def _wait(made: Any, what: str) -> None:
    """Wait until a compute target is there.

    The SDK's own way to wait has no end for what never ends, and tells only whom it shows its output that a cluster
    has failed. Raises ``EngineUnavailable``.
    """
    deadline = time.monotonic() + PROVISIONING_SECONDS
    while True:
        with _ours(what):
            state, error = made._get_operation_state()
            if state in ENDED:
                made.refresh_state()
        if state in ENDED:
            break
        if time.monotonic() >= deadline:
            raise EngineUnavailable(
                f"{what} is still {state} after {PROVISIONING_SECONDS:g} s",
                hint="Azure goes on: mlops doctor --backend azure shows its state",
            )
        time.sleep(POLL_SECONDS)
    if state == "Succeeded":
        state = str(made.provisioning_state or state)
        error = made.provisioning_errors
    if state != "Succeeded":
        raise EngineUnavailable(
            f"{what} was not made: it ended as {state}: {_said(error)}",
            hint="remove it in the portal, then: mlops azure init",
        )


def _said(error: Any) -> str:
    """The words of what the operation ended with, which may be a list of errors each in one more field."""
    if isinstance(error, list):
        return "; ".join(map(_said, error)) or "no reason given"
    inner = error.get("error", error) if isinstance(error, dict) else error
    return without_secrets(message(inner)) if inner else "no reason given"


class _ours:
    """The registry room's translation of the SDK's exceptions, in the words of this room."""

    def __init__(self, what: str) -> None:
        self._inner = translated(what)

    def __enter__(self) -> None:
        self._inner.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._inner.__exit__(kind, error, trace)
        except RegistryError as translated_error:
            raise EngineUnavailable(str(translated_error), hint=translated_error.hint) from error
