"""Send a case over a socket, and bring an answer into a form that can be compared and kept."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
from typing import Any

from .corpus import Case

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
KEPT = (
    "content-type",
    "x-ms-run-function-failed",
    "x-request-id",
    "x-ms-request-id",
    "x-ms-client-request-id",
    "x-ms-run-fn-exec-ms",
    "x-ms-server-version",
    "traceid",
    "allow",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "vary",
    "x-list",
    "x-why",
    "x-model-digest",
)


def send(port: int, case: Case, timeout: float = 30.0) -> dict[str, Any]:
    """Send `case` on a connection of its own; the answer, reduced to what is compared."""
    lines = [f"{case.method} {case.target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in case.headers]
    if case.body or case.method == "POST":
        lines.append(f"Content-Length: {len(case.body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        sock.sendall(head + case.body)
        response = http.client.HTTPResponse(sock, method=case.method)
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, ConnectionError) as error:
            return {"status": None, "error": type(error).__name__}
        headers = [(name.lower(), value) for name, value in response.getheaders()]
    return normal(response.status, headers, body)


def normal(status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """Generated ids, times and versions become marks; bodies become text."""
    kept: dict[str, str] = {}
    for name, value in headers:
        if name not in KEPT:
            continue
        if UUID.fullmatch(value):
            value = "<uuid>"
        elif name == "x-ms-run-fn-exec-ms":
            value = "<ms>" if re.fullmatch(r"\d+\.\d{3}", value) else value
        elif name == "x-ms-server-version":
            value = "<version>"
        elif name == "allow":
            value = ", ".join(sorted(part.strip() for part in value.split(",")))
        kept[name] = f"{kept[name]} | {value}" if name in kept else value
    text = body.decode("utf-8", "backslashreplace")
    if len(text) > 2000:
        text = f"{len(body)} bytes, sha256 {hashlib.sha256(body).hexdigest()}"
    return {"status": status, "headers": kept, "body": text}
