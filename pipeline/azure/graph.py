"""The declared pipeline as a graph of the SDK: one ``PythonScriptStep`` a step, one folder of data between them."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deploy.azure.inference import environment
from pipeline import provenance
from pipeline.azure.sharing import FUSE, Flow, Sharing, shared_step
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError, PipelineNotFound
from pipeline.graph import Pipeline, Step
from pipeline.publications import copy_code
from registry.azure.workspace import AzureWorkspace, translated
from registry.errors import RegistryError

SCRIPT = "run_step.py"
_SCRIPT_TEXT = '''"""Runs one step of the pipeline; the code is beside this file."""

from mlops.exit_codes import exit_code_of
from pipeline.azure.step import main

main(exit_code_of)
'''
CONTROL = ("resume", "start", "until")
"""Parameters of every pipeline that say how much of it runs."""


@dataclass(frozen=True)
class Compute:
    """Where the steps run.

    Attributes
    ----------
    cluster : str
        Name of an AmlCompute cluster of the workspace.
    environment : str
        Name of the Azure ML environment that is made from the lock.
    allow_reuse : bool
        Leave out work that an earlier run has done already.
    sharing : pipeline.azure.sharing.Sharing
        How the work of a step is shared out that can be.
    """

    cluster: str
    environment: str
    allow_reuse: bool = True
    sharing: Sharing = field(default_factory=Sharing)


@contextlib.contextmanager
def sending(what: str) -> Iterator[None]:
    """As ``translated``, for work in which this room's own errors are raised too: they stay what they are."""
    try:
        with translated(what):
            yield
    except RegistryError as error:
        if isinstance(error.__cause__, PipelineError):
            raise error.__cause__ from None
        raise


@contextlib.contextmanager
def built(
    workspace: AzureWorkspace,
    pipeline: Pipeline,
    steps: tuple[Step, ...],
    config: PipelineConfig,
    compute: Compute,
    project: Path,
) -> Iterator[Any]:
    """An ``azureml.pipeline.core.Pipeline``. Its code is uploaded while the ``with`` lasts."""
    from azureml.pipeline.core import Pipeline as SdkPipeline

    with tempfile.TemporaryDirectory(prefix="mlops-pipeline-") as scratch:
        source = Path(scratch) / "source"
        config = stage(pipeline, config, project, source)
        parts = _steps(workspace, pipeline, steps, config, compute, project, source)
        yield SdkPipeline(workspace.sdk, steps=parts, description=pipeline.name)


def stage(pipeline: Pipeline, config: PipelineConfig, project: Path, source: Path) -> PipelineConfig:
    """Copy the code that the steps need, and the table that is trained on if it is a file of this machine."""
    source.mkdir(parents=True)
    for name in (*pipeline.code, "requirements"):
        copy_code(project, name, source)
    (source / SCRIPT).write_text(_SCRIPT_TEXT, encoding="utf-8")
    if config.data_path is None:
        return config
    path = Path(config.data_path)
    if not path.exists():
        raise PipelineError(f"there is no data at {path}", hint="data.path, or --data")
    (source / "inputs").mkdir()
    copy = shutil.copytree if path.is_dir() else shutil.copyfile
    copy(path, source / "inputs" / path.name)
    return replace(config, data_path=f"inputs/{path.name}")


def _steps(
    workspace: AzureWorkspace,
    pipeline: Pipeline,
    steps: tuple[Step, ...],
    config: PipelineConfig,
    compute: Compute,
    project: Path,
    source: Path,
) -> list[Any]:
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.core import PipelineData, PipelineParameter

    try:
        from azureml.pipeline.steps import PythonScriptStep
    except ImportError as error:
        raise PipelineError(
            f"pipelines on Azure ML need azureml-pipeline-steps, which is not installed ({error})",
            hint="make azure with Python 3.10 or 3.11: a package that it needs has no release for newer ones",
        ) from error

    run_configuration = RunConfiguration()
    shares = any(step.each for step in steps)
    run_configuration.environment = steps_environment(compute.environment, project, shares=shares)
    target = cluster(workspace, compute.cluster)
    parameters = {name: PipelineParameter(name, "") for name in (*pipeline.parameters, *CONTROL)}
    folders = {step.name: PipelineData(step.name, datastore=workspace.datastore) for step in steps}
    # An output whose files are shared out is a data set: for the step that makes it, and for all that take it.
    shared = {step.inputs[0] for step in steps if step.each}
    outputs = {name: folder.as_dataset() if name in shared else folder for name, folder in folders.items()}
    inputs = {
        name: folder.as_named_input(f"of_{name}") if name in shared else folder for name, folder in outputs.items()
    }
    made = []
    for step in steps:
        arguments: list[Any] = ["--step", step.name, "--pipeline", pipeline.name, "--kind", pipeline.kind]
        arguments += ["--config", json.dumps(config.to_json(), sort_keys=True)]
        for name in pipeline.parameters:
            arguments += ["--set", name, parameters[name]]
        for name in CONTROL:
            arguments += [f"--{name}", parameters[name]]
        taken = [inputs[name] for name in step.inputs]
        for name in step.inputs:
            arguments += ["--input", name, inputs[name]]
        if step.each:
            parts = outputs[step.inputs[0]].as_named_input("parts")
            flow = Flow(parts, taken, outputs[step.name])
            made.append(
                shared_step(step.name, arguments, flow, run_configuration.environment, target, source, compute.sharing)
            )
            continue
        arguments += ["--reuse", "yes" if compute.allow_reuse else "no", "--output", outputs[step.name]]
        made.append(
            PythonScriptStep(
                script_name=SCRIPT,
                name=step.name,
                arguments=arguments,
                inputs=taken,
                outputs=[outputs[step.name]],
                compute_target=target,
                runconfig=run_configuration,
                source_directory=str(source),
                # Azure would also reuse what looks at the registry; the step itself knows better (pipeline.azure.step).
                allow_reuse=False,
            )
        )
    return made


def steps_environment(name: str, project: Path, *, shares: bool = False) -> Any:
    """The environment of the steps: the Azure lock of this Python, and what shared work needs if there is any."""
    minor = provenance.python_minor()
    lock = project / "requirements" / "locks" / f"azure-{minor}.txt"
    if not lock.is_file():
        raise PipelineNotFound(f"there is no lock {lock.name} for the steps", hint="make lock")
    if not shares:
        return environment(name, lock, minor, further=())
    made = environment(f"{name}-batch", lock, minor, further=FUSE[1:])
    packages = made.python.conda_dependencies
    bare = FUSE[0].partition("[")[0]
    for pinned in [pin for pin in packages.pip_packages if pin.startswith(f"{bare}==")]:
        packages.remove_pip_package(pinned)
        packages.add_pip_package(FUSE[0] + pinned.removeprefix(bare))
    return made


def cluster(workspace: AzureWorkspace, name: str) -> Any:
    """The compute cluster. Raises ``PipelineNotFound``."""
    from azureml.core.compute import ComputeTarget

    try:
        return ComputeTarget(workspace.sdk, name)
    except Exception as error:
        if "ComputeTargetNotFound" in str(error):
            raise PipelineNotFound(
                f"the workspace has no compute cluster {name!r}",
                hint="mlops azure init makes one; or set AML_COMPUTE_CLUSTER_NAME",
            ) from error
        raise
