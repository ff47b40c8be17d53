"""``mlops batch``: score files with a model version, here or by a published pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlops.app import App
from mlops.cli import SECONDS, common_options

PUBLISHED_ONLY = ("build_id", "no_wait", "timeout")
HERE_ONLY = ("jobs", "joblib_backend", "scheduler")


@click.group(name="batch", invoke_without_command=True, short_help="Score files.")
@click.option("--input", "source", type=click.Path(path_type=Path), help="A .csv or .parquet, or a folder of them.")
@click.option("--data", metavar="NAME[:VERSION]", help="A registered data set instead of --input.")
@click.option("--output", "target", type=click.Path(path_type=Path), help="What to write: a file, or a folder.")
@click.option("--model", "reference", metavar="REF", help="NAME, NAME:VERSION or NAME@ALIAS (default: in production).")
@click.option("--chunk-rows", type=click.IntRange(1, 1_000_000), help="Rows a request (default: batch.chunk_rows).")
@click.option("--stop-on-bad-row", is_flag=True, help="Stop at the first row that cannot be scored.")
@click.option("--overwrite", is_flag=True, help="Begin anew although there is output.")
@click.option("--jobs", type=click.IntRange(1), help="Chunks at once (default: one a core).")
@click.option("--joblib-backend", type=click.Choice(["threading", "dask", "ray"]), help="What runs the chunks.")
@click.option("--scheduler", metavar="ADDRESS", help="Address of the dask or ray scheduler.")
@click.option("--published", is_flag=True, help="Let the published pipeline score them: on Azure, on its cluster.")
@click.option("--build-id", metavar="ID", help="With --published: which build published it (default: the newest).")
@click.option("--no-wait", is_flag=True, help="With --published: print the run's id and return.")
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="With --published: how long to wait (it goes on).")
@common_options
def cli(
    app: App,
    source: Path | None,
    data: str | None,
    target: Path | None,
    reference: str | None,
    chunk_rows: int | None,
    stop_on_bad_row: bool,
    overwrite: bool,
    published: bool,
    **options: Any,
) -> int:
    """Score tables with the same entry script that serves; the output is the input with a column `prediction`.

    An interrupted job goes on where it was when it is started again. Rows that cannot be scored are listed in
    OUTPUT.errors.csv with row, column and reason.

    \b
    mlops batch --input data.csv --output scores.csv                  on this machine
    mlops batch publish --build-id 41                                 then, on the cluster of the backend:
    mlops batch --published --input data.csv --output scores.csv
    """
    from mlops import batches
    from mlops.app import UsageMistake

    if click.get_current_context().invoked_subcommand is not None:
        return 0
    if (source is None) == (data is None):
        raise UsageMistake("what is scored?", hint="--input PATH or --data NAME, one of them")
    misplaced = [name for name in (HERE_ONLY if published else PUBLISHED_ONLY) if options[name]]
    if misplaced:
        option = "--" + misplaced[0].replace("_", "-")
        raise UsageMistake(f"{option} does not go with{'' if published else 'out'} --published")
    wanted = batches.Wanted(
        source=source,
        data=data,
        target=target,
        model=reference,
        chunk_rows=chunk_rows or app.settings["batch.chunk_rows"],
        stop_on_bad_row=stop_on_bad_row,
        overwrite=overwrite,
    )
    if not published:
        here = {name: options[name] for name in HERE_ONLY}
        report = batches.score_here(app, wanted, **here)
    else:
        report = batches.score_published(
            app, wanted, build_id=options["build_id"], wait=not options["no_wait"], timeout=options["timeout"]
        )
    text = batches.text_of(report) if "files" in report else f"{report['run_id']}"
    app.output.emit(report, text)
    return 0


@cli.command()
@click.option("--build-id", metavar="ID", help="The build that publishes (default: the setting build.id).")
@common_options
def publish(app: App, build_id: str | None) -> int:
    """Publish the pipeline that scores tables.

    Its code and settings are frozen under a build id. Which model scores what, a run says; without that, the version
    in production scores the newest version of the data set `batch.data`.
    """
    from mlops.commands.pipeline import publish_for
    from mlops.configure import batch, batch_config

    return publish_for(app, build_id, batch(app), batch_config)


@cli.command()
@click.argument("run_id")
@click.option("--output", "target", type=click.Path(path_type=Path), required=True, help="A file, or a folder.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="How long to wait for the run.")
@common_options
def fetch(app: App, run_id: str, target: Path, overwrite: bool, timeout: float | None) -> int:
    """Fetch the scores of a published run.

    It waits until the run has ended.
    """
    from mlops import batches

    report = batches.fetch(app, run_id, target, overwrite=overwrite, timeout=timeout)
    app.output.emit(report, batches.text_of(report))
    return 0


# Here --output is the file to write; how the report is printed keeps its short name.
for _parameter in (*cli.params, *fetch.params):
    if _parameter.name == "output":
        _parameter.opts = ["-o"]
