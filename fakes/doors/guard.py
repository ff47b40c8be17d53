"""After the fake has ended: threads that the SDK left behind must not reach the real network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from fakes.doors.inprocess import is_for_azure


class Guard:
    """Refuses requests to Azure from threads that began while a fake was on and outlived it."""

    def __init__(self) -> None:
        self._before: set[threading.Thread] = set()
        self._left: set[threading.Thread] = set()
        self._under: Callable[..., requests.Response] | None = None

    def begin(self) -> None:
        """Note the threads that have nothing to do with the fake; the fake itself answers from now on."""
        # Only when nobody patched over it: somebody's mock on top stays, and the guard below it does no harm.
        if self._under is not None and HTTPAdapter.send is self._guarded:
            HTTPAdapter.send = self._under  # type: ignore[method-assign]
            self._under = None
        self._before = set(threading.enumerate()) - self._left

    def end(self) -> None:
        """Begin to refuse, if a thread was left."""
        alive = {thread for thread in threading.enumerate() if not thread.name.startswith("fakes-")}
        self._left = alive - self._before - {threading.current_thread(), threading.main_thread()}
        if not self._left or self._under is not None:
            return
        self._under = under = HTTPAdapter.send

        def guarded(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() in self._left and is_for_azure(request):
                raise requests.ConnectionError(
                    f"the fake of Azure has ended; {request.method} {request.url} of the left-over thread "
                    f"{threading.current_thread().name} does not reach the network",
                    request=request,
                )
            return under(adapter, request, *args, **kwargs)

        self._guarded = guarded
        HTTPAdapter.send = guarded  # type: ignore[method-assign,assignment]
