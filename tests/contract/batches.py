"""What every adapter of ``PipelineRunner`` does with the pipeline that scores tables.

Subclass it beside ``PipelineRunnerContract``, which has the same fixtures ``runner`` and ``seams``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest
from pyarrow import parquet

from mlops.exit_codes import ExitCode, exit_code_of
from model import artifact, contract, dataset, training
from model.errors import ModelError
from pipeline.batching.host import HostSpec, close_all
from pipeline.batching.job import BatchOptions, errors_file, features_of, score_file
from pipeline.batching.tables import pairs
from pipeline.config import PipelineConfig
from pipeline.engine import engine
from pipeline.errors import PipelineConflict, PipelineError
from pipeline.graph import BATCH
from pipeline.local.executors import Seams
from pipeline.provenance import ROOT
from pipeline.results import JoinResult
from pipeline.runner import PipelineRunner
from pipeline.steps.batch import TABLES
from registry.models import ModelVersion
from registry.runs import RunState

COLUMNS = (*dataset.FEATURES, dataset.TARGET)
ROWS_A_CHUNK = 40


class BatchContract:
    """The suite."""

    @pytest.fixture(scope="class")
    @classmethod
    def model_folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return trained_model(tmp_path_factory.mktemp("trained") / "model")

    @pytest.fixture
    def tables(self, tmp_path: Path) -> Path:
        """A folder of tables with rows that cannot be scored, one without rows, and something that is no table."""
        folder = tmp_path / "tables"
        (folder / "north").mkdir(parents=True)
        sample = dataset.sample().drop(columns=dataset.TARGET.name).head(100)
        sample.insert(0, "name", [f"Smith, {number}\r\nat home" for number in range(len(sample))])
        header, *rows = [list(sample), *sample.astype(str).to_numpy().tolist()]
        rows[0][1] = "x59"
        rows[29] += ["1", "2"]
        with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\r\n").writerows([header, *rows])
        sample.drop(columns="name").assign(bmi=sample["bmi"].where(sample.index != 45)).to_parquet(
            folder / "north" / "b.parquet"
        )
        sample.head(0).to_csv(folder / "empty.csv", index=False)
        (folder / "notes.txt").write_text("no table")
        return folder

    @pytest.fixture
    def version(self, seams: Seams, model_folder: Path) -> ModelVersion:
        return seams.models.register("diabetes", model_folder)

    @pytest.fixture
    def here(self, tables: Path, version: ModelVersion, model_folder: Path, tmp_path: Path) -> Path:
        """The same tables as ``mlops batch`` scores them."""
        options = BatchOptions(
            spec=HostSpec(str(ROOT), "score/score.py", str(model_folder.parent)),
            features=features_of(model_folder),
            model=version.reference,
            model_digest=version.digest,
            chunk_rows=ROWS_A_CHUNK,
        )
        with engine("threading", n_jobs=2):
            for source, target in pairs(tables, tmp_path / "here"):
                score_file(source, target, options, lambda line: None)
        close_all()
        return tmp_path / "here"

    def test_a_published_run_writes_what_is_written_here(
        self,
        runner: PipelineRunner,
        seams: Seams,
        version: ModelVersion,
        tables: Path,
        here: Path,
        tmp_path: Path,
    ) -> None:
        data = seams.data.register("scoring", tables)
        pipeline = BATCH.named("batch-under-test")
        published = runner.publish(pipeline, PipelineConfig(build_id="41"), build_id="41")
        assert runner.find(pipeline.name) == published
        with pytest.raises(PipelineConflict, match="41"):
            runner.publish(pipeline, PipelineConfig(build_id="41", seed=1), build_id="41")
        parameters = {
            "model": "diabetes",
            "model_version": version.version,
            "data": "scoring",
            "data_version": data.version,
            "chunk_rows": ROWS_A_CHUNK,
            "build_id": "42",
        }
        said: list[str] = []
        status = runner.run(published, parameters=parameters, progress=said.append)
        assert status.state is RunState.COMPLETED
        assert (status.pipeline, status.published, status.build_id) == (pipeline.name, published.id, "42")
        assert {step.name: step.state.value for step in status.steps} == dict.fromkeys(
            ("split", "score", "join"), "Completed"
        )
        assert any("a.csv: 100 rows, 2 bad" in line for line in said)
        run = seams.runs.get(status.run_id)
        assert run.metrics == {"rows": 200.0, "bad_rows": 3.0}
        assert (run.tags["model"], run.tags["data"]) == (version.reference, data.reference)
        result = runner.result(status.run_id, "join", JoinResult)
        assert (result.rows, result.bad_rows, result.folder) == (200, 3, True)
        there = runner.output(status.run_id, "join", tmp_path / "there") / TABLES
        assert list(names_of(there)) == list(names_of(here))
        for name in ("a.csv", "a.csv.errors.csv", "empty.csv", "north/b.parquet.errors.csv"):
            assert (there / name).read_bytes() == (here / name).read_bytes(), name
        assert parquet.read_table(there / "north/b.parquet").equals(parquet.read_table(here / "north/b.parquet"))
        bad = pandas.read_csv(errors_file(there / "a.csv"))
        assert bad["row"].tolist() == [1, 30]

    def test_a_bad_row_stops_a_run_that_is_told_so(
        self, runner: PipelineRunner, seams: Seams, version: ModelVersion, tables: Path
    ) -> None:
        seams.models.set_alias("diabetes", "production", version.version, who="tester", why="released")
        seams.data.register("scoring", tables / "a.csv")
        config = PipelineConfig(data="scoring", chunk_rows=ROWS_A_CHUNK, stop_on_bad_row=True)
        with pytest.raises(
            (ModelError, PipelineError), match=r"a\.csv: row 1, column age: 'x59' is not a number"
        ) as told:
            runner.run(BATCH.named("batch-under-test"), config)
        assert exit_code_of(told.value) is ExitCode.INVALID
        assert "mend the row" in str(getattr(told.value, "hint", None))
        (parent,) = (run for run in seams.runs.search() if run.parent is None)
        states = {step.name: step.state.value for step in runner.status(parent.id).steps}
        assert states == {"split": "Completed", "score": "Failed", "join": "NotStarted"}


def trained_model(folder: Path) -> Path:
    """Write a model folder."""
    frame = contract.check(dataset.sample(), COLUMNS).require("the sample")
    trained = training.train(frame, {})
    return artifact.write(folder, trained.estimator, training.matrix(trained.holdout), lock_digest=None)


def names_of(folder: Path) -> Iterator[str]:
    """Paths of all files of a folder, sorted."""
    yield from sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
