"""Train on the checked data set version and write the candidate's model folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import provenance, report
from pipeline.context import StepContext
from pipeline.results import DataResult, TrainResult
from registry.digests import tree_digest

if TYPE_CHECKING:
    import pandas

    from model.search import Found

MODEL = "model"
"""Folder below the step's output; what is registered."""
HOLDOUT = "holdout.csv"
PREDICTIONS = "predictions.csv"
REPORT = "report.html"


def train(context: StepContext) -> TrainResult:
    """Fit, measure, store, and prove in a fresh process that the stored model loads and answers the same.

    Raises
    ------
    model.errors.BadParameter
        Before anything is read.
    model.errors.TrainingFailed
        The estimator raised, a metric is not finite, or the model cannot be stored.
    model.errors.ArtifactUnreadable
        The stored model does not load in a process of its own.
    """
    from model import artifact, contract, dataset, estimator, isolated, parameters, tables, training

    config = context.config
    parameters.resolve(estimator.PARAMETERS, config.parameters)
    data = DataResult.read(context.result_of("check_data"))
    with tempfile.TemporaryDirectory() as scratch:
        path = context.data.download(data.name, data.version, Path(scratch))
        columns = (*dataset.FEATURES, dataset.TARGET)
        frame = contract.check(tables.read(path), columns).require(data.reference)
    chosen, found = dict(config.parameters), None
    if config.search:
        found = searched(frame, context)
        chosen = dict(found.parameters)
    trained = training.train(frame, chosen, seed=config.seed, test_size=config.test_size)
    context.log_parameters({**trained.parameters, "seed": config.seed, "test_size": config.test_size})
    context.log_metrics(trained.scores.values)
    lock = config.lock_digest or provenance.lock_digest()
    folder = artifact.write(
        context.output / MODEL, trained.estimator, training.matrix(trained.holdout), lock_digest=lock
    )
    trained.holdout.to_csv(context.output / HOLDOUT, index=False, lineterminator="\n")
    predictions = (
        trained.holdout[[dataset.TARGET.name]].set_axis(["true"], axis=1).assign(predicted=trained.predictions)
    )
    predictions.to_csv(context.output / PREDICTIONS, index=False, lineterminator="\n")
    with fast_path(folder, training.matrix(trained.holdout), context):
        isolated.score(folder, strict=True)
    context.run.upload(PREDICTIONS, context.output / PREDICTIONS)
    facts = {"run": context.run.id, "data": data.reference, "split": trained.split, **trained.parameters}
    page = report.run_report(
        f"{config.model}: held-out predictions",
        facts,
        trained.scores.values,
        report.read_predictions(context.output / PREDICTIONS),
        classes=dataset.TASK == "classification",
    )
    (context.output / REPORT).write_text(page, encoding="utf-8")
    context.run.upload(REPORT, context.output / REPORT)
    code = provenance.code_digest()
    context.set_tags({"code_digest": code})
    shown = ", ".join(f"{name} {value:.6g}" for name, value in trained.scores.values.items())
    context.progress(f"trained on {len(frame) - len(trained.holdout)} rows, held out {len(trained.holdout)}: {shown}")
    return TrainResult(
        run_id=context.run.id,
        experiment=config.experiment,
        data=data.reference,
        data_digest=data.digest,
        metrics=dict(trained.scores.values),
        parameters=dict(trained.parameters),
        model_digest=tree_digest(folder),
        metric_definition=trained.scores.definition,
        split=trained.split,
        holdout_digest=tree_digest(context.output / HOLDOUT),
        lock_digest=lock,
        python=artifact.python_minor(),
        platform=artifact.platform_name(),
        code_digest=code,
        search=found.to_json() if found else None,
    )


def searched(frame: pandas.DataFrame, context: StepContext) -> Found:
    """The best parameters, searched on the configured engine."""
    from model import estimator, search
    from pipeline.engine import again, engine

    config = context.config
    with engine(config.joblib_backend, config.scheduler) as at_once:
        where = f"{config.joblib_backend} {config.scheduler}".strip()
        context.progress(f"searching on {where}, {at_once} fits at once")
        found = again(
            lambda: search.search(
                frame,
                config.parameters,
                config.grid or estimator.SEARCH,
                metric=config.metric,
                direction=config.direction,
                seed=config.seed,
                test_size=config.test_size,
            )
        )
    best = ", ".join(f"{name} {value}" for name, value in found.parameters.items())
    context.progress(f"best of {found.combinations} by {found.folds}-fold {found.metric} {found.score:.6g}: {best}")
    context.run.log_parameters({"search_combinations": found.combinations, "search_folds": found.folds})
    context.run.log_metric(f"search_{found.metric}", found.score)
    return found


@contextmanager
def fast_path(folder: Path, rows: Any, context: StepContext) -> Iterator[None]:
    """Meanwhile, let the scoring program write into the manifest how it may answer without scikit-learn, if it may.

    It compares on the held-out rows in a process of its own. A model that is not covered is served as it is.
    """
    import numpy

    if not (provenance.ROOT / "score" / "fastpath.py").is_file():
        yield
        return
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "rows.npy"
        numpy.save(file, rows)
        command = [sys.executable, "-m", "score.fastpath", str(folder.resolve()), "--rows", str(file)]
        environment = {"PATH": os.environ.get("PATH", "")}
        with subprocess.Popen(
            command, cwd=provenance.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            try:
                yield
                _, errors = child.communicate()
            except BaseException:
                child.kill()
                raise
    if child.returncode:
        last = (errors.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        context.progress(f"no fast path: {last}")
