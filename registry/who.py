"""Who is at work, for the promotion log."""

from __future__ import annotations

import getpass
import os
import socket


def whoami() -> str:
    """``user@host`` of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = f"uid{os.getuid()}"  # a container's user need not have a name
    return f"{user}@{socket.gethostname()}"
