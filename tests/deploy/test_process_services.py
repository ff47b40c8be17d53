"""``ProcessServices`` passes the suites of ``Services``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.errors import DeployFailed
from deploy.local.locking import changing
from deploy.local.programs import Program, wait_until
from deploy.local.services import LocalServices
from deploy.process import ProcessServices
from tests.contract.services import answer_of
from tests.contract.services_local import LocalServicesContract
from tests.contract.services_project import PORTS, Project


@pytest.mark.slow  # all of them together
class TestProcessServices(LocalServicesContract):
    @pytest.fixture
    def services(self, tmp_path: Path) -> Iterator[ProcessServices]:
        services = ProcessServices(tmp_path / "services", ports=PORTS)
        yield services
        for info in list(services.services()):
            services.delete(info.name)
        assert self.running(services) == 0

    def kill(self, services: LocalServices, service: str) -> None:
        for program in programs(services.root):
            program.signal(signal.SIGKILL)
            assert wait_until(lambda program=program: not program.alive, 30)

    def running(self, services: LocalServices) -> int:
        return sum(program.alive for program in programs(services.root))

    def test_the_host_does_not_get_the_environment_of_the_command(
        self, services: ProcessServices, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SP_APP_SECRET", "s3cret")
        monkeypatch.setenv("PYTHONPATH", "/nowhere")
        monkeypatch.setenv("GREETING", "from the shell")
        services.deploy(project.request(3.0))
        assert json.loads(services.invoke("line-qa", b'{"greet": true}').body) == {"greeting": None}

    @pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
    def test_no_key_in_any_process_list(self, services: ProcessServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        keys = services.keys("line-qa")
        for path in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    text = (path / name).read_bytes()
                except OSError:
                    continue
                assert keys.primary.encode() not in text


def test_a_service_in_short(tmp_path: Path) -> None:
    """Deploy, fail to deploy, delete: what ``make test-fast`` sees of the suite above."""
    services, project = ProcessServices(tmp_path / "services", ports=PORTS), Project(tmp_path / "project")
    try:
        before = services.deploy(project.request(3.0))
        with pytest.raises(DeployFailed):
            services.deploy(project.request(4.0, init="raise"))
        assert services.get("line-qa") == before
        assert answer_of(services) == 6.0
    finally:
        services.delete("line-qa")
    assert not any(program.alive for program in programs(services.root))


def test_a_program_is_known_by_its_lock(tmp_path: Path) -> None:
    program = Program(tmp_path / "alive.lock")
    out = tmp_path / "out"
    assert not program.alive
    command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    program.start(command, stdout=out, stderr=out, cwd=tmp_path, env=dict(os.environ))
    try:
        assert program.alive
        assert wait_until(lambda: out.read_text().endswith("\n"), 30)
        assert program.pid == int(out.read_text())
        assert program.exit_code() is None
    finally:
        program.stop()
    assert not program.alive
    assert program.pid is None


def test_stopping_right_after_the_start(tmp_path: Path) -> None:
    program = Program(tmp_path / "alive.lock")
    out = tmp_path / "out"
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    program.start(command, stdout=out, stderr=out, cwd=tmp_path, env=dict(os.environ))
    program.stop()
    assert not program.alive


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    program = Program(tmp_path / "alive.lock")
    out = tmp_path / "out"
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    program.start([sys.executable, "-c", code], stdout=out, stderr=out, cwd=tmp_path, env=dict(os.environ))
    assert wait_until(lambda: out.read_text() == "on\n", 30)
    program.stop(grace=0.2)
    assert not program.alive


def test_the_lock_is_free_after_use(tmp_path: Path) -> None:
    for _ in range(2):
        with changing(tmp_path, "line", "test"):
            pass


def programs(root: Path) -> list[Program]:
    return [Program(path) for path in root.glob("*/revisions/*/alive.lock")]
