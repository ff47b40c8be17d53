"""Run history as files.

::

    experiments/<experiment>/<run id>/run.json      who started what, when; made once
    experiments/<experiment>/<run id>/events.jsonl  parameters, metrics, tags, files, state: one line each, appended

Run ids begin with the time of the start, so that they sort by age.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from registry.artifacts import File
from registry.errors import Conflict, Corrupt, InvalidName, NotFound, RegistryError
from registry.files import content, disk, documents
from registry.files.collect import collect as collect_leftovers
from registry.files.events import EventFile
from registry.files.store import Store, Writer
from registry.models import Collected
from registry.names import check_document, check_metric, check_name, check_path, check_text, check_texts
from registry.runs import Run, RunHistory, RunInfo, RunState

logger = logging.getLogger(__name__)
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9]{6}-[0-9a-f]{8}\Z")


class FileRunHistory(RunHistory):
    """Runs below one folder, for any number of processes of one machine at once.

    Parameters
    ----------
    root : pathlib.Path
        The folder; made when the first run starts.
    """

    def __init__(self, root: Path) -> None:
        self.store = Store(root, "runs", "experiments")

    def start(
        self,
        experiment: str,
        *,
        name: str = "",
        parent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        """Start a run; see :meth:`registry.runs.RunHistory.start`."""
        check_name(experiment, "experiment")
        check_text(name, "the run name", limit=1000)
        if parent is not None:
            self.get(parent)
        moment = documents.now()
        run_id = f"{moment:%Y%m%d-%H%M%S-%f}-{os.urandom(4).hex()}"
        document = {
            "id": run_id,
            "experiment": experiment,
            "name": name or run_id,
            "created": documents.write_time(moment),
            "parent": parent,
            "parameters": check_document(parameters, "parameter"),
            "tags": check_texts(tags),
        }
        self.store.make()
        folder = self.store.documents / experiment.lower() / run_id
        with disk.guarded(f"start a run of {experiment!r}"), self.store.publishing():
            self.store.folder(folder.parent)
            disk.make_folders(folder, folder.parent)
            with Writer(self.store) as writer, Writer(self.store) as events:
                events.write(b"")
                events.publish(folder / "events.jsonl")
                writer.write(documents.encode(document))
                writer.publish(folder / "run.json")
        return FileRun(self, folder)

    def open(self, run_id: str) -> Run:
        """Open a run for writing; see :meth:`registry.runs.RunHistory.open`."""
        run = FileRun(self, self._find(run_id))
        run.info()
        return run

    def get(self, run_id: str) -> RunInfo:
        """Read one run; see :meth:`registry.runs.RunHistory.get`."""
        return FileRun(self, self._find(run_id)).info()

    def search(
        self,
        experiment: str | None = None,
        *,
        parent: str | None = None,
        state: RunState | None = None,
        tags: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[RunInfo]:
        """Runs, newest first; unreadable ones are logged as warnings and skipped."""
        if experiment is not None:
            check_name(experiment, "experiment")
        found = (
            run
            for run in self._newest_first(experiment)
            if (experiment is None or run.experiment == experiment)
            and (parent is None or run.parent == parent)
            and (state is None or run.state == state)
            and all(key in run.tags and wanted in (None, run.tags[key]) for key, wanted in (tags or {}).items())
        )
        return itertools.islice(found, limit)

    def metric(self, run_id: str, name: str) -> list[tuple[int | None, float]]:
        """All values of one metric; see :meth:`registry.runs.RunHistory.metric`."""
        events = FileRun(self, self._find(run_id)).events()
        return [(event.get("step"), float(event["value"])) for event in events if event.get("metric") == name]

    def files(self, run_id: str) -> list[str]:
        """Names of the files of a run, sorted."""
        return sorted(FileRun(self, self._find(run_id)).kept())

    def download(self, run_id: str, name: str, target: Path) -> Path:
        """Copy one file of a run to the path `target`, verified."""
        check_path(name, "run")
        file = FileRun(self, self._find(run_id)).kept().get(name)
        if file is None:
            raise NotFound(f"run {run_id} has no file {name!r}", hint=f"mlops runs show {run_id} lists its files")
        if os.path.lexists(target):
            raise Conflict(f"{target} exists already")
        with disk.guarded(f"write {target}"):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            partial = Path(target).parent / f".{os.urandom(8).hex()}.partial"
            try:
                content.copy_out(self.store, file, partial, f"run {run_id}")
                os.link(partial, target)
            except FileExistsError:
                raise Conflict(f"{target} exists already") from None
            finally:
                partial.unlink(missing_ok=True)
        return Path(target)

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Remove leftovers; see :meth:`registry.models.ModelRegistry.collect`."""
        return collect_leftovers(self.store, self._references, dry_run=dry_run, dead=self._never_started)

    def _never_started(self) -> list[Path]:
        """Files and folders of runs whose start did not end; asked while no start is under way."""
        folders = [run for experiment in self._experiments() for run in experiment.iterdir() if _ID.match(run.name)]
        dead = [folder for folder in folders if not os.path.lexists(folder / "run.json")]
        return [path for folder in dead for path in (folder / "events.jsonl", folder)]

    def _references(self, errors: list[RegistryError]) -> Iterator[str]:
        for experiment in self._experiments():
            for folder in experiment.iterdir():
                if not (folder / "events.jsonl").exists():
                    continue
                try:
                    yield from (file.sha256 for file in FileRun(self, folder).kept().values())
                except RegistryError as error:
                    errors.append(error)

    def _newest_first(self, experiment: str | None) -> Iterator[RunInfo]:
        if not self.store.open():
            return
        folders = [self.store.documents / experiment.lower()] if experiment else self._experiments()
        runs = [
            (name, folder) for folder in folders if folder.is_dir() for name in os.listdir(folder) if _ID.match(name)
        ]
        for name, folder in sorted(runs, reverse=True):
            try:
                yield FileRun(self, folder / name).info()
            except NotFound:
                continue  # its start did not end
            except RegistryError as error:
                logger.warning("%s", error)

    def _experiments(self) -> list[Path]:
        return sorted(self.store.documents.iterdir()) if self.store.documents.is_dir() else []

    def _find(self, run_id: str) -> Path:
        if self.store.open() and isinstance(run_id, str) and _ID.match(run_id):
            for experiment in self._experiments():
                if (experiment / run_id / "run.json").is_file():
                    return experiment / run_id
        raise NotFound(f"there is no run {run_id!r}", hint="mlops runs list shows what there is")


class FileRun(Run):
    """One run, open for writing."""

    def __init__(self, history: FileRunHistory, folder: Path) -> None:
        self.history = history
        self.folder = folder
        self.id = folder.name
        self._file = EventFile(folder / "events.jsonl")
        self._seen = 0
        self._final: str | None = None

    def info(self) -> RunInfo:
        """Read the run as it is now."""
        path = self.folder / "run.json"
        try:
            reader = documents.Reader(documents.decode(disk.read_file(path), str(path)), str(path))
        except FileNotFoundError:
            raise NotFound(f"there is no run {self.id!r}") from None
        if reader.text("id") != self.id:
            raise reader.bad("id")
        parameters, tags = reader.table("parameters"), reader.texts("tags")
        metrics: dict[str, float] = {}
        state, ended, error = RunState.RUNNING, None, None
        for event in self.events():
            parameters = {**parameters, **event.get("parameters", {})}
            tags = {**tags, **event.get("tags", {})}
            if "metric" in event:
                metrics[event["metric"]] = float(event["value"])
            if "state" in event:
                state, error = RunState(event["state"]), event.get("error")
                ended = documents.Reader(event, str(self._file.path)).time("time")
        return RunInfo(
            id=self.id,
            experiment=reader.text("experiment"),
            name=reader.text("name"),
            state=state,
            created=reader.time("created"),
            started=reader.time("created"),
            ended=ended,
            parent=reader.optional_text("parent"),
            parameters=parameters,
            metrics=metrics,
            tags=tags,
            error=error,
        )

    def events(self) -> list[dict[str, Any]]:
        """All events so far. Raises ``Corrupt``."""
        try:
            events = self._file.read()
        except OSError as error:
            raise Corrupt(f"{self._file.path} cannot be read: {error.strerror}") from error
        for event in events:
            _check_event(event, self._file.path)
        return events

    def kept(self) -> dict[str, File]:
        """Files of the run by name."""
        found = {}
        for event in self.events():
            if "file" in event:
                found[event["file"]] = File(event["file"], event["sha256"], event["size"])
        return found

    def log_metric(self, name: str, value: float, *, step: int | None = None) -> None:
        """Append a value to a metric. Raises ``InvalidName``, ``Conflict`` (the run has ended)."""
        self._append({"metric": name, "value": check_metric(name, value), "step": step})

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Merge parameters."""
        self._append({"parameters": check_document(parameters, "parameter")})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Merge tags; also after the end."""
        self._append({"tags": check_texts(tags)}, ended=True)

    def upload(self, name: str, path: Path) -> None:
        """Keep a copy of a file; see :meth:`registry.runs.Run.upload`. Other content under `name`: ``Conflict``."""
        check_path(name, "run")
        store = self.history.store
        if Path(path).is_dir():
            raise InvalidName(f"{path} is a folder", hint="upload its files one by one")
        with disk.guarded(f"keep {name!r} with run {self.id}"), Writer(store) as writer:
            taken, staged = content.take(store, writer, path)
            file = taken.files[0]
            with store.publishing():
                content.place(store, staged)
                before = self.kept().get(name)
                if before and before.sha256 != file.sha256:
                    raise Conflict(f"run {self.id} has another file {name!r} already")
                self._append({"file": name, "sha256": file.sha256, "size": file.size})

    def child(self, name: str, *, tags: Mapping[str, str] | None = None) -> Run:
        """Start a child run in the same experiment."""
        return self.history.start(self.info().experiment, name=name, parent=self.id, tags=tags)

    def complete(self) -> None:
        """End the run well."""
        self._end(RunState.COMPLETED)

    def fail(self, error: str) -> None:
        """End the run as failed."""
        self._end(RunState.FAILED, error.replace("\0", "")[:10_000])

    def cancel(self) -> None:
        """End the run as cancelled."""
        self._end(RunState.CANCELED)

    def _end(self, state: RunState, error: str | None = None) -> None:
        self._append({"state": state.value, "error": error})

    def _append(self, event: dict[str, Any], *, ended: bool = False) -> None:
        def check(events: list[dict[str, Any]]) -> bool:
            for each in events[self._seen :]:
                self._final = each.get("state", self._final)
            self._seen = len(events)
            if self._final is None or ended:
                return True
            if event.get("state") == self._final:
                return False
            raise Conflict(f"run {self.id} has ended already ({self._final})", hint="start a new run")

        with disk.guarded(f"write to run {self.id}"):
            self._file.append({"time": documents.write_time(documents.now()), **event}, check)


def _check_event(event: dict[str, Any], path: Path) -> None:
    """Raise ``Corrupt`` unless the fields of an event are what they should be."""
    reader = documents.Reader(event, str(path))
    reader.time("time")
    reader.table("parameters")
    reader.texts("tags")
    if "metric" in event:
        reader.text("metric")
        if isinstance(event.get("value"), bool) or not isinstance(event.get("value"), (int, float)):
            raise reader.bad("value")
        if event.get("step") is not None and not isinstance(event["step"], int):
            raise reader.bad("step")
    if "state" in event and event["state"] not in {state.value for state in RunState}:
        raise reader.bad("state")
    if "file" in event and not re.fullmatch(r"[0-9a-f]{64}", reader.text("sha256")):
        raise reader.bad("sha256")
    if "file" in event:
        reader.text("file")
        reader.number("size")
