"""The variables that a job's process sees: what Azure sets, and what leads its requests back to the fake.

Facts: ``azureml.core.run`` and ``azureml._base_sdk_common`` of ``azureml-core`` 1.61 (the variables that
``Run.get_context()`` reads), and https://learn.microsoft.com/azure/machine-learning/v1/how-to-set-up-training-targets .
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakes.executor.jobs import Jobs
from fakes.hosting.declared import JOB
from fakes.hosting.hiding import Hiding, hide

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

TOKEN_LIFETIME = 30 * 24 * 3600.0

# What belongs to the process that hosts the fake and must not reach a job: credentials, the run of a caller, import
# paths (a job's own `score` or `model` module must win), and the measuring of tests.
_SCRUBBED = re.compile(
    r"(AZUREML_|AZURE_|AML_|MSI_|IDENTITY_|ARM_|PYTEST_|COV_|COVERAGE_|PYTHON(PATH|HOME|STARTUP|SAFEPATH)$|FAKES_|MLOPS_"
    r"|VIRTUAL_ENV$)"
)


class Unreachable(Exception):
    """A child process could not reach the fake."""


def base_environment(state: State) -> dict[str, str]:
    """Variables of any job: this process's without what is private to it, and the way to the fake.

    Raises
    ------
    Unreachable
        This fake has no server door, so no other process can reach it.
    """
    if state.child_environment is None:
        raise Unreachable("this fake has no server door: a child process could not reach it")
    # Asked for outside the lock: it may start the server.
    found = {**os.environ, **state.child_environment()}
    environment = {name: value for name, value in found.items() if not _SCRUBBED.match(name)}
    for name in state.settings.environment():
        # A job on a compute target has the token of its run, not the credentials of who submitted it.
        environment.pop(name, None)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment["PYTHONUNBUFFERED"] = "1"
    environment["HBI_WORKSPACE_JOB"] = "true"
    environment["AZUREML_LOG_DEPRECATION_WARNING_ENABLED"] = "False"
    return environment


def run_variables(state: State, workspace: Workspace, run: Mapping[str, Any], experiment: str) -> dict[str, str]:
    """What ``Run.get_context()`` reads to find the run that it is in."""
    expiry = state.clock.timestamp() + TOKEN_LIFETIME
    token = state.tokens.issue(kind="run", lifetime=TOKEN_LIFETIME, runId=run["runId"])
    scope = workspace.arm_id
    return {
        "AZUREML_RUN_ID": run["runId"],
        "AZUREML_ROOT_RUN_ID": run["rootRunId"],
        "AZUREML_RUN_TOKEN": token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(expiry)),
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_EXPERIMENT_ID": run["experimentId"],
        "AZUREML_EXPERIMENT_SCOPE": f"{scope}/experiments/{experiment}",
        "AZUREML_WORKSPACE_ID": workspace.workspace_id,
        "AZUREML_WORKSPACE_SCOPE": scope,
        "AZUREML_SERVICE_ENDPOINT": workspace.api_url,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{workspace.api_url}/discovery",
        "AZUREML_CURRENT_CLOUD": "AzureCloud",
        "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": workspace.api_url,
    }


def configured_variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Variables that the environment and the run configuration ask for; the latter win."""
    found: dict[str, str] = {}
    for source in (
        (configuration.get("environment") or {}).get("environmentVariables"),
        configuration.get("environmentVariables"),
    ):
        found.update({str(name): str(value) for name, value in (source or {}).items()})
    return found


def hiding(state: State, configuration: Mapping[str, Any], python: str, file: Path) -> Hiding:
    """What a job must not find: installed here, but not declared by its environment. Written to `file`."""
    if not state.backend(Jobs).check_packages or not state.settings.strict:
        return Hiding()
    environment = configuration.get("environment") or {}
    return hide(environment, python, file, always=JOB, setting="Jobs.check_packages = False")


def interpreter(configuration: Mapping[str, Any]) -> str:
    """The Python that runs a job.

    Environments are not built: a job runs with the Python of the fake. An interpreter that the user manages and
    names by its full path is used when it exists here.
    """
    python = (configuration.get("environment") or {}).get("python") or {}
    named = python.get("interpreterPath") or "python"
    if python.get("userManagedDependencies") and Path(named).is_absolute() and Path(named).is_file():
        return str(named)
    return sys.executable
