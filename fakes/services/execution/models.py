"""The execution service: what a submitted run must look like, and how it begins. No HTTP.

Facts: ``azureml._execution._commands`` and ``azureml.core.runconfig`` of ``azureml-core`` 1.61.
"""

from __future__ import annotations

import io
import json
import shlex
import stat
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fakes.core.errors import AzureError, bad_request, conflict
from fakes.executor.environment import configured_variables, hiding, interpreter, run_variables
from fakes.executor.jobs import Jobs
from fakes.executor.script import LAUNCHER
from fakes.executor.storage import below, unpack_snapshot
from fakes.executor.submission import start_script_run
from fakes.hosting import guard
from fakes.services.compute.models import Computes
from fakes.services.history.backend import HistoryBackend
from fakes.services.history.models import FINAL
from fakes.services.snapshots.backend import SnapshotsBackend

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

Document = dict[str, Any]
FRAMEWORKS = {"python"}
MAX_MEMBERS = 20_000


def not_offered(what: str) -> AzureError:
    """The answer for a run that this fake cannot execute as Azure would."""
    return AzureError(501, "NotImplementedByFake", f"{what} is not implemented by this fake; nothing was started.")


def check(state: State, workspace: Workspace, configuration: Mapping[str, Any]) -> str:
    """Check a run configuration; gives the name of its compute target. Raises ``AzureError`` 400, 404, 501."""
    target = configuration.get("target")
    if not target:
        raise bad_request("The run configuration names no compute target.")
    if not configuration.get("script") and not configuration.get("command"):
        raise bad_request("The run configuration has neither a script nor a command.")
    check_shape(configuration)
    if target == "amlcompute":
        raise not_offered("A cluster that is made for one run")
    if target != "local":
        state.backend(Computes).get(workspace, str(target))
    return str(target)


def check_shape(configuration: Mapping[str, Any]) -> None:
    """Refuse what one Python process on one node cannot stand for. Raises ``AzureError`` 501."""
    framework = str(configuration.get("framework") or "Python")
    communicator = str(configuration.get("communicator") or "None")
    nodes = int(configuration.get("nodeCount") or 1)
    if nodes > 1:
        raise not_offered(f"A run on {nodes} nodes")
    if framework.lower() not in FRAMEWORKS:
        raise not_offered(f"The framework {framework}")
    if communicator.lower() != "none":
        raise not_offered(f"A distributed run ({communicator})")


def begin(
    state: State,
    workspace: Workspace,
    experiment: str,
    run_id: str,
    definition: Mapping[str, Any],
    unpack: Callable[[State, Path], None] | None,
    *,
    host: str,
) -> Document:
    """Make the run in run history and, when `unpack` is given, start it. Under the state lock."""
    configuration: Mapping[str, Any] = definition.get("Configuration") or {}
    target = check(state, workspace, configuration)
    history = state.backend(HistoryBackend).of(workspace)
    held = history.create_experiment(experiment, exist_ok=True)
    if any(run["runId"] == run_id for run in history.query_runs(None, {})):
        raise conflict(f"Run {run_id} already exists.")
    run = history.put_run(
        held,
        run_id,
        {
            "parentRunId": definition.get("ParentRunId"),
            "status": "Queued" if unpack else "Preparing",
            "runType": "azureml.scriptrun",
            "target": target,
            "scriptName": configuration.get("script"),
            "runDefinition": dict(configuration),
            "properties": {
                "_azureml.ComputeTargetType": "local" if target == "local" else "amlcompute",
                "ContentSnapshotId": definition.get("SnapshotId"),
                "azureml.runsource": "azureml.scriptrun",
            },
        },
    )
    run["cancelUri"] = cancel_address(workspace, host, experiment, run_id)
    if unpack is not None:
        start_script_run(state, workspace, run_id, configuration, unpack)
    return run


def local_archive(state: State, workspace: Workspace, experiment: str, run: Mapping[str, Any]) -> bytes:
    """What the SDK unpacks beside the project and starts: the script runs on the machine of the client."""
    configuration: Mapping[str, Any] = run["runDefinition"]
    if configuration.get("data") or configuration.get("dataReferences") or configuration.get("outputData"):
        raise not_offered("Data sets and data references in a local run")
    variables = {**configured_variables(configuration), **run_variables(state, workspace, run, experiment)}
    python, setup = interpreter(configuration), "azureml-setup"
    arguments = [str(argument) for argument in configuration.get("arguments") or []]
    with tempfile.TemporaryDirectory() as folder:
        found = hiding(state, configuration, python, Path(folder) / "hidden.json")
        hidden = found.file.read_text(encoding="utf-8") if found.file else None
    prefix = [f"{setup}/{Path(guard.__file__).name}", f"{setup}/hidden.json"] if hidden else []
    command = configuration.get("command")
    if command:
        argv = ["bash", "-c", command if isinstance(command, str) else " ".join(map(str, command))]
    else:
        argv = [python, *prefix, f"{setup}/{LAUNCHER.name}", str(configuration["script"]), *arguments]
    spec = {
        "runId": run["runId"],
        "token": variables["AZUREML_RUN_TOKEN"],
        "run": f"{workspace.api_url}/history/v1.0{workspace.arm_id}/experimentids/{run['experimentId']}"
        f"/runs/{quote(run['runId'])}",
        "artifacts": f"{workspace.api_url}/artifact/v2.0{workspace.arm_id}/artifacts/content/ExperimentRun"
        f"/{quote(run['dataContainerId'])}",
        "argv": argv,
        "variables": variables,
    }
    runner = LAUNCHER.with_name("local_runner.py")
    start = f'#!/bin/bash\ncd "$(dirname "$0")/.."\nexec {shlex.quote(python)} {setup}/{runner.name}\n'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{setup}/Invocation.sh", start)
        archive.writestr(f"{setup}/run.json", json.dumps(spec))
        if hidden:
            archive.writestr(f"{setup}/hidden.json", hidden)
        for program in (runner, LAUNCHER, Path(guard.__file__)):
            archive.writestr(f"{setup}/{program.name}", program.read_text(encoding="utf-8"))
    return buffer.getvalue()


def cancel_address(workspace: Workspace, host: str, experiment: str, run_id: str) -> str:
    """Where to post to cancel a run."""
    scope = f"{workspace.arm_id}/experiments/{quote(experiment, safe='')}"
    return f"https://{host}/execution/v1.0{scope}/runId/{quote(run_id, safe='')}/cancel"


def cancel(state: State, workspace: Workspace, run_id: str) -> None:
    """Ask a run to stop. One that has ended stays as it is. Under the state lock. Raises ``AzureError`` 404."""
    history = state.backend(HistoryBackend).of(workspace)
    run = history.run(run_id)
    if run["status"] in FINAL:
        return
    if state.backend(Jobs).cancel(run_id):
        history.set_status(run_id, "CancelRequested")
    else:
        history.set_status(run_id, "Canceled")


def snapshot_source(state: State, workspace: Workspace, snapshot_id: str) -> Callable[[State, Path], None]:
    """Unpacks a snapshot. Raises ``AzureError`` 404 at once when there is none."""
    state.backend(SnapshotsBackend).of(workspace).get(snapshot_id)

    def unpack(now: State, folder: Path) -> None:
        unpack_snapshot(now, workspace, snapshot_id, folder)

    return unpack


def zip_source(data: bytes) -> Callable[[State, Path], None]:
    """Unpacks an archive. Raises ``AzureError`` 400 at once when it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise bad_request(f"The project is not a zip archive: {error}") from error
    if len(members) > MAX_MEMBERS:
        raise bad_request(f"The project has more than {MAX_MEMBERS} files.")

    def unpack(_: State, folder: Path) -> None:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):
                    continue
                path = below(folder, member.filename)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(member))

    return unpack
