"""``mlops train``: check the data and train a candidate."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="train", short_help="Train a candidate.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A training parameter.")
@click.option("--data", type=click.Path(path_type=Path), metavar="PATH", help="A table to register and train on.")
@click.option("--data-version", type=int, help="The data set version to train on (default: the newest).")
@click.option("--allow-shift", is_flag=True, help="Train although the distribution has shifted.")
@click.option("--seed", type=int, help="Seed of the split and of everything random.")
@click.option("--search", is_flag=True, help="Search the parameters first.")
@click.option("--joblib-backend", type=click.Choice(["loky", "threading", "dask", "ray"]), help="What searches.")
@click.option("--scheduler", metavar="ADDRESS", help="Address of the dask or ray scheduler.")
@common_options
def cli(
    app: App,
    parameters: tuple[str, ...],
    data: Path | None,
    data_version: int | None,
    allow_shift: bool,
    seed: int | None,
    search: bool,
    joblib_backend: str | None,
    scheduler: str | None,
) -> int:
    """Check the data, train, and measure on held-out rows. Nothing is registered yet.

    The result goes on with `mlops evaluate` and `mlops register`.
    """
    from mlops.configure import assignments, pipeline_config, training
    from pipeline.results import TrainResult

    given = {**app.settings["train.parameters"], **assignments(parameters, "-p")}
    config = pipeline_config(
        app,
        parameters=given,
        data_path=str(data.resolve()) if data else None,
        data_version=data_version,
        allow_shift=allow_shift or None,
        seed=seed,
        search=search or None,
        joblib_backend=joblib_backend,
        scheduler=scheduler,
    )
    runner = app.backend.pipelines
    status = runner.run(training(app), config, until="train", progress=app.output.say)
    result = runner.result(status.run_id, "train", TrainResult)
    document = {"run_id": status.run_id, "train": result.to_json(), "steps": status.to_json()["steps"]}
    shown = "\n".join(f"{name:<18}{value:.6g}" for name, value in result.metrics.items())
    app.output.emit(document, f"run               {status.run_id}\ndata              {result.data}\n{shown}")
    return 0
