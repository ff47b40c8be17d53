"""A worker process: loads the entry script, proves the golden prediction, then answers one request after the other."""

from __future__ import annotations

import gc
import io
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from . import channel, log
from .errors import ArtifactError, HostError
from .settings import Settings

READY, FAILED, ANSWER = 1, 2, 3
WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_NAMES: dict[bytes, str] = {}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELDS: set[str] = set()
_MESSAGE = 10_000
"""Characters of the message of a failed start; its traceback is in the log."""


def prepare(settings: Settings) -> tuple[WSGI, dict[str, Any]]:
    """Load everything. Raises :class:`HostError`.

    Returns
    -------
    tuple
        The WSGI application, and facts for the ready line.
    """
    from .app import create_app, golden_check
    from .artifact import artifact_folder, check_manifest, differences, read_json, tree_digest
    from .script import EntryScript

    paths = [str(settings.root)]
    if settings.source_dir:
        paths.append(str(settings.root / settings.source_dir))
    sys.path[:0] = [path for path in paths if path not in sys.path]
    digest, folder = "", None
    if settings.model_dir is not None:
        folder = artifact_folder(settings.model_dir)
        digest = tree_digest(folder)
        check_manifest(folder)
    script = EntryScript(settings.entry_script, settings.root, settings.scoring_timeout_ms)
    script.init()
    app = create_app(script, settings, digest)
    facts: dict[str, Any] = {"model_digest": digest, "golden": "none"}
    golden = None if folder is None else folder / "golden.json"
    if golden is not None and golden.is_file():
        if settings.golden:
            document = read_json(golden)
            status, answer = golden_check(app, document.get("request"))
            if status != 200:
                raise ArtifactError(
                    f"the golden request is answered with status {status}: {str(answer)[:300]}",
                    "the entry script does not fit the model; the traceback, if any, is in the log",
                )
            text = differences(document.get("response"), answer, float(document.get("rtol", 1e-6)))
            if text:
                raise ArtifactError(
                    f"the golden prediction is not reproduced: {text}",
                    "the model, its libraries or the entry script differ from those it was packaged with",
                )
            facts["golden"] = "reproduced"
        else:
            facts["golden"] = "skipped"
    return app, facts


def environ_of(message: channel.Message, host: str, port: int) -> dict[str, Any]:
    """The WSGI environment of a request."""
    target, _, query = message.target.partition(b"?")
    path = target if b"%" not in target else unquote_to_bytes(target)
    body = message.body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": message.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "RAW_URI": message.target.decode("latin-1"),
        "REQUEST_URI": message.target.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": message.peer,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": message.scheme,
        "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in message.headers:
        key = _NAMES.get(name)
        if key is None:
            key = _name(name)
        text = value.decode("latin-1")
        if key in environ and key != "CONTENT_LENGTH":
            # Repeated headers become one list (RFC 9110, 5.3).
            text = f"{environ[key]},{text}"
        if key != "CONTENT_LENGTH":
            environ[key] = text
    return environ


def _name(raw: bytes) -> str:
    text = raw.decode("latin-1").upper()
    if "_" in text:
        # "x_request_id" would pose as "x-request-id"; such names are not passed on.
        key = "HTTP__IGNORED"
    else:
        key = text.replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
    if len(_NAMES) < 1000:
        _NAMES[raw] = key
    return key


def call(app: WSGI, environ: dict[str, Any]) -> tuple[int, bytes, bytes, str]:
    """Run the application.

    Returns
    -------
    tuple
        Status, head (status line and headers, without the blank line), body, and the request's id.
    """
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [status, headers]
        return lambda _data: None

    parts = app(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = started
    code = int(status.partition(" ")[0])
    if not 200 <= code <= 999:
        raise ValueError(f"the entry script answered with {status}, which cannot be the status of an answer")
    lines = [f"HTTP/1.1 {status}"]
    request_id = ""
    bare = code < 200 or code in (204, 304)
    for name, value in headers:
        lowered = name.lower()
        if lowered in ("content-length", "connection", "transfer-encoding", "date"):
            continue
        if lowered == "x-request-id":
            request_id = value
        if lowered not in _FIELDS:
            _check_field(lowered)
        lines.append(f"{name}: {value}")
    if not bare:
        lines.append(f"Content-Length: {len(body)}")
    return code, "\r\n".join(lines).encode("latin-1", "replace"), b"" if bare else body, request_id


def _check_field(name: str) -> None:
    """Refuse a header's name that is none (RFC 9110, 5.1): after it, a client reads another answer than was given."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"the entry script answered with a header {name!r}, which cannot be a header's name")
    if len(_FIELDS) < 1000:
        _FIELDS.add(name)


class Worker:
    """The loop of a worker process.

    Parameters
    ----------
    settings : Settings
        The host's settings.
    index : int
        Its slot.
    requests, answers : socket.socket
        Its ends of the channel.
    slots : channel.Slots
        Shared with the front.
    lifeline : int
        A pipe's read end; end of file there means that the front is gone.
    """

    def __init__(
        self,
        settings: Settings,
        index: int,
        requests: socket.socket,
        answers: socket.socket,
        slots: channel.Slots,
        lifeline: int,
        address: tuple[str, int],
    ) -> None:
        self.settings = settings
        self.index = index
        self.requests = requests
        self.answers = answers
        self.slots = slots
        self.lifeline = lifeline
        self.address = address
        self.request_id = ""

    def run(self) -> int:
        """Serve until told to stop; returns the exit status."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the front decides when work is over
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()
        log.capture()
        log.context = self._context
        started = time.perf_counter()
        try:
            app, facts = prepare(self.settings)
        except HostError as error:
            log.line(
                "error",
                "init_failed",
                message=str(error),
                hint=error.hint,
                traceback=traceback.format_exc(),
                model_dir_files=_tree(self.settings.model_dir),
            )
            channel.send(self.answers, (FAILED, 0, str(error)[:_MESSAGE], error.exit_code))
            return error.exit_code
        except BaseException as error:  # nothing may leave the front waiting
            log.line("error", "init_failed", message=repr(error), traceback=traceback.format_exc())
            channel.send(self.answers, (FAILED, 0, repr(error)[:_MESSAGE], 3))
            return 3
        gc.collect()
        gc.freeze()
        facts["init_ms"] = round((time.perf_counter() - started) * 1000, 1)
        channel.send(self.answers, (READY, 0, facts))
        return self._serve(app)

    def _context(self) -> dict[str, str]:
        return {"request_id": self.request_id} if self.request_id else {}

    def _watch(self) -> None:
        os.read(self.lifeline, 1)
        os._exit(0)

    def _serve(self, app: WSGI) -> int:
        host, port = self.address
        own = os.getpid()
        while True:
            fields, descriptor = channel.receive(self.requests)
            if not fields:
                return 0
            number = fields[0]
            self.slots.set(self.index, number)
            message = channel.Message(*fields)
            if descriptor >= 0:
                message = message._replace(body=channel.view(descriptor, int(fields[4])))
            try:
                environ = environ_of(message, host, port)
                self.request_id = environ.get("HTTP_X_REQUEST_ID", "")
                status, head, body, request_id = call(app, environ)
                if len(head) > channel.MAX_HEAD:
                    log.line("error", "head_too_large", bytes=len(head), limit=channel.MAX_HEAD)
                    status, head, body, request_id = _failure()
            except BaseException:
                log.line("error", "internal_error", traceback=traceback.format_exc())
                status, head, body, request_id = _failure()
            finally:
                self.request_id = ""
                if not isinstance(message.body, bytes):
                    del environ
                    _close(message.body)
            if os.getpid() != own:
                os._exit(0)  # a child that the entry script forked and let return: its parent answers
            self._answer(number, status, head, body, request_id)
            self.slots.set(self.index, 0)

    def _answer(self, number: int, status: int, head: bytes, body: bytes, request_id: str) -> None:
        if len(body) + len(head) <= channel.INLINE:
            channel.send(self.answers, (ANSWER, number, status, head, body, request_id))
            return
        descriptor = channel.anonymous_file()
        try:
            rest = memoryview(body)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            channel.send(self.answers, (ANSWER, number, status, head, len(body), request_id), descriptor)
        finally:
            os.close(descriptor)


def _failure() -> tuple[int, bytes, bytes, str]:
    """The answer where none can be had from the application, as :func:`call` gives it."""
    body = b'{"message": "An unexpected internal error occurred. Check the logs for more info."}'
    head = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    head += b"x-ms-run-function-failed: False\r\nContent-Length: %d" % len(body)
    return 500, head, body, ""


def _close(body: Any) -> None:
    try:
        body.close()
    except BufferError:
        pass  # the script kept a view of the input (a zero-copy array); freed with it


def _tree(folder: Path | None, limit: int = 200) -> list[str]:
    """What the model folder holds, for the log."""
    if folder is None or not folder.is_dir():
        return []
    names = sorted(item.relative_to(folder).as_posix() for item in folder.rglob("*"))
    return names[:limit] + ([f"... {len(names) - limit} more"] if len(names) > limit else [])
