"""``mlops init``: make a new project from this one."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="init", short_help="Make a new project from this one.")
@click.argument("name")
@click.option("--directory", type=click.Path(path_type=Path), help="Where (default: a folder NAME beside this one).")
@click.option("--no-sample", is_flag=True, help="Leave the diabetes sample out; a placeholder takes its place.")
@common_options
def cli(app: App, name: str, directory: Path | None, no_sample: bool) -> int:
    """Copy this project to a new folder, named NAME, ready for a model of your own."""
    from mlops.scaffold import ROOT, make

    target = (directory or ROOT.parent / name).resolve()
    yours = make(name, target, sample=not no_sample)
    app.output.emit(
        {"project": name, "folder": str(target), "yours": yours},
        f"{target}\n\nyours to replace: {', '.join(yours)} (docs/your-own-model.md)\nnext: cd {target} && make demo",
    )
    return 0
