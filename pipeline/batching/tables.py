"""Tables as a stream: chunks of rows in, rows with a prediction out; never a whole table in memory."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from model.errors import DataNotFound, DataUnreadable
from model.tables import SUFFIXES
from pipeline.files import put, sync

PREDICTION = "prediction"
LONGEST_CELL = 1 << 24
"""Characters; a quotation mark that is not closed makes one cell of all that follows."""
Row = Sequence[Any]


def columns(path: Path) -> list[str]:
    """Names of a table's columns. Raises ``DataNotFound``, ``DataUnreadable``."""
    if not path.is_file():
        raise DataNotFound(f"there is no data file at {path}")
    if path.suffix.lower() == ".parquet":
        return [str(name) for name in _parquet(path).schema_arrow.names]
    with closing(_lines(path)) as lines:
        names = [name.strip() for name in next(lines, [])]
    if not any(names):
        raise DataUnreadable(f"{path} is empty: it has no header line")
    return names


def chunks(path: Path, size: int, *, skip: int = 0) -> Iterator[list[Row]]:
    """Rows of a table, `size` at a time, after the first `skip`. A CSV row may have too few or too many cells."""
    rows = itertools.islice(_rows(path, size), skip, None)
    while chunk := list(itertools.islice(rows, size)):
        yield chunk


def _rows(path: Path, size: int) -> Iterator[Row]:
    if path.suffix.lower() == ".parquet":
        for batch in _parquet(path).iter_batches(batch_size=size):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
        return
    lines = _lines(path)
    next(lines, None)
    yield from (row for row in lines if row)


def _lines(path: Path) -> Generator[list[str], None, None]:
    """The header of a CSV file and its rows. Raises ``DataUnreadable``."""
    # A byte that is no UTF-8 spoils its cell if that is a feature's, not the run; of others it is handed on.
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
        reader = csv.reader(file)
        try:
            yield from reader
        except csv.Error as error:
            hint = "is a quotation mark before it not closed?" if "field larger" in str(error) else None
            raise DataUnreadable(f"{path}: line {reader.line_num}: {error}", hint=hint) from error


def _parquet(path: Path) -> Any:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataUnreadable(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from error


def pairs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Input and output files: a file to a file, or every table of a folder to one of the same name in a folder.

    Raises
    ------
    model.errors.DataNotFound
        Nothing is there, or the folder holds no table.
    model.errors.DataUnreadable
        The kinds do not fit.
    """
    if source.exists() and target.exists() and source.samefile(target):
        raise DataUnreadable(f"the output would take the place of the input, {source}")
    files = tables(source, beside=target)
    if source.is_dir():
        if target.is_file():
            raise DataUnreadable(f"{target} is a file; the output of a folder is a folder")
        return [(item, target / item.relative_to(source)) for item in files]
    _must_be_table(target)
    return [(source, target)]


def tables(source: Path, *, beside: Path | None = None) -> list[Path]:
    """A file, or every table of a folder but those below `beside`, where the output goes. Raises as :func:`pairs`."""
    if source.is_dir():
        files = sorted(item for item in source.rglob("*") if item.suffix.lower() in SUFFIXES and item.is_file())
        if beside is not None:
            files = [item for item in files if beside.resolve() not in item.resolve().parents]
        if not files:
            raise DataNotFound(f"the folder {source} holds no {' or '.join(SUFFIXES)} file")
        return files
    if not source.exists():
        raise DataNotFound(f"there is no data file at {source}")
    _must_be_table(source)
    return [source]


def _must_be_table(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise DataUnreadable(f"{path} must end in {' or '.join(SUFFIXES)}")


class Sink(ABC):
    """Where rows with predictions go: part by part, each whole before the next begins."""

    @abstractmethod
    def append(self, rows: Sequence[Row], predictions: Sequence[Any]) -> Any:
        """Write one part and return what :meth:`rewind` needs to come back to here."""

    @abstractmethod
    def rewind(self, mark: Any) -> bool:
        """Drop everything written after a mark; ``None``: everything.

        False, and nothing is dropped, when what was written before the mark is not all there: a job that was killed
        between :meth:`finish` and its last word about itself has put it into place already.
        """

    @abstractmethod
    def finish(self) -> None:
        """Put the whole table into place."""


class _Lines:
    """What ``csv.writer`` writes to: rows that end in LF.

    The writer puts a character of its end of line into quotes, and no other of those that end a line for who reads it.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def csv_writer(file: IO[str]) -> Any:
    """A ``csv.writer`` whose rows are read as they were given, whatever is in their cells."""
    return csv.writer(_Lines(file), lineterminator="\r\n")


class CsvSink(Sink):
    """A CSV file that grows beside its place."""

    def __init__(self, target: Path, header: Sequence[str]) -> None:
        self.target = target
        self.partial = target.with_name(target.name + ".partial")
        self.header = [*header, PREDICTION]

    def append(self, rows: Sequence[Row], predictions: Sequence[Any]) -> int:
        with self.partial.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv_writer(file)
            width = len(self.header) - 1
            for row, value in zip(rows, predictions, strict=True):
                cells = [*row, *[""] * (width - len(row))][:width]  # one with too many is in the report of bad rows
                writer.writerow([*cells, json.dumps(value) if isinstance(value, (list, dict)) else value])
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def rewind(self, mark: Any) -> bool:
        if mark is None:
            with self.partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
                csv_writer(file).writerow(self.header)
            return True
        if not self.partial.is_file() or self.partial.stat().st_size < mark:  # truncating would fill it up with NULs
            return False
        os.truncate(self.partial, mark)
        return True

    def finish(self) -> None:
        put(self.partial, self.target)


class ParquetSink(Sink):
    """A Parquet file, as one file a part until all are there: a Parquet file cannot be continued."""

    def __init__(self, target: Path, header: Sequence[str], types: Sequence[Any] | None = None) -> None:
        self.target = target
        self.types = types
        self.parts = target.with_name(target.name + ".parts")
        self.header = [*map(_text, header), PREDICTION]
        self.count = 0

    def append(self, rows: Sequence[Row], predictions: Sequence[Any]) -> int:
        import pyarrow
        from pyarrow import parquet

        width = len(self.header) - 1
        padded = [[*row, *[None] * (width - len(row))][:width] for row in rows]
        lists = [*(list(cells) for cells in zip(*padded, strict=True))] or [[] for _ in range(width)]
        arrays = [_array(cells, kind) for cells, kind in zip(lists, self.types or [None] * width, strict=True)]
        part = self._part(self.count)
        parquet.write_table(pyarrow.table([*arrays, pyarrow.array(list(predictions))], names=self.header), part)
        sync(part)  # before the state says that it is there
        self.count += 1
        return self.count

    def _part(self, number: int) -> Path:
        return self.parts / f"{number:08}.parquet"

    def rewind(self, mark: Any) -> bool:
        kept = [self._part(number) for number in range(mark or 0)]
        if not all(part.is_file() for part in kept) or not self._fit(kept):
            return False
        self.count = len(kept)
        self.parts.mkdir(parents=True, exist_ok=True)
        for part in self.parts.iterdir():
            if not part.stem.isdecimal() or int(part.stem) >= self.count:
                part.unlink()
        return True

    def _fit(self, kept: Sequence[Path]) -> bool:
        """Whether the parts' columns can be those of the source: an earlier release guessed their types."""
        import pyarrow
        from pyarrow import parquet

        if not kept or self.types is None:
            return True
        wanted = pyarrow.schema(list(zip(self.header, self.types, strict=False)))
        try:
            pyarrow.unify_schemas([wanted, *map(parquet.read_schema, kept)], promote_options="permissive")
        except pyarrow.ArrowException:
            return False
        return True

    def finish(self) -> None:
        import pyarrow
        from pyarrow import parquet

        if not self.count:  # a table without rows is one all the same
            self.append([], [])
        files = [self._part(number) for number in range(self.count)]
        # A column that is empty in one part has no type there.
        schema = pyarrow.unify_schemas([parquet.read_schema(file) for file in files], promote_options="permissive")
        partial = self.target.with_name(self.target.name + ".partial")
        with parquet.ParquetWriter(partial, schema) as writer:
            for file in files:
                writer.write_table(parquet.read_table(file).cast(schema))
        put(partial, self.target)
        shutil.rmtree(self.parts)


def _array(cells: list[Any], kind: Any) -> Any:
    import pyarrow

    cells = [_text(cell) if isinstance(cell, str) and not cell.isascii() else cell for cell in cells]
    try:
        return pyarrow.array(cells, type=kind)
    except pyarrow.ArrowException:  # a type that values of Python do not give back, such as one of an extension
        return pyarrow.array(cells)


def _text(cell: str) -> str:
    """Text of CSV for Parquet, where there is nothing but UTF-8."""
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def types(path: Path) -> list[Any]:
    """The types of a table's columns, as Arrow has them; of CSV, text."""
    import pyarrow

    if path.suffix.lower() == ".parquet":
        return list(_parquet(path).schema_arrow.types)
    return [pyarrow.string()] * len(columns(path))


def sink(target: Path, header: Sequence[str], source: Path | None = None) -> Sink:
    """The sink that the output's name asks for, for rows of the table `source`."""
    if target.suffix.lower() != ".parquet":
        return CsvSink(target, header)
    return ParquetSink(target, header, types(source) if source is not None else None)
