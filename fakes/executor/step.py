"""One step of a pipeline run: its inputs, its process, its outputs, its child run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from fakes.core.errors import AzureError
from fakes.core.tenancy import Workspace
from fakes.executor import bindings, outcome, parallel, storage
from fakes.executor.environment import interpreter
from fakes.executor.feeds import Feed, FeedReader
from fakes.executor.jobs import Job
from fakes.executor.outcome import LOG, Outcome
from fakes.executor.script import Task, command_line, execute, expand, set_status
from fakes.executor.submission import guarded, on_compute
from fakes.services.history.backend import HistoryBackend
from fakes.services.pipelines import graphs
from fakes.services.pipelines.backend import PipelinesBackend

# The pipeline client streams logs of this pattern; the other name is what the run client shows.
LOGS = ("azureml-logs/70_driver_log.txt", LOG)


class StepJob:
    """One module node of a graph while it is executed."""

    def __init__(self, job: Job, workspace: Workspace, entity: dict[str, Any], graph: dict[str, Any], node_id: str):
        self.job = job
        self.workspace = workspace
        self.entity = entity
        self.graph = graph
        self.node_id = node_id
        self.node = next(node for node in graph["ModuleNodes"] if node["Id"] == node_id)
        with job.locked() as state:
            self.child_id = state.ids.guid()
            self.module = state.backend(PipelinesBackend).of(workspace).module(self.node["ModuleId"])["Data"]
        self.values: dict[str, str | None] = {}
        self.configuration: dict[str, Any] = json.loads(self.node.get("Runconfig") or "{}") or {}

    def run(self) -> Outcome:
        """Run the step, or find that it need not run."""
        self._create_child()
        end = guarded(self._reuse_or_execute)
        word = {"Completed": "Finished"}.get(end.status, end.status)
        with self.job.locked() as state:
            state.backend(PipelinesBackend).of(self.workspace).set_node(
                self.entity["Id"], self.node_id, word, detail=(end.error or {}).get("message")
            )
        set_status(self.job, self.workspace, self.child_id, end.status, end.error)
        return end

    # ---- what it depends on ---------------------------------------------------------------------------------------

    def _reuse_or_execute(self) -> Outcome:
        self.values = graphs.parameters(self.node, self.module, self.entity["ParameterAssignments"])
        feeds = FeedReader(self.job, self.workspace, self.entity, self.graph).feeds(self.node_id)
        key = graphs.fingerprint(
            self.module, self.values, {name: feed.signature for name, feed in feeds.items()}, self.node
        )
        if self.module.get("IsDeterministic") and not self.node.get("RegenerateOutput") and self._reuse(key):
            return outcome.COMPLETED
        with on_compute(self.job, self.workspace, self.values.get("Target")):
            end = self._execute(feeds)
        if end.ok:
            with self.job.locked() as state:
                results = state.backend(PipelinesBackend).of(self.workspace).entities.table("Results")
                results[key] = {"runId": self.entity["Id"], "nodeId": self.node_id, "childId": self.child_id}
        return end

    def _reuse(self, key: str) -> bool:
        """Take over the result of an equal step that ended well, if there is one."""
        with self.job.locked() as state:
            pipelines = state.backend(PipelinesBackend).of(self.workspace)
            known = pipelines.entities.table("Results").get(key)
            if known is None or known["runId"] == self.entity["Id"]:
                return False
            before = pipelines.nodes(known["runId"])[known["nodeId"]]
            reuse = {"ExperimentId": known["runId"], "NodeId": known["nodeId"], "RunId": known["childId"]}
            pipelines.set_node(self.entity["Id"], self.node_id, "Running", outputs=dict(before["outputs"]), reuse=reuse)
            history = state.backend(HistoryBackend).of(self.workspace)
            run = history.run(self.child_id)
            run["properties"] |= {
                "azureml.isreused": "true",
                "azureml.reusedrunid": known["childId"],
                "azureml.reusednodeid": known["nodeId"],
                "azureml.reusedpipeline": known["runId"],
                "azureml.reusedpipelinerunid": known["runId"],
            }
            history.set_status(self.child_id, "Running")
        return True

    # ---- execution ------------------------------------------------------------------------------------------------

    def _execute(self, feeds: dict[str, Feed]) -> Outcome:
        folder = self.job.folder / self.node_id
        code = folder / "code"
        code.mkdir(parents=True, exist_ok=True)
        set_status(self.job, self.workspace, self.child_id, "Preparing")
        snapshot = (self.module.get("DataLocation") or {}).get("StorageId")
        if snapshot:
            storage.unpack_snapshot(self.job.state, self.workspace, snapshot, code)
        settings = graphs.input_settings(self.node, self.module)
        bound = bindings.Bindings()
        inputs: dict[str, str] = {}
        for port, feed in feeds.items():
            setting = settings.get(port, {})
            if parallel.is_parallel(self.module):
                setting = parallel.input_setting(self.job, self.workspace, feed, setting)
            inputs[port] = feed.bind(bound, port, setting, folder / "inputs" / port)
        outputs = self._outputs(bound, folder)
        arguments = expand(
            graphs.arguments(self.module, self.values, inputs, outputs), {**bound.variables, **_named(bound)}
        )
        variables = {**bound.variables, **graphs.parameter_variables(self.module, self.values)}
        configuration = self._run_configuration()
        argv = self._argv(arguments, configuration, code)
        if self.job.cancel.is_set():
            return outcome.CANCELED
        task = Task(argv, code, configuration, variables, LOGS)
        with self.job.locked() as state:
            state.backend(PipelinesBackend).of(self.workspace).set_node(self.entity["Id"], self.node_id, "Running")
        set_status(self.job, self.workspace, self.child_id, "Running")
        end = execute(self.job, self.workspace, self.child_id, task)
        if end.ok:
            self._store(bound)
        return end

    def _run_configuration(self) -> dict[str, Any]:
        configuration = dict(self.configuration)
        configuration["script"] = self.values.get("Script") or configuration.get("script")
        return configuration

    def _argv(self, arguments: list[str], configuration: dict[str, Any], code: Path) -> list[str]:
        python = interpreter(configuration)
        if parallel.is_parallel(self.module):
            return parallel.command_line(python, arguments)
        command = self.values.get("Command") or configuration.get("command")
        if command:
            # Its first word and the rest come apart. What was one word stays one; operators of the shell still work.
            words = [shlex.quote(word) if re.search(r"\s", word) else word for word in arguments]
            return command_line({"command": " ".join([str(command), *words])}, python, [])
        if not (code / str(configuration["script"])).is_file():
            raise AzureError(400, "UserError", f"The script {configuration['script']} is not in the snapshot.")
        return command_line(configuration, python, arguments)

    def _outputs(self, bound: bindings.Bindings, folder: Path) -> dict[str, str]:
        """Room for each output, and where it will be stored."""
        paths: dict[str, str] = {}
        stored: dict[str, Any] = {}
        for setting in graphs.output_settings(self.node, self.module):
            name = setting["Name"]
            datastore = storage.datastore_named(self.job.state, self.workspace, setting.get("DataStoreName"))
            options = setting.get("DatasetOutputOptions")
            path = folder / "outputs" / name
            if options is not None:
                prefix = bindings.output_prefix(options.get("PathOnDatastore"), self.child_id, name)
                path.mkdir(parents=True, exist_ok=True)
            else:
                prefix = f"azureml/{self.child_id}/{name}"
                # The script makes it: a file or a folder, as it likes.
                path.parent.mkdir(parents=True, exist_ok=True)
            registration = setting.get("DatasetRegistration") or {}
            bound.output(
                name,
                bindings.Output(path, datastore, prefix, registration if registration.get("Name") else None),
            )
            paths[name] = str(path)
            stored[name] = {
                "datastore": datastore["name"],
                "path": prefix,
                "type": setting.get("DataTypeId"),
                "run": self.child_id,
            }
        with self.job.locked() as state:
            node = state.backend(PipelinesBackend).of(self.workspace).nodes(self.entity["Id"])[self.node_id]
            node["outputs"] = stored
        return paths

    def _store(self, bound: bindings.Bindings) -> None:
        set_status(self.job, self.workspace, self.child_id, "Finalizing")
        bindings.store_outputs(self.job, self.workspace, bound.outputs)

    # ---- its child run --------------------------------------------------------------------------------------------

    def _create_child(self) -> None:
        """Make the run of the step, a child of the pipeline's; its node has a status from then on."""
        run_id = self.entity["Id"]
        with self.job.locked() as state:
            history = state.backend(HistoryBackend).of(self.workspace)
            experiment = history.experiment(self.entity["RunHistoryExperimentName"])
            target = next(
                (p.get("Value") for p in self.node.get("ModuleParameters") or [] if p["Name"] == "Target"), None
            )
            history.put_run(
                experiment,
                self.child_id,
                {
                    "parentRunId": run_id,
                    "status": "Queued",
                    "name": self.module["Name"],
                    "displayName": self.module["Name"],
                    "runType": "azureml.StepRun",
                    "target": target,
                    "tags": {"azureml.nodeid": self.node_id, "azureml.pipeline": run_id},
                    "properties": {
                        "azureml.runsource": "azureml.StepRun",
                        "azureml.nodeid": self.node_id,
                        "azureml.pipelinerunid": run_id,
                        "azureml.moduleid": self.node["ModuleId"],
                        "azureml.moduleName": self.module["Name"],
                        "azureml.pipeline": run_id,
                        "azureml.rootpipelinerunid": run_id,
                        "StepType": self.module.get("StepType"),
                        "ContentSnapshotId": (self.module.get("DataLocation") or {}).get("StorageId"),
                    },
                },
            )
            pipelines = state.backend(PipelinesBackend).of(self.workspace)
            pipelines.set_node(run_id, self.node_id, "Queued", runId=self.child_id)


def _named(bound: bindings.Bindings) -> dict[str, str]:
    """Paths of outputs by their plain name, for placeholders among the arguments."""
    return {name: value for name, value in bound.variables.items() if not name.startswith("AZUREML_")}
