"""The life of a service: busy, hung and dying workers, draining, logs, metrics."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.score.client import Answer, call, connect, read_answer, score
from tests.score.hosts import Host, host, wait_for

pytestmark = pytest.mark.slow

SCRIPT = """
import ctypes, json, os, signal, time
def init(): pass
def run(data):
    order = json.loads(data)
    kind = order["do"]
    if kind == "echo": return order["value"]
    if kind == "pid": return os.getpid()
    if kind == "sleep":
        open(order["mark"], "w").close()
        end = time.monotonic() + order["seconds"]
        while time.monotonic() < end: time.sleep(0.005)
        return "slept"
    if kind == "wait":
        open(order["mark"], "w").close()
        while not os.path.exists(order["until"]): time.sleep(0.005)
        return "waited"
    if kind == "hang":  # in C, holding the interpreter: no signal handler can run
        open(order["mark"], "w").close()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        ctypes.PyDLL(None).sleep(600)
    if kind == "die": os.kill(os.getpid(), signal.SIGKILL)
    if kind == "segfault": ctypes.string_at(0)
    if kind == "exit": raise SystemExit(1)
    if kind == "_exit": os._exit(0)
    if kind == "print": print("printed", order["value"]); import logging; logging.warning("logged"); return 1
    if kind == "misprint": import logging; logging.warning("%d of %d", "one"); print("x" * 40_000, end=""); return 1
    if kind == "big": return "x" * order["size"]
    if kind in ("head", "field", "status"):
        from azureml.contrib.services.aml_response import AMLResponse
        answer = AMLResponse("ok", order.get("status", 200))
        answer.headers[order.get("field", "x-long")] = "x" * order.get("size", 1)
        return answer
    if kind == "fork":
        if not os.fork():
            open(order["mark"], "w").write(str(os.getpid()))
            return "child"
        os.wait()
        return "parent"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(SCRIPT)
    return tmp_path


@pytest.fixture
def two(root: Path) -> Iterator[Host]:
    with host("--root", str(root), "--workers", "2") as running:
        yield running


def test_health_answers_while_every_worker_scores(root: Path) -> None:
    with host("--root", str(root), "--workers", "2", "--health-port", "0") as running, ThreadPoolExecutor(4) as pool:
        until = str(root / "until")
        busy = []
        for i in range(2):
            mark = root / f"mark{i}"
            busy.append(pool.submit(score, running.port, {"do": "wait", "mark": str(mark), "until": until}))
            wait_for(mark.exists, "the worker to start scoring")
        for port in (running.port, running.ready["health_port"]):
            for path in ("/", "/livez", "/readyz"):
                assert call(port, "GET", path).status == 200
        assert not any(each.done() for each in busy)
        Path(until).touch()
        assert [each.result(60).json() for each in busy] == ["waited", "waited"]


@pytest.mark.parametrize("how", ["die", "segfault", "_exit"])
def test_a_worker_that_dies_loses_only_its_request(two: Host, how: str) -> None:
    before = set(two.workers())
    with ThreadPoolExecutor(9) as pool:
        fatal = pool.submit(score, two.port, {"do": how})
        others = [pool.submit(score, two.port, {"do": "echo", "value": i}) for i in range(60)]
        lost = fatal.result(60)
        assert [each.result(60).json() for each in others] == list(range(60))
    assert lost.status == 500
    assert "worker process" in lost.json()["message"]
    assert lost.headers["x-ms-run-function-failed"] == "True"
    assert lost.headers["x-request-id"]
    wait_for(lambda: len(set(two.workers()) - before) >= 1, "a new worker")
    wait_for(lambda: call(two.port, "GET", "/readyz").json()["workers"] == 2, "two workers")


@pytest.mark.parametrize(("size", "status"), [(99_000, 200), (150_000, 500), (350_000, 500), (5_000_000, 500)])
def test_a_head_that_is_too_large_fails_alone(
    two: Host, size: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("http.client._MAXLINE", 200_000)
    before = two.workers()
    assert score(two.port, {"do": "head", "size": size}).status == status
    assert score(two.port, {"do": "echo", "value": 1}).json() == 1
    assert two.workers() == before
    assert [line["limit"] for line in two.events("head_too_large")] == [100_000] * (status == 500)


@pytest.mark.parametrize(
    "order",
    [*({"do": "status", "status": status} for status in (-1, 0, 99, 100, 101, 199, 1000)), *(
        {"do": "field", "field": name} for name in ("a b", "a:b", "", "\u00e4", "a\tb"))],
    ids=str,
)  # fmt: skip
def test_what_is_no_http_is_not_sent(two: Host, order: dict[str, Any]) -> None:
    answer = score(two.port, order)
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    wait_for(lambda: two.events("internal_error"), "the log line")
    assert score(two.port, {"do": "echo", "value": 1}).json() == 1


def test_a_child_that_the_script_forks_ends_with_its_request(two: Host, root: Path) -> None:
    mark = root / "forked"
    assert score(two.port, {"do": "fork", "mark": str(mark)}).json() == "parent"
    assert not Path(f"/proc/{mark.read_text()}").exists()


def test_requests_wait_for_the_only_worker_to_be_replaced(root: Path) -> None:
    with host("--root", str(root)) as running, ThreadPoolExecutor(9) as pool:
        fatal = pool.submit(score, running.port, {"do": "die"})
        others = [pool.submit(score, running.port, {"do": "echo", "value": i}) for i in range(40)]
        assert fatal.result(60).status == 500
        assert [each.result(60).json() for each in others] == list(range(40))


def test_workers_killed_again_and_again(two: Host) -> None:
    stop = threading.Event()
    answers: list[tuple[int, Answer]] = []

    def load(number: int) -> None:
        i = 0
        while not stop.is_set():
            i += 1
            answers.append((number * 100_000 + i, score(two.port, {"do": "echo", "value": number * 100_000 + i})))

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        count = len(answers)
        wait_for(lambda count=count: len(answers) > count + 20, "answers")
        victims = wait_for(two.workers, "a worker")
        os.kill(victims[0], signal.SIGKILL)
        wait_for(lambda gone=victims[0]: gone not in two.workers(), "its end")
    stop.set()
    for thread in threads:
        thread.join(60)
    wrong = [(value, answer) for value, answer in answers if answer.status == 200 and answer.json() != value]
    failed = [answer for _, answer in answers if answer.status != 200]
    assert not wrong
    assert len(failed) <= 4  # at most the request that a killed worker was on
    assert all(answer.status == 500 and "signal 9" in answer.json()["message"] for answer in failed)


def test_exit_in_run_ends_nothing(two: Host) -> None:
    before = two.workers()
    assert score(two.port, {"do": "exit"}).status == 500
    assert two.workers() == before


def test_timeout_of_python_code_keeps_the_worker(root: Path) -> None:
    with host("--root", str(root), env={"SCORING_TIMEOUT_MS": "300"}) as running:
        before = score(running.port, {"do": "pid"}).json()
        answer = score(running.port, {"do": "sleep", "seconds": 600, "mark": str(root / "mark")}, x_request_id="r1")
        assert answer.status == 500
        assert answer.json() == {"message": "Scoring timeout after 300 ms"}
        assert answer.headers["x-request-id"] == "r1"
        assert answer.headers["x-ms-run-function-failed"] == "True"
        assert score(running.port, {"do": "pid"}).json() == before


def test_hang_in_c_code_gets_the_same_answer_and_a_new_worker(root: Path) -> None:
    with host("--root", str(root), env={"SCORING_TIMEOUT_MS": "300"}) as running:
        before = score(running.port, {"do": "pid"}).json()
        answer = score(running.port, {"do": "hang", "mark": str(root / "mark")}, x_request_id="r1")
        assert answer.status == 500
        assert answer.json() == {"message": "Scoring timeout after 300 ms"}
        assert answer.headers["x-request-id"] == "r1"
        assert score(running.port, {"do": "pid"}).json() != before


def test_worker_timeout(root: Path) -> None:
    with host("--root", str(root), env={"WORKER_TIMEOUT": "0.4"}) as running:
        answer = score(running.port, {"do": "hang", "mark": str(root / "mark")})
        assert answer.json() == {"message": "Scoring timeout after 400 ms"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_what_is_in_progress(root: Path, number: signal.Signals) -> None:
    with host("--root", str(root)) as running, ThreadPoolExecutor(4) as pool:
        mark, until = root / "mark", root / "until"
        busy = pool.submit(score, running.port, {"do": "wait", "mark": str(mark), "until": str(until)})
        wait_for(mark.exists, "the worker to start scoring")
        queued = pool.submit(score, running.port, {"do": "echo", "value": "queued"})
        idle = connect(running.port)
        wait_for(lambda: _waiting(running) == 2, "the second request")
        running.process.send_signal(number)
        wait_for(lambda: running.events("stopped_listening"), "the stop")
        with pytest.raises(OSError):
            connect(running.port)
        until.touch()
        assert busy.result(60).json() == "waited"
        assert queued.result(60).json() == "queued"
        assert idle.recv(1) == b""
        idle.close()
        assert running.process.wait(60) == 0


def _waiting(running: Host) -> int:
    """Connections of the service that hold unanswered requests, by the kernel's list."""
    text = Path("/proc/net/tcp").read_text()
    port = f":{running.port:04X} "
    return sum(1 for line in text.splitlines() if port in line.split()[1] + " " and line.split()[3] == "01") - 1


def test_stop_does_not_wait_for_ever(root: Path) -> None:
    with host("--root", str(root), env={"MLOPS_SCORE_DRAIN_SECONDS": "0.3"}) as running, ThreadPoolExecutor(1) as pool:
        mark = root / "mark"
        hung = pool.submit(score, running.port, {"do": "hang", "mark": str(mark)})
        wait_for(mark.exists, "the worker to start scoring")
        assert running.stop() == 0
        assert hung.exception(60) is not None
    assert not any(Path(f"/proc/{pid}").exists() for pid in [running.process.pid])


def test_no_worker_outlives_a_front_that_is_killed(two: Host) -> None:
    workers = two.workers()
    assert len(workers) == 2
    two.process.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the workers' end")


def test_slow_start_is_told_and_waited_for(root: Path) -> None:
    (root / "main.py").write_text(
        f"import os, time\ndef init():\n    while not os.path.exists({str(root / 'go')!r}): time.sleep(0.01)\n"
        "def run(data): return 1\n"
    )
    with tempfile_port() as port:
        process = subprocess.Popen(
            [sys.executable, "-m", "score", "--root", str(root), "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: _status(port, "/livez") == 200, "the port")
            assert _status(port, "/readyz") == 503
            assert _status(port, "/") == 503
            answer = score(port, b"x")
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            (root / "go").touch()
            wait_for(lambda: _status(port, "/readyz") == 200, "readiness")
            assert score(port, b"x").json() == 1
        finally:
            process.terminate()
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


def _status(port: int, path: str) -> int:
    try:
        return call(port, "GET", path).status
    except OSError:
        return 0


class tempfile_port:
    """A port that is free now."""

    def __enter__(self) -> int:
        from tests.score.oracle.record import free_port

        return free_port()

    def __exit__(self, *_: Any) -> None:
        return None


def test_answers_are_never_mixed_up(two: Host) -> None:
    def one(i: int) -> bool:
        value = {"number": i, "padding": "p" * (i * 977 % 150_000)}
        answer = score(two.port, {"do": "echo", "value": value}, x_request_id=f"r{i}")
        return answer.json() == value and answer.headers["x-request-id"] == f"r{i}"

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(one, range(300)))


def test_large_answers_to_a_slow_reader(two: Host) -> None:
    size = 5_000_000
    with connect(two.port) as sock:
        body = json.dumps({"do": "big", "size": size}).encode()
        sock.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_for(lambda: score(two.port, {"do": "echo", "value": 1}).json() == 1, "another client")
        answer = read_answer(sock)
    assert len(answer.json()) == size


def test_prints_and_logging_become_json_lines_with_the_id(two: Host) -> None:
    assert score(two.port, {"do": "print", "value": "a\nb"}, x_request_id="r7").status == 200
    wait_for(lambda: two.events("log"), "the log")
    printed = [(line["message"], line["request_id"]) for line in two.events("print")]
    assert printed == [("printed a", "r7"), ("b", "r7")]
    assert two.events("log")[0]["message"] == "logged"


def test_a_log_call_that_is_wrong_does_no_harm(root: Path) -> None:
    with host("--root", str(root)) as running:
        assert [score(running.port, {"do": "misprint"}).json() for _ in range(4)] == [1] * 4
        assert all("'%d of %d'" in line["message"] for line in running.events("log"))
        # What is printed without an end of line is not kept for ever.
        assert [len(line["message"]) for line in running.events("print")] == [80_000, 80_000]


def test_access_log(two: Host) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    score(two.port, {"do": "echo", "value": "secret-value"}, x_request_id="r1", traceparent=trace)
    score(two.port, {"do": "echo", "value": 1}, x_ms_client_request_id="c2", traceparent="00-zz-1-01")
    call(two.port, "GET", "/score?do=secret-query")
    lines = wait_for(lambda: len(two.events("request")) == 3 and two.events("request"), "the access log")
    assert lines[0]["request_id"] == "r1"
    assert lines[0]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert lines[0]["parent_span_id"] == "b7ad6b7169203331"
    assert lines[0]["duration_ms"] > 0
    assert (lines[1]["client_request_id"], "trace_id" in lines[1]) == ("c2", False)
    assert "secret" not in json.dumps(lines)


def test_metrics(root: Path) -> None:
    with host("--root", str(root), "--metrics-port", "0") as running:
        for _ in range(3):
            score(running.port, {"do": "echo", "value": 1})
        score(running.port, {"do": "exit"})
        answer = call(running.ready["metrics_port"], "GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = answer.body.decode()
        assert 'scoring_requests_total{path="/score",status="200"} 3' in text
        assert 'scoring_requests_total{path="/score",status="500"} 1' in text
        assert 'scoring_request_duration_seconds_count{path="/score"} 4' in text
        assert "scoring_workers_ready 1" in text
        assert call(running.port, "GET", "/metrics").status == 404


def test_too_many_waiting_requests_are_refused(root: Path) -> None:
    env = {"MLOPS_SCORE_MAX_QUEUE": "4"}
    with host("--root", str(root), env=env) as running, ThreadPoolExecutor(20) as pool:
        until = root / "until"
        work = {"do": "wait", "mark": str(root / "mark"), "until": str(until)}
        waiting = [pool.submit(score, running.port, work) for _ in range(20)]
        wait_for(lambda: sum(each.done() for each in waiting) == 16, "the refusals")
        refused = next(each.result() for each in waiting if each.done())
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        until.touch()
        statuses = sorted(each.result(60).status for each in waiting)
    assert statuses == [200] * 4 + [503] * 16


def test_clock_is_monotonic_for_timeouts() -> None:
    """Deadlines must not depend on the wall clock, which may jump."""
    source = Path(__file__).resolve().parents[2] / "score" / "_host"
    for name in ("front.py", "connections.py", "dispatch.py", "pool.py", "channel.py", "http.py"):
        text = (source / name).read_text()
        assert text.count("time.time()") == (1 if name == "http.py" else 0), name  # the Date header alone
    assert time.monotonic() > 0
