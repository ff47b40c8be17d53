"""The workspace that all Azure adapters share: opened once, on first use."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from registry.azure.sign_in import Account, authentication, explain
from registry.errors import Conflict, NotFound, RegistryError, Unavailable


class AzureWorkspace:
    """One workspace, signed in to when it is first needed.

    Parameters
    ----------
    account : registry.azure.sign_in.Account
        Who and where. Inside a submitted run (``AZUREML_RUN_ID`` is set) the run's own workspace is used instead, with
        the run's own token.
    """

    def __init__(self, account: Account) -> None:
        self.account = account

    @cached_property
    def sdk(self) -> Any:
        """The ``azureml.core.Workspace``. Raises ``Unavailable``, which says what is wrong."""
        require_sdk()
        from azureml.core import Run, Workspace

        # What the SDK logs as an error it also raises; here it becomes one line for a person.
        logging.getLogger("azureml").setLevel(logging.CRITICAL)

        if in_submitted_run():
            return Run.get_context(allow_offline=False).experiment.workspace
        account = self.account
        missing = [
            name
            for name, value in (
                ("SUBSCRIPTION_ID", account.subscription_id),
                ("RESOURCE_GROUP", account.resource_group),
                ("WORKSPACE_NAME", account.workspace),
            )
            if not value
        ]
        if missing:
            raise Unavailable(
                f"the Azure backend needs {', '.join(missing)}",
                hint="set them in .env, put a config.json from the portal into this folder, or run mlops azure init",
            )
        auth = authentication(account)
        try:
            with quiet():
                return Workspace.get(
                    account.workspace,
                    auth=auth,
                    subscription_id=account.subscription_id,
                    resource_group=account.resource_group,
                )
        except RegistryError:
            raise
        except Exception as error:
            raise explain(error, account) from error

    @cached_property
    def datastore(self) -> Any:
        """The workspace's default datastore."""
        with translated("the default datastore"):
            return self.sdk.get_default_datastore()


def in_submitted_run() -> bool:
    """Whether this process is a run that Azure ML started."""
    return bool(os.environ.get("AZUREML_RUN_ID"))


def require_sdk() -> None:
    """Raise ``Unavailable`` unless ``azureml-core`` can be imported."""
    try:
        import azureml.core  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"the Azure backend needs azureml-core ({error})", hint="make azure") from error


def from_config_json(folder: Path) -> dict[str, str]:
    """What a ``config.json`` (as the portal gives it) in `folder` or its ``.azureml`` names; else empty."""
    for path in (folder / ".azureml" / "config.json", folder / "config.json"):
        if path.is_file():
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
                return {key: str(document[key]) for key in ("subscription_id", "resource_group", "workspace_name")}
            except (ValueError, KeyError, TypeError) as error:
                raise Unavailable(
                    f"{path.name} does not name a workspace: {error!r}", hint="download it again from the portal"
                ) from error
    return {}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what the SDK prints and what it warns of while it works: stdout is for data, stderr for a person's progress.

    What goes wrong is raised as well as logged, and that is what a person is told.
    """
    with _quiet_for:
        if _silence.depth == 0:
            _silence.level, _silence.stdout = logging.root.manager.disable, sys.stdout
            logging.disable(logging.ERROR)
            sys.stdout = io.StringIO()
        _silence.depth += 1
    try:
        yield
    finally:
        with _quiet_for:
            _silence.depth -= 1
            if _silence.depth == 0:
                logging.disable(_silence.level)
                sys.stdout = _silence.stdout


class _Silence:
    """What was there before the first of the threads that are quiet now; the last one puts it back."""

    depth = 0
    level = 0
    stdout: Any = None


_silence = _Silence()
_quiet_for = threading.Lock()


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the SDK's exceptions into this room's, naming `what` was worked on.

    The SDK raises a family per client (``WebserviceException``, ``ServiceException``, azure-core's, msrest's); what
    tells them apart for a caller is the status and a few words, which every family puts into its text.
    """
    try:
        with quiet():
            yield
    except (RegistryError, KeyboardInterrupt):
        raise
    except Exception as error:
        # An OSError of this machine's own (no file, disk full) speaks for itself; one of the network does not.
        if isinstance(error, OSError) and not type(error).__module__.startswith(("requests", "urllib3")):
            raise
        raise translate(error, what) from error


_MESSAGE = re.compile(r'"message"\s*:\s*"((?:[^"\\]|\\.)+)"')
_STATUS = re.compile(r"Response Code: (\d{3})\b")
_ABSENT = re.compile(r"NotFound|could not be found|cannot find|not found", re.IGNORECASE)
_SIGN_IN = re.compile(r"AADSTS\d+")
_SECRET = re.compile(r"(?i)\b(sig|signature|accountkey|sharedaccesskey|client_secret|access_token)(=|%3d)[^&\s\"';)]+")


def translate(error: BaseException, what: str) -> RegistryError:
    """The exception of this room that says what `error` says."""
    text = _text(error)
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if status is None and (said := _STATUS.search(text)):
        status = int(said[1])
    first = without_secrets(_words(text)) or type(error).__name__
    # "Not found" is what is said of much else: by a gateway that has no backend, or of an application that signs in.
    passing = status in (401, 403, 408, 429) or (status or 0) >= 500 or _SIGN_IN.search(text)
    if status == 404 or (_ABSENT.search(text) and not passing):
        return NotFound(f"{what}: not found in the workspace")
    if status == 409 or type(error).__name__ == "ResourceExistsError":
        return Conflict(f"{what}: {first}")
    if status in (401, 403) or "Forbidden" in text or "not authorized" in text:
        return Unavailable(f"{what}: the account may not do this: {first}", hint="check its role on the workspace")
    return Unavailable(
        f"{what}: Azure answered: {first}", hint="try again; mlops doctor --backend azure checks each part"
    )


def without_secrets(text: str) -> str:
    """`text` without what lets others in: addresses of blobs carry a signature, and errors quote addresses."""
    return _SECRET.sub(r"\1\2***", text)


def _words(text: str) -> str:
    """What the service said. The SDK wraps its JSON answer in lines about the response; the message is inside."""
    found = _MESSAGE.findall(text)
    if found:
        return str(found[0]).encode().decode("unicode_escape", "replace")[:500]
    lines = text.strip().splitlines()
    return lines[0][:300] if lines else ""


def _text(error: BaseException) -> str:
    try:
        return str(getattr(error, "message", "") or error)
    except TypeError:  # ServiceException.__str__ fails when the service sent no error details
        return type(error).__name__
