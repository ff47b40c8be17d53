"""Score tables chunk by chunk: in parallel, in constant memory, and so that an interrupted job goes on."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from model.errors import DataUnreadable
from pipeline.batching.host import Bad, HostSpec, close_all, score_cells
from pipeline.batching.tables import PREDICTION, Row, Sink, chunks, columns, sink
from pipeline.documents import Document
from pipeline.errors import PipelineConflict, PipelineError
from registry.digests import file_digest

WINDOW = 4
"""Chunks a worker that are in memory at once."""


@dataclass(frozen=True)
class Progress(Document):
    """How far a file is; ``<output>.batch.json``, which stays as the report."""

    input: str
    input_digest: str
    model: str
    model_digest: str
    chunk_rows: int
    rows: int = 0
    bad_rows: int = 0
    mark: int | None = None
    """Where the output goes on."""
    errors_mark: int = 0
    done: bool = False
    schema_version: int = 1

    def same_job(self, other: Progress) -> bool:
        """Whether both say the same input, model and chunks."""
        names = ("input_digest", "model_digest", "chunk_rows")
        return all(getattr(self, name) == getattr(other, name) for name in names)


@dataclass(frozen=True)
class BatchOptions:
    """How to score."""

    spec: HostSpec
    features: tuple[str, ...]
    model: str
    """``name:version``."""
    model_digest: str
    chunk_rows: int = 1000
    jobs: int = 2
    stop_on_bad: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class FileReport:
    """What became of one file."""

    input: str
    output: str
    rows: int
    bad_rows: int
    errors: str | None
    """File that lists the bad rows with row, column and reason."""
    resumed_at: int | None = None
    """Rows that an earlier, interrupted job had scored."""
    already_done: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def score_file(source: Path, target: Path, options: BatchOptions, say: Callable[[str], None]) -> FileReport:
    """Score one table; the output has its rows, in its order, and a column ``prediction``.

    Call it inside :func:`pipeline.engine.engine`. A row that cannot be scored gets no prediction and a line in
    ``<output>.errors.csv``: row (1 is the first below the header), column, reason.

    Raises
    ------
    model.errors.DataUnreadable
        A feature has no column, or (with ``stop_on_bad``) a row cannot be scored.
    pipeline.errors.PipelineConflict
        The output is there already, made from other input or by another model.
    """
    header = columns(source)
    _check_header(source, header, options.features)
    target.parent.mkdir(parents=True, exist_ok=True)
    state = target.with_name(target.name + ".batch.json")
    errors = target.with_name(target.name + ".errors.csv")
    job = Progress(str(source), file_digest(source), options.model, options.model_digest, options.chunk_rows)
    before = _before(state, target, job, overwrite=options.overwrite)
    if before is not None and before.done:
        say(f"{target}: done already, {before.rows} rows")
        return _report(before, target, errors, already_done=True)
    out = sink(target, header)
    progress = before or job
    out.rewind(progress.mark)
    _rewind_errors(errors, progress.errors_mark)
    if before is not None:
        say(f"{target}: going on after {before.rows} rows")
    places = [header.index(name) for name in options.features]
    work = chunks(source, options.chunk_rows, skip=progress.rows)
    try:
        for rows, values in _scored(work, places, len(header), options):
            progress = _write(out, errors, rows, values, progress)
            progress.write(state)
            _stop_on_bad(options, source, rows, values, progress)
            say(f"{source.name}: {progress.rows} rows, {progress.bad_rows} bad")
    finally:
        close_all()
    out.finish()
    if not progress.bad_rows:
        errors.unlink(missing_ok=True)
    progress = replace(progress, done=True)
    progress.write(state)
    return _report(progress, target, errors, resumed_at=before.rows if before else None)


def _scored(
    work: Iterator[list[Row]], places: Sequence[int], width: int, options: BatchOptions
) -> Iterator[tuple[list[Row], list[Any]]]:
    from joblib import Parallel, delayed

    with Parallel() as parallel:
        while window := list(islice(work, WINDOW * options.jobs)):
            tasks = ([_cells(row, places, width) for row in chunk] for chunk in window)
            results = parallel(delayed(score_chunk)(options.spec, options.features, cells) for cells in tasks)
            yield from zip(window, results, strict=True)


def score_chunk(spec: HostSpec, features: Sequence[str], cells: Sequence[Any]) -> list[Any]:
    """Score the rows of one chunk that have the right number of cells. Runs wherever joblib takes it."""
    good = [item for item in cells if not isinstance(item, Bad)]
    values = iter(score_cells(spec, features, good))
    return [item if isinstance(item, Bad) else next(values) for item in cells]


def _cells(row: Row, places: Sequence[int], width: int) -> list[Any] | Bad:
    if len(row) != width:
        return Bad(None, f"{len(row)} cells; the header has {width}")
    return [row[place] for place in places]


def _write(out: Sink, errors: Path, rows: Sequence[Row], values: Sequence[Any], progress: Progress) -> Progress:
    bad = [(number, value) for number, value in enumerate(values, progress.rows + 1) if isinstance(value, Bad)]
    with errors.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, value in bad:
            writer.writerow([number, value.column or "", value.reason])
        file.flush()
        os.fsync(file.fileno())
        errors_mark = file.tell()
    mark = out.append(rows, [None if isinstance(value, Bad) else value for value in values])
    return replace(
        progress,
        rows=progress.rows + len(rows),
        bad_rows=progress.bad_rows + len(bad),
        mark=mark,
        errors_mark=errors_mark,
    )


def _stop_on_bad(
    options: BatchOptions, source: Path, rows: Sequence[Row], values: Sequence[Any], progress: Progress
) -> None:
    if not options.stop_on_bad:
        return
    first = progress.rows - len(rows) + 1
    for number, value in enumerate(values, first):
        if isinstance(value, Bad):
            where = f", column {value.column}" if value.column else ""
            raise DataUnreadable(
                f"{source}: row {number}{where}: {value.reason}", hint="mend the row, or leave out --stop-on-bad-row"
            )


def _check_header(source: Path, header: Sequence[str], features: Sequence[str]) -> None:
    missing = [name for name in features if name not in header]
    if missing:
        raise DataUnreadable(f"{source} has no column {', '.join(missing)}", hint=f"needed: {', '.join(features)}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or PREDICTION in header:
        what = f"names a column twice: {', '.join(twice)}" if twice else f"has a column {PREDICTION!r} already"
        raise DataUnreadable(f"{source} {what}")


def _before(state: Path, target: Path, job: Progress, *, overwrite: bool) -> Progress | None:
    if overwrite:
        return None
    try:
        found = Progress.read(state) if state.is_file() else None
    except PipelineError:
        found = None
    if found is not None and found.same_job(job) and (not found.done or target.is_file()):
        return found
    if found is not None or target.exists():
        raise PipelineConflict(
            f"{target} is there already, from another input, model or chunk size",
            hint="--overwrite, or another --output",
        )
    return None


def _rewind_errors(errors: Path, mark: int) -> None:
    if mark and errors.is_file():
        os.truncate(errors, mark)
        return
    errors.write_text("row,column,reason\n", encoding="utf-8")


def _report(progress: Progress, target: Path, errors: Path, **more: Any) -> FileReport:
    listed = str(errors) if progress.bad_rows else None
    return FileReport(progress.input, str(target), progress.rows, progress.bad_rows, listed, **more)


def features_of(folder: Path) -> tuple[str, ...]:
    """The features of a model folder, from its manifest; nothing is unpickled."""
    from model.artifact import read_manifest

    return tuple(json.loads(json.dumps(read_manifest(folder)["features"])))
