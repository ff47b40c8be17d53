"""The SDK's discovery cache in the user's own HOME, when the SDK was imported before the fake was turned on."""

from __future__ import annotations

import contextlib
from pathlib import Path


class DiscoveryCache:
    """Puts the file back as it was: the SDK chose its path when it was imported, and writes what the fake answers."""

    def __init__(self, home: Path) -> None:
        self._folder = home / ".azureml"
        self._file = self._folder / ".discovery"
        self._had_folder = self._folder.is_dir()
        self._content = self._read()

    def _read(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except OSError:
            return None

    def restore(self) -> None:
        """Undo what was written since."""
        with contextlib.suppress(OSError):
            if self._read() != self._content:
                if self._content is None:
                    self._file.unlink(missing_ok=True)
                else:
                    self._file.write_bytes(self._content)
            if not self._had_folder and self._folder.is_dir():
                self._folder.rmdir()
