"""``mlops services``: look at services, ask them, stop and start them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.app import App, UsageMistake
from mlops.cli import common_options, confirm

if TYPE_CHECKING:
    from deploy.services import ServiceInfo

COLUMNS = ("name", "stage", "state", "version", "target", "uri", "error")


@click.group(name="services", short_help="List, invoke, read and stop services.")
def cli() -> None:
    """Services: what runs where, its keys and logs."""


@cli.command(name="list", short_help="All services.")
@common_options
def list_(app: App) -> int:
    """List all services of the project."""
    app.output.table([document(info) for info in app.backend.services.services()], COLUMNS)
    return 0


@cli.command(short_help="One service and its revisions.")
@click.argument("name")
@common_options
def show(app: App, name: str) -> int:
    """Show one service, and its revisions with their shares of traffic."""
    services = app.backend.services
    result = {**document(services.get(name)), "revisions": [revision(item) for item in services.revisions(name)]}
    lines = [f"{key:<10}{value}" for key, value in result.items() if key not in ("revisions", "tags") and value]
    for item in result["revisions"]:
        lines.append(f"{item['id']:<10}{item['traffic']:>3} %  {item['model']}  {item['state']}  {item['created']}")
    app.output.emit(result, "\n".join(lines))
    return 0


@cli.command(short_help="The last log lines.")
@click.argument("name")
@click.option("-n", "--lines", type=click.IntRange(min=1), default=100, show_default=True, help="How many.")
@common_options
def logs(app: App, name: str, lines: int) -> int:
    """Print the last log lines of what serves."""
    text = app.backend.services.logs(name, lines=lines)
    app.output.emit({"name": name, "lines": text.splitlines()}, text)
    return 0


@cli.command(short_help="The keys.")
@click.argument("name")
@click.option("--show", type=click.Choice(["primary", "secondary"]), help="Print this key and nothing else.")
@common_options
def keys(app: App, name: str, show: str | None) -> int:
    """Print the keys of a service; either is valid, and both survive deployments."""
    found = app.backend.services.keys(name)
    both = {"primary": found.primary, "secondary": found.secondary}
    if show:
        app.output.emit({show: both[show]}, both[show])
    else:
        app.output.emit(both, "\n".join(f"{which:<10}{key}" for which, key in both.items()))
    return 0


@cli.command(short_help="Make a new key.")
@click.argument("name")
@click.argument("which", type=click.Choice(["primary", "secondary"]))
@common_options
def regenerate(app: App, name: str, which: str) -> int:
    """Replace one of the two keys: the other one stays valid meanwhile."""
    app.backend.services.regenerate_key(name, which)
    app.output.emit(
        {"name": name, "regenerated": which}, f"{name} has a new {which} key: mlops services keys {name} --show {which}"
    )
    return 0


@cli.command(short_help="Ask a service.")
@click.argument("name")
@click.option("-d", "--data", help="The body, such as '{\"data\": [[...]]}'; @FILE reads a file, - reads stdin.")
@common_options
def invoke(app: App, name: str, data: str | None) -> int:
    """Send a request with the primary key and print the answer. Fails unless the status is 2xx."""
    from mlops.exit_codes import ExitCode

    answer = app.backend.services.invoke(name, _body(data))
    text = answer.body.decode("utf-8", "replace")
    shown = {"status": answer.status, "headers": dict(answer.headers), "body": text}
    app.output.emit(shown, text)
    if 200 <= answer.status < 300:
        return ExitCode.OK
    app.output.say(f"mlops: {name} answered with status {answer.status}")
    return ExitCode.INVALID if answer.status < 500 else ExitCode.DEPLOY_FAILED


@cli.command(short_help="Start what should run but does not.")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All services of the project.")
@common_options
def start(app: App, names: tuple[str, ...], everything: bool) -> int:
    """Start services again after `stop`, a crash or a reboot: same addresses, same keys."""
    services, found = app.backend.services, []
    _each(app, "start", names, everything, lambda name: found.append(services.ensure(name, progress=app.output.say)))
    text = "\n".join(f"{info.name} {info.state.value} {info.version} {info.uri}" for info in found)
    one = len(names) == 1
    app.output.emit(document(found[0]) if one else [document(info) for info in found], text)
    return 0


@cli.command(short_help="Stop a service; it keeps address and keys.")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All services of the project.")
@common_options
def stop(app: App, names: tuple[str, ...], everything: bool) -> int:
    """Stop services. `mlops services start` brings them back with the same address and keys."""
    services = app.backend.services

    def one(name: str) -> None:
        services.stop(name)
        app.output.say(f"{name} stopped")

    app.output.emit({"stopped": _each(app, "stop", names, everything, one)}, "")
    return 0


def _each(app: App, verb: str, names: tuple[str, ...], everything: bool, act: Callable[[str], None]) -> list[str]:
    """Do it to each of the services; one that fails keeps no other from its turn. The first failure is raised then."""
    from deploy.errors import DeployError

    if everything == bool(names):
        raise UsageMistake("which services?", hint=f"mlops services {verb} NAME, or --all")
    chosen = [info.name for info in app.backend.services.services()] if everything else list(names)
    failed: list[DeployError] = []
    for name in chosen:
        try:
            act(name)
        except DeployError as error:
            if failed:  # the first is told at the end, with its next step
                app.output.say(f"{name}: {error}")
            failed.append(error)
    if failed:
        raise failed[0]
    return chosen


@cli.command(short_help="Share traffic among revisions.")
@click.argument("name")
@click.argument("shares", nargs=-1, required=True, metavar="REVISION=PERCENT...")
@common_options
def traffic(app: App, name: str, shares: tuple[str, ...]) -> int:
    """Share traffic among revisions, such as `r2=100`. Those left at 0 are stopped once drained."""
    percent: dict[str, int] = {}
    for item in shares:
        identifier, equals, number = item.partition("=")
        if not equals or not number.isdecimal():
            raise UsageMistake(f"{item!r} is not REVISION=PERCENT", hint=f"mlops services show {name}")
        percent[identifier] = int(number)
    services = app.backend.services
    services.set_traffic(name, percent)
    app.output.table([revision(item) for item in services.revisions(name)], ("id", "traffic", "model", "state"))
    return 0


@cli.command(short_help="Delete a service, its keys and its address.")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def delete(app: App, name: str, yes: bool) -> int:
    """Delete a service: what runs, its keys, its address. Models stay registered."""
    services = app.backend.services
    info = services.get(name)
    if not yes:
        confirm(f"delete {name} ({info.version}) with its keys and its address?")
    services.delete(name)
    app.output.emit({"deleted": name}, f"{name} deleted")
    return 0


def document(info: ServiceInfo) -> dict[str, Any]:
    """A service as JSON."""
    return {
        "name": info.name,
        "stage": info.stage,
        "uri": info.uri,
        "state": info.state.value,
        "target": info.target,
        "version": info.version,
        "error": info.error,
        "tags": dict(info.tags),
    }


def revision(item: Any) -> dict[str, Any]:
    """A revision as JSON."""
    return {
        "id": item.id,
        "model": item.model,
        "model_digest": item.model_digest,
        "image": item.image,
        "created": item.created.isoformat().replace("+00:00", "Z"),
        "traffic": item.traffic,
        "state": item.state.value,
    }


def _body(data: str | None) -> bytes:
    if data is None or data == "-":
        if data is None and sys.stdin.isatty():
            raise UsageMistake("no request given", hint="-d '{\"data\": [[...]]}', -d @FILE, or on stdin")
        return sys.stdin.buffer.read()
    if data.startswith("@"):
        try:
            return Path(data[1:]).read_bytes()
        except OSError as error:
            raise UsageMistake(f"cannot read {data[1:]}: {error.strerror}") from error
    return data.encode()
