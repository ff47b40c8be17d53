"""Say why a host failed, from what it wrote."""

from __future__ import annotations

import json
import re

# The last line of a traceback: `ModuleNotFoundError: No module named 'x'`, `package.errors.Broken: why`.
_RAISED = re.compile(r"^(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|NotFound\w*))"
                     r"(?:: (?P<why>.*))?$")  # fmt: skip


# Exceptions of the host programs themselves wrap the one that matters.
_WRAPPERS = ("_scoring_host.", "azureml_inference_server_http.")


def cause(log: str) -> str | None:
    """Return ``Type: message`` of the exception that ended the host, or ``None``.

    Log lines may be plain text or JSON objects with a ``cause``, ``exception``, ``traceback`` or ``message``.
    """
    last: str | None = None
    for line in _plain(log):
        match = _RAISED.match(line.strip())
        if match and not match["type"].startswith(_WRAPPERS):
            name = match["type"].rsplit(".", 1)[-1]
            last = f"{name}: {match['why']}" if match["why"] else name
    return last


def _plain(log: str) -> list[str]:
    lines: list[str] = []
    for line in log.splitlines():
        if line.startswith("{"):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict):
                for key in ("message", "error", "cause", "exception", "traceback"):
                    value = record.get(key)
                    if isinstance(value, str):
                        lines.extend(value.splitlines())
                continue
        lines.append(line)
    return lines
