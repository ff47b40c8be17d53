"""The one switch: which adapters make up which backend.

Nothing else in the kit asks which backend it is; steps and commands receive the seams.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from mlops.backend import Backend
from mlops.settings import Settings

BACKENDS = {"local": "mlops.local_backend:LocalBackend", "azure": "mlops.azure_backend:AzureBackend"}


def open_backend(settings: Settings, project: Path, progress: Callable[[str], None] | None = None) -> Backend:
    """The backend that the settings name; nothing is contacted yet."""
    module, _, name = BACKENDS[settings["backend"]].partition(":")
    backend: Backend = getattr(importlib.import_module(module), name)(settings, project, progress)
    return backend
