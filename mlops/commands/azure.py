"""``mlops azure``: set up what the Azure backend needs."""

from __future__ import annotations

import click

from mlops.app import App, UsageMistake
from mlops.cli import common_options, confirm


@click.group(name="azure", short_help="Set up the Azure workspace.")
def cli() -> None:
    """Set up what the Azure backend needs."""


@cli.command(name="init", short_help="Make workspace, compute cluster and AKS attachment.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be made.")
@common_options
def init(app: App, yes: bool, dry_run: bool) -> int:
    """Say what is there and what would be made (resources, sizes, node counts), ask, then make it."""
    from deploy.azure.provision import apply, plan
    from mlops.azure_backend import wish_of

    wish = wish_of(app.settings, app.project)
    items = plan(wish)
    if not wish.location and any(item.kind == "workspace" and not item.exists for item in items):
        raise UsageMistake("no region is set", hint="set LOCATION, such as LOCATION=westeurope")
    rows = [
        {"kind": item.kind, "name": item.name, "state": "there" if item.exists else "to make", "detail": item.detail}
        for item in items
    ]
    missing = [item for item in items if not item.exists]
    if not any(item.kind == "AKS" for item in items):
        app.output.say("production needs an AKS cluster: set MLOPS_AZURE_AKS_RESOURCE_ID to the id of one to attach")
    if not missing or dry_run:
        app.output.table(rows, ("kind", "name", "state", "detail"))
        return 0
    if not yes:
        for row in rows:
            app.output.say(f"{row['state']:<8} {row['kind']} {row['name']}: {row['detail']}")
        confirm(f"make {len(missing)} resources? They cost money while they exist", "nothing was made")
    apply(wish, items, app.output.say)
    app.output.table([{**row, "state": "there"} for row in rows], ("kind", "name", "state", "detail"))
    return 0
