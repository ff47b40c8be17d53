"""The keys of a service: two, either valid, from a file that is read again when it changes."""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path

from . import log
from .errors import HostError


class Keys:
    """Checks the ``Authorization`` header.

    Parameters
    ----------
    path : Path
        JSON ``{"primary": "...", "secondary": "..."}``.

    Raises
    ------
    HostError
        The file cannot be read when the service starts. Later, a file that cannot be read leaves the keys as they
        were, and the log says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] = (0, 0, 0)
        self._keys: tuple[bytes, ...] = ()
        try:
            self._stamp = self._read_stamp()
            self._keys = self._load()
        except (OSError, ValueError) as error:
            raise HostError(
                f"the keys file {path} cannot be used: {error}",
                'write {"primary": "...", "secondary": "..."} to it, readable by this user',
            ) from None

    def __repr__(self) -> str:
        return f"Keys({str(self._path)!r})"

    def _read_stamp(self) -> tuple[int, int, int]:
        status = os.stat(self._path)  # noqa: PTH116 - each request asks; Path.stat is slower
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _load(self) -> tuple[bytes, ...]:
        text = self._path.read_text("utf-8")
        try:
            document = json.loads(text)
        except ValueError:
            raise ValueError("it is not JSON") from None  # the message of json would quote nothing, but be safe
        if not isinstance(document, dict):
            raise ValueError("it must hold a JSON object")  # noqa: TRY004
        keys = [document.get(name) for name in ("primary", "secondary")]
        found = tuple(key.encode() for key in keys if isinstance(key, str) and key)
        if not found:
            raise ValueError("it holds neither a primary nor a secondary key")
        return found

    def refresh(self) -> None:
        """Read the file again if it changed."""
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return
            self._keys = self._load()
            self._stamp = stamp
            log.line("info", "keys_read", path=str(self._path))
        except (OSError, ValueError) as error:
            if self._stamp != (-1, 0, 0):
                self._stamp = (-1, 0, 0)  # say it once
                log.line("error", "keys_unreadable", path=str(self._path), message=str(error))

    def allows(self, authorization: bytes) -> bool:
        """Whether the header's value is ``Bearer`` and one of the keys; compared in constant time."""
        self.refresh()
        scheme, _, given = authorization.partition(b" ")
        given = given.strip()
        right = False
        for key in self._keys:
            right |= hmac.compare_digest(given, key)
        return right and scheme.lower() == b"bearer"
