"""After the fake has ended: threads that the SDK left behind must not reach the real network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import requests
from requests.adapters import HTTPAdapter

from fakes.doors.inprocess import is_for_azure


class Guard:
    """Refuses requests to Azure from threads that began while a fake was on and outlived it."""

    def __init__(self) -> None:
        self._before: set[threading.Thread] = set()
        self._left: set[threading.Thread] = set()
        self._patch: Any = None

    def begin(self) -> None:
        """Note the threads that have nothing to do with the fake; the fake itself answers from now on."""
        if self._patch is not None:
            self._patch.stop()
            self._patch = None
        self._before = set(threading.enumerate()) - self._left

    def end(self) -> None:
        """Begin to refuse, if a thread was left."""
        alive = {t for t in threading.enumerate() if not t.name.startswith("fakes-")}
        self._left = alive - self._before - {threading.current_thread(), threading.main_thread()}
        if not self._left:
            return
        send: Callable[..., requests.Response] = HTTPAdapter.send
        left = self._left

        def guarded(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() in left and is_for_azure(request):
                raise requests.ConnectionError(
                    f"the fake of Azure has ended; {request.method} {request.url} of the left-over thread "
                    f"{threading.current_thread().name} does not reach the network",
                    request=request,
                )
            return send(adapter, request, *args, **kwargs)

        self._patch = mock.patch.object(HTTPAdapter, "send", guarded)
        self._patch.start()
