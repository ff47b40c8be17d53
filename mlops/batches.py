"""``mlops batch`` behind its options: score tables here, let the published pipeline score them, fetch what it wrote."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.app import App, UsageMistake

if TYPE_CHECKING:
    from pipeline.batching.job import FileReport
    from pipeline.runner import PublishedPipeline
    from registry.data import DataSetVersion
    from registry.models import ModelVersion


@dataclass(frozen=True)
class Wanted:
    """What is to be scored, by what, and where the scores go."""

    source: Path | None
    """A table, or a folder of tables; or else a data set:"""
    data: str | None
    """``name`` or ``name:version``."""
    target: Path | None
    """Needed unless a published run is not waited for."""
    model: str | None
    """Reference of a model version; default: the one in production."""
    chunk_rows: int
    stop_on_bad_row: bool
    overwrite: bool

    def place(self) -> Path:
        """Where the scores go. Raises ``UsageMistake`` when the command line does not say it."""
        if self.target is None:
            raise UsageMistake("where do the scores go?", hint="--output PATH")
        return self.target

    def version(self, app: App) -> ModelVersion:
        """The model version."""
        from registry.errors import NotFound
        from registry.models import resolve

        name = app.settings["model.name"]
        try:
            return resolve(app.backend.registry, self.model or f"{name}@production")
        except NotFound as error:
            if self.model is None:
                error.hint = f"mlops run releases one; or say which: --model {name}@candidate, --model {name}:1"
            raise

    def data_set(self, app: App) -> DataSetVersion:
        """The data set version that the command line names."""
        name, _, number = str(self.data).partition(":")
        if number and not (number.isascii() and number.isdecimal()):
            raise UsageMistake(f"{self.data!r} is not NAME or NAME:VERSION")
        return app.backend.data.get(name, int(number) if number else None)


def score_here(
    app: App, wanted: Wanted, *, jobs: int | None, joblib_backend: str | None, scheduler: str | None
) -> dict[str, Any]:
    """Score on this machine, or on a cluster through joblib; gives the report."""
    from pipeline.batching.host import HostSpec, close_all
    from pipeline.batching.job import BatchOptions, features_of, score_file
    from pipeline.batching.tables import pairs
    from pipeline.engine import engine
    from pipeline.steps.batch import code_of

    settings, target = app.settings, wanted.place()
    if wanted.source is not None:
        pairs(wanted.source, target)  # a mistake in the paths is told before anything is fetched
    version = wanted.version(app)
    backend = joblib_backend or {"loky": "threading"}.get(
        settings["train.joblib_backend"], settings["train.joblib_backend"]
    )
    # On a cluster of this machine (or with shared storage) the workers read the model from here.
    with (
        scratch(app) as folder,
        engine(backend, scheduler or settings["train.scheduler"], n_jobs=jobs or -1) as at_once,
    ):
        source = wanted.source
        if source is None:
            data = wanted.data_set(app)
            source = app.backend.data.download(data.name, data.version, folder / "data")
        work = pairs(source, target)
        model = app.backend.registry.download(version.name, version.version, folder / "model")
        options = BatchOptions(
            spec=HostSpec(str(app.project), settings["model.entry_script"], str(model.parent)),
            features=features_of(model),
            model=version.reference,
            model_digest=version.digest,
            code_digest=code_of(app.project, settings["model.entry_script"]),
            chunk_rows=wanted.chunk_rows,
            jobs=at_once,
            stop_on_bad=wanted.stop_on_bad_row,
            overwrite=wanted.overwrite,
        )
        reports = []
        try:
            with _told(app) as say:
                for one, two in work:
                    report = score_file(one, two, options, say)
                    app.output.say(f"{one}: {report.rows} rows, {report.bad_rows} bad")
                    reports.append(report)
        finally:
            close_all()
    return document(version.reference, reports)


def score_published(
    app: App, wanted: Wanted, *, build_id: str | None, wait: bool, timeout: float | None
) -> dict[str, Any]:
    """Let the published pipeline score; gives the report, or (without `wait`) no more than the run's id."""
    from mlops.configure import batch
    from mlops.watching import follow

    target = wanted.place() if wait else wanted.target
    published = found(app, build_id)
    version = wanted.version(app)
    done = _done(app, wanted, version)
    if done is not None:
        return done
    data = wanted.data_set(app) if wanted.source is None else upload(app, wanted.source, target)
    app.output.say(f"data set {data.reference}: {data.size} bytes")
    parameters: dict[str, Any] = {
        "model": version.name,
        "model_version": version.version,
        "data": data.name,
        "data_version": data.version,
        "scores": target.name if target and _is_table(target) else "",
        "chunk_rows": wanted.chunk_rows,
        "stop_on_bad_row": wanted.stop_on_bad_row,
    }
    own = app.settings["build.id"]
    if own and own != published.build_id:  # the run is found by the build that runs it
        parameters["build_id"] = own
    if target is None or not wait:
        run_id = app.backend.pipelines.submit(published, parameters=parameters)
        return {"run_id": run_id, "model": version.reference, "data": data.reference}
    status = follow(app, published, None, batch(app), parameters=parameters, timeout=timeout)
    return collect(app, status.run_id, target, source=wanted.source, overwrite=wanted.overwrite)


def fetch(app: App, run_id: str, target: Path, *, overwrite: bool, timeout: float | None) -> dict[str, Any]:
    """Wait for a run of the published pipeline and fetch its scores; gives the report.

    Raises
    ------
    pipeline.errors.PipelineError
        The run did not complete.
    """
    from pipeline.errors import PipelineError
    from registry.runs import RunState

    status = app.backend.pipelines.wait(run_id, timeout=timeout, progress=app.output.say)
    if status.state is not RunState.COMPLETED:
        reasons = [f"{step.name}: {step.error}" for step in status.steps if step.error]
        raise PipelineError(
            f"run {run_id} is {status.state.value}: {'; '.join(reasons) or status.error}",
            hint=f"mlops pipeline logs {run_id}",
        )
    return collect(app, run_id, target, overwrite=overwrite)


def collect(
    app: App, run_id: str, target: Path, *, source: Path | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Put the tables that a run wrote into their place, with their reports.

    Raises
    ------
    UsageMistake
        Tables of a folder are to go into a file, or a table into a file of another kind.
    pipeline.errors.PipelineNotFound
        The run has scored nothing.
    pipeline.errors.PipelineConflict
        Something else is there.
    """
    from pipeline.batching.job import FileReport
    from pipeline.results import JoinResult
    from pipeline.steps.batch import TABLES

    runner = app.backend.pipelines
    result = runner.result(run_id, "join", JoinResult)
    if result.folder and _is_table(target):
        raise UsageMistake(f"run {run_id} scored a folder of tables: {target} must be a folder")
    reports = []
    with scratch(app) as folder:
        tables = runner.output(run_id, "join", folder / "join") / TABLES
        for item in result.files:
            written = tables / item["output"]
            final = target if not result.folder and _is_table(target) else target / item["output"]
            if final.suffix.lower() != written.suffix.lower():
                raise UsageMistake(f"run {run_id} wrote {written.suffix}: {final} must end so too")
            shown = item["input"]
            if source is not None:
                shown = str(source / item["input"] if result.folder else source)
            bad = _placed(written, final, shown, overwrite=overwrite)
            reports.append(FileReport(shown, str(final), item["rows"], item["bad_rows"], str(bad) if bad else None))
    return {**document(result.model, reports), "run_id": run_id}


def document(model: str, reports: list[FileReport]) -> dict[str, Any]:
    """What is said of all tables."""
    rows, bad = sum(item.rows for item in reports), sum(item.bad_rows for item in reports)
    return {"model": model, "rows": rows, "bad_rows": bad, "files": [item.to_json() for item in reports]}


def text_of(report: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"{report['rows']} rows scored with {report['model']}, {report['bad_rows']} bad"]
    for item in report["files"]:
        note = " (was done already)" if item["already_done"] else ""
        lines.append(f"  {item['output']}{note}" + (f"; bad rows: {item['errors']}" if item["errors"] else ""))
    return "\n".join(lines)


def found(app: App, build_id: str | None) -> PublishedPipeline:
    """The published pipeline. Raises ``PipelineNotFound``, which says how to publish it."""
    from pipeline.errors import PipelineNotFound

    try:
        return app.backend.pipelines.find(app.settings["batch.pipeline"], build_id)
    except PipelineNotFound as error:
        raise PipelineNotFound(str(error), hint="mlops batch publish") from error


def upload(app: App, source: Path, target: Path | None) -> DataSetVersion:
    """Register tables as the next version of the data set that is scored; equal ones keep the version they have."""
    from pipeline.batching.tables import pairs, tables

    name = app.settings["batch.data"]
    work = tables(source) if target is None else [path for path, _ in pairs(source, target)]
    if source.is_file():
        return app.backend.data.register(name, source.resolve())
    with scratch(app) as folder:
        staged = folder / (source.resolve().name or "tables")
        for path in work:  # the tables alone: the folder may hold other things, and the output too
            copy = staged / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path.resolve(), copy)
            except OSError:
                shutil.copyfile(path, copy)
        return app.backend.data.register(name, staged)


@contextmanager
def _told(app: App) -> Iterator[Callable[[str], None]]:
    """Takes how far a table is: a line that changes on a terminal, otherwise lines for who wants details."""
    if not app.output.live:
        yield app.output.detail
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(file=app.output.stderr).status("scoring ...") as status:
        yield lambda line: status.update(escape(line))


def _done(app: App, wanted: Wanted, version: ModelVersion) -> dict[str, Any] | None:
    """The report of what was scored already, if all of it was. Raises ``PipelineConflict`` for what is in the way."""
    from pipeline.batching.job import TableOptions, earlier
    from pipeline.batching.tables import pairs

    if wanted.source is None or wanted.target is None:
        return None
    options = TableOptions(
        features=(),
        model=version.reference,
        model_digest=version.digest,
        chunk_rows=wanted.chunk_rows,
        stop_on_bad=wanted.stop_on_bad_row,
        overwrite=wanted.overwrite,
    )
    reports = [earlier(one, two, options) for one, two in pairs(wanted.source, wanted.target)]
    whole = [item for item in reports if item is not None]
    return document(version.reference, whole) if len(whole) == len(reports) else None


def _placed(written: Path, final: Path, shown: str, *, overwrite: bool) -> Path | None:
    """Put one table into place, its reports beside it; gives the list of bad rows if there is one."""
    from pipeline.batching.job import Progress, errors_file, state_file
    from pipeline.errors import PipelineConflict
    from pipeline.files import alone, put
    from registry.digests import file_digest

    final.parent.mkdir(parents=True, exist_ok=True)
    with alone(final.with_name(final.name + ".lock"), str(final)):
        if final.exists() and not overwrite and file_digest(final) != file_digest(written):
            raise PipelineConflict(
                f"{final} is there already, with other content", hint="--overwrite, or another --output"
            )
        replace(Progress.read(state_file(written)), input=shown).write(state_file(written))
        bad = errors_file(final) if errors_file(written).is_file() else None
        if bad is None:
            errors_file(final).unlink(missing_ok=True)
        for one, two in ((errors_file(written), bad), (written, final), (state_file(written), state_file(final))):
            if two is not None:
                partial = two.with_name(two.name + ".partial")
                shutil.copyfile(one, partial)
                put(partial, two)
    return bad


def _is_table(path: Path) -> bool:
    from model.tables import SUFFIXES

    return path.suffix.lower() in SUFFIXES


@contextmanager
def scratch(app: App) -> Iterator[Path]:
    """A folder of the project's state, gone afterwards."""
    app.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="batch-", dir=app.state) as folder:
        yield Path(folder).resolve()
