"""Permissions of whoever asks: the same for every caller and resource. They are told, not enforced.

Facts: https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource.
"""

from __future__ import annotations

from typing import Any, ClassVar

from fakes.core.state import Backend


class Permissions(Backend):
    """What the caller's roles add up to.

    Attributes
    ----------
    granted : list of dict
        One for each role: ``actions`` and ``notActions``, ``*`` standing for anything; all at first (Owner).
    """

    name: ClassVar[str] = "permissions"
    exported: ClassVar[tuple[str, ...]] = ("granted",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.granted: list[dict[str, list[str]]] = [{"actions": ["*"], "notActions": []}]
