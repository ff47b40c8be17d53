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
from pipeline.batching.host import Bad, HostSpec, score_cells
from pipeline.batching.tables import PREDICTION, Row, Sink, chunks, columns, csv_writer, sink
from pipeline.documents import Document
from pipeline.errors import PipelineConflict, PipelineError
from pipeline.files import alone
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
    code_digest: str = ""
    """Of what asks the model: the entry script and the code beside it; empty: unknown."""
    schema_version: int = 1

    def same_job(self, other: Progress) -> bool:
        """Whether both say the same input, model, code and chunks."""
        names = ["input_digest", "model_digest", "chunk_rows"]
        if self.code_digest and other.code_digest:
            names.append("code_digest")
        return all(getattr(self, name) == getattr(other, name) for name in names)


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What a table with predictions is made of, and what becomes of one that is there."""

    features: tuple[str, ...]
    model: str
    """``name:version``."""
    model_digest: str
    code_digest: str = ""
    """Of what asks the model; empty: it is not looked at."""
    chunk_rows: int = 1000
    stop_on_bad: bool = False
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class BatchOptions(TableOptions):
    """How to score here."""

    spec: HostSpec
    jobs: int = 2


Scored = Callable[[Iterator[list[Row]], list[str]], Iterator[tuple[list[Row], list[Any]]]]
"""From chunks of rows and the header to each chunk with a prediction or :class:`Bad` for each of its rows."""


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

    Call it inside :func:`pipeline.engine.engine`. The scoring programs that it starts serve the next table too; end
    them with :func:`pipeline.batching.host.close_all`. A row that cannot be scored gets no prediction and a line in
    ``<output>.errors.csv``: row (1 is the first below the header), column, reason.

    Raises
    ------
    model.errors.DataUnreadable
        A feature has no column, or (with ``stop_on_bad``) a row cannot be scored.
    pipeline.errors.PipelineConflict
        The output is there already, made from other input or by another model; or another process is at it.
    """

    def scored(work: Iterator[list[Row]], header: list[str]) -> Iterator[tuple[list[Row], list[Any]]]:
        return _scored(work, places_of(header, options.features), len(header), options)

    return write_table(source, target, options, scored, say)


def write_table(
    source: Path,
    target: Path,
    options: TableOptions,
    scored: Scored,
    say: Callable[[str], None],
    *,
    shown: str | None = None,
) -> FileReport:
    """Write a table's rows with predictions that come from wherever; else as :func:`score_file`.

    Parameters
    ----------
    source, target : pathlib.Path
    options : TableOptions
    scored : callable
        Gives the predictions.
    say : callable
        Takes a line for a person.
    shown : str, optional
        What the table is called in messages and in the report; default: its path.
    """
    name = shown or str(source)
    header = columns(source)
    check_header(name, header, options.features)
    target.parent.mkdir(parents=True, exist_ok=True)
    with alone(target.with_name(target.name + ".lock"), str(target)):
        return _write_table(source, target, options, scored, say, name, header)


def _write_table(
    source: Path,
    target: Path,
    options: TableOptions,
    scored: Scored,
    say: Callable[[str], None],
    name: str,
    header: list[str],
) -> FileReport:
    state, errors = state_file(target), errors_file(target)
    job = _job(name, source, options)
    before = _before(state, target, job, overwrite=options.overwrite)
    if before is not None and options.stop_on_bad:
        _stop_on_known(before, errors)
    if before is not None and before.done:
        say(f"{target}: done already, {before.rows} rows")
        return _report(before, target, errors, already_done=True)
    out = sink(target, header, source)
    if before is not None and before.rows:
        if _lists(errors, before) and out.rewind(before.mark):
            say(f"{target}: going on after {before.rows} rows")
        else:
            say(f"{target}: begun anew, what an interrupted job had written is not all there")
            before = None
    else:
        before = None
    if before is None:
        out.rewind(None)
    progress = before or job
    _rewind_errors(errors, progress.errors_mark)
    progress.write(state)  # whose the output is, also where nothing follows that would say so
    work = chunks(source, options.chunk_rows, skip=progress.rows)
    for rows, values in scored(work, header):
        progress = _write(out, errors, rows, values, progress)
        progress.write(state)
        if options.stop_on_bad:
            stop_on_bad(name, values, progress.rows - len(rows) + 1)
        say(f"{source.name}: {progress.rows} rows, {progress.bad_rows} bad")
    out.finish()
    if not progress.bad_rows:
        errors.unlink(missing_ok=True)
    progress = replace(progress, done=True)
    progress.write(state)
    return _report(progress, target, errors, resumed_at=before.rows if before else None)


def _scored(
    work: Iterator[list[Row]], places: Sequence[int], width: int, options: BatchOptions
) -> Iterator[tuple[list[Row], list[Any]]]:
    from joblib import delayed

    from pipeline.engine import Workers

    with Workers() as workers:
        while window := list(islice(work, WINDOW * options.jobs)):
            tasks = ([cells_of(row, places, width) for row in chunk] for chunk in window)
            results = workers([delayed(score_chunk)(options.spec, options.features, cells) for cells in tasks])
            yield from zip(window, results, strict=True)


def score_chunk(spec: HostSpec, features: Sequence[str], cells: Sequence[Any]) -> list[Any]:
    """Score the rows of one chunk that have the right number of cells. Runs wherever joblib takes it."""
    good = [item for item in cells if not isinstance(item, Bad)]
    values = iter(score_cells(spec, features, good))
    return [item if isinstance(item, Bad) else next(values) for item in cells]


def places_of(header: Sequence[str], features: Sequence[str]) -> list[int]:
    """Where the features are in a row."""
    return [header.index(name) for name in features]


def cells_of(row: Row, places: Sequence[int], width: int) -> list[Any] | Bad:
    """The cells of a row's features, or why they cannot be told."""
    if len(row) != width:
        return Bad(None, f"{len(row)} cells; the header has {width}")
    return [row[place] for place in places]


def _write(out: Sink, errors: Path, rows: Sequence[Row], values: Sequence[Any], progress: Progress) -> Progress:
    bad = [(number, value) for number, value in enumerate(values, progress.rows + 1) if isinstance(value, Bad)]
    with errors.open("a", newline="", encoding="utf-8") as file:
        writer = csv_writer(file)
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


def stop_on_bad(name: str, values: Sequence[Any], first: int) -> None:
    """Refuse a table with a row that cannot be scored; the number of the first of these rows is `first`.

    Raises
    ------
    model.errors.DataUnreadable
        Names table, row, column and reason.
    """
    for number, value in enumerate(values, first):
        if isinstance(value, Bad):
            where = f", column {value.column}" if value.column else ""
            raise DataUnreadable(
                f"{name}: row {number}{where}: {value.reason}", hint="mend the row, or leave out --stop-on-bad-row"
            )


def _stop_on_known(before: Progress, errors: Path) -> None:
    """Refuse a table of which an earlier job has found a bad row. Raises ``DataUnreadable``."""
    if not before.bad_rows or not errors.is_file():
        return
    with errors.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            stop_on_bad(before.input, [Bad(line["column"] or None, line["reason"])], int(line["row"]))


def check_header(name: str, header: Sequence[str], features: Sequence[str]) -> None:
    """See that a table can be scored at all. Raises ``DataUnreadable``."""
    missing = [column for column in features if column not in header]
    if missing:
        raise DataUnreadable(f"{name} has no column {', '.join(missing)}", hint=f"needed: {', '.join(features)}")
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice or PREDICTION in header:
        what = f"names a column twice: {', '.join(twice)}" if twice else f"has a column {PREDICTION!r} already"
        raise DataUnreadable(f"{name} {what}")


def state_file(target: Path) -> Path:
    """Where it says how far a table is."""
    return target.with_name(target.name + ".batch.json")


def errors_file(target: Path) -> Path:
    """Where the bad rows are listed."""
    return target.with_name(target.name + ".errors.csv")


def earlier(source: Path, target: Path, options: TableOptions) -> FileReport | None:
    """What an earlier job has made of the same table with the same model, if it is whole.

    Raises
    ------
    pipeline.errors.PipelineConflict
        There is output of another job, or a part of the same.
    """
    job = _job(str(source), source, options)
    before = _before(state_file(target), target, job, overwrite=options.overwrite)
    if before is None:
        return None
    if options.stop_on_bad:
        _stop_on_known(before, errors_file(target))
    if not before.done:
        raise PipelineConflict(
            f"{target} was begun here and is not done", hint="go on without --published, or --overwrite"
        )
    return _report(before, target, errors_file(target), already_done=True)


def _job(name: str, source: Path, options: TableOptions) -> Progress:
    return Progress(
        name,
        file_digest(source),
        options.model,
        options.model_digest,
        options.chunk_rows,
        code_digest=options.code_digest,
    )


def _before(state: Path, target: Path, job: Progress, *, overwrite: bool) -> Progress | None:
    if overwrite:
        return None
    try:
        found = Progress.read(state) if state.is_file() else None
    except PipelineError:
        found = None
    if found is not None and found.same_job(job) and (not found.done or target.is_file()):
        return found
    # Without output there may be part of another job, such as one that a bad row stopped which was mended since, or the
    # report of output that has been taken away.
    if not target.exists():
        return None
    raise PipelineConflict(
        f"{target} is there already, from another input, model, code (model/, score/) or chunk size",
        hint="--overwrite, or another --output",
    )


def _lists(errors: Path, before: Progress) -> bool:
    """Whether the bad rows that an interrupted job had found are still listed."""
    return not before.bad_rows or (errors.is_file() and errors.stat().st_size >= before.errors_mark)


def _rewind_errors(errors: Path, mark: int) -> None:
    if mark and errors.is_file() and errors.stat().st_size >= mark:
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
