"""The smoke test: is the service there, does it answer as the model did, is it the version that was deployed?"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import http
from deploy.errors import DeployTimeout, PackageRefused, SmokeFailed
from deploy.services import Answer

RETRIED = (502, 503, 504)
"""Statuses that say "not yet"; every other answer is judged at once."""
DIGEST_HEADER = "x-model-digest"


@dataclass(frozen=True)
class Golden:
    """A request and the answer that the model gave when it was trained."""

    request: Any
    response: Any
    rtol: float = 1e-6


@dataclass(frozen=True)
class SmokeReport:
    """What a smoke test that passed has seen."""

    uri: str
    model_digest: str
    attempts: int
    seconds: float


def read_golden(artifact: Path) -> Golden:
    """Read the golden prediction of a model folder.

    Raises
    ------
    deploy.errors.PackageRefused
        It has none, or it is damaged.
    """
    path = artifact / "golden.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Golden(document["request"], document["response"], float(document.get("rtol", 1e-6)))
    except FileNotFoundError:
        raise PackageRefused(
            f"the model in {artifact.name} holds no golden.json, so nothing can be checked after a deployment",
            hint="train and register it again: mlops train && mlops register",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PackageRefused(f"golden.json of {artifact.name} is damaged: {error!r}") from error


def smoke(
    uri: str,
    golden: Golden,
    model_digest: str,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    interval: float = 0.1,
    gone: Callable[[], bool] | None = None,
) -> SmokeReport:
    """Send the golden request until there is an answer, then judge that answer.

    Parameters
    ----------
    uri : str
        The scoring address.
    golden : Golden
        What is sent and what must come back; numbers may differ by the relative tolerance ``rtol``.
    model_digest : str
        ``sha256:<hex>`` that the answer's ``x-model-digest`` must carry. The scoring host computes that header from the
        artifact that it loaded, so an old version that still answers is found out.
    key : str, optional
        Sent as bearer token.
    timeout : float
        Seconds until the deadline. Refused connections and 502, 503, 504 are tried again until then, nothing else is.
    interval : float
        Seconds between two attempts.
    gone : callable, optional
        Says that what should answer has ended: then nothing is waited for.

    Raises
    ------
    deploy.errors.DeployTimeout
        No answer before the deadline.
    deploy.errors.SmokeFailed
        An answer, but not the right one.
    """
    begin = time.monotonic()
    body = json.dumps(golden.request).encode()
    sent = {"content-type": "application/json", **http.bearer(key), **(headers or {})}
    last, attempts = "nothing was tried", 0
    while True:
        attempts += 1
        left = timeout - (time.monotonic() - begin)
        try:
            answer = http.call("POST", uri, body=body, headers=sent, timeout=max(0.1, left))
        except http.Refused:
            last = "connection refused"
        except OSError as error:
            raise SmokeFailed(f"{uri} broke the connection: {error}", phase="smoke") from error
        else:
            if answer.status not in RETRIED:
                judge(answer, golden, model_digest, uri)
                return SmokeReport(uri, model_digest, attempts, time.monotonic() - begin)
            last = f"status {answer.status}: {_excerpt(answer)}"
        if gone is not None and gone():
            raise SmokeFailed(f"what should answer at {uri} has ended ({last})", phase="smoke")
        if time.monotonic() - begin + interval >= timeout:
            raise DeployTimeout(f"{uri} gave no answer within {timeout:g} s ({last})", phase="smoke")
        time.sleep(interval)


def judge(answer: Answer, golden: Golden, model_digest: str, uri: str) -> None:
    """Compare one answer with what was expected. Raises ``SmokeFailed``, which says what differs."""
    if answer.status in (401, 403):
        raise SmokeFailed(
            f"{uri} refused the key (status {answer.status})", phase="smoke", hint="mlops services keys NAME shows them"
        )
    if answer.status != 200:
        raise SmokeFailed(f"{uri} answered the golden request with {answer.status}: {_excerpt(answer)}", phase="smoke")
    served = answer.headers.get(DIGEST_HEADER)
    if served != model_digest:
        raise SmokeFailed(
            f"{uri} serves another version: it loaded {served or 'an unknown artifact'}, deployed was {model_digest}",
            phase="smoke",
        )
    try:
        body = json.loads(answer.body)
    except ValueError:
        raise SmokeFailed(f"{uri} answered with no JSON: {_excerpt(answer)}", phase="smoke") from None
    difference = differs(body, golden.response, golden.rtol)
    if difference:
        raise SmokeFailed(f"{uri} does not repeat the golden prediction: {difference}", phase="smoke")


def differs(answer: Any, expected: Any, rtol: float, where: str = "answer") -> str:
    """Where two JSON values differ, for a person; empty if they do not. Numbers are compared with `rtol`."""
    if isinstance(expected, bool) or isinstance(answer, bool) or expected is None:
        return "" if answer is expected else f"{where} is {answer!r}, expected {expected!r}"
    if isinstance(expected, (int, float)) and isinstance(answer, (int, float)):
        same = math.isclose(answer, expected, rel_tol=rtol, abs_tol=rtol * 1e-3)
        return "" if same else f"{where} is {answer!r}, expected {expected!r} (relative tolerance {rtol:g})"
    if isinstance(expected, dict) and isinstance(answer, dict):
        if expected.keys() != answer.keys():
            return f"{where} has the members {sorted(answer)}, expected {sorted(expected)}"
        pairs = [(answer[key], expected[key], f"{where}.{key}") for key in expected]
    elif isinstance(expected, list) and isinstance(answer, list):
        if len(expected) != len(answer):
            return f"{where} has {len(answer)} items, expected {len(expected)}"
        pairs = [(a, e, f"{where}[{i}]") for i, (a, e) in enumerate(zip(answer, expected, strict=True))]
    else:
        return "" if answer == expected else f"{where} is {answer!r}, expected {expected!r}"
    return next((text for a, e, name in pairs if (text := differs(a, e, rtol, name))), "")


def _excerpt(answer: Answer) -> str:
    text = answer.body[:300].decode("utf-8", "replace").strip()
    return text if len(answer.body) <= 300 else text + "..."
