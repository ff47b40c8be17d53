"""Hand a request to a host, and its answer back."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from dataclasses import dataclass

# Hop-by-hop headers (RFC 9110, 7.6.1), and those that the front end owns.
_NOT_FORWARDED = {
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class NoAnswer(Exception):
    """The host closed the connection, or cannot be reached."""


class TooSlow(Exception):
    """The host did not answer in time."""


@dataclass(frozen=True)
class HostAnswer:
    """What the host answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def forward(
    port: int,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    timeout: float,
) -> HostAnswer:
    """Send a request to the host on loopback `port`.

    Parameters
    ----------
    target : str
        Path and query, as they arrived.
    timeout : float
        Seconds until ``TooSlow``.

    Raises
    ------
    NoAnswer
        The host is gone.
    TooSlow
        It did not answer in time.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in _NOT_FORWARDED:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _NOT_FORWARDED]
        return HostAnswer(answer.status, kept, content)
    except TimeoutError as error:
        raise TooSlow from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(str(error)) from error
    finally:
        connection.close()
