"""Keys: two, either valid, read again when the file changes, never shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.score.client import call, raw, score
from tests.score.hosts import Host, host, wait_for

PRIMARY, SECONDARY = "primary-key-é-1", "secondary-key-2"


def write(path: Path, primary: str, secondary: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"primary": primary, "secondary": secondary}))
    temporary.replace(path)


def status(running: Host, key: str | None, scheme: str = "Bearer") -> int:
    header = b"" if key is None else f"Authorization: {scheme} {key}\r\n".encode()
    data = b"POST /score HTTP/1.1\r\nHost: x\r\n" + header + b"Content-Length: 1\r\nConnection: close\r\n\r\nx"
    return raw(running.port, data).status


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Host, Path]]:
    (tmp_path / "main.py").write_text(
        "from azureml.contrib.services.aml_request import rawhttp\n"
        "def init(): pass\n@rawhttp\ndef run(request): return 'scored'\n"
    )
    keys = tmp_path / "keys.json"
    write(keys, PRIMARY, SECONDARY)
    env = {"AML_CORS_ORIGINS": "http://a.example"}
    with host("--root", str(tmp_path), "--keys-file", str(keys), env=env) as running:
        yield running, keys


def test_either_key_and_no_other(guarded: tuple[Host, Path]) -> None:
    running, _ = guarded
    assert status(running, PRIMARY) == 200
    assert status(running, SECONDARY) == 200
    assert status(running, SECONDARY, "bearer") == 200
    assert status(running, SECONDARY, "Bearer ") == 200
    for key in (None, "", "wrong", PRIMARY[:-1], PRIMARY + "x", f"{PRIMARY} {SECONDARY}", PRIMARY.upper()):
        assert status(running, key) == 401, key
    assert status(running, PRIMARY, "Basic") == 401


TARGETS = "/score //score /%73core /score/ /score?x /./score http://x/score /nope //"


def test_no_way_around_the_key(guarded: tuple[Host, Path]) -> None:
    for method in ("POST", "GET", "OPTIONS", "PUT", "HEAD"):
        for target in TARGETS.split():
            answer = call(guarded[0].port, method, target, b"x")
            assert answer.status == 401, (method, target)
            assert b"scored" not in answer.body
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_health_and_document_need_no_key(guarded: tuple[Host, Path]) -> None:
    for path in ("/", "/livez", "/readyz", "/swagger.json"):
        assert call(guarded[0].port, "GET", path).status == 200


def test_preflight_needs_no_key_and_reaches_no_script(guarded: tuple[Host, Path]) -> None:
    given = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
    answer = call(guarded[0].port, "OPTIONS", "/score", None, **given)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "http://a.example"


def test_a_large_body_without_key_is_refused_before_it_is_sent(guarded: tuple[Host, Path]) -> None:
    answer = raw(guarded[0].port, b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\nabc")
    assert answer.status == 401


def test_the_file_is_read_again(guarded: tuple[Host, Path]) -> None:
    running, keys = guarded
    write(keys, "new-primary", SECONDARY)
    assert status(running, PRIMARY) == 401
    assert status(running, "new-primary") == 200
    assert status(running, SECONDARY) == 200


def test_an_unreadable_file_leaves_the_keys_as_they_were(guarded: tuple[Host, Path]) -> None:
    running, keys = guarded
    for number, damage in enumerate(("{", "[]", "{}", '{"primary": 1}', None)):
        if damage is None:
            keys.unlink()
        else:
            keys.write_text(damage)
        assert status(running, SECONDARY) == 200
        assert status(running, "wrong") == 401
        wait_for(lambda wanted=number + 1: len(running.events("keys_unreadable")) == wanted, "the log line")
        write(keys, f"later-{number}", SECONDARY)
        assert status(running, f"later-{number}") == 200


def test_keys_are_never_shown(guarded: tuple[Host, Path]) -> None:
    running, _ = guarded
    assert status(running, PRIMARY) == 200
    answer = score(running.port, b"x", Authorization="Bearer wrong-key-3")
    assert b"wrong-key-3" not in answer.body
    wait_for(lambda: len(running.events("request")) >= 2, "the access log")
    log = json.dumps(running.logs())
    for key in (PRIMARY, SECONDARY, "wrong-key-3", json.dumps(PRIMARY)):
        assert key not in log
    if Path("/proc").exists():
        for pid in (running.process.pid, *running.workers()):
            shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
            assert SECONDARY.encode() not in shown


@pytest.mark.parametrize("content", [None, "{", '{"primary": ""}'])
def test_start_is_refused_without_usable_keys(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "main.py").write_text("def init(): pass\ndef run(data): return 1\n")
    keys = tmp_path / "keys.json"
    if content is not None:
        keys.write_text(content)
    running = Host("--root", str(tmp_path), "--keys-file", str(keys), env=dict(os.environ))
    try:
        assert running.process.wait(60) == 3
        assert "keys file" in json.dumps(running.logs())
    finally:
        running.kill()
