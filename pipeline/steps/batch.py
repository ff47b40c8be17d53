"""Batch scoring as steps: cut the tables into parts, score the parts, put the tables together again.

Rows are read, scored and written by the code of ``mlops batch``, so the scores are the same wherever it runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from model.errors import DataUnreadable
from pipeline import provenance
from pipeline.batching import parts
from pipeline.batching.host import HostSpec, close_all
from pipeline.batching.job import (
    WINDOW,
    TableOptions,
    check_header,
    features_of,
    score_chunk,
    stop_on_bad,
    write_table,
)
from pipeline.batching.tables import columns, pairs
from pipeline.config import PipelineConfig
from pipeline.context import StepContext
from pipeline.errors import PipelineError
from pipeline.graph import PARTS
from pipeline.results import JoinResult, ScoreResult, SplitResult
from registry.digests import combine, file_digest
from registry.models import ModelVersion, resolve

TABLES = "tables"
"""Folder below the output of ``join``: the tables with predictions."""


def split(context: StepContext) -> SplitResult:
    """Settle which model scores which data, and cut its tables into parts.

    Raises
    ------
    registry.errors.NotFound
        No such model version or data set, or nothing is in production.
    model.errors.DataNotFound, model.errors.DataUnreadable
        The data set holds no table, or one without the features' columns.
    pipeline.errors.PipelineError
        No rows are to be scored at once.
    """
    config = context.config
    if config.chunk_rows < 1:  # no rows at once would be no rows at all, and no error
        raise PipelineError(f"chunk_rows must be at least 1, not {config.chunk_rows}", hint="batch.chunk_rows")
    version = _version(context)
    with _model(context, version.name, version.version) as served:
        features = features_of(served)
    data = context.data.get(config.data, config.data_version)
    with _tables(context, data.name, data.version) as (source, work):
        tables = []
        for path, table, scores in work:
            check_header(table, columns(path), features)
            rows, count = parts.cut(path, table, context.output, features, config.chunk_rows)
            tables.append({"table": table, "scores": scores, "rows": rows, "parts": count})
            context.progress(f"{table}: {rows} rows in {count} part{'s' * (count != 1)}")
        folder = source.is_dir()
    context.run.log_parameters({"model": version.reference, "data": data.reference, "data_digest": data.digest})
    context.set_tags({"model": version.reference, "data": data.reference})
    return SplitResult(
        model=version.reference,
        name=version.name,
        version=version.version,
        model_digest=version.digest,
        features=list(features),
        data=data.reference,
        data_digest=data.digest,
        chunk_rows=config.chunk_rows,
        tables=tables,
        folder=folder,
    )


class PartScorer:
    """Scores parts one by one: a worker process of a cluster has one.

    Parameters
    ----------
    context : pipeline.context.StepContext
        Of the step ``score``.
    """

    def __init__(self, context: StepContext) -> None:
        self.plan = SplitResult.read(context.result_of("split"))
        self.config = context.config
        self.output = context.output
        self._scratch = tempfile.TemporaryDirectory(prefix="mlops-batch-")
        folder = context.models.download(self.plan.name, self.plan.version, Path(self._scratch.name))
        self.spec = spec_of(self.config, folder)

    def __call__(self, part: Path) -> str | None:
        """Score one part; gives what is wrong with a row if that must stop the run."""
        return self.write(part, parts.score_part(part, self.spec, self.plan.features))

    def write(self, part: Path, values: list[Any]) -> str | None:
        """Keep the predictions of a part; gives what is wrong with a row if that must stop the run."""
        table, first = parts.place_of(part)
        parts.write_values(self.output / parts.part_name(table, first, ".json"), values)
        if self.config.stop_on_bad_row:
            try:
                stop_on_bad(table, values, first)
            except DataUnreadable as error:
                return str(error)
        return None

    def close(self) -> None:
        """End the scoring programs and forget the model."""
        close_all()
        self._scratch.cleanup()


def score(context: StepContext) -> ScoreResult:
    """Score all parts on this machine, or on the cluster that ``config.joblib_backend`` names.

    Raises
    ------
    model.errors.DataUnreadable
        With ``config.stop_on_bad_row``: a row cannot be scored.
    pipeline.errors.PipelineError
        The scoring program does not start, or ended twice on the same rows.
    """
    from joblib import delayed

    from pipeline.engine import Workers, engine

    config = context.config
    found = sorted(path for path in (context.inputs["split"] / PARTS).rglob("*") if path.is_file())
    backend = "threading" if config.joblib_backend == "loky" else config.joblib_backend
    scorer, done, work = PartScorer(context), 0, iter(found)
    features = scorer.plan.features
    try:
        with engine(backend, config.scheduler) as jobs, Workers() as workers:
            while window := list(islice(work, WINDOW * jobs)):
                tasks = (parts.cells_of_part(part, features) for part in window)
                results = workers([delayed(score_chunk)(scorer.spec, features, cells) for cells in tasks])
                for part, values in zip(window, results, strict=True):
                    wrong = scorer.write(part, values)
                    if wrong is not None:
                        raise DataUnreadable(wrong, hint="mend the row, or leave out --stop-on-bad-row")
                done += len(window)
                context.progress(f"{done} of {len(found)} parts")
    finally:
        scorer.close()
    return ScoreResult(len(found))


def join(context: StepContext) -> JoinResult:
    """Write each table with its predictions, and list the rows that have none.

    Raises
    ------
    model.errors.DataUnreadable
        With ``config.stop_on_bad_row``: a row has no prediction.
    """
    plan = SplitResult.read(context.result_of("split"))
    name, _, version = plan.data.rpartition(":")
    options = TableOptions(
        features=tuple(plan.features),
        model=plan.model,
        model_digest=plan.model_digest,
        code_digest=code_of(provenance.ROOT, context.config.entry_script),
        chunk_rows=plan.chunk_rows,
        stop_on_bad=context.config.stop_on_bad_row,
    )
    folder, files = context.output / TABLES, []
    with _tables(context, name, int(version)) as (_, work):
        for path, table, scores in work:
            scored = parts.stored(context.inputs["score"], table)
            report = write_table(path, folder / scores, options, scored, _nothing, shown=table)
            errors = Path(report.errors).relative_to(folder).as_posix() if report.errors else None
            files.append({**asdict(report), "output": scores, "errors": errors})
            context.progress(f"{table}: {report.rows} rows, {report.bad_rows} bad")
    rows, bad = (sum(int(item[field]) for item in files) for field in ("rows", "bad_rows"))
    context.log_metrics({"rows": float(rows), "bad_rows": float(bad)})
    return JoinResult(plan.model, plan.data, rows, bad, files, plan.folder)


def spec_of(config: PipelineConfig, folder: Path) -> HostSpec:
    """How the scoring program is started for a model folder, from the code that runs here."""
    return HostSpec(str(provenance.ROOT), config.entry_script, str(folder.parent))


def code_of(root: Path, entry_script: str) -> str:
    """Digest of what makes predictions out of rows, beside the model."""
    script = root / entry_script
    code = {"code": provenance.code_digest(root)}
    return combine({**code, "entry_script": file_digest(script)} if script.is_file() else code)


def _nothing(line: str) -> None:
    """Takes the lines about each chunk, which nobody follows here."""


def _version(context: StepContext) -> ModelVersion:
    config = context.config
    if config.model_version is not None:
        return context.models.get(config.model, config.model_version)
    return resolve(context.models, f"{config.model}@{config.compare_to}")


@contextmanager
def _model(context: StepContext, name: str, version: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        yield context.models.download(name, version, Path(scratch))


@contextmanager
def _tables(context: StepContext, name: str, version: int) -> Iterator[tuple[Path, list[tuple[Path, str, str]]]]:
    """The data set, and of each table: its file, its name, and the name of its output; always in the same order."""
    with tempfile.TemporaryDirectory() as scratch:
        source = context.data.download(name, version, Path(scratch))
        if source.is_dir():
            found = [path for path, _ in pairs(source, Path(scratch) / "out")]
            names = [path.relative_to(source).as_posix() for path in found]
            yield source, list(zip(found, names, names, strict=True))
        else:
            scores = context.config.scores or source.name
            if Path(scores).name != scores:
                raise PipelineError(f"{scores!r} is no plain file name for the scores")
            pairs(source, Path(scores))  # refuses what is no table
            yield source, [(source, source.name, scores)]
