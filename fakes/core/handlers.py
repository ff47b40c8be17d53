"""Handlers by name: a service's code is imported when a request first reaches it.

The route table must be known as a whole (an unknown request is told what is nearest), the code behind it need not:
loading every service took longer than everything else that turning the fake on does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from werkzeug import Response

    from fakes.core.routing import Call


class Handler:
    """One function of a module, imported when it is first called."""

    __slots__ = ("_found", "module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name
        self._found: Callable[[Call], Response] | None = None

    def __call__(self, call: Call) -> Response:
        """Answer `call`."""
        return (self._found or self.resolve())(call)

    def resolve(self) -> Callable[[Call], Response]:
        """Import the function and return it."""
        self._found = cast("Callable[[Call], Response]", getattr(importlib.import_module(self.module), self.name))
        return self._found


class Handlers:
    """The functions of a module as handlers: ``r = Handlers("fakes.services.models.responses")``, then ``r.get_model``.

    Parameters
    ----------
    module
        Full name. A test imports every handler of the route table, so a name that does not exist is found there.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Handler:
        if name.startswith("_"):
            raise AttributeError(name)
        return Handler(self._module, name)
