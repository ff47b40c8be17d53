"""Tables cut into parts, and the predictions of a part: what several machines hand each other as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.batching.host import Bad, HostSpec
from pipeline.batching.job import Scored, cells_of, places_of, score_chunk
from pipeline.batching.tables import Row, chunks, columns
from pipeline.errors import PipelineError
from pipeline.files import replace_text
from pipeline.graph import PARTS

LOST = Bad(None, "its part was not scored; the log of the step score says why")
READ_ROWS = 1000
"""Rows of a part that are in memory as the file has them."""


def part_name(table: str, first: int, suffix: str) -> str:
    """Path of a part below an output folder; `first` is the number of its first row."""
    return f"{PARTS}/{table}/{first:012}{suffix}"


def place_of(part: Path) -> tuple[str, int]:
    """Table and first row of a part, from its path."""
    names = part.parts
    at = len(names) - 1 - names[::-1].index(PARTS)
    return "/".join(names[at + 1 : -1]), int(part.stem)


def cut(source: Path, table: str, folder: Path, features: Sequence[str], chunk_rows: int) -> tuple[int, int]:
    """Write a table's parts below `folder`, `chunk_rows` rows each; gives how many rows and how many parts."""
    header, suffix = columns(source), source.suffix.lower()
    rows_done = count = 0
    for rows in chunks(source, chunk_rows):
        path = folder / part_name(table, rows_done + 1, suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".parquet":
            _write_parquet(path, rows, header, features)
        else:
            _write_csv(path, rows, header)
        rows_done += len(rows)
        count += 1
    return rows_done, count


def _write_csv(path: Path, rows: Sequence[Row], header: Sequence[str]) -> None:
    # Whole rows: one with too few or too many cells must be seen as such where it is scored. With this end of line a
    # cell with either of its characters is put into quotes.
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file, lineterminator="\r\n").writerows([header, *rows])


def _write_parquet(path: Path, rows: Sequence[Row], header: Sequence[str], features: Sequence[str]) -> None:
    import pyarrow
    from pyarrow import parquet

    places = places_of(header, features)
    cells = {name: [row[place] for row in rows] for name, place in zip(features, places, strict=True)}
    parquet.write_table(pyarrow.table(cells), path)


def score_part(part: Path, spec: HostSpec, features: Sequence[str]) -> list[Any]:
    """A prediction or :class:`Bad` for each row of a part."""
    return score_chunk(spec, features, cells_of_part(part, features))


def cells_of_part(part: Path, features: Sequence[str]) -> list[Any]:
    """The features' cells of each row of a part, or :class:`Bad`."""
    header = columns(part)
    places = places_of(header, features)
    return [cells_of(row, places, len(header)) for row in chain.from_iterable(chunks(part, READ_ROWS))]


def write_values(path: Path, values: Sequence[Any]) -> None:
    """Write the predictions of a part, and what is wrong with those of its rows that have none."""
    bad = [[place, value.column, value.reason] for place, value in enumerate(values) if isinstance(value, Bad)]
    document = {"values": [None if isinstance(value, Bad) else value for value in values], "bad": bad}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(document))


def read_values(path: Path) -> list[Any]:
    """What :func:`write_values` wrote. Raises ``PipelineError`` for a file that is damaged."""
    try:
        document = json.loads(path.read_bytes())
        values: list[Any] = document["values"]
        for place, column, reason in document["bad"]:
            values[place] = Bad(column, reason)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise PipelineError(f"the predictions of a part are damaged: {path}: {error}") from error
    return values


def stored(folder: Path, table: str) -> Scored:
    """The predictions of a table's parts below `folder`; rows of a part that was not scored are bad."""

    def scored(work: Iterator[list[Row]], header: list[str]) -> Iterator[tuple[list[Row], list[Any]]]:
        first = 1
        for rows in work:
            path = folder / part_name(table, first, ".json")
            values = read_values(path) if path.is_file() else [LOST] * len(rows)
            if len(values) != len(rows):
                raise PipelineError(f"{path} has {len(values)} predictions for {len(rows)} rows")
            yield rows, values
            first += len(rows)

    return scored
