"""Prometheus metrics of the front process, in the text format (version 0.0.4).

All requests pass through one process, so there is nothing to add up over workers.
"""

from __future__ import annotations

from bisect import bisect_left

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters by path and status, durations by path."""

    def __init__(self) -> None:
        self.requests: dict[tuple[bytes, int], int] = {}
        self.durations: dict[bytes, list[int]] = {}
        self.sums: dict[bytes, float] = {}
        self.restarts = 0

    def observe(self, path: bytes, status: int, seconds: float) -> None:
        """Count one answer. `path` is one of a fixed few, so the number of series is bounded."""
        key = (path, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        counts = self.durations.get(path)
        if counts is None:
            counts = self.durations[path] = [0] * (len(BUCKETS) + 1)
        counts[bisect_left(BUCKETS, seconds)] += 1
        self.sums[path] = self.sums.get(path, 0.0) + seconds

    def text(self, in_progress: int, waiting: int, connections: int, workers: int, dropped: int) -> bytes:
        """The exposition."""
        lines: list[str] = []

        def family(name: str, kind: str, help_text: str) -> None:
            lines.extend((f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"))

        family("scoring_requests_total", "counter", "Requests answered.")
        for (path, status), count in sorted(self.requests.items()):
            lines.append(f'scoring_requests_total{{path="{path.decode()}",status="{status}"}} {count}')
        family("scoring_request_duration_seconds", "histogram", "Seconds from the first byte to the answer.")
        for path, counts in sorted(self.durations.items()):
            total = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                lines.append(f'scoring_request_duration_seconds_bucket{{path="{path.decode()}",le="{bound}"}} {total}')
            lines.append(f'scoring_request_duration_seconds_sum{{path="{path.decode()}"}} {self.sums[path]:.6f}')
            lines.append(f'scoring_request_duration_seconds_count{{path="{path.decode()}"}} {total}')
        for name, kind, text, value in (
            ("scoring_requests_in_progress", "gauge", "Requests that a worker has or will get.", in_progress),
            ("scoring_requests_waiting", "gauge", "Requests that no worker's queue has taken yet.", waiting),
            ("scoring_connections", "gauge", "Open connections.", connections),
            ("scoring_workers_ready", "gauge", "Worker processes that can score.", workers),
            ("scoring_worker_restarts_total", "counter", "Worker processes replaced.", self.restarts),
            ("scoring_log_lines_dropped_total", "counter", "Log lines of this process that nobody read.", dropped),
        ):
            family(name, kind, text)
            lines.append(f"{name} {value}")
        return ("\n".join(lines) + "\n").encode()
