"""Flask, fitted to a service of five fixed routes: the same objects and hooks, less work for each request.

Everything here overrides a method that Flask documents for subclasses, and does the whole of what Flask does wherever
somebody has registered something; only the cases in which there is nothing to do are answered at once. Together they
were a third of the time of a small request (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionInterface
from flask.signals import appcontext_tearing_down, request_tearing_down
from werkzeug.routing import MapAdapter, Rule

__all__ = ["HostFlask"]


class NoSession(SessionInterface):
    """This service keeps no sessions; one object stands for all of them."""

    nothing = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """Always the same empty session."""
        return self.nothing


class FixedAdapter(MapAdapter):
    """A request's routes, where they are known: a path without parameters matches the same rule every time."""

    found: tuple[Rule, dict[str, Any]] | None = None

    def match(self, *args: Any, **options: Any) -> Any:
        """The rule of this request; see ``MapAdapter.match``."""
        if self.found is not None and not args and options == {"return_rule": True}:
            return self.found
        return super().match(*args, **options)


class HostFlask(Flask):
    """Flask without the parts that this service has no use for."""

    session_interface = NoSession()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fixed: dict[tuple[str, str], tuple[Rule, dict[str, Any]]] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """All functions here are plain functions; no need to look at each call."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Bind the routes to a request, without working out a server name: no route depends on it."""
        if request is None:
            return None if not self.config["SERVER_NAME"] else super().create_url_adapter(request)
        environ = request.environ
        path = environ["PATH_INFO"]
        if not path.isascii():
            path = path.encode("latin-1").decode("utf-8", "replace")
        method = environ["REQUEST_METHOD"]
        adapter = FixedAdapter(
            self.url_map, "localhost", "/", "", "http", path, method, environ.get("QUERY_STRING", "")
        )
        adapter.found = self._fixed.get((method, path))
        return adapter

    def dispatch_request(self) -> Any:
        """Call the view of the request; the next one to the same place need not be matched again."""
        request = request_ctx.request
        rule = request.url_rule
        if rule is not None and not rule.arguments and request.routing_exception is None:
            key = (request.environ["REQUEST_METHOD"], rule.rule)
            if key not in self._fixed and request.environ["PATH_INFO"] == rule.rule:
                self._fixed[key] = (rule, {})
        return super().dispatch_request()

    def preprocess_request(self) -> Any:
        """Functions registered to run before a request."""
        if not self.before_request_funcs and not self.url_value_preprocessors:
            return None
        return super().preprocess_request()

    def process_response(self, response: Response) -> Response:
        """Functions registered to run after a request. Sessions, which Flask would save here, there are none."""
        if not self.after_request_funcs and not request_ctx._after_request_functions:
            return response
        return super().process_response(response)

    def do_teardown_request(self, *args: Any, **options: Any) -> None:
        """Functions registered to run at a request's end, and who listens to the signal."""
        if self.teardown_request_funcs or request_tearing_down.receivers:
            super().do_teardown_request(*args, **options)

    def do_teardown_appcontext(self, *args: Any, **options: Any) -> None:
        """Functions registered to run at the end of the application's context, and who listens to the signal."""
        if self.teardown_appcontext_funcs or appcontext_tearing_down.receivers:
            super().do_teardown_appcontext(*args, **options)

    def make_response(self, rv: Any) -> Response:
        """What a view returned, as a response."""
        return rv if isinstance(rv, self.response_class) else super().make_response(rv)
