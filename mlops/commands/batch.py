"""``mlops batch``: score files with a model version."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="batch", short_help="Score files.")
@click.option(
    "--input", "source", type=click.Path(path_type=Path), required=True, help="A .csv or .parquet, or a folder."
)
@click.option("--output", "target", type=click.Path(path_type=Path), required=True, help="What to write.")
@click.option("--model", "reference", metavar="REF", help="NAME, NAME:VERSION or NAME@ALIAS (default: in production).")
@click.option(
    "--chunk-rows", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Rows a request."
)
@click.option("--jobs", type=click.IntRange(1), help="Chunks at once (default: one a core).")
@click.option("--stop-on-bad-row", is_flag=True, help="Stop at the first row that cannot be scored.")
@click.option("--overwrite", is_flag=True, help="Begin anew although there is output.")
@click.option("--joblib-backend", type=click.Choice(["threading", "dask", "ray"]), help="What runs the chunks.")
@click.option("--scheduler", metavar="ADDRESS", help="Address of the dask or ray scheduler.")
@common_options
def cli(
    app: App,
    source: Path,
    target: Path,
    reference: str | None,
    chunk_rows: int,
    jobs: int | None,
    stop_on_bad_row: bool,
    overwrite: bool,
    joblib_backend: str | None,
    scheduler: str | None,
) -> int:
    """Score tables with the same entry script that serves; the output is the input with a column `prediction`.

    An interrupted job goes on where it was when it is started again. Rows that cannot be scored are listed in
    OUTPUT.errors.csv with row, column and reason.
    """
    import tempfile

    from pipeline.batching.host import HostSpec
    from pipeline.batching.job import BatchOptions, features_of, score_file
    from pipeline.batching.tables import pairs
    from pipeline.engine import engine
    from registry.models import resolve

    work = pairs(source, target)
    settings = app.settings
    version = resolve(app.backend.registry, reference or f"{settings['model.name']}@production")
    backend = joblib_backend or {"loky": "threading"}.get(
        settings["train.joblib_backend"], settings["train.joblib_backend"]
    )
    app.state.mkdir(parents=True, exist_ok=True)
    # On a cluster of this machine (or with shared storage) the workers read the model from here.
    with (
        tempfile.TemporaryDirectory(prefix="batch-", dir=app.state) as scratch,
        engine(backend, scheduler or settings["train.scheduler"], n_jobs=jobs or -1) as at_once,
    ):
        folder = app.backend.registry.download(version.name, version.version, Path(scratch).resolve())
        options = BatchOptions(
            spec=HostSpec(str(app.project), settings["model.entry_script"], str(folder.parent)),
            features=features_of(folder),
            model=version.reference,
            model_digest=version.digest,
            chunk_rows=chunk_rows,
            jobs=at_once,
            stop_on_bad=stop_on_bad_row,
            overwrite=overwrite,
        )
        reports = [score_file(one, two, options, app.output.detail) for one, two in work]
    rows, bad = sum(item.rows for item in reports), sum(item.bad_rows for item in reports)
    document = {
        "model": version.reference,
        "rows": rows,
        "bad_rows": bad,
        "files": [item.to_json() for item in reports],
    }
    lines = [f"{rows} rows scored with {version.reference}, {bad} bad"]
    lines += [f"  {item.output}" + (f" (bad rows: {item.errors})" if item.errors else "") for item in reports]
    app.output.emit(document, "\n".join(lines))
    return 0


# Here --output is the file to write; how the report is printed keeps its short name.
for _parameter in cli.params:
    if _parameter.name == "output":
        _parameter.opts = ["-o"]
