"""``mlops data``: check and register data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlops.app import App
from mlops.cli import common_options


@click.group(name="data", short_help="Check and register data sets.")
def cli() -> None:
    """Check and register data sets."""


@cli.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--data-version", type=int, help="Check a registered version (default: the newest).")
@common_options
def check(app: App, path: Path | None, data_version: int | None) -> int:
    """Check a table (a CSV or Parquet file, or a folder of them), or a registered version, against the data contract.

    Every violation is shown with column, rule and rows; row 1 is the first below the header. The distribution is
    compared with the data that production was trained on. Nothing is registered. Exits 5 when the contract is broken.
    """
    import tempfile

    from mlops.configure import pipeline_config
    from mlops.exit_codes import ExitCode
    from pipeline import checking

    config = pipeline_config(app, data_path=str(path.resolve()) if path else None, data_version=data_version)
    backend = app.backend
    with tempfile.TemporaryDirectory() as scratch:
        known, source = checking.locate(backend.data, config, Path(scratch), app.output.say)
        checked = checking.check(source, checking.baseline(backend.registry, backend.data, config, known))
    name = known.reference if known else str(path or source.name)
    lines = [str(item) for item in checked.violations] or [f"{name}: {len(checked.frame)} rows keep the contract"]
    app.output.emit({"data": name, **checked.to_json()}, "\n".join(lines))
    return ExitCode.INVALID if checked.violations else ExitCode.OK


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--allow-shift", is_flag=True, help="Register although the distribution has shifted.")
@common_options
def register(app: App, path: Path, allow_shift: bool) -> int:
    """Check a table and register it as the next version of the data set."""
    from mlops.configure import pipeline_config
    from model.contract import broken
    from pipeline import checking

    config = pipeline_config(app, data_path=str(path.resolve()))
    backend = app.backend
    checked = checking.check(path, checking.baseline(backend.registry, backend.data, config, None))
    serious = [item for item in checked.violations if item.rule != "distribution" or not allow_shift]
    for item in checked.violations:
        app.output.say(str(item))
    if serious:
        raise broken(str(path), serious)
    version = checking.register(backend.data, config, path.resolve(), checked)
    app.output.emit(_document(version), version.reference)
    return 0


@cli.command(name="list")
@click.option("--all", "every", is_flag=True, help="Data sets of every name.")
@common_options
def list_(app: App, every: bool) -> int:
    """List data set versions, newest first."""
    name = None if every else app.settings["data.name"]
    rows = [_document(version) for version in app.backend.data.versions(name)]
    app.output.table(rows, ("name", "version", "rows", "size", "created", "digest"))
    return 0


@cli.command()
@click.argument("reference", required=False)
@common_options
def show(app: App, reference: str | None) -> int:
    """Show a data set version (NAME:VERSION; default: the newest) with its profile."""
    from mlops.app import UsageMistake

    name, _, number = (reference or app.settings["data.name"]).partition(":")
    if number and not (number.isascii() and number.isdecimal()):
        raise UsageMistake(f"{reference!r} is not NAME or NAME:VERSION")
    version = app.backend.data.get(name, int(number) if number else None)
    document = {**_document(version), "tags": dict(version.tags), "profile": dict(version.profile)}
    app.output.emit(document, _profile_text(document))
    return 0


def _document(version: Any) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": str(version.version),
        "rows": version.profile.get("rows"),
        "size": version.size,
        "created": version.created.isoformat().replace("+00:00", "Z"),
        "digest": version.digest,
        "description": version.description,
    }


def _profile_text(document: dict[str, Any]) -> str:
    lines = [f"{key:<12}{document[key]}" for key in ("name", "version", "rows", "size", "created", "digest")]
    for name, column in document["profile"].get("columns", {}).items():
        if "mean" in column:
            what = f"{column['minimum']:g} to {column['maximum']:g}, mean {column['mean']:.4g}"
        else:
            what = ", ".join(f"{label} {share:.0%}" for label, share in column.get("categories", {}).items())
        lines.append(f"  {name:<16}{what}" + (f", {column['missing']} missing" if column["missing"] else ""))
    return "\n".join(lines)
