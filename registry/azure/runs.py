"""Run history in an Azure Machine Learning workspace."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from registry import names
from registry.azure.workspace import AzureWorkspace, in_submitted_run, translated
from registry.digests import file_digest
from registry.errors import Conflict, NotFound, RegistryError
from registry.runs import Run, RunHistory, RunInfo, RunState

# Azure's run tags hold what it has no field for: parameters as JSON, one tag each.
_PARAMETER = "parameter."
_CREATED = "mlops.created"
ERROR = "mlops.error"
_STATES = {
    "Completed": RunState.COMPLETED,
    "Failed": RunState.FAILED,
    "Canceled": RunState.CANCELED,
    # Pipeline and step runs have words of their own.
    "Finished": RunState.COMPLETED,
    "Bypassed": RunState.CANCELED,
    "NotStarted": RunState.NOT_STARTED,
    "Queued": RunState.NOT_STARTED,
    "Unapproved": RunState.NOT_STARTED,
}


class AzureRun(Run):
    """An Azure ML run that is open for writing."""

    def __init__(self, sdk: Any, history: AzureRunHistory) -> None:
        self._sdk = sdk
        self._history = history
        self.id = str(sdk.id)

    def info(self) -> RunInfo:
        self.flush()
        with translated(f"run {self.id}"):
            return _info(_refreshed(self._sdk))

    def flush(self) -> None:
        """Wait until what was logged is in the workspace. The SDK sends metrics in batches, once a second."""
        if self.id in self._history.unsent:
            with translated(f"metrics of run {self.id}"):
                self._sdk.flush(timeout_seconds=60)
            self._history.unsent.pop(self.id, None)

    def log_metric(self, name: str, value: float, *, step: int | None = None) -> None:
        number = names.check_metric(name, value)
        with translated(f"metric {name} of run {self.id}"):
            self._sdk.log(name, number, step=step)
        self._history.unsent[self.id] = self

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        document = names.check_document(parameters, "parameter")
        with translated(f"parameters of run {self.id}"):
            self._sdk.set_tags({_PARAMETER + key: json.dumps(value) for key, value in document.items()})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        checked = names.check_texts(tags)
        with translated(f"tags of run {self.id}"):
            self._sdk.set_tags(checked)

    def upload(self, name: str, path: Path) -> None:
        names.check_path(name, "file")
        if not path.is_file():
            raise NotFound(f"there is no file {path}")
        try:
            with translated(f"file {name} of run {self.id}"):
                self._sdk.upload_file(name, str(path))
        except RegistryError as error:
            # The artifact service says so without a status. Azure begins a run anew, under its id, whose node it took.
            if not isinstance(error, Conflict) and "already exists" not in str(error):
                raise
            if not self._has(name, path):
                raise Conflict(f"run {self.id} has another file {name!r} already") from error

    def _has(self, name: str, path: Path) -> bool:
        """Whether the run keeps this very content under a name."""
        with tempfile.TemporaryDirectory(prefix="mlops-kept-") as scratch:
            kept = Path(scratch) / "file"
            with translated(f"file {name} of run {self.id}"):
                self._sdk.download_file(name, output_file_path=str(kept))
            return file_digest(kept) == file_digest(path)

    def child(self, name: str, *, tags: Mapping[str, str] | None = None) -> Run:
        with translated(f"a child of run {self.id}"):
            sdk = self._sdk.child_run(name=name or None)
            if name:
                sdk.display_name = name
            child = AzureRun(sdk, self._history)
        child.set_tags({_CREATED: _now(), **(tags or {})})
        return child

    def complete(self) -> None:
        self._end(RunState.COMPLETED, lambda: self._sdk.complete())

    def fail(self, error: str) -> None:
        def fail() -> None:
            self._sdk.set_tags({ERROR: error[:5000]})
            self._sdk.fail(error_details=error)

        self._end(RunState.FAILED, fail)

    def cancel(self) -> None:
        self._end(RunState.CANCELED, lambda: self._sdk.cancel())

    def _end(self, state: RunState, action: Any) -> None:
        self.flush()
        with translated(f"run {self.id}"):
            now = _state(self._sdk.get_status())
            if now.final:
                if now is state:
                    return
                raise Conflict(f"run {self.id} has ended as {now.value} and cannot become {state.value}")
            action()


class AzureRunHistory(RunHistory):
    """All runs of a workspace.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    """

    def __init__(self, workspace: AzureWorkspace) -> None:
        self._workspace = workspace
        self.unsent: dict[str, AzureRun] = {}
        """Runs of this process with metrics that may not have been sent; sent before anything is read."""

    def start(
        self,
        experiment: str,
        *,
        name: str = "",
        parent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        names.check_name(experiment, "experiment")
        document = names.check_document(parameters, "parameter")
        tags = names.check_texts(tags)
        from azureml.core import Experiment

        if parent is not None:
            run = self.open(parent).child(name, tags=tags)
        else:
            with translated(f"experiment {experiment}"):
                sdk = Experiment(self._workspace.sdk, experiment).start_logging(
                    display_name=name or None, outputs=None, snapshot_directory=None
                )
            run = AzureRun(sdk, self)
            run.set_tags({_CREATED: _now(), **tags})
        if document:
            run.log_parameters(document)
        return run

    def open(self, run_id: str) -> Run:
        return AzureRun(self._sdk(run_id), self)

    def get(self, run_id: str) -> RunInfo:
        self._send()
        with translated(f"run {run_id}"):
            return _info(_refreshed(self._sdk(run_id)))

    def search(
        self,
        experiment: str | None = None,
        *,
        parent: str | None = None,
        state: RunState | None = None,
        tags: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[RunInfo]:
        self._send()
        with translated("listing runs"):
            found = [(_document(sdk), sdk) for sdk in self._candidates(experiment, parent)]
        wanted = [pair for pair in found if _matches(pair[0], experiment, state, tags or {})]
        wanted.sort(key=lambda pair: pair[0].created, reverse=True)
        for info, sdk in wanted[:limit]:
            with translated(f"metrics of run {info.id}"):
                metrics = _metrics(sdk)
            yield replace(info, metrics=metrics)

    def metric(self, run_id: str, name: str) -> list[tuple[int | None, float]]:
        self._send()
        sdk = self._sdk(run_id)
        with translated(f"metrics of run {run_id}"):
            return _points(sdk.get_metrics(name=name).get(name))

    def files(self, run_id: str) -> list[str]:
        sdk = self._sdk(run_id)
        with translated(f"files of run {run_id}"):
            return sorted(sdk.get_file_names())

    def download(self, run_id: str, name: str, target: Path) -> Path:
        names.check_path(name, "file")
        if name not in self.files(run_id):
            raise NotFound(f"run {run_id} has no file {name!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with translated(f"file {name} of run {run_id}"):
            self._sdk(run_id).download_file(name, output_file_path=str(target))
        return target

    def _send(self) -> None:
        for run in list(self.unsent.values()):
            run.flush()

    def _candidates(self, experiment: str | None, parent: str | None) -> Iterator[Any]:
        from azureml.core import Experiment
        from azureml.core import Run as SdkRun

        if parent is not None:
            # As plain runs: making each into a step of a pipeline asks Azure three times more.
            yield from self._sdk(parent).get_children(_rehydrate_runs=False)
            return
        workspace = self._workspace.sdk
        known = workspace.experiments
        chosen = list(known) if experiment is None else [experiment] if experiment in known else []
        for name in chosen:
            yield from SdkRun.list(Experiment(workspace, name), include_children=True, _rehydrate_runs=False)

    def _sdk(self, run_id: str) -> Any:
        from azureml.core import Run as SdkRun

        if in_submitted_run() and os.environ["AZUREML_RUN_ID"] == run_id:
            return SdkRun.get_context(allow_offline=False)
        names.check_text(run_id, "the run id", limit=300)
        try:
            with translated(f"run {run_id}"):
                return SdkRun.get(self._workspace.sdk, run_id)
        except NotFound:
            raise NotFound(f"there is no run {run_id!r}", hint="mlops runs list") from None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _state(text: str) -> RunState:
    return _STATES.get(text, RunState.RUNNING)


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    # Azure writes seven digits of a second; Python 3.10 reads exactly six.
    head, dot, rest = text.replace("Z", "+00:00").partition(".")
    if dot:
        digits, sign, zone = rest.partition("+")
        text = f"{head}.{digits[:6].ljust(6, '0')}{sign}{zone}"
    else:
        text = head
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _points(value: Any) -> list[tuple[int | None, float]]:
    """The values of one metric as ``get_metrics`` gives them: one, or several. It gives no steps."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [(None, float(item)) for item in values if isinstance(item, (int, float))]


def _refreshed(sdk: Any) -> Any:
    """The run, with its document read anew: reading the tags does that."""
    sdk.get_tags()
    return sdk


def _info(sdk: Any) -> RunInfo:
    return replace(_document(sdk), metrics=_metrics(sdk))


def _document(sdk: Any) -> RunInfo:
    """What a run's document says, as it was read last: everything but metrics. Asks nothing of Azure.

    The SDK gives each part by a property or a method of its own, most of which ask again; this is what they take it
    from.
    """
    document = sdk._run_dto
    tags = dict(document.get("tags") or {})
    started = _time(document.get("start_time_utc"))
    created = _time(tags.pop(_CREATED, None)) or _time(document.get("created_utc")) or started
    error = tags.pop(ERROR, None)
    if error is None and document.get("error"):
        error = str(document["error"].get("error", {}).get("message") or document["error"])
    return RunInfo(
        id=str(sdk.id),
        experiment=sdk.experiment.name,
        name=sdk.display_name or "",
        state=_state(str(document.get("status"))),
        created=created or datetime.fromtimestamp(0, timezone.utc),
        started=started,
        ended=_time(document.get("end_time_utc")),
        parent=document.get("parent_run_id"),
        parameters={key[len(_PARAMETER) :]: json.loads(tags[key]) for key in tags if key.startswith(_PARAMETER)},
        tags={key: value for key, value in tags.items() if not key.startswith(_PARAMETER)},
        error=error,
    )


def _metrics(sdk: Any) -> dict[str, float]:
    """The last value of each metric."""
    found = {name: _points(value) for name, value in sdk.get_metrics().items()}
    return {name: points[-1][1] for name, points in found.items() if points}


def _matches(info: RunInfo, experiment: str | None, state: RunState | None, tags: Mapping[str, str | None]) -> bool:
    tagged = all(key in info.tags and value in (None, info.tags[key]) for key, value in tags.items())
    return tagged and state in (None, info.state) and experiment in (None, info.experiment)
