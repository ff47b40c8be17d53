"""Data of a script run: data sets, data references and outputs, bound to paths and variables.

Facts: ``azureml.core.runconfig`` (sections ``data``, ``dataReferences``, ``outputData``) and ``azureml.core.run``
(``InputDatasets``, ``OutputDatasets``) of ``azureml-core`` 1.61.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.core.tenancy import Workspace
from fakes.executor import datasets, storage
from fakes.executor.jobs import Job
from fakes.services.datasets.models import DatasetsBackend

VARIABLE = "AZUREML_DATAREFERENCE_"


@dataclass
class Output:
    """A path that goes to a datastore when the job ends, maybe to become a data set."""

    path: Path
    datastore: Mapping[str, Any]
    prefix: str
    registration: Mapping[str, Any] | None = None


@dataclass
class Bindings:
    """Paths of a job.

    Attributes
    ----------
    variables : dict
        Environment variables; placeholders among the arguments are replaced from them too.
    outputs : list of Output
    """

    variables: dict[str, str] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)

    def input(self, name: str, value: str, mechanism: str) -> None:
        """Note the value of an input as the SDK looks for it."""
        self.variables[name] = value
        self.variables[VARIABLE + name] = value
        known = self.variables.get("AZUREML_DATASET_ENVIRONMENT_VARS", "")
        self.variables["AZUREML_DATASET_ENVIRONMENT_VARS"] = ",".join(filter(None, [known, f"{name}:{mechanism}"]))

    def output(self, name: str, output: Output) -> None:
        """Note the path of an output as the SDK looks for it."""
        self.variables[name] = self.variables[VARIABLE + name] = str(output.path)
        known = self.variables.get("AZUREML_DATASET_FILE_OUTPUTS", "")
        self.variables["AZUREML_DATASET_FILE_OUTPUTS"] = ";".join(filter(None, [known, name]))
        self.outputs.append(output)


def bind(job: Job, workspace: Workspace, run_id: str, configuration: Mapping[str, Any], folder: Path) -> Bindings:
    """Fetch the inputs of a script run below `folder` and make room for its outputs.

    Raises
    ------
    CannotRead
        A data set is of a kind that the fake does not read.
    AzureError
        404: a data set or datastore does not exist.
    """
    found = Bindings()
    for name, item in (configuration.get("data") or {}).items():
        _bind_dataset(job, workspace, found, name, item, folder / "inputs" / name)
    for name, item in (configuration.get("dataReferences") or {}).items():
        _bind_reference(job, workspace, found, name, item, folder / "references" / name)
    for name, item in (configuration.get("outputData") or {}).items():
        _bind_output(job, workspace, run_id, found, name, item, folder / "results" / name)
    return found


def _bind_dataset(
    job: Job, workspace: Workspace, found: Bindings, name: str, item: Mapping[str, Any], folder: Path
) -> None:
    location = item.get("dataLocation") or {}
    dataset = location.get("dataset") or {}
    if not dataset.get("id"):
        raise datasets.CannotRead(f"input {name} is no data set: {json.dumps(location)}")
    mechanism = str(item.get("mechanism") or "direct").lower()
    variable = item.get("environmentVariableName") or name
    if mechanism == "direct":
        found.input(variable, dataset["id"], mechanism)
        return
    if mechanism not in ("mount", "download"):
        raise datasets.CannotRead(f"input {name} is bound by {mechanism}; the fake knows direct, mount and download")
    target = Path(item["pathOnCompute"]) if item.get("pathOnCompute") else folder
    # A path of the compute's own disk is kept below the folder of the job: nothing of this machine is overwritten.
    target = folder / target.relative_to(target.anchor) if target.is_absolute() and target != folder else target
    target = target if target.is_absolute() else folder / target
    found.input(variable, str(datasets.materialise(job.state, workspace, dataset["id"], target)), mechanism)


def _bind_reference(
    job: Job, workspace: Workspace, found: Bindings, name: str, item: Mapping[str, Any], folder: Path
) -> None:
    datastore = storage.datastore_named(job.state, workspace, item.get("dataStoreName"))
    prefix, mode = str(item.get("pathOnDataStore") or ""), str(item.get("mode") or "mount").lower()
    if mode in ("mount", "download"):
        storage.fetch_path(job.state, datastore, prefix, folder)
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
    found.variables[VARIABLE + name] = str(folder)
    if mode in ("mount", "upload"):
        found.outputs.append(Output(folder, datastore, prefix))


def _bind_output(
    job: Job,
    workspace: Workspace,
    run_id: str,
    found: Bindings,
    name: str,
    item: Mapping[str, Any],
    folder: Path,
) -> None:
    where = ((item.get("outputLocation") or {}).get("dataPath")) or {}
    options = item.get("additionalOptions") or {}
    mechanism = str(item.get("mechanism") or "mount").lower()
    if mechanism not in ("mount", "upload"):
        raise datasets.CannotRead(f"output {name} is bound by {mechanism}; the fake knows mount and upload")
    datastore = storage.datastore_named(job.state, workspace, where.get("datastoreName"))
    prefix = output_prefix(where.get("relativePath"), run_id, name)
    folder.mkdir(parents=True, exist_ok=True)
    registration = options.get("registrationOptions") or {}
    found.output(name, Output(folder, datastore, prefix, registration if registration.get("name") else None))


def output_prefix(path: str | None, run_id: str, name: str) -> str:
    """Path on the datastore of an output; the placeholders are those of the SDK's documentation."""
    text = path or "dataset/{run-id}/{output-name}"
    return text.replace("{run-id}", run_id).replace("{output-name}", name).strip("/")


def store_outputs(job: Job, workspace: Workspace, outputs: list[Output]) -> None:
    """Send outputs to their datastores and register those that ask for it."""
    for output in outputs:
        if output.path.exists():
            storage.send_path(job.state, output.datastore, output.path, output.prefix)
        if output.registration:
            register_folder(job, workspace, output.datastore["name"], output.prefix, output.registration)


def register_folder(
    job: Job, workspace: Workspace, datastore: str, prefix: str, registration: Mapping[str, Any]
) -> dict[str, Any]:
    """Register a folder of a datastore as a file data set (a new version when the name is there)."""
    uri = (
        f"azureml://subscriptions/{workspace.subscription_id}/resourcegroups/{workspace.resource_group}"
        f"/workspaces/{workspace.name}/datastores/{datastore}/paths/{prefix}"
    )
    extra = registration.get("AdditionalTransformations") or (registration.get("datasetRegistrationOptions") or {}).get(
        "additionalTransformation"
    )
    if extra:
        raise datasets.CannotRead("outputs that are registered as tabular data sets are not read by the fake")
    body = {
        "name": registration.get("name") or registration.get("Name"),
        "description": registration.get("description") or registration.get("Description"),
        "tags": registration.get("tags") or registration.get("Tags") or {},
        "datasetType": "file",
        "isVisible": True,
        "latest": {
            "dataflow": json.dumps({"blocks": [], "meta": {"RsDataflow": datasets.file_definition(uri)}}),
            "properties": {},
        },
    }
    with job.locked() as state:
        return state.backend(DatasetsBackend).register(workspace, body, new_version=True)
