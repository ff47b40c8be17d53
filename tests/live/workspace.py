"""A workspace that a live run makes for itself, tagged, emptied after each test, deleted at the end.

``python -m tests.live.workspace`` deletes those that a run which was killed has left: every workspace of the resource
group that carries the tag.
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from registry.azure.blobs import BlobFolder
from registry.azure.sign_in import Account, authentication
from registry.azure.workspace import AzureWorkspace, quiet

TAG = "mlops-live"
ASKED = "MLOPS_TEST_LIVE"
NEEDED = ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "LOCATION")
CLUSTER = "MLOPS_AZURE_AKS_RESOURCE_ID"
FOLDERS = ("mlops-promotions/", "mlops-pipelines/", "mlops-runs/", "mlops-data/")


class NotOurs(RuntimeError):
    """The workspace does not carry the tag: nothing in it is deleted."""


def why_not(environ: Mapping[str, str]) -> str:
    """Why no live run is possible; empty if it is."""
    missing = [name for name in NEEDED if not environ.get(name)]
    if environ.get(ASKED) != "1" or missing:
        return f"a live run needs {ASKED}=1, {', '.join(NEEDED)} and a way to sign in"
    return ""


def account_of(environ: Mapping[str, str], workspace: str = "") -> Account:
    """Who signs in."""
    return Account(
        environ["SUBSCRIPTION_ID"],
        environ["RESOURCE_GROUP"],
        workspace,
        tenant_id=environ.get("TENANT_ID", ""),
        client_id=environ.get("SP_APP_ID", ""),
        client_secret=environ.get("SP_APP_SECRET"),
    )


def make(environ: Mapping[str, str]) -> Account:
    """Make a workspace in the resource group; the account that opens it. Takes Azure some minutes."""
    from azureml.core import Workspace

    account = account_of(environ, f"{TAG}-{uuid.uuid4().hex[:8]}")
    with quiet():
        Workspace.create(
            account.workspace,
            auth=authentication(account),
            subscription_id=account.subscription_id,
            resource_group=account.resource_group,
            location=environ["LOCATION"],
            create_resource_group=False,
            tags={TAG: datetime.now(timezone.utc).isoformat(timespec="seconds")},
            show_output=False,
        )
    return account


def purge(workspace: AzureWorkspace) -> None:
    """Delete what tests make that others would see: services, models, data sets, the kit's blobs.

    Raises
    ------
    NotOurs
        The workspace does not carry the tag.
    """
    from azureml.core import Model
    from azureml.core.webservice import Webservice

    sdk = _ours(workspace.sdk)
    with quiet():
        _each(Webservice.list(sdk), lambda service: service.delete())
        _each(Model.list(sdk), lambda model: model.delete())
        datasets = sdk.datasets
        len(datasets)  # see registry.azure.data._names
        _each([datasets[name] for name in list(datasets)], lambda item: item.unregister_all_versions())
        container = BlobFolder(workspace, "")._container()
        for prefix in FOLDERS:
            for blob in list(container.list_blobs(name_starts_with=prefix)):
                container.delete_blob(blob.name)


def drop(sdk: Any) -> None:
    """Delete a workspace and what came with it; clusters that were only attached go on elsewhere.

    Raises
    ------
    NotOurs
        It does not carry the tag.
    """
    _ours(sdk)
    with quiet():
        for target in sdk.compute_targets.values():
            with contextlib.suppress(Exception):  # what is left of it goes with the workspace
                target.detach() if getattr(target, "is_attached", False) else target.delete()
                target.wait_for_completion(show_output=False, is_delete_operation=True)
        sdk.delete(delete_dependent_resources=True)


def left(environ: Mapping[str, str]) -> list[Any]:
    """Workspaces of the resource group that carry the tag."""
    from azureml.core import Workspace

    account = account_of(environ)
    with quiet():
        found = Workspace.list(
            account.subscription_id, auth=authentication(account), resource_group=account.resource_group
        )
        opened = [one for several in found.values() for one in several]
    return [one for one in opened if TAG in (one.tags or {})]


def _ours(sdk: Any) -> Any:
    if TAG not in (sdk.tags or {}):
        raise NotOurs(f"workspace {sdk.name} has no tag {TAG!r}: it was not made by a live run")
    return sdk


def _each(items: Iterable[Any], delete: Any) -> None:
    """Delete all that can be; a failure is told after the others are gone."""
    problems = []
    for item in items:
        try:
            delete(item)
        except Exception as error:
            problems.append(f"{getattr(item, 'name', item)}: {error}")
    if problems:
        raise RuntimeError("; ".join(problems))


if __name__ == "__main__":
    reason = why_not(os.environ)
    if reason:
        sys.exit(reason)
    for one in left(os.environ):
        print(f"deleting {one.name}", file=sys.stderr)
        drop(one)
