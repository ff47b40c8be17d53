"""One change of a service at a time."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from deploy.errors import DeployConflict, StateUnavailable
from deploy.local.files import is_locked, try_lock


@contextlib.contextmanager
def changing(root: Path, service: str, what: str) -> Iterator[None]:
    """Be the only one who changes `service`.

    Raises
    ------
    deploy.errors.DeployConflict
        Somebody changes it now; the message says who, since when and what.
    """
    path = _lock(root, service)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = try_lock(path)
    except OSError as error:
        raise StateUnavailable(
            f"cannot lock {path}: {error.strerror}", hint="mend the permissions of .mlops/services/"
        ) from error
    if file is None:
        raise DeployConflict(
            f"service {service!r} is being changed: {_holder(path)}", hint="wait until that has ended, then try again"
        )
    with file:
        file.truncate(0)
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        file.write(json.dumps({"pid": os.getpid(), "since": since, "what": what}))
        file.flush()
        yield


def being_changed(root: Path, service: str) -> bool:
    """Whether somebody changes `service` now."""
    return is_locked(_lock(root, service))


def _lock(root: Path, service: str) -> Path:
    # Beside the service's folder: a lock file that is deleted with it would let two hold "the" lock.
    return root / ".locks" / f"{service}.lock"


def _holder(path: Path) -> str:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return f"{document['what']} by process {document['pid']} since {document['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "by another process"
