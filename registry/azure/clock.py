"""Whether Azure is there, and how far this machine's clock is from Azure's."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from registry.errors import Unavailable

ARM = "https://management.azure.com"
TOLERATED = 300.0
"""Seconds. Tokens are valid from the moment at which they are issued, and services allow five minutes for clocks
(https://learn.microsoft.com/entra/identity-platform/reference-error-codes: AADSTS700024, AADSTS50013)."""


def ahead(timeout: float = 10.0) -> float | None:
    """Seconds by which this machine's clock is ahead of Azure's; negative: behind; ``None``: Azure sent no time.

    Asks for something that needs no sign-in, so that a wrong clock is found before it spoils one.

    Raises
    ------
    registry.errors.Unavailable
        Azure does not answer.
    """
    import requests

    address = f"{ARM}/metadata/endpoints"
    before = time.time()
    try:
        answer = requests.get(address, params={"api-version": "2019-05-01"}, timeout=timeout)
    except requests.RequestException as error:
        raise Unavailable(
            f"management.azure.com cannot be reached: {error}",
            hint="check the network; behind a proxy set HTTPS_PROXY, and REQUESTS_CA_BUNDLE if it has a certificate",
        ) from error
    after = time.time()
    try:
        # Whole seconds: on average half a second has passed since.
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp() + 0.5
    except (KeyError, ValueError, TypeError):
        return None
    return (before + after) / 2 - theirs
