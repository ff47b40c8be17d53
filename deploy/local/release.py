"""How a new revision comes to serve, and what is undone when it does not."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import content
from deploy.errors import DeployError, DeployFailed, EngineUnavailable, Invalid, ServiceNotFound
from deploy.images import Progress
from deploy.local.front import Front
from deploy.local.signals import interrupt_deferred
from deploy.local.state import DRAINING, SERVING, STARTING, RevisionRecord, ServiceFolder, ServiceRecord
from deploy.services import DeployRequest
from deploy.smoke import read_golden, smoke

if TYPE_CHECKING:
    from deploy.local.services import LocalServices

DRAIN_SECONDS = 30.0


def check(request: DeployRequest, traffic: int) -> None:
    """Refuse what cannot work before anything is touched. Raises ``Invalid``, ``PackageRefused``."""
    if not 0 <= traffic <= 100:
        raise Invalid(f"traffic is {traffic}, but a share is 0 to 100 percent")
    content.check(request.package)
    read_golden(request.package.artifact)


def deploy(services: LocalServices, request: DeployRequest, traffic: int, timeout: float, progress: Progress) -> None:
    """Start the revision, wait, smoke-test, switch, drain the ones before. The caller holds the service's lock."""
    folder = ServiceFolder(services.root, request.service)
    folder.create()
    record = _record(folder, request, services.target)
    sweep(services, folder, record, progress)
    if traffic < 100 and record.main() is not None:
        ensure(services, folder, record, progress)  # those that share the traffic must be there
    item = _new_revision(record, request, services.target)
    folder.write(record)
    committed = False
    try:
        _start(services, folder, item, request, timeout, progress)
        services.start_front(folder, record)
        _share(record, item, traffic)
        record.stopped, record.stage, record.target = False, request.stage, services.target
        record.tags = dict(request.tags)
        with interrupt_deferred():
            folder.write(record)
            committed = True  # from here on the new revision serves
    except BaseException as error:
        if not committed:
            with interrupt_deferred():
                _undo(services, folder, item, error)
        raise
    retire(services, folder, record, progress)


def ensure(services: LocalServices, folder: ServiceFolder, record: ServiceRecord, progress: Progress) -> None:
    """Start again what should run but does not."""
    sweep(services, folder, record, progress)
    if record.main() is None:
        raise DeployError(f"service {record.name!r} has no revision to start", hint="deploy a version to it")
    for item in [item for item in record.revisions if item.phase == SERVING]:
        if not services.is_alive(folder, item):
            progress(f"starting {item.model} ({record.name} {item.id}) again")
            try:
                services.stop_revision(folder, item, grace=2.0)
                _run(services, folder, item, 300.0, progress)
            except BaseException as error:
                with interrupt_deferred(), contextlib.suppress(DeployError):
                    _explain(services, folder, item, error)
                    services.stop_revision(folder, item, grace=2.0)
                raise
            folder.write(record)
    services.start_front(folder, record)
    if record.stopped:
        record.stopped = False
        folder.write(record)


def retire(
    services: LocalServices, folder: ServiceFolder, record: ServiceRecord, progress: Progress | None = None
) -> None:
    """Stop the revisions that get no traffic any more, each when its last request has been answered."""
    for item in [item for item in record.revisions if item.phase == DRAINING]:
        try:
            if record.port is not None and Front(folder).alive:
                Front(folder).drained(record.port, record.generation, item.id, DRAIN_SECONDS)
        finally:
            with interrupt_deferred():
                _forget_if_possible(services, folder, record, item, DRAIN_SECONDS, progress)


def sweep(
    services: LocalServices, folder: ServiceFolder, record: ServiceRecord, progress: Progress | None = None
) -> None:
    """Clear away what a deployment that was killed has left. Only for whoever holds the service's lock."""
    for item in [item for item in record.revisions if item.phase in (STARTING, DRAINING)]:
        _forget_if_possible(services, folder, record, item, 2.0, progress)
    known = {item.id for item in record.revisions}
    for name in folder.revision_folders():
        if name not in known:
            folder.remove_revision(name)


def _record(folder: ServiceFolder, request: DeployRequest, target: str) -> ServiceRecord:
    try:
        return folder.read()
    except ServiceNotFound:
        return ServiceRecord(request.service, request.stage, target, created=_now(), tags=dict(request.tags))


def _new_revision(record: ServiceRecord, request: DeployRequest, target: str) -> RevisionRecord:
    model = request.package.model
    item = RevisionRecord(
        id=f"r{record.next_revision}",
        target=target,
        model=model.reference,
        model_digest=model.digest,
        image=request.image.reference if request.image and target != "process" else None,
        created=_now(),
        entry_script=request.package.entry_script.as_posix(),
        env=dict(request.env),
        cpu=request.cpu,
        memory_gb=request.memory_gb,
    )
    record.next_revision += 1
    record.revisions.append(item)
    return item


def _start(
    services: LocalServices,
    folder: ServiceFolder,
    item: RevisionRecord,
    request: DeployRequest,
    timeout: float,
    progress: Progress,
) -> None:
    folder.keys()
    progress(f"starting {item.model} beside what {folder.name} serves ({item.target})")
    services.runner(item.target).prepare(services.place(folder, item), request.package, request.image)
    _run(services, folder, item, timeout, progress)


def _run(
    services: LocalServices, folder: ServiceFolder, item: RevisionRecord, timeout: float, progress: Progress
) -> None:
    """Start a revision whose folder is prepared, and smoke-test it where nobody else reaches it yet."""
    begin = time.monotonic()
    place = services.place(folder, item)
    item.port = services.runner(item.target).start(place, item, timeout=timeout, progress=progress)
    progress(f"smoke test of {item.model} on port {item.port}")
    golden = read_golden(next((place.folder / "model").iterdir()))
    left = max(1.0, timeout - (time.monotonic() - begin))
    smoke(
        f"http://127.0.0.1:{item.port}/score",
        golden,
        item.model_digest,
        key=folder.keys().primary,
        timeout=left,
        gone=lambda: not services.runner(item.target).alive(place, item),
    )


def _share(record: ServiceRecord, item: RevisionRecord, traffic: int) -> None:
    """Give `item` its share; the others divide the rest as they did before."""
    others = [other for other in record.revisions if other.phase == SERVING]
    item.phase = SERVING
    total = sum(other.traffic for other in others)
    item.traffic = traffic if total else 100
    shares = [other.traffic * (100 - item.traffic) / total if total else 0 for other in others]
    for other, share in zip(others, shares, strict=True):
        other.traffic = int(share)
    rest = 100 - item.traffic - sum(other.traffic for other in others)
    by_remainder = sorted(zip(others, shares, strict=True), key=lambda pair: int(pair[1]) - pair[1])
    for other, _ in by_remainder[:rest]:
        other.traffic += 1
    for other in others:
        if other.traffic == 0:
            other.phase = DRAINING


def _undo(services: LocalServices, folder: ServiceFolder, item: RevisionRecord, error: BaseException) -> None:
    """Take a revision that failed away; the record on disk is the one that serves."""
    _explain(services, folder, item, error)
    services.stop_revision(folder, item, grace=2.0)
    record = folder.read()
    if record.main() is None and len(record.revisions) == 1:  # it would have been the first
        Front(folder).stop()
        folder.remove()
        return
    with contextlib.suppress(DeployError):  # a full disk: the next change of the service clears it away
        _forget(services, folder, record, record.revision(item.id), grace=2.0)


def _explain(services: LocalServices, folder: ServiceFolder, item: RevisionRecord, error: BaseException) -> None:
    """Keep the whole log, and put its end and the next step on the error."""
    if not isinstance(error, DeployFailed):
        return
    logs = services.runner(item.target).logs(services.place(folder, item), item, 2000)
    error.logs = error.logs or "\n".join(logs.splitlines()[-20:])
    kept = _keep_log(services.root, folder.name, logs)
    error.hint = error.hint or f"the whole log: {kept}; mlops services list shows what serves"


def _keep_log(root: Path, service: str, text: str) -> Path:
    path = root / ".failures" / f"{service}.log"
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def _forget_if_possible(
    services: LocalServices,
    folder: ServiceFolder,
    record: ServiceRecord,
    item: RevisionRecord,
    grace: float,
    progress: Progress | None,
) -> None:
    """Nobody asks for it any more: an engine that is away is no reason to fail what has nothing to do with it."""
    try:
        _forget(services, folder, record, item, grace=grace)
    except EngineUnavailable as error:
        if progress is not None:
            progress(f"{folder.name} {item.id} ({item.model}) is removed by a later change of the service: {error}")


def _forget(
    services: LocalServices, folder: ServiceFolder, record: ServiceRecord, item: RevisionRecord, *, grace: float
) -> None:
    services.stop_revision(folder, item, grace=grace)
    record.revisions.remove(item)
    folder.write(record)
    folder.remove_revision(item.id)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
