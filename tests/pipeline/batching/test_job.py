"""Batch scoring through the real scoring program."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from mlops.exit_codes import exit_code_of
from model.errors import DataNotFound, DataUnreadable
from pipeline.batching import host, job
from pipeline.batching.job import BatchOptions, FileReport, score_file
from pipeline.batching.tables import CsvSink, pairs, sink
from pipeline.engine import engine
from pipeline.errors import PipelineConflict, PipelineError
from pipeline.local.state import alive
from pipeline.provenance import ROOT

pytestmark = pytest.mark.slow
Make = Callable[..., BatchOptions]


def score(source: Path, target: Path, options: BatchOptions) -> FileReport:
    with engine("threading", n_jobs=options.jobs):
        return score_file(source, target, options, lambda line: None)


def one_bad_row(sample: pandas.DataFrame) -> pandas.DataFrame:
    table: pandas.DataFrame = sample.head(60).astype(object)
    table.loc[1, "sex"] = "one"
    return table


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", errors="surrogateescape") as file:  # what was no text in the input is none in the output
        return list(csv.DictReader(file))


def test_every_row_in_order_with_its_prediction(
    make_options: Make, sample: pandas.DataFrame, expected: list[float], tmp_path: Path
) -> None:
    sample.insert(0, "id", [f"p{number}" for number in range(len(sample))])
    sample.to_csv(tmp_path / "in.csv", index=False)
    report = score(tmp_path / "in.csv", tmp_path / "out.csv", make_options())
    assert (report.rows, report.bad_rows, report.errors) == (442, 0, None)
    rows = rows_of(tmp_path / "out.csv")
    assert [row["id"] for row in rows] == list(sample["id"])
    assert [float(row["prediction"]) for row in rows] == pytest.approx(expected, rel=1e-9)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.csv", "out.csv", "out.csv.batch.json"]


def test_columns_are_found_by_name(
    make_options: Make, sample: pandas.DataFrame, expected: list[float], tmp_path: Path
) -> None:
    sample[sample.columns[::-1]].to_csv(tmp_path / "in.csv", index=False)
    score(tmp_path / "in.csv", tmp_path / "out.csv", make_options(chunk_rows=500))
    assert [float(row["prediction"]) for row in rows_of(tmp_path / "out.csv")] == pytest.approx(expected)


def test_bad_rows_are_reported_with_their_place_and_do_not_stop_the_rest(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path
) -> None:
    sample.head(120).to_csv(tmp_path / "in.csv", index=False)
    lines = (tmp_path / "in.csv").read_text().splitlines()
    lines[3] = lines[3].replace(",", ",x", 1)
    lines[60] = "," + lines[60].partition(",")[2]
    lines[61] = "nan," + lines[61].partition(",")[2]
    lines[100] = lines[100] + ",1,2"
    lines[101] = "1,2"
    (tmp_path / "in.csv").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe" + lines[1].encode() + b"\n")
    report = score(tmp_path / "in.csv", tmp_path / "out.csv", make_options())
    assert (report.rows, report.bad_rows) == (121, 6)
    errors = rows_of(Path(str(report.errors)))
    assert [(row["row"], row["column"]) for row in errors] == [
        ("3", "sex"), ("60", "age"), ("61", "age"), ("100", ""), ("101", ""), ("121", "age"),
    ]  # fmt: skip
    assert errors[1]["reason"] == "the value is missing"
    assert errors[3]["reason"] == "13 cells; the header has 11"
    out = rows_of(tmp_path / "out.csv")
    assert [number for number, row in enumerate(out, 1) if not row["prediction"]] == [3, 60, 61, 100, 101, 121]


def test_a_bad_row_stops_when_asked(make_options: Make, sample: pandas.DataFrame, tmp_path: Path) -> None:
    sample.astype(object).to_csv(tmp_path / "in.csv", index=False)
    text = (tmp_path / "in.csv").read_text().splitlines()
    text[70] = "bad," + text[70].partition(",")[2]
    (tmp_path / "in.csv").write_text("\n".join(text))
    with pytest.raises(DataUnreadable, match="row 70, column age: 'bad' is not a number"):
        score(tmp_path / "in.csv", tmp_path / "out.csv", make_options(stop_on_bad=True))
    assert not (tmp_path / "out.csv").exists()


def test_parquet_in_and_out(
    make_options: Make, sample: pandas.DataFrame, expected: list[float], tmp_path: Path
) -> None:
    sample.loc[7, "bmi"] = None
    sample.to_parquet(tmp_path / "in.parquet")
    report = score(tmp_path / "in.parquet", tmp_path / "out.parquet", make_options())
    out = pandas.read_parquet(tmp_path / "out.parquet")
    assert (report.bad_rows, len(out)) == (1, 442)
    assert out["prediction"].isna().tolist().index(True) == 7
    assert out["prediction"].drop(7).tolist() == pytest.approx([*expected[:7], *expected[8:]])
    assert list(out.columns) == [*sample.columns, "prediction"]
    assert not (tmp_path / "out.parquet.parts").exists()


def test_a_folder_of_tables(make_options: Make, sample: pandas.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "in" / "b").mkdir(parents=True)
    sample.head(3).to_csv(tmp_path / "in" / "a.csv", index=False)
    sample.head(4).to_parquet(tmp_path / "in" / "b" / "c.parquet")
    (tmp_path / "in" / "notes.txt").write_text("no table")
    for source, target in pairs(tmp_path / "in", tmp_path / "out"):
        score(source, target, make_options())
    assert len(rows_of(tmp_path / "out" / "a.csv")) == 3
    assert len(pandas.read_parquet(tmp_path / "out" / "b" / "c.parquet")) == 4


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_goes_on_where_it_was_interrupted(
    make_options: Make,
    sample: pandas.DataFrame,
    expected: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / f"out{suffix}"
    sample.to_csv(source, index=False)
    calls = iter(range(1000))
    write = job._write

    def interrupted(*arguments: object) -> object:
        if next(calls) == 3:
            write(*arguments)  # type: ignore[arg-type]
            raise KeyboardInterrupt  # the output has a part that the state does not know of
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score(source, target, make_options())
    assert not target.exists()
    monkeypatch.setattr(job, "_write", write)
    report = score(source, target, make_options())
    assert (report.resumed_at, report.rows) == (150, 442)
    out = pandas.read_csv(target) if suffix == ".csv" else pandas.read_parquet(target)
    assert out["prediction"].astype(float).tolist() == pytest.approx(expected)
    assert score(source, target, make_options()).already_done


def test_output_of_another_job_is_not_touched(make_options: Make, sample: pandas.DataFrame, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    sample.head(20).to_csv(source, index=False)
    score(source, target, make_options())
    before = target.read_bytes()
    with pytest.raises(PipelineConflict, match="there already"):
        score(source, target, make_options(model_digest="sha256:2"))
    assert target.read_bytes() == before
    report = score(source, target, make_options(model_digest="sha256:2", overwrite=True))
    assert not report.already_done


def test_memory_does_not_grow_with_the_table(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas.concat([sample] * 10).to_csv(tmp_path / "in.csv", index=False)
    options = make_options(chunk_rows=20, jobs=2)
    read = written = most = 0
    chunks, write = job.chunks, job._write

    def counted(*arguments: object, **more: object) -> object:
        nonlocal read, most
        for chunk in chunks(*arguments, **more):  # type: ignore[arg-type]
            read += 1
            most = max(most, read - written)
            yield chunk

    def noted(*arguments: object) -> object:
        nonlocal written
        written += 1
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "chunks", counted)
    monkeypatch.setattr(job, "_write", noted)
    score(tmp_path / "in.csv", tmp_path / "out.csv", options)
    assert written == 221
    assert most <= job.WINDOW * options.jobs


def test_rows_that_only_the_entry_script_refuses_are_found_one_by_one(
    make_options: Make, model_dir: Path, sample: pandas.DataFrame, tmp_path: Path
) -> None:
    script = tmp_path / "picky.py"
    script.write_text(
        "import json\n"
        "def init(): pass\n"
        "def run(raw):\n"
        "    rows = json.loads(raw)['data']\n"
        "    if any(row[0] > 70 for row in rows):\n"
        "        raise ValueError('too old')\n"
        "    return {'result': [row[0] for row in rows]}\n"
    )
    plain = tmp_path / "plain"
    plain.mkdir()
    sample.head(60).to_csv(tmp_path / "in.csv", index=False)
    spec = host.HostSpec(str(ROOT), str(script), str(plain))
    report = score(tmp_path / "in.csv", tmp_path / "out.csv", make_options(spec=spec))
    old = [number for number, age in enumerate(sample.head(60)["age"], 1) if age > 70]
    assert old
    assert [int(row["row"]) for row in rows_of(Path(str(report.errors)))] == old


def test_a_model_that_does_not_load_is_said_at_once(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path
) -> None:
    sample.head(20).to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "empty").mkdir()
    spec = host.HostSpec(str(ROOT), "score/score.py", str(tmp_path / "empty"))
    with pytest.raises(PipelineError, match="the scoring program did not start"):
        score(tmp_path / "in.csv", tmp_path / "out.csv", make_options(spec=spec))
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no header line"), ("a,b\n1,2\n", "has no column age"), ("age,age\n1,2\n", "no column|twice")],
)
def test_tables_that_cannot_be_scored(make_options: Make, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(DataUnreadable, match=message):
        score(tmp_path / "in.csv", tmp_path / "out.csv", make_options())


def test_paths_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound):
        pairs(tmp_path / "none.csv", tmp_path / "out.csv")
    with pytest.raises(DataNotFound, match="holds no"):
        pairs(tmp_path, tmp_path / "out")
    (tmp_path / "in.csv").write_text("a\n1\n")
    with pytest.raises(DataUnreadable, match="must end in"):
        pairs(tmp_path / "in.csv", tmp_path / "out.txt")


@pytest.mark.parametrize("killed", ["starter", "leash"])
def test_a_scoring_program_does_not_outlive_who_started_it(model_dir: Path, killed: str) -> None:
    program = (
        "import sys, time\n"
        "from pipeline.batching.host import HostSpec, ScoringHost\n"
        f"host = ScoringHost(HostSpec({str(ROOT)!r}, 'score/score.py', {str(model_dir)!r}))\n"
        "print(host.child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    leash = int(starter.stdout.readline())
    children = Path(f"/proc/{leash}/task/{leash}/children")
    started = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    os.kill(starter.pid if killed == "starter" else leash, signal.SIGKILL)
    try:
        deadline = time.monotonic() + 60
        while any(alive(pid) for pid in (leash, *started)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        starter.kill()
        starter.wait()
        starter.stdout.close()


def test_a_full_disk(make_options: Make, sample: pandas.DataFrame, tmp_path: Path) -> None:
    sample.head(20).to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "out.csv.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        score(tmp_path / "in.csv", tmp_path / "out.csv", make_options())
    assert exit_code_of(caught.value) == 8
    assert not (tmp_path / "out.csv").exists()


def test_the_state_is_a_document(make_options: Make, sample: pandas.DataFrame, tmp_path: Path) -> None:
    sample.head(20).to_csv(tmp_path / "in.csv", index=False)
    score(tmp_path / "in.csv", tmp_path / "out.csv", make_options())
    document = json.loads((tmp_path / "out.csv.batch.json").read_text())
    assert (document["done"], document["rows"], document["model"]) == (True, 20, "diabetes:1")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_without_rows_is_one_all_the_same(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path, suffix: str
) -> None:
    sample.head(0).to_csv(tmp_path / "in.csv", index=False)
    report = score(tmp_path / "in.csv", tmp_path / f"out{suffix}", make_options())
    assert (report.rows, report.bad_rows) == (0, 0)
    read = pandas.read_csv if suffix == ".csv" else pandas.read_parquet
    assert list(read(tmp_path / f"out{suffix}").columns) == [*sample.columns, "prediction"]


def test_a_long_cell_is_a_cell_and_an_open_quotation_mark_is_told(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.head(3).assign(note="x" * 200_000).to_csv(tmp_path / "in.csv", index=False)
    assert score(tmp_path / "in.csv", tmp_path / "out.csv", make_options()).rows == 3
    monkeypatch.setattr("pipeline.batching.tables.LONGEST_CELL", 0)
    before = csv.field_size_limit(1000)
    try:
        with pytest.raises(DataUnreadable, match=r"in\.csv: line 2: field larger") as told:
            score(tmp_path / "in.csv", tmp_path / "other.csv", make_options())
        assert "quotation mark" in str(told.value.hint)
    finally:
        csv.field_size_limit(before)


def test_a_row_that_stopped_a_job_stops_it_again_until_it_is_mended(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    sample.head(60).astype(object).replace({"age": {sample["age"][2]: "old"}}).to_csv(source, index=False)
    for _ in range(2):
        with pytest.raises(DataUnreadable, match="row 3, column age: 'old' is not a number"):
            score(source, target, make_options(stop_on_bad=True))
    sample.head(60).to_csv(source, index=False)
    assert score(source, target, make_options(stop_on_bad=True)).bad_rows == 0


def test_a_row_that_is_known_to_be_bad_stops_a_job_that_is_done(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    sample.head(3).astype(object).replace({"sex": {1: "one"}}).to_csv(source, index=False)
    assert score(source, target, make_options()).bad_rows
    with pytest.raises(DataUnreadable, match="column sex: 'one' is not a number"):
        score(source, target, make_options(stop_on_bad=True))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_job_that_was_killed_between_its_output_and_its_last_word_is_done_again(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / f"out{suffix}"
    one_bad_row(sample).to_csv(source, index=False)
    write = job.Progress.write

    def killed(progress: job.Progress, path: Path) -> None:
        if progress.done:
            raise KeyboardInterrupt
        write(progress, path)

    monkeypatch.setattr(job.Progress, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        score(source, target, make_options())
    whole = target.read_bytes()
    monkeypatch.setattr(job.Progress, "write", write)
    report = score(source, target, make_options())
    assert (report.rows, report.bad_rows, report.resumed_at) == (60, 1, None)
    assert target.read_bytes() == whole
    assert [row["row"] for row in rows_of(Path(str(report.errors)))] == ["2"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_sink_does_not_go_on_where_it_never_was(tmp_path: Path, suffix: str) -> None:
    out = sink(tmp_path / f"out{suffix}", ["age"])
    out.rewind(None)
    marks = [out.append([[number]], [number / 2]) for number in range(3)]
    assert out.rewind(marks[1])
    assert not out.rewind(marks[2])
    out.append([[7]], [3.5])  # and is as it was
    out.finish()
    read = pandas.read_csv if suffix == ".csv" else pandas.read_parquet
    assert read(tmp_path / f"out{suffix}")["age"].tolist() == [0, 1, 7]
    assert not out.rewind(marks[0])


def test_a_list_of_bad_rows_that_is_lost_is_made_again(
    make_options: Make, sample: pandas.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    one_bad_row(sample).to_csv(source, index=False)
    monkeypatch.setattr(CsvSink, "finish", lambda out: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        score(source, target, make_options())
    monkeypatch.undo()
    job.errors_file(target).unlink()
    report = score(source, target, make_options())
    assert (report.rows, report.bad_rows, report.resumed_at) == (60, 1, None)
    assert [row["row"] for row in rows_of(job.errors_file(target))] == ["2"]
