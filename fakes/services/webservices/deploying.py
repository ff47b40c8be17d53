"""Bring a service's containers up, replace them, and take them away."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fakes.core.operations import SUCCEEDED, Operation
from fakes.core.transitions import Failure
from fakes.hosting import diagnosis
from fakes.hosting.declared import SERVICE, lacks_server
from fakes.hosting.errors import HostCrashed, HostError, HostNotReady
from fakes.hosting.gate import Gate
from fakes.hosting.hiding import hide
from fakes.hosting.layout import lay_out
from fakes.hosting.program import CONTAINER
from fakes.services.webservices import words
from fakes.services.webservices.records import (
    FAILED,
    HEALTHY,
    TRANSITIONING,
    UNHEALTHY,
    Deployment,
    Unit,
    Webservice,
)
from fakes.services.webservices.runtime import GRACE, INIT_LOG, Running

if TYPE_CHECKING:
    from fakes.core.tenancy import Workspace
    from fakes.services.webservices.models import Webservices

KIND, KIND_DELETE = "service", "service-delete"
# How much longer a container that missed its deadline is watched.
LATE_SECONDS = 3600.0
CHECK_OFF = "Webservices.check_packages = False"


class Deployer:
    """Starts and stops what services run on. `deploy`, `remove` and `resume` are called under the state lock."""

    def __init__(self, services: Webservices) -> None:
        self._services = services
        self._state = services.state

    def deploy(
        self, workspace: Workspace, service: Webservice, units: list[Unit], stale: Iterable[Deployment | None] = ()
    ) -> Operation:
        """Start the wanted deployment of each unit; stop the stale deployments."""
        for unit in units:
            unit.state, unit.error = TRANSITIONING, None
        kept = {d.id for unit in service.units.values() for d in (unit.serving, unit.wanted) if d}
        old = [d.id for d in stale if d is not None and d.id not in kept]
        failures: dict[str, Failure] = {}

        def work(operation: Operation) -> None:
            for deployment_id in old:
                self._services.runtime.retire(deployment_id)
            for unit in units:
                try:
                    if unit.wanted is not None:
                        self._bring_up(workspace, service, unit, unit.wanted, operation)
                except Failure as failure:
                    failures[unit.name] = failure
            if failures:
                raise next(iter(failures.values()))

        def ended(operation: Operation) -> None:
            for unit in units:
                # When one version of an endpoint fails, those that came up serve all the same.
                came_up = operation.status == SUCCEEDED or bool(failures and unit.name not in failures)
                self._end(service, unit, operation, came_up)

        operation = self._state.operations.start(KIND, service.name, work=work, on_end=ended)
        service.operation = operation.id
        return operation

    def remove(self, workspace: Workspace, service: Webservice) -> Operation:
        """Stop and forget a service."""
        for unit in service.units.values():
            unit.state = TRANSITIONING
        ids = [d.id for unit in service.units.values() for d in (unit.serving, unit.wanted) if d]

        def work(operation: Operation) -> None:
            for deployment_id in ids:
                self._services.runtime.retire(deployment_id)

        def ended(operation: Operation) -> None:
            if operation.status == SUCCEEDED:
                self._services.drop(service)

        operation = self._state.operations.start(KIND_DELETE, service.name, work=work, on_end=ended)
        service.operation = operation.id
        return operation

    def resume(self) -> None:
        """Start again, in the background, what an imported state says serves."""
        for services in self._services.items.values():
            for service in services.values():
                workspace = self._state.tenancy.workspaces[service.workspace]
                units = [u for u in service.units.values() if u.serving or u.state == TRANSITIONING]
                for unit in units:
                    unit.wanted = unit.wanted or unit.serving
                if units:
                    self.deploy(workspace, service, units)

    # Outside the lock

    def _bring_up(
        self, workspace: Workspace, service: Webservice, unit: Unit, deployment: Deployment, operation: Operation
    ) -> None:
        services, state = self._services, self._state
        self._say(operation, words.STAGES["registry"])
        self._say(operation, words.STAGES["environment"])
        operation.details["subOperationType"] = "BuildImage"
        with state.lock:
            images = services.images
            files = images.model_files(workspace, deployment.models)
            _, new = images.remember(workspace, deployment.request, deployment.image, "")
        self._say(operation, words.STAGES["build" if new else "reuse"])
        try:
            images.register_environment(workspace, deployment.request)
            running = services.runtime.add(deployment.id)
            running.program, running.python = services.host_program, services.host_python
            running.image, running.options = services.host_image, tuple(services.host_options)
            root = running.folder / "azureml-app"
            root.mkdir()
            began = time.monotonic()
            running.layout = lay_out(root, deployment.request, files, images.read(workspace))
        except HostError as error:
            services.runtime.retire(deployment.id)
            raise words.image_failed(str(error)) from error
        operation.details["subOperationType"] = "DeployService"
        self._say(operation, words.STAGES["configuration"])
        self._say(operation, words.STAGES["submit"])
        running.environment = self._environment(workspace, service, deployment)
        lines = [f"Downloading model {f.name}:{f.version} to azureml-models" for f in files]
        lines.append(f"Finished downloading {len(files)} models in {time.monotonic() - began:.2f} s")
        lines += self._hide_packages(running, deployment)
        (running.folder / INIT_LOG).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._start(service, unit, deployment, running, operation)

    def _start(
        self, service: Webservice, unit: Unit, deployment: Deployment, running: Running, operation: Operation
    ) -> None:
        services = self._services
        running.gate = Gate(slots(unit))
        if running.lacking is not None:
            running.log_path.write_text(words.no_server(running.lacking, CHECK_OFF), encoding="utf-8")
            raise words.crashed(unit.compute_type, service.name, deployment.image, None)
        try:
            host = services.runtime.start(running, self._state.background)
        except (HostError, RuntimeError, OSError) as error:
            raise Failure("InternalServerError", f"the fake cannot start a container: {error}", 500) from error
        check = "check" if unit.compute_type == words.ACI else "endpoint"
        self._say(operation, words.STAGES[check].format(name=service.name))
        try:
            host.wait_ready(services.start_timeout)
        except HostCrashed as crash:
            raise words.crashed(
                unit.compute_type, service.name, deployment.image, diagnosis.cause(crash.log)
            ) from crash
        except HostNotReady as late:
            failure = words.timed_out(unit.compute_type, service.name, service.id, services.start_timeout)
            raise failure from late

    def _environment(self, workspace: Workspace, service: Webservice, deployment: Deployment) -> dict[str, str]:
        environment = deployment.request.get("environment") or {}
        given = environment.get("environmentVariables") or {}
        return {
            **{str(name): str(value) for name, value in given.items() if name != "AZUREML_ENTRY_SCRIPT"},
            "SERVICE_NAME": service.name,
            "WORKSPACE_NAME": workspace.name,
            "SERVICE_PATH_PREFIX": "" if service.compute_type == words.ACI else f"api/v1/service/{service.name}",
        }

    def _hide_packages(self, running: Running, deployment: Deployment) -> list[str]:
        """Hide from the script what its environment does not bring; return what is to be said about it."""
        if not self._services.check_packages or not self._state.settings.strict or running.program == CONTAINER:
            return []
        python, environment = running.python or sys.executable, deployment.request.get("environment") or {}
        hiding = hide(environment, python, running.folder / "hidden.json", always=SERVICE, setting=CHECK_OFF)
        running.hidden = hiding.file
        running.lacking = lacks_server(environment, python)
        return [f"fakes: {note}" for note in hiding.notes]

    def _say(self, operation: Operation, text: str) -> None:
        stamp = self._state.clock.now().strftime("%Y%m%d%H%M%S")
        with self._state.lock:
            stream = str(operation.details.get("stream") or "")
            operation.details["stream"] = f"{stream}#{stamp}|{text}" if stream else f"{stamp}|{text}"

    # Under the lock, when the operation ends

    def _end(self, service: Webservice, unit: Unit, operation: Operation, came_up: bool) -> None:
        wanted = unit.wanted
        if wanted is None:
            return
        if self._services.items.get(service.workspace, {}).get(service.name) is not service:
            self._retire_soon(wanted)
            return
        unit.updated = service.updated = self._state.clock.now()
        if came_up:
            old, unit.serving = unit.serving, wanted
            unit.state, unit.error = HEALTHY, None
            if old is not None and old.id != wanted.id:
                self._retire_soon(old)
            return
        unit.error = operation.error
        if operation.error and operation.error["code"] == words.TIMED_OUT:
            unit.state = UNHEALTHY
            self._watch_late(wanted)
            return
        unit.state = FAILED
        if unit.compute_type == words.ACI and unit.serving is not None and unit.serving.id != wanted.id:
            # A container group is replaced in place; Kubernetes keeps the old replicas when new ones do not come up.
            self._retire_soon(unit.serving)
            unit.serving = None

    def _retire_soon(self, deployment: Deployment) -> None:
        self._state.background.run("retire", lambda: self._services.runtime.retire(deployment.id, GRACE))

    def _units_of(self, deployment: Deployment) -> list[Unit]:
        """The units that want a deployment now; an update replaces the objects."""
        found = [u for services in self._services.items.values() for s in services.values() for u in s.units.values()]
        return [unit for unit in found if unit.wanted is not None and unit.wanted.id == deployment.id]

    def _watch_late(self, deployment: Deployment) -> None:
        """Azure goes on trying after the poll timed out: a container that comes up late makes the service healthy."""
        running = self._services.runtime.get(deployment.id)
        if running is None or running.host is None:
            return
        host = running.host

        def work() -> None:
            try:
                host.wait_ready(LATE_SECONDS)
            except HostError:
                return
            with self._state.lock:
                for current in self._units_of(deployment):
                    if current.state == UNHEALTHY:
                        current.serving, current.state, current.error = deployment, HEALTHY, None

        self._state.background.run("late-container", work)


def replicas(unit: Unit) -> int:
    """Return how many replicas a unit has when it is idle."""
    if unit.compute_type == words.ACI:
        return 1
    scaler = unit.settings["autoScaler"]
    return int(scaler["minReplicas"] if scaler["autoscaleEnabled"] else unit.settings["numReplicas"])


def slots(unit: Unit, count: int | None = None) -> int:
    """Return how many requests a unit takes at once with `count` replicas."""
    if unit.compute_type == words.ACI:
        return 32
    return (count or replicas(unit)) * int(unit.settings["maxConcurrentRequestsPerContainer"])
