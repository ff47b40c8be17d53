"""What tables of predictions keep of their input, and what an ending at any point leaves. Nothing is scored here."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from model.errors import DataUnreadable
from pipeline import files
from pipeline.batching import job, tables
from pipeline.batching.host import Bad, HostSpec, score_cells
from pipeline.batching.job import FileReport, TableOptions, errors_file, state_file, write_table
from pipeline.batching.tables import Row, pairs
from pipeline.errors import PipelineConflict

OPTIONS = TableOptions(features=("age",), model="m:1", model_digest="sha256:1", code_digest="sha256:a", chunk_rows=2)


def doubled(work: Iterator[list[Row]], header: list[str]) -> Iterator[tuple[list[Row], list[Any]]]:
    """A prediction of every row; none where its first cell is empty."""
    for rows in work:
        yield rows, [Bad("age", "the value is missing") if row[0] in ("", None) else 2 * float(row[0]) for row in rows]


def write(source: Path, target: Path, options: TableOptions = OPTIONS, scored: Any = doubled) -> FileReport:
    return write_table(source, target, options, scored, lambda line: None)


def a_table(folder: Path, rows: int = 5) -> Path:
    path = folder / "in.csv"
    path.write_text("age\n" + "".join(f"{number}\n" for number in range(rows)))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_without_rows_that_was_killed_before_its_last_word_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    source, target = a_table(tmp_path, rows=0), tmp_path / f"out{suffix}"
    keep = job.Progress.write

    def killed(progress: job.Progress, path: Path) -> None:
        if progress.done:
            raise KeyboardInterrupt
        keep(progress, path)

    with monkeypatch.context() as patch:
        patch.setattr(job.Progress, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            write(source, target)
    assert target.is_file()
    report = write(source, target)
    assert (report.rows, report.resumed_at, report.already_done) == (0, None, False)
    assert write(source, target).already_done


def test_output_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    source, target = a_table(tmp_path), tmp_path / "out.csv"
    write(source, target)
    whole = target.read_bytes()
    target.unlink()
    assert not write(source, target).already_done
    assert target.read_bytes() == whole


def test_the_state_is_whole_whenever_the_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = a_table(tmp_path), tmp_path / "out.csv"
    write(source, target)
    before = state_file(target).read_bytes()
    real = Path.write_text

    def half(path: Path, text: str, **more: Any) -> int:
        real(path, text[: len(text) // 2], **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(KeyboardInterrupt):
        job.Progress.read(state_file(target)).write(state_file(target))
    assert state_file(target).read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.csv", "out.csv", "out.csv.batch.json"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_the_state_says_is_on_the_disk_before_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    source, target = a_table(tmp_path), tmp_path / f"out{suffix}"
    durable: set[int] = set()
    unsafe: list[str] = []
    fsync, keep = os.fsync, job.Progress.write

    def noted(fd: int) -> None:
        fsync(fd)
        durable.add(os.fstat(fd).st_ino)

    def look(progress: job.Progress, path: Path) -> None:
        if progress.done:
            found = [target]
        elif suffix == ".csv":
            found = [tmp_path / "out.csv.partial"] if progress.rows else []
        else:
            found = [tmp_path / "out.parquet.parts" / f"{number:08}.parquet" for number in range(progress.mark or 0)]
        unsafe.extend(item.name for item in found if item.stat().st_ino not in durable)
        keep(progress, path)
        unsafe.extend([] if path.stat().st_ino in durable else [path.name])

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(job.Progress, "write", look)
    write(source, target)
    assert unsafe == []
    assert tmp_path.stat().st_ino in durable


def test_of_two_processes_one_is_told(tmp_path: Path) -> None:
    source, target = a_table(tmp_path), tmp_path / "out.csv"

    def meanwhile(work: Iterator[list[Row]], header: list[str]) -> Iterator[tuple[list[Row], list[Any]]]:
        for position, item in enumerate(doubled(work, header)):
            if position == 1:
                with pytest.raises(PipelineConflict, match=r"another process is working on .*out\.csv"):
                    write(source, target)
            yield item

    assert write(source, target, scored=meanwhile).rows == 5
    with target.open(newline="") as file:
        assert [row["prediction"] for row in csv.DictReader(file)] == ["0.0", "2.0", "4.0", "6.0", "8.0"]
    assert not list(tmp_path.glob("*.lock"))


def test_a_lock_whose_file_was_removed_while_it_was_taken_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "x.lock"
    real = files._names
    calls: list[int] = []

    def removed(path: Path, fd: int) -> bool:
        if not calls:
            path.unlink()
        calls.append(fd)
        return real(path, fd)

    monkeypatch.setattr(files, "_names", removed)
    with files.alone(lock, "x"), pytest.raises(PipelineConflict), files.alone(lock, "x"):
        pass
    assert len(calls) == 2
    assert not lock.exists()


def test_another_entry_script_does_not_go_on_with_the_work_of_the_one_before(tmp_path: Path) -> None:
    source, target = a_table(tmp_path), tmp_path / "out.csv"

    def interrupted(work: Iterator[list[Row]], header: list[str]) -> Iterator[tuple[list[Row], list[Any]]]:
        yield next(doubled(work, header))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(source, target, scored=interrupted)
    other = TableOptions(features=("age",), model="m:1", model_digest="sha256:1", code_digest="sha256:b", chunk_rows=2)
    assert write(source, target, other).resumed_at is None
    with pytest.raises(PipelineConflict, match=r"code \(model/, score/\)"):
        write(source, target)
    unknown = TableOptions(features=("age",), model="m:1", model_digest="sha256:1", chunk_rows=2)
    assert write(source, target, unknown).already_done


def test_cells_come_out_as_they_went_in(tmp_path: Path) -> None:
    cells = ["a\rb", "a\nb", "a\r\nb", 'say "x"', "a,b", " edge ", ""]
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="", encoding="latin-1") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(["age", "name", "Größe"])
        writer.writerows([[number, cell, "José"] for number, cell in enumerate(cells)])
    write(source, target)
    with target.open(newline="", encoding="latin-1") as file:
        header, *rows = csv.reader(file)
    assert header == ["age", "name", "Größe", "prediction"]
    assert [row[1:3] for row in rows] == [[cell, "José"] for cell in cells]
    write(source, tmp_path / "out.parquet")  # which has no bytes but those of UTF-8
    assert parquet.read_table(tmp_path / "out.parquet")[2].to_pylist() == ["Jos\ufffd"] * len(cells)


def test_a_reason_with_line_ends_is_one_row_of_the_list(tmp_path: Path) -> None:
    source, target = a_table(tmp_path, rows=1), tmp_path / "out.csv"
    write(source, target, scored=lambda work, header: ((rows, [Bad(None, "a\rb\nc")]) for rows in work))
    with errors_file(target).open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == ["a\rb\nc"]


TYPED = pyarrow.table(
    {
        "age": pyarrow.array([1, 2, None], pyarrow.int32()),
        "small": pyarrow.array([1.5, None, 2.5], pyarrow.float32()),
        "big": pyarrow.array([2**63, 1, None], pyarrow.uint64()),
        "price": pyarrow.array([Decimal("1.50"), None, Decimal("22.25")], pyarrow.decimal128(9, 2)),
        "at": pyarrow.array([1_000_000_001, None, 3], pyarrow.timestamp("ns", tz="UTC")),
        "kind": pyarrow.array(["a", "b", None]).dictionary_encode(),
        "map": pyarrow.array([[("a", 1)], None, []], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "nested": pyarrow.array([{"x": [1]}, None, {"x": None}]),
        "nothing": pyarrow.array([None, None, None], pyarrow.string()),
        "raw": pyarrow.array([b"\xff", None, b""]),
    }
)


@pytest.mark.parametrize("rows", [3, 0])
def test_columns_of_parquet_keep_their_types(tmp_path: Path, rows: int) -> None:
    parquet.write_table(TYPED.slice(0, rows), tmp_path / "in.parquet")
    before = parquet.read_table(tmp_path / "in.parquet")
    write(tmp_path / "in.parquet", tmp_path / "out.parquet")
    after = parquet.read_table(tmp_path / "out.parquet")
    assert after.column_names == [*TYPED.column_names, "prediction"]
    assert after.drop(["prediction"]).to_pylist() == before.to_pylist()
    assert after.schema.types[:-1] == before.schema.types


def test_parts_of_an_earlier_release_that_do_not_fit_are_written_anew(tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    table = TYPED.select(["age", "kind"])
    parquet.write_table(table, source)

    def stopped(work: Iterator[list[Row]], header: list[str]) -> Iterator[tuple[list[Row], list[Any]]]:
        yield next(doubled(work, header))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(source, target, scored=stopped)
    (part,) = (tmp_path / "out.parquet.parts").iterdir()
    # Its types were guessed from the values: text where the source has a dictionary.
    parquet.write_table(pyarrow.table({"age": [1, 2], "kind": ["a", "b"], "prediction": [2.0, 4.0]}), part)
    write(source, target)
    after = parquet.read_table(target)
    assert after.drop(["prediction"]).to_pylist() == table.to_pylist()
    assert after.schema.types[:-1] == table.schema.types


def test_text_of_csv_is_text_in_parquet_also_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("age,note\n")
    write(tmp_path / "in.csv", tmp_path / "out.parquet")
    assert parquet.read_schema(tmp_path / "out.parquet").types[:2] == [pyarrow.string()] * 2


def test_a_table_is_not_written_over_itself(tmp_path: Path) -> None:
    source = a_table(tmp_path)
    (tmp_path / "link.csv").symlink_to(source)
    for target in (source, tmp_path / "link.csv", tmp_path / "." / "in.csv"):
        with pytest.raises(DataUnreadable, match="take the place of the input"):
            pairs(source, target)
    with pytest.raises(DataUnreadable, match="take the place of the input"):
        pairs(tmp_path, tmp_path)


def test_a_number_is_one_of_the_file_not_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.batching.host._score", lambda spec, rows: [row[0] for row in rows])
    values = score_cells(HostSpec("", "", ""), ["age"], [["1_0"], [" 10 "], [Decimal("1.5")]])
    assert values == [Bad("age", "'1_0' is not a number"), 10.0, 1.5]


def test_what_is_known_of_a_table_from_an_earlier_release_is_read(tmp_path: Path) -> None:
    source, target = a_table(tmp_path), tmp_path / "out.csv"
    write(source, target)
    document = json.loads(state_file(target).read_text())
    del document["code_digest"]
    state_file(target).write_text(json.dumps(document))
    assert write(source, target).already_done
    assert tables.columns(target) == ["age", "prediction"]
