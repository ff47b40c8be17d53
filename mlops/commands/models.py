"""``mlops models``: list, show, alias, download, compare and keep model versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.app import App, UsageMistake
from mlops.cli import common_options, confirm

if TYPE_CHECKING:
    from registry.models import AliasMove, ModelVersion

Parts = tuple[str, ...]


@click.group(name="models", short_help="List, show, alias, download and compare model versions.")
def cli() -> None:
    """Model versions: what was registered, which alias names which, and what moved when.

    MODEL is a name, ``name:3``, or ``name@production``.
    """


@cli.command(name="list", short_help="List versions, newest first.")
@click.argument("name", required=False)
@click.option("--tag", "tags", multiple=True, metavar="KEY[=VALUE]", help="Only versions with this tag; repeatable.")
@click.option("--metric", "metrics", multiple=True, metavar="'NAME<VALUE'", help="Compare a metric: < <= > >= = !=.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@common_options
def list_(app: App, name: str | None, tags: Parts, metrics: Parts, limit: int | None) -> int:
    """List versions of all models, or of NAME."""
    from itertools import islice

    from registry.filters import metric_filters

    chosen = metric_filters(metrics)
    wanted = {key: value if equals else None for key, equals, value in (tag.partition("=") for tag in tags)}
    found = app.backend.registry.versions(name, tags=wanted, limit=None if chosen else limit)
    rows = [to_json(version) for version in islice((v for v in found if all(each(v) for each in chosen)), limit)]
    if app.output.format == "json":
        app.output.emit(rows)
    elif rows:
        table = [{**row, "metrics": _pairs(row["metrics"]), "tags": _pairs(row["tags"])} for row in rows]
        app.output.table(table, ["reference", "created", "aliases", "metrics", "tags"])
    else:
        app.output.say("no model versions" + (f" of {name!r}" if name else "") + (" match" if tags or metrics else ""))
    return 0


@cli.command(name="show", short_help="Show one version and where it came from.")
@click.argument("model")
@common_options
def show(app: App, model: str) -> int:
    """Show one version: digest, metrics, parameters, tags and lineage."""
    from registry.models import resolve

    document = to_json(resolve(app.backend.registry, model))
    app.output.emit(document, "\n".join(_lines(document)))
    return 0


@cli.command(name="history", short_help="Show the promotion log.")
@click.argument("name")
@click.argument("alias", required=False)
@common_options
def history(app: App, name: str, alias: str | None) -> int:
    """Show every move of the aliases of NAME, oldest first: when, from, to, who and why."""
    rows = [move_json(move) for move in app.backend.registry.history(name, alias)]
    if rows or app.output.format == "json":
        app.output.table(rows, ["alias", "sequence", "when", "from_version", "to_version", "who", "why"])
    else:
        app.output.say(f"no alias of {name!r} was ever set")
    return 0


@cli.command(name="alias", short_help="Show, move or remove an alias.")
@click.argument("name")
@click.argument("alias", required=False)
@click.argument("version", required=False)
@click.option("--remove", is_flag=True, help="Let the alias name nothing.")
@click.option("--why", default="by hand", show_default=True, help="Why; kept in the promotion log.")
@click.option("--expect", metavar="VERSION", help="Move only if the alias names this version now ('none': nothing).")
@common_options
def alias_(
    app: App, name: str, alias: str | None, version: str | None, remove: bool, why: str, expect: str | None
) -> int:
    """Show the aliases of NAME, show ALIAS, or let ALIAS name VERSION. This starts no deployment."""
    registry = app.backend.registry
    if remove and version:
        raise UsageMistake("give a version or --remove, not both")
    if alias is None:
        named = registry.aliases(name)
        document = {each: str(number) for each, number in sorted(named.items())}
        app.output.emit(document, "\n".join(f"{each} -> {name}:{number}" for each, number in document.items()))
        return 0
    if version is None and not remove:
        found = _named(app, name, alias)
        app.output.emit({"alias": alias, "reference": f"{name}:{found}", "version": str(found)}, f"{name}:{found}")
        return 0
    from registry.who import whoami

    expected: Any = ... if expect is None else None if expect == "none" else _number(expect)
    to_version = None if version is None else _number(version)
    now = registry.alias(name, alias)
    if now == to_version and expected in (..., now) and (moves := list(registry.history(name, alias))):
        already = f"{alias} names {f'{name}:{now}' if now else 'nothing'} already: nothing was written"
        app.output.emit(move_json(moves[-1]), already)
        return 0
    move = registry.set_alias(name, alias, to_version, who=whoami(), why=why, expect=expected)
    text = f"{alias} names {f'{name}:{move.to_version}' if move.to_version else 'nothing'} now"
    app.output.emit(move_json(move), f"{text} (before: {move.from_version or 'nothing'})")
    return 0


@cli.command(name="tag", short_help="Change the tags of a version.")
@click.argument("model")
@click.argument("tags", nargs=-1, required=True, metavar="KEY=VALUE|KEY-...")
@common_options
def tag(app: App, model: str, tags: Parts) -> int:
    """Set tags with KEY=VALUE, remove them with KEY-."""
    from registry.models import resolve

    changes: dict[str, str | None] = {}
    for item in tags:
        key, equals, value = item.partition("=")
        if not equals and not item.endswith("-"):
            raise UsageMistake(f"{item!r} is neither KEY=VALUE nor KEY-")
        changes[key if equals else item[:-1]] = value if equals else None
    version = resolve(app.backend.registry, model)
    changed = app.backend.registry.set_tags(version.name, version.version, changes)
    app.output.emit(to_json(changed), f"{changed.reference}: {_pairs(changed.tags) or 'no tags'}")
    return 0


@cli.command(name="download", short_help="Copy an artifact out, verified.")
@click.argument("model")
@click.option("--to", "target", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder.")
@common_options
def download(app: App, model: str, target: Path) -> int:
    """Copy the artifact of a version into a folder and verify its digest."""
    from registry.models import resolve

    version = resolve(app.backend.registry, model)
    path = app.backend.registry.download(version.name, version.version, target)
    app.output.emit({"reference": version.reference, "path": str(path), "digest": version.digest}, str(path))
    return 0


@cli.command(name="delete", short_help="Delete a version; its number is never used again.")
@click.argument("model")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def delete(app: App, model: str, yes: bool) -> int:
    """Delete a version (``name:3``). Refused while an alias names it. Content goes with the next 'models gc'."""
    from contextlib import suppress

    from registry.errors import Corrupt, NewerSchema
    from registry.models import parse_reference

    name, version = parse_reference(model)
    if version is None:
        raise UsageMistake(f"{model!r} names no version", hint=f"write which one: mlops models delete {name}:VERSION")
    registry = app.backend.registry
    with suppress(Corrupt, NewerSchema):  # what cannot be read can be deleted, what is not there can not
        registry.get(name, version)
    if not yes:
        confirm(f"delete {name}:{version} for good?")
    registry.delete(name, version)
    app.output.emit({"deleted": f"{name}:{version}"}, f"deleted {name}:{version}")
    return 0


@cli.command(name="diff", short_help="Compare two versions.")
@click.argument("a")
@click.argument("b")
@common_options
def diff(app: App, a: str, b: str) -> int:
    """Show what differs between two versions: content, metrics, parameters, tags, lineage."""
    from registry.models import resolve

    first, second = (_flat(to_json(resolve(app.backend.registry, each))) for each in (a, b))
    keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    rows = [{"field": key, "a": first.get(key), "b": second.get(key)} for key in keys]
    if rows or app.output.format == "json":
        app.output.table(rows, ["field", "a", "b"])
    else:
        app.output.say(f"{a} and {b} do not differ")
    return 0


@cli.command(name="verify", short_help="Read everything and compare it with its digests.")
@click.argument("name", required=False)
@common_options
def verify(app: App, name: str | None) -> int:
    """Read every document and all content, of all models or of NAME. Exits 5 if something is wrong."""
    from mlops.exit_codes import ExitCode

    report = app.backend.registry.verify(name)
    text = "\n".join([*report.problems, f"{report.versions} versions verified, {len(report.problems)} problems"])
    app.output.emit({"versions": report.versions, "bytes": report.bytes, "problems": report.problems}, text)
    return ExitCode.INVALID if report.problems else ExitCode.OK


@cli.command(name="gc", short_help="Collect what crashes and deletions left behind.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
@common_options
def gc(app: App, dry_run: bool) -> int:
    """Collect leftovers of models, runs and data sets; never those of a writer that is at work."""
    from mlops.exit_codes import ExitCode

    backend, document, lines, problems = app.backend, {}, [], 0
    for what, store in (("models", backend.registry), ("runs", backend.runs), ("data", backend.data)):
        done = store.collect(dry_run=dry_run)
        document[what] = {
            "staged": len(done.staged),
            "blobs": len(done.blobs),
            "bytes": done.bytes,
            "alive": done.alive,
            "problems": done.problems,
        }
        problems += len(done.problems)
        verb = "would remove" if dry_run else "removed"
        alive = f"; {done.alive} writers at work were left alone" if done.alive else ""
        lines.append(f"{what}: {verb} {len(done.staged) + len(done.blobs)} files, {done.bytes} bytes{alive}")
        lines += [f"  content was kept: {problem}" for problem in done.problems]
    app.output.emit(document, "\n".join(lines))
    return ExitCode.INVALID if problems else ExitCode.OK


@cli.command(name="export", short_help="Write everything to one archive.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@common_options
def export(app: App, file: Path) -> int:
    """Write all models, aliases and the promotion log to a tar archive. Safe while others register."""
    count = app.backend.registry.export(file)
    app.output.emit({"file": str(file), "versions": count, "bytes": file.stat().st_size}, f"{count} versions in {file}")
    return 0


@cli.command(name="import", short_help="Add everything in an archive, verified.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@common_options
def import_(app: App, file: Path) -> int:
    """Add what 'models export' wrote, keeping numbers and times. Again, it adds what is missing."""
    count = app.backend.registry.import_(file)
    app.output.emit({"file": str(file), "versions": count}, f"{count} versions added")
    return 0


# ---- documents --------------------------------------------------------------------------------------------------
def to_json(version: ModelVersion) -> dict[str, Any]:
    """A version as a JSON document."""
    from dataclasses import asdict

    return {
        "reference": version.reference,
        **asdict(version),
        "version": str(version.version),
        "created": _time(version.created),
        "aliases": list(version.aliases),
        "lineage": {key: value for key, value in asdict(version.lineage).items() if value is not None},
    }


def move_json(move: AliasMove) -> dict[str, Any]:
    """A move of an alias as a JSON document."""
    from dataclasses import asdict

    numbers = {key: None if (number := getattr(move, key)) is None else str(number) for key in _NUMBERS}
    return {**asdict(move), **numbers, "when": _time(move.when)}


_NUMBERS = ("from_version", "to_version")


def _time(moment: Any) -> str:
    return str(moment.isoformat(timespec="seconds").replace("+00:00", "Z"))


def _named(app: App, name: str, alias: str) -> int:
    from registry.errors import NotFound

    found = app.backend.registry.alias(name, alias)
    if found is None:
        raise NotFound(f"model {name!r} has no alias {alias!r}", hint=f"mlops models alias {name} shows what there is")
    return found


def _number(text: str) -> int:
    from registry.models import parse_version

    return parse_version(text)


def _pairs(values: Mapping[str, Any]) -> str:
    return ",".join(
        f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
    )


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields as dotted names."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _lines(document: Mapping[str, Any]) -> list[str]:
    flat = {key: value for key, value in _flat(document).items() if value not in ("", [], None)}
    width = max(map(len, flat))
    return [
        f"{key.ljust(width)}  {', '.join(value) if isinstance(value, list) else value}" for key, value in flat.items()
    ]
