"""One HTTP request to a service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy.services import Answer

if TYPE_CHECKING:
    import requests

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Refused(OSError):
    """Nothing listens at the address."""


def call(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> Answer:
    """Send one request, follow no redirect, retry nothing.

    Raises
    ------
    Refused
        The connection was refused.
    OSError
        Any other failure of the network, a timeout among them (``requests`` exceptions are ``OSError``).
    """
    import requests

    session = requests.Session()
    # A proxy of the environment knows nothing of this machine's services.
    session.trust_env = urlsplit(url).hostname not in LOOPBACK
    with session:
        try:
            response = session.request(
                method, url, data=body, headers=dict(headers or {}), timeout=timeout, allow_redirects=False
            )
        except requests.ConnectionError as error:
            if _was_refused(error):
                raise Refused(f"connection refused: {url}") from error
            raise
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)


def bearer(key: str | None) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {key}"} if key else {}


def _was_refused(error: requests.ConnectionError) -> bool:
    # requests wraps urllib3's MaxRetryError, whose reason wraps the OSError.
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None or isinstance(seen, ConnectionRefusedError):
            break
        arguments = [item for item in (*seen.args, getattr(seen, "reason", None)) if isinstance(item, BaseException)]
        seen = arguments[0] if arguments else (seen.__cause__ or seen.__context__)
    return isinstance(seen, ConnectionRefusedError)
