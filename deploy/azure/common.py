"""What both kinds of Azure service share: names of tags, the SDK's exceptions in the words of this room, logs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from deploy.errors import (
    DeployConflict,
    DeployError,
    DeployFailed,
    DeployTimeout,
    EngineUnavailable,
    Invalid,
    ServiceNotFound,
)
from deploy.images import Progress
from deploy.services import DeployRequest, ServiceState
from deploy.smoke import read_golden, smoke
from registry.azure.models import inside
from registry.azure.workspace import quiet, translated, without_secrets
from registry.errors import Conflict, NotFound, RegistryError

# Tags on the Azure service: what it serves, so that any machine can tell.
MODEL, DIGEST, STAGE = "mlops.model", "mlops.model_digest", "mlops.stage"
STATES = {
    "Healthy": ServiceState.HEALTHY,
    "Unhealthy": ServiceState.UNHEALTHY,
    "Failed": ServiceState.FAILED,
    "Unschedulable": ServiceState.FAILED,
}
UNDER_WAY = "when mlops services list no longer says Transitioning, deploy again"
POLL_SECONDS = 2.0
_NAME = re.compile(r"[a-z](-?[a-z0-9])*")


@dataclass(frozen=True)
class AksOptions:
    """What a production service on AKS is given.

    Times in milliseconds; defaults and limits: https://learn.microsoft.com/azure/machine-learning/v1/how-to-deploy-
    azure-kubernetes-service
    """

    cluster: str = "aks"
    replicas_min: int = 1
    replicas_max: int = 3
    target_utilization: int = 70
    """Percent."""
    scoring_timeout_ms: int = 60_000
    max_request_wait_ms: int = 500
    app_insights: bool = False


def check_name(name: str) -> None:
    """Refuse what Azure would refuse as a service's name. Raises ``Invalid``."""
    if not _NAME.fullmatch(name) or not 3 <= len(name) <= 32:
        raise Invalid(
            f"{name!r} cannot be a service's name",
            hint="3 to 32 characters: a lower-case letter, then letters, digits and single dashes",
        )


def tags_of(request: DeployRequest) -> dict[str, str]:
    """The tags of a deployment."""
    model = request.package.model
    return {**request.tags, MODEL: model.reference, DIGEST: model.digest, STAGE: request.stage}


@contextlib.contextmanager
def ours(what: str) -> Iterator[None]:
    """The registry room's translation of the SDK's exceptions, in the words of this room."""
    try:
        with translated(what):
            yield
    except NotFound as error:
        raise ServiceNotFound(str(error), hint=error.hint) from error
    except Conflict as error:
        raise DeployConflict(str(error), hint=error.hint or UNDER_WAY) from error
    except RegistryError as error:
        raise EngineUnavailable(str(error), hint=error.hint) from error


@contextlib.contextmanager
def untracked() -> Iterator[None]:
    """Let the SDK find no git repository.

    It adds the commit of the working folder to every change of a service, as properties, which "cannot be changed after
    deployment" (its own words), and a release comes from another commit than the one before. What serves is in our
    tags, and which commit made it is in the model's lineage.

    Variables come before the working folder: the SDK's (``AZUREML_GIT_COMMIT``) and git's (``GIT_DIR``, which a hook
    sets). The folder for temporary files may itself lie in a repository.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-untracked-") as folder, inside(Path(folder)), _no_git_above(folder):
        yield


@contextlib.contextmanager
def _no_git_above(folder: str) -> Iterator[None]:
    taken = {name: value for name, value in os.environ.items() if name.startswith(("AZUREML_GIT_", "GIT_"))}
    try:
        for name in taken:
            del os.environ[name]
        os.environ["GIT_CEILING_DIRECTORIES"] = str(Path(folder).resolve().parent)
        yield
    finally:
        os.environ.pop("GIT_CEILING_DIRECTORIES", None)
        os.environ.update(taken)


def wait(item: Any, request: DeployRequest, timeout: float) -> None:
    """Wait until the operation under way has ended. Raises ``DeployFailed`` with logs, ``DeployTimeout``."""
    with quiet():
        try:
            item.wait_for_deployment(show_output=False, timeout_sec=timeout)
        except Exception as error:
            raise failed(item, request, error) from error


def ready(read: Callable[[], Any], request: DeployRequest, timeout: float, *, version: str | None = None) -> Any:
    """Read what has just been deployed, until it is healthy. Part of a deployment: what fails here is taken back.

    Parameters
    ----------
    read : callable
        Gives the SDK's object, anew. It serves: one answer that goes wrong must not make a failure of it.
    timeout : float
        Seconds that it may be in transition.
    version : str, optional
        Whose state counts, of an endpoint. (A version that runs beside it may be why this one is deployed.)

    Raises
    ------
    DeployFailed, DeployTimeout
        It is not healthy.
    """
    deadline = time.monotonic() + timeout
    while True:
        item = _patiently(read)
        part = item.versions.get(version) if version else item
        if part is None:
            raise DeployFailed(
                f"{request.service} has no version {version} any more: somebody else has deleted it",
                phase="ready",
                hint=f"mlops services show {request.service}",
            )
        state = STATES.get(part.state or item.state, ServiceState.TRANSITIONING)
        if state is ServiceState.HEALTHY:
            return item
        left = deadline - time.monotonic()
        if state is not ServiceState.TRANSITIONING or left <= 0:
            error = getattr(part, "error", None) or item.error
            raise (DeployTimeout if state is ServiceState.TRANSITIONING else DeployFailed)(
                f"{request.service} ended as {state.value}: {message(error) if error else 'no reason given'}",
                phase="ready",
                logs=tail(item),
                hint=f"mlops services logs {request.service}",
            )
        time.sleep(min(POLL_SECONDS, left))


def _patiently(read: Callable[[], Any]) -> Any:
    for pause in (0.2, 1.0):
        try:
            return read()
        except DeployError:
            time.sleep(pause)
    return read()


@contextlib.contextmanager
def undoing(error: BaseException, what: str, say: Progress) -> Iterator[None]:
    """Take a deployment back that `error` has ended. Where that fails too, ``DeployFailed`` says both.

    Any other `error` is left to the caller to raise again.
    """
    try:
        yield
    except Exception as also:
        text = f"{what} did not work either: {also}"
        say(text)
        if isinstance(error, DeployFailed):
            hint = getattr(also, "hint", None) or error.hint
            raise type(error)(f"{error}; {text}", phase=error.phase, logs=error.logs, hint=hint) from error


def overtaken(request: DeployRequest, by: str, error: BaseException) -> DeployConflict:
    """Another release has come after this one, which failed with `error` and leaves the other as it is."""
    return DeployConflict(
        f"another release has put {by} on {request.service} while {request.package.model.reference} was released:"
        f" {str(error) or type(error).__name__}",
        hint=f"mlops services show {request.service}",
    )


def check_answer(item: Any, request: DeployRequest, timeout: float) -> None:
    """The smoke test, as part of a deployment. Raises ``SmokeFailed``, ``DeployTimeout``."""
    with ours(f"keys of {request.service}"):
        item.update_deployment_state()
        key = str(item.get_keys()[0])
    golden = read_golden(request.package.artifact)
    smoke(item.scoring_uri, golden, request.package.model.digest, key=key, timeout=min(timeout, 120.0))


def settle(item: Any, timeout: float) -> None:
    """Wait for a change that Azure may also have made at once: then there is no operation to wait for."""
    try:
        item.wait_for_deployment(show_output=False, timeout_sec=timeout)
    except Exception as error:
        if "operation information not known" not in str(error):
            raise


def failed(item: Any, request: DeployRequest, error: Exception) -> DeployError:
    """What a deployment that ended badly means."""
    text = str(getattr(error, "message", "") or error)
    with contextlib.suppress(Exception), quiet():
        item.update_deployment_state()
    said = message(item.error) if getattr(item, "error", None) else (text.strip().splitlines() or [""])[0][:500]
    detail = without_secrets(said)
    late = re.search(r"timed ?out|timeout", text, re.IGNORECASE)
    return (DeployTimeout if late else DeployFailed)(
        f"{request.service} did not become ready with {request.package.model.reference}: {detail}",
        phase="build" if "BuildImage" in text or "BuildEnvironment" in text else "ready",
        logs=tail(item),
        hint=f"mlops services logs {request.service}",
    )


def tail(item: Any, lines: int = 20) -> str:
    """The last log lines; empty where there are none."""
    with contextlib.suppress(Exception), quiet():
        return "\n".join(str(item.get_logs(num_lines=lines) or "").splitlines()[-lines:])
    return ""


def created(item: Any) -> datetime:
    """When it was made, in UTC."""
    moment = item.created_time
    if isinstance(moment, datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return datetime.fromtimestamp(0, timezone.utc)


def message(error: Any) -> str:
    """The words of Azure's error document, its details included."""
    if not isinstance(error, Mapping):
        return str(error)
    parts = [str(error.get("message") or error.get("code") or json.dumps(dict(error)))]
    for item in error.get("details") or []:
        if isinstance(item, Mapping):
            parts.append(str(item.get("message") or item.get("code")))
    return " ".join(part.strip() for part in parts if part)
