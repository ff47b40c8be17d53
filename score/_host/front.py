"""The front process: one event loop that owns the sockets, hands requests to workers and sends their answers."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import time
from typing import Any

from . import channel, log
from .connections import READ, WRITE
from .dispatch import Dispatch
from .pool import Child
from .settings import Settings
from .worker import ANSWER, FAILED, READY

TICK = 0.1


class Front(Dispatch):
    """The service.

    Parameters
    ----------
    settings : Settings
        What to serve, and where.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.status: int | None = None
        self.began = time.monotonic()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._log_waits = False

    # ---- life -------------------------------------------------------------------------------------------------
    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit status."""
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.selector.register(self._wake_read, READ, self._woken)
        for name, listener in self.listeners.items():
            self.selector.register(listener, READ, self._acceptor(name))
        gc.collect()
        gc.freeze()  # a full collection of the modules would hold every connection for milliseconds
        for index in range(self.settings.workers):
            self._start_worker(index)
        swept = 0.0
        try:
            while self.status is None:
                for key, events in self.selector.select(TICK):
                    key.data(events)
                now = time.monotonic()
                if now - swept >= TICK:
                    swept = now
                    self._sweep(now)
                self.access.flush()
                if bool(log.sink.waiting) != self._log_waits:
                    self._watch_log()
        finally:
            self._end()
        return self.status if self.status is not None else 1

    def _watch_log(self) -> None:
        """Wait for the reader of the log as for any other slow reader."""
        self._log_waits = not self._log_waits
        if self._log_waits:
            self.selector.register(log.sink.fileno(), WRITE, lambda _events: log.pump())
        else:
            self.selector.unregister(log.sink.fileno())

    def _told_to_stop(self, number: int, _frame: Any) -> None:
        if self.draining:
            self.status = 130 if number == signal.SIGINT else 0  # told twice: do not wait
        else:
            self.draining = time.monotonic() + self.settings.drain_timeout

    def _woken(self, _events: int) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            pass
        self._reap()
        if self.draining:
            self._begin_drain()

    def _begin_drain(self) -> None:
        """Take what already waits to be accepted, then no more; end idle connections."""
        for name in list(self.listeners):
            self._acceptor(name)(READ)
            listener = self.listeners.pop(name)
            if not self.paused or name != "score":
                self.selector.unregister(listener)
            listener.close()
            log.line("info", "stopped_listening", port=self.ports[name])
        for connection in list(self.connections):
            self._read(connection, READ)  # what has arrived is served

    def _end(self) -> None:
        signal.set_wakeup_fd(-1)
        self.access.flush()
        for child in self.pool.children.values():
            if self.pool.slots.get(child.index)[0]:
                self.pool.kill(child)  # still scoring after the patience was over
        self.pool.stop(2.0 if self.status in (0, None) else 0.2)
        if self.telemetry is not None:
            self.telemetry.stop()
        log.line("info", "stopped", exit_code=self.status)

    def _close_in_child(self) -> None:
        self.selector.close()
        self._wake_read.close()
        self._wake_write.close()
        for listener in self.listeners.values():
            listener.close()
        for connection in self.connections:
            connection.sock.close()

    # ---- workers ----------------------------------------------------------------------------------------------
    def _start_worker(self, index: int) -> None:
        child = self.pool.start(index)
        self.selector.register(child.answers, READ, lambda _events: self._answers(child))

    def _answers(self, child: Child) -> bool:
        """Take one message from a worker; whether there was one."""
        try:
            fields, descriptor = channel.receive(child.answers)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return False
        if not fields:
            return False
        kind = fields[0]
        if kind == ANSWER:
            _, number, status, head, body, request_id = fields
            content: bytes | memoryview = body if descriptor < 0 else memoryview(channel.view(descriptor, body))
            self.newest = max(self.newest, number)
            pending = self.pending.pop(number, None)
            if pending is not None:
                self._finish(pending.connection, pending.incoming, status, head, content, request_id)
        elif kind == READY:
            child.ready, child.facts, child.ready_at = True, fields[2], time.monotonic()
            self.pool.failures = 0
            log.line("info", "worker_ready", worker_pid=child.pid, **child.facts)
            if not self.announced and self.pool.ready == self.settings.workers:
                self._announce(child)
        elif kind == FAILED and not self.announced:
            log.line("error", "start_failed", message=fields[2], exit_code=fields[3])
            self.status = int(fields[3])
        return True

    def _announce(self, child: Child) -> None:
        self.announced = True
        if self.telemetry is not None:
            self.telemetry.start()
        document = {
            "event": "ready",
            "port": self.ports["score"],
            "pid": os.getpid(),
            "url": f"http://{self.settings.host}:{self.ports['score']}/score",
            "workers": self.settings.workers,
            "health_port": self.ports.get("health"),
            "metrics_port": self.ports.get("metrics"),
            "startup_ms": round((time.monotonic() - self.began) * 1000, 1),
            **child.facts,
        }
        try:
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
        except OSError:
            pass  # nobody reads it; the service is up all the same

    def _reap(self) -> None:
        for child in self.pool.reap():
            while self._answers(child):
                pass
            self.selector.unregister(child.answers)
            child.answers.close()
            lost, _since = self.pool.slots.get(child.index)
            cause = f"signal {-child.exit}" if child.exit and child.exit < 0 else f"exit code {child.exit}"
            if self.status is not None:
                continue
            if not self.announced and not child.ready:
                log.line("error", "start_failed", message=f"a worker ended before it was ready: {cause}", exit_code=3)
                self.status = 3
                continue
            if not (self.draining and child.exit == 0):
                log.line("error", "worker_died", worker_pid=child.pid, cause=cause, request=lost or None)
            pending = self.pending.pop(lost, None) if lost else None
            if pending is not None:
                message = f"The worker process that was scoring this request ended ({cause}). Check the logs."
                self._reply(pending.connection, pending.incoming, 500, message, failed=True)
            self.suspects = True
            self.metrics.restarts += 1
            self.pool.replace(child)

    # ---- time -------------------------------------------------------------------------------------------------
    def _sweep(self, now: float) -> None:
        for index in self.pool.due():
            if not self.draining:
                self._start_worker(index)
        self._sweep_connections(now)
        self._sweep_scoring(now)
        if self.pool.broken:
            while self.pending:
                _, pending = self.pending.popitem()
                message = "No worker can be started. Check the logs."
                self._reply(pending.connection, pending.incoming, 503, message, extra=("Retry-After: 10",))
        if self.draining and self.status is None:
            idle = not self.pending and all(not c.out and c.serving is None for c in self.connections)
            if idle or now > self.draining:
                if not idle:
                    log.line("warning", "drain_timeout", unanswered=len(self.pending))
                self.status = 0
