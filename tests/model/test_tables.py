from __future__ import annotations

import os
from pathlib import Path

import pandas
import pytest

from model import tables
from model.errors import DataNotFound, DataUnreadable


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv_cells_stay_text(tmp_path: Path) -> None:
    frame = tables.read(write(tmp_path / "a.csv", "a,b\n1,x\n02,\n"))
    assert frame["a"].tolist() == ["1", "02"]
    assert frame["b"].isna().tolist() == [False, True]


def test_byte_order_mark_and_spaces_in_header(tmp_path: Path) -> None:
    assert list(tables.read(write(tmp_path / "a.csv", b"\xef\xbb\xbfa, b\n1,2\n")).columns) == ["a", "b"]


def test_text_that_pandas_would_take_for_missing_is_kept(tmp_path: Path) -> None:
    assert tables.read(write(tmp_path / "a.csv", "a\nNA\nnull\n"))["a"].tolist() == ["NA", "null"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header line"),
        ("\n\n", "no header line"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n1,2,3\n", "line 3"),
        ("a,b\n1,2,3\n4,5,6\n", "more cells"),
        ("a,a\n1,2\n", "names a column twice: 'a'"),
        ('a,b\n"1,2\n', "not a well-formed CSV"),
        (b"a,b\n1,\xff\n", "not UTF-8"),
        (b"\xff\xfea\x00", "not UTF-8"),
    ],
)
def test_malformed_csv(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path / "bad.csv", text)
    with pytest.raises(DataUnreadable, match=message) as caught:
        tables.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="there is no data file at"):
        tables.read(tmp_path / "none.csv")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a\n1\n")
    path.chmod(0)
    with pytest.raises(DataUnreadable, match="permission denied"):
        tables.read(path)


def test_folder_of_tables_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "2.csv", "a,b\n2,2\n")
    write(tmp_path / "1.csv", "a,b\n1,1\n")
    write(tmp_path / "notes.txt", "no table")
    assert tables.read(tmp_path)["a"].tolist() == ["1", "2"]


def test_folder_with_other_columns(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "a\n1\n")
    write(tmp_path / "2.csv", "b\n1\n")
    with pytest.raises(DataUnreadable, match="other columns"):
        tables.read(tmp_path)


def test_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="holds no"):
        tables.read(tmp_path)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pandas.DataFrame({"a": [1.5, 2.5]}).to_parquet(path)
    assert tables.read(path)["a"].tolist() == [1.5, 2.5]


def test_what_is_called_parquet_but_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="not a Parquet file"):
        tables.read(write(tmp_path / "a.parquet", "a,b\n1,2\n"))
