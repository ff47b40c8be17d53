"""Reading tables: CSV and Parquet files, with errors that name the place."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import DataNotFound, DataUnreadable

if TYPE_CHECKING:
    import pandas

SUFFIXES = (".csv", ".parquet")


def read(path: Path) -> pandas.DataFrame:
    """Read a table; cells of a CSV stay text until the contract has checked them.

    Parameters
    ----------
    path : Path
        A ``.csv`` (UTF-8, a header line, commas) or ``.parquet`` file, or a folder of them with equal columns, which
        are read in the order of their names.

    Raises
    ------
    model.errors.DataNotFound
        Nothing is there, or the folder holds no table.
    model.errors.DataUnreadable
        It is not a table; the message names file and line.
    """
    import pandas

    if not path.exists():
        raise DataNotFound(
            f"there is no data file at {path}", hint="check the path; where data.path gives none, the sample is used"
        )
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.suffix.lower() in SUFFIXES and item.is_file())
        if not files:
            raise DataNotFound(f"the folder {path} holds no {' or '.join(SUFFIXES)} file")
        frames = [read(file) for file in files]
        for file, frame in zip(files, frames, strict=True):
            if list(frame.columns) != list(frames[0].columns):
                raise DataUnreadable(f"{file} has other columns than {files[0]}")
        return pandas.concat(frames, ignore_index=True)
    try:
        return _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except PermissionError as error:
        raise DataUnreadable(f"{path} may not be read: permission denied", hint=f"ls -l {path}") from error
    except UnicodeDecodeError as error:
        raise DataUnreadable(
            f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}",
            hint="save it as UTF-8 (iconv -f latin1 -t utf-8)",
        ) from error


def _csv(path: Path) -> pandas.DataFrame:
    import pandas

    header = _header(path)
    try:
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], skipinitialspace=True)
    except pandas.errors.ParserError as error:
        detail = " ".join(str(error).removeprefix("Error tokenizing data. C error:").split())
        raise DataUnreadable(f"{path} is not a well-formed CSV file: {detail}", hint="mend the line") from error
    if frame.index.nlevels > 1 or not isinstance(frame.index, pandas.RangeIndex):
        raise DataUnreadable(
            f"{path} is not a well-formed CSV file: its rows have more cells than its header has names"
        )
    frame.columns = pandas.Index(header)
    if frame.empty:
        raise DataUnreadable(f"{path} has a header line and no rows")
    return frame


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), [])
    names = [name.strip() for name in header]
    if not any(names):
        raise DataUnreadable(f"{path} is empty: it has no header line")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataUnreadable(f"{path} names a column twice: {', '.join(repr(name) for name in twice)}")
    return names


def _parquet(path: Path) -> pandas.DataFrame:
    import pandas
    import pyarrow

    try:
        frame = pandas.read_parquet(path)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        raise DataUnreadable(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from error
    if frame.empty:
        raise DataUnreadable(f"{path} has no rows")
    return frame
