"""Secrets of every workspace. State and behaviour, no HTTP.

Facts: ``azureml._restclient.operations.credential_operations`` and ``azureml._restclient.secrets_client`` of
``azureml-core`` 1.61; names and sizes as Azure Key Vault takes them, "About Azure Key Vault secrets" and "About keys,
secrets, and certificates" (object names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from fakes.core.errors import bad_request, not_found
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace

_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
MOST_BYTES = 25 * 1024


@record
class Secret:
    """One secret, under the name that it was given; names are compared in any case."""

    name: str
    value: str
    created: str
    modified: str
    content_type: str | None = None


class Credentials(Backend):
    """The secrets of every workspace."""

    name: ClassVar[str] = "credentials"
    exported: ClassVar[tuple[str, ...]] = ("items",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, dict[str, Secret]] = {}

    def all(self, workspace: Workspace) -> list[Secret]:
        """Return the secrets of a workspace by name."""
        return [secret for _, secret in sorted(self.items.get(workspace.key, {}).items())]

    def get(self, workspace: Workspace, name: str) -> Secret:
        """Return a secret; 404 when there is none."""
        found = self.items.get(workspace.key, {}).get(name.casefold())
        if found is None:
            raise not_found(f"Secret {name} was not found.", "UserError")
        return found

    def put(self, workspace: Workspace, bodies: Iterable[object]) -> list[Secret]:
        """Keep secrets, all of them or none. Raises ``AzureError`` 400: a name or value that key vaults refuse."""
        checked = [_checked(body) for body in bodies]
        now = self.state.clock.iso()
        kept, items = [], self.items.setdefault(workspace.key, {})
        for body in checked:
            before = items.get(body["name"].casefold())
            made = Secret(body["name"], body["value"], before.created if before else now, now, body.get("contentType"))
            items[made.name.casefold()] = made
            kept.append(made)
        return kept

    def delete(self, workspace: Workspace, name: str) -> None:
        """Forget a secret; 404 when there is none."""
        self.get(workspace, name)
        del self.items[workspace.key][name.casefold()]


def _checked(body: object) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise bad_request("A secret must be an object with 'name' and 'value'.")
    name, value = body.get("name"), body.get("value")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise bad_request(f"The secret name {name!r} is invalid: 1 to 127 letters, digits and dashes.")
    if not isinstance(value, str):
        raise bad_request(f"The secret {name} needs a value.")
    if len(value.encode()) > MOST_BYTES:
        raise bad_request(f"The value of the secret {name} is larger than {MOST_BYTES // 1024} KB.")
    return body
