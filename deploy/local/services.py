"""The local services: what is asked of one. How a deployment goes is in ``deploy.local.release``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy import http
from deploy.errors import DeployError, EngineUnavailable, Invalid
from deploy.images import Progress
from deploy.local import release
from deploy.local.front import PORTS, Front
from deploy.local.locking import being_changed, changing
from deploy.local.programs import host_environment
from deploy.local.runners import Place, Runner
from deploy.local.signals import interrupted_by_termination
from deploy.local.state import (
    DRAINING,
    SERVING,
    RevisionRecord,
    ServiceFolder,
    ServiceRecord,
    check_name,
    folders,
    new_key,
)
from deploy.services import Answer, DeployRequest, Keys, Revision, ServiceInfo, Services, ServiceState


class LocalServices(Services):
    """Services of this machine, each behind a gateway of its own.

    Parameters
    ----------
    root : pathlib.Path
        Where they are kept (``.mlops/services``).
    runners : sequence of Runner
        Whoever is needed to look after the revisions that are there.
    target : callable, optional
        Says with which of them to deploy, asked when that is to be known; default: with the first.
    ports : range
        Where new services get their addresses.
    """

    def __init__(
        self,
        root: Path,
        runners: Sequence[Runner],
        *,
        target: Callable[[], str] | None = None,
        ports: range = PORTS,
    ) -> None:
        self.root = root.absolute()
        self._runners = {runner.target: runner for runner in runners}
        self._target = target or (lambda: runners[0].target)
        self._ports = ports

    @property
    def target(self) -> str:
        """What runs new deployments."""
        return self._target()

    # ---- releasing ------------------------------------------------------------------------------------------------
    def deploy(
        self,
        request: DeployRequest,
        *,
        traffic: int = 100,
        timeout: float = 300.0,
        progress: Progress | None = None,
    ) -> ServiceInfo:
        check_name(request.service)
        release.check(request, traffic)
        self.runner(self.target).check()
        what = f"deployment of {request.package.model.reference}"
        with changing(self.root, request.service, what), interrupted_by_termination():
            release.deploy(self, request, traffic, timeout, progress or _silent)
        return self.get(request.service)

    def set_traffic(self, service: str, percent: Mapping[str, int]) -> None:
        folder = self.folder(service)
        with changing(self.root, service, "change of traffic"):
            record = folder.read()
            unknown = [revision for revision in percent if record.revision(revision).phase != SERVING]
            if unknown:
                raise Invalid(f"revision {unknown[0]} of {service!r} is not serving")
            if sum(percent.values()) != 100 or any(not 0 <= share <= 100 for share in percent.values()):
                shares = ", ".join(f"{key}={value}" for key, value in percent.items())
                raise Invalid(
                    f"shares of traffic must be 0 to 100 and add to 100, not {shares}",
                    hint=f"mlops services show {service}",
                )
            for item in record.revisions:
                item.traffic = percent.get(item.id, 0)
                if item.traffic == 0:
                    item.phase = DRAINING
            folder.write(record)
            release.retire(self, folder, record)

    def ensure(self, service: str, *, progress: Progress | None = None) -> ServiceInfo:
        folder = self.folder(service)
        with changing(self.root, service, "start"), interrupted_by_termination():
            release.ensure(self, folder, folder.read(), progress or _silent)
        return self.get(service)

    def stop(self, service: str) -> None:
        folder = self.folder(service)
        with changing(self.root, service, "stop"):
            record = folder.read()
            release.sweep(self, folder, record)
            record.stopped = True
            folder.write(record)
            Front(folder).stop()
            for item in record.revisions:
                self.stop_revision(folder, item)

    def delete(self, service: str) -> None:
        folder = self.folder(service)
        with changing(self.root, service, "deletion"):
            record = folder.read()
            Front(folder).stop()
            for item in record.revisions:
                self.stop_revision(folder, item)
            release.sweep(self, folder, record)
            folder.remove()

    # ---- asking ---------------------------------------------------------------------------------------------------
    def get(self, service: str) -> ServiceInfo:
        return self._info(self.folder(service))

    def services(self) -> Iterator[ServiceInfo]:
        for folder in folders(self.root):
            yield self._info(folder)

    def revisions(self, service: str) -> list[Revision]:
        folder = self.folder(service)
        record = folder.read()
        return [
            Revision(
                id=item.id,
                model=item.model,
                model_digest=item.model_digest,
                image=item.image,
                created=datetime.fromisoformat(item.created),
                traffic=item.traffic,
                state=self._revision_state(folder, record, item),
            )
            for item in reversed(record.revisions)
        ]

    def counts(self, service: str, *, reset: bool = False) -> dict[str, dict[str, Any]]:
        """Requests, errors and latencies by revision id, since the gateway began or `reset`."""
        folder = self.folder(service)
        document = Front(folder).counts(folder.read().port or 0, reset=reset)
        return {item["id"]: item for item in document["revisions"]}

    def logs(self, service: str, *, lines: int = 100) -> str:
        folder = self.folder(service)
        main = folder.read().main()
        return self.runner(main.target).logs(self.place(folder, main), main, lines) if main else ""

    def invoke(
        self, service: str, body: bytes, *, content_type: str = "application/json", revision: str | None = None
    ) -> Answer:
        folder = self.folder(service)
        record = folder.read()
        headers = {"content-type": content_type, **http.bearer(folder.keys().primary)}
        if revision is not None:
            headers["azureml-model-deployment"] = record.revision(revision).id
        try:
            return http.call("POST", uri(record), body=body, headers=headers)
        except OSError as error:
            raise DeployError(
                f"service {service!r} does not answer: {error}", hint=f"mlops services start {service}"
            ) from error

    # ---- keys -----------------------------------------------------------------------------------------------------
    def keys(self, service: str) -> Keys:
        return self.folder(service).keys()

    def regenerate_key(self, service: str, which: str) -> Keys:
        if which not in ("primary", "secondary"):
            raise Invalid(f"there is no {which!r} key", hint="primary or secondary")
        folder = self.folder(service)
        with changing(self.root, service, "change of keys"):
            old, new, record = folder.keys(), new_key(), folder.read()
            keys = Keys(new, old.secondary) if which == "primary" else Keys(old.primary, new)
            folder.write_keys(keys)
            for item in record.revisions:
                self.runner(item.target).keys_changed(self.place(folder, item), item)
        return keys

    # ---- for release ----------------------------------------------------------------------------------------------
    def folder(self, service: str) -> ServiceFolder:
        """The folder of a service. Raises ``ServiceNotFound``."""
        check_name(service)
        folder = ServiceFolder(self.root, service)
        folder.read()
        return folder

    def place(self, folder: ServiceFolder, item: RevisionRecord) -> Place:
        """Where a revision is kept."""
        return Place(folder.name, folder.revision(item.id), folder.keys_file)

    def runner(self, target: str) -> Runner:
        """Who runs revisions of `target`. Raises ``EngineUnavailable``."""
        try:
            return self._runners[target]
        except KeyError:
            raise EngineUnavailable(f"revisions of target {target!r} cannot be run here") from None

    def stop_revision(self, folder: ServiceFolder, item: RevisionRecord, grace: float = 10.0) -> None:
        """End one revision."""
        self.runner(item.target).stop(self.place(folder, item), item, grace=grace)

    def is_alive(self, folder: ServiceFolder, item: RevisionRecord) -> bool:
        """Whether a revision runs and answers."""
        if not self.runner(item.target).alive(self.place(folder, item), item):
            return False
        try:
            return http.call("GET", f"http://127.0.0.1:{item.port}/livez", timeout=5).status == 200
        except OSError:
            return False

    def start_front(self, folder: ServiceFolder, record: ServiceRecord) -> None:
        """Start the gateway unless it runs, and note its port."""
        record.port = Front(folder, self._ports).start(record.port, host_environment({}))

    # ---- states ---------------------------------------------------------------------------------------------------
    def _revision_state(self, folder: ServiceFolder, record: ServiceRecord, item: RevisionRecord) -> ServiceState:
        if item.phase != SERVING:
            return ServiceState.TRANSITIONING
        if record.stopped:
            return ServiceState.UNHEALTHY
        try:
            return ServiceState.HEALTHY if self.is_alive(folder, item) else ServiceState.UNHEALTHY
        except EngineUnavailable:
            return ServiceState.UNHEALTHY

    def _info(self, folder: ServiceFolder) -> ServiceInfo:
        record = folder.read()
        state, error = self._state(folder, record)
        main = record.main()
        return ServiceInfo(
            name=record.name,
            stage=record.stage,
            uri=uri(record),
            state=state,
            target=main.target if main else record.target,
            version=main.model if main else None,
            error=error,
            tags=record.tags,
        )

    def _state(self, folder: ServiceFolder, record: ServiceRecord) -> tuple[ServiceState, str | None]:
        serving = [item for item in record.revisions if item.phase == SERVING]
        if not serving:
            if being_changed(self.root, folder.name):
                return ServiceState.TRANSITIONING, None
            return ServiceState.FAILED, "its first deployment was interrupted"
        if record.stopped:
            return ServiceState.UNHEALTHY, "stopped"
        if not Front(folder).alive:
            return ServiceState.UNHEALTHY, "its gateway is not running"
        for item in serving:
            try:
                if not self.is_alive(folder, item):
                    return ServiceState.UNHEALTHY, f"revision {item.id} is not running"
            except EngineUnavailable as error:
                return ServiceState.UNHEALTHY, f"revision {item.id} cannot be looked at: {error}"
        return ServiceState.HEALTHY, None


def uri(record: ServiceRecord) -> str:
    """The scoring address; empty before the first deployment has one."""
    return f"http://127.0.0.1:{record.port}/score" if record.port else ""


def _silent(line: str) -> None:
    return None
