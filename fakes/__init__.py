"""Azure Machine Learning, faked on the wire: the real, unmodified SDK talks to it, offline.

In this process: `mock_azure`. As a server for any program: ``python -m fakes serve`` and ``python -m fakes run``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakes.core.settings import Settings
    from fakes.docker.activation import mock_docker
    from fakes.doors.activation import Fake, MockAzure, mock_azure

__version__ = "0.1.0"
__all__ = ["Fake", "MockAzure", "Settings", "mock_azure", "mock_docker"]


def __getattr__(name: str) -> Any:
    """Import lazily: ``python -m fakes --help`` must not pay for the whole application."""
    if name == "Settings":
        from fakes.core.settings import Settings

        return Settings
    if name in ("Fake", "MockAzure", "mock_azure"):
        from fakes.doors import activation

        return getattr(activation, name)
    if name == "mock_docker":
        from fakes.docker.activation import mock_docker

        return mock_docker
    raise AttributeError(f"module 'fakes' has no attribute {name!r}")
