"""What the local services do on top of ``ServicesContract``: addresses that last, nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.errors import DeployConflict, DeployError, DeployFailed, DeployTimeout, Invalid, StateUnavailable
from deploy.local.front import Front
from deploy.local.locking import changing
from deploy.local.programs import wait_until
from deploy.local.services import LocalServices
from deploy.local.state import ServiceFolder
from deploy.services import ServiceState
from tests.contract.services import TWO, ServicesContract, answer_of
from tests.contract.services_project import Project


class LocalServicesContract(ServicesContract):
    """The suite. Subclasses also say how to break what serves and what must not be left."""

    @pytest.fixture
    def services(self) -> LocalServices:
        raise NotImplementedError

    def kill(self, services: LocalServices, service: str) -> None:
        """End what serves as a crash would."""
        raise NotImplementedError

    def running(self, services: LocalServices) -> int:
        """How many revisions run, recorded or not."""
        raise NotImplementedError

    def test_after_a_crash_ensure_brings_it_back(self, services: LocalServices, project: Project) -> None:
        before, keys = services.deploy(project.request(3.0)), services.keys("line-qa")
        self.kill(services, "line-qa")
        down = services.get("line-qa")
        assert (down.state, down.uri) == (ServiceState.UNHEALTHY, before.uri)
        assert down.error
        answer = services.invoke("line-qa", TWO)
        assert answer.status == 502
        assert b"mlops services start line-qa" in answer.body
        assert services.ensure("line-qa") == before
        assert services.keys("line-qa") == keys
        assert answer_of(services) == 6.0

    def test_after_a_crash_of_the_gateway_too(self, services: LocalServices, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        front = Front(ServiceFolder(services.root, "line-qa"))
        front.program.signal(signal.SIGKILL)
        assert wait_until(lambda: not front.alive, 30)
        self.kill(services, "line-qa")
        assert services.get("line-qa").state == ServiceState.UNHEALTHY
        with pytest.raises(DeployError) as failure:
            services.invoke("line-qa", TWO)
        assert "mlops services start line-qa" in (failure.value.hint or "")
        assert services.ensure("line-qa") == before
        assert answer_of(services) == 6.0

    def test_ensure_changes_nothing_when_all_is_well(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        record = ServiceFolder(services.root, "line-qa").document.read_bytes()
        services.ensure("line-qa")
        assert ServiceFolder(services.root, "line-qa").document.read_bytes() == record

    def test_stop_and_ensure(self, services: LocalServices, project: Project) -> None:
        before, keys = services.deploy(project.request(3.0)), services.keys("line-qa")
        services.stop("line-qa")
        stopped = services.get("line-qa")
        assert (stopped.state, stopped.error, stopped.version) == (ServiceState.UNHEALTHY, "stopped", before.version)
        assert self.running(services) == 0
        assert not Front(ServiceFolder(services.root, "line-qa")).alive
        services.stop("line-qa")  # twice is well
        assert services.ensure("line-qa") == before
        assert services.keys("line-qa") == keys

    def test_a_deployment_brings_a_stopped_service_back(self, services: LocalServices, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        services.stop("line-qa")
        after = services.deploy(project.request(4.0))
        assert after.uri == before.uri
        assert answer_of(services) == 8.0

    def test_a_failed_deployment_leaves_a_stopped_service_stopped(
        self, services: LocalServices, project: Project
    ) -> None:
        services.deploy(project.request(3.0))
        services.stop("line-qa")
        with pytest.raises(DeployFailed):
            services.deploy(project.request(4.0, init="raise"))
        assert services.get("line-qa").error == "stopped"
        assert self.running(services) == 0

    def test_nothing_is_left_running(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        services.deploy(project.request(4.0))
        assert self.running(services) == 1
        with pytest.raises(DeployFailed):
            services.deploy(project.request(5.0, init="raise"))
        assert self.running(services) == 1
        services.delete("line-qa")
        assert self.running(services) == 0
        assert not (services.root / "line-qa").exists()

    def test_exit_code_of_a_host_that_ends_at_start(self, services: LocalServices, project: Project) -> None:
        with pytest.raises(DeployFailed) as failure:
            services.deploy(project.request(3.0, init="exit"))
        assert (failure.value.phase, failure.value.exit_code) == ("start", 3)
        assert "loaded a line with slope 3.0" in failure.value.logs

    def test_readiness_that_is_never_reached(self, services: LocalServices, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        with pytest.raises(DeployTimeout) as failure:
            services.deploy(project.request(4.0, init="hang"), timeout=3.0)
        assert failure.value.phase == "ready"
        assert self.running(services) == 1
        assert services.get("line-qa") == before

    def test_requests_in_flight_are_answered(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        front, port = Front(ServiceFolder(services.root, "line-qa")), _port(services)
        slow = json.dumps({"data": [[2.0]], "sleep": 3}).encode()
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(services.invoke, "line-qa", slow)
            assert wait_until(lambda: front.counts(port)["revisions"][0]["in_flight"] == 1, 30)
            services.deploy(project.request(4.0))
            assert json.loads(answer.result().body) == {"result": [6.0]}
        assert self.running(services) == 1
        assert answer_of(services) == 8.0

    def test_no_request_is_lost_while_versions_change(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        done, answers = threading.Event(), []

        def ask() -> None:
            while not done.is_set():
                answers.append(services.invoke("line-qa", TWO).status)

        with ThreadPoolExecutor() as pool:
            asking = [pool.submit(ask) for _ in range(2)]
            for slope in (4.0, 5.0):
                services.deploy(project.request(slope))
            done.set()
            for item in asking:
                item.result()
        assert set(answers) == {200}

    def test_shares_are_exact(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        services.deploy(project.request(4.0), traffic=10)
        services.counts("line-qa", reset=True)
        answers = [answer_of(services) for _ in range(50)]
        assert (answers.count(8.0), answers.count(6.0)) == (5, 45)
        canary, stable = services.revisions("line-qa")
        counts = services.counts("line-qa")
        assert (counts[canary.id]["requests"], counts[stable.id]["requests"]) == (5, 45)
        assert counts[canary.id]["errors"] == 0
        assert counts[canary.id]["latency_ms"]["p50"] > 0

    def test_errors_are_counted_by_revision(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        services.deploy(project.request(4.0), traffic=0)
        canary, stable = services.revisions("line-qa")
        answer = services.invoke("line-qa", json.dumps({"fail": True}).encode(), revision=canary.id)
        assert answer.status >= 500
        assert answer.headers["azureml-model-deployment"] == canary.id
        counts = services.counts("line-qa")
        assert (counts[canary.id]["errors"], counts[stable.id]["errors"]) == (1, 0)

    def test_two_deployments_at_once(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        with changing(services.root, "line-qa", "deployment of line:9"):
            for call in (
                lambda: services.deploy(project.request(4.0)),
                lambda: services.stop("line-qa"),
                lambda: services.set_traffic("line-qa", {"r1": 100}),
            ):
                with pytest.raises(DeployConflict, match=rf"line:9 by process {os.getpid()} since"):
                    call()
        assert answer_of(services) == 6.0

    def test_a_port_that_is_taken(self, services: LocalServices, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        services.stop("line-qa")
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", _port(services)))
            other.listen()
            for call in (lambda: services.ensure("line-qa"), lambda: services.deploy(project.request(4.0))):
                with pytest.raises(
                    DeployError, match=r"port \d+, the address of service 'line-qa', is taken"
                ) as failure:
                    call()
                assert "mlops services delete line-qa" in (failure.value.hint or "")
        services.stop("line-qa")
        assert services.ensure("line-qa") == before

    def test_ctrl_c_leaves_no_orphan(self, services: LocalServices, project: Project) -> None:
        before = services.deploy(project.request(3.0))

        def interrupt(line: str) -> None:
            if line.startswith("waiting"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            services.deploy(project.request(4.0, init="hang"), progress=interrupt)
        assert self.running(services) == 1
        assert services.get("line-qa") == before

    def test_a_killed_deployment_is_cleared_away(self, services: LocalServices, project: Project) -> None:
        """SIGKILL gives no chance to clear away: the next command does."""
        before = services.deploy(project.request(3.0))
        self.deploy_in_a_child(services, project, signal.SIGKILL)
        assert self.running(services) == 2
        assert services.get("line-qa") == before
        services.ensure("line-qa")
        assert self.running(services) == 1
        assert services.get("line-qa") == before

    def test_a_terminated_deployment_clears_away(self, services: LocalServices, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        self.deploy_in_a_child(services, project, signal.SIGTERM)
        assert self.running(services) == 1
        assert services.get("line-qa") == before

    def deploy_in_a_child(self, services: LocalServices, project: Project, number: signal.Signals) -> None:
        """Deploy what never becomes ready in another process, which gets a signal while it waits."""
        request = project.request(4.0, init="hang")
        words = [type(services).__module__, type(services).__name__, str(services.root)]
        words += [str(request.package.source), str(request.package.artifact)]
        words += [request.image.reference if request.image else ""]
        child = subprocess.Popen(
            [sys.executable, "-c", _DEPLOY, *words],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout is not None
            line = child.stdout.readline()
            while line and not line.startswith("waiting"):
                line = child.stdout.readline()
            assert line, "the child ended early"
            child.send_signal(number)
        assert child.returncode != 0

    def test_files_are_for_the_user_alone(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0, env={"TOKEN": "s3cret"}))
        folder = ServiceFolder(services.root, "line-qa")
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        for file in (folder.document, folder.keys_file, folder.path / "gateway.json"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_damaged_record_is_named(self, services: LocalServices, project: Project) -> None:
        services.deploy(project.request(3.0))
        document = ServiceFolder(services.root, "line-qa").document
        good = document.read_text()
        document.write_text(good[:40])
        with pytest.raises(Invalid, match=r"service\.json"):
            services.get("line-qa")
        newer = json.loads(good) | {"schema_version": 99}
        document.write_text(json.dumps(newer))
        with pytest.raises(DeployError, match="newer release"):
            services.get("line-qa")
        document.write_text(good)
        assert answer_of(services) == 6.0

    def test_a_folder_that_cannot_be_written(self, services: LocalServices, project: Project) -> None:
        services.root.parent.mkdir(parents=True, exist_ok=True)
        services.root.write_text("in the way")  # as root no mode forbids anything: a file where the folder should be
        with pytest.raises(StateUnavailable, match="services"):
            services.deploy(project.request(3.0))
        services.root.unlink()

    def test_a_full_disk(self, services: LocalServices, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        before = services.deploy(project.request(3.0))

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("deploy.local.files.os.fsync", full)
            with pytest.raises(StateUnavailable, match="No space left on device") as failure:
                services.deploy(project.request(4.0))
        assert failure.value.hint
        assert services.get("line-qa") == before
        assert answer_of(services) == 6.0


def _port(services: LocalServices) -> int:
    return int(services.get("line-qa").uri.rsplit(":", 1)[1].split("/")[0])


_DEPLOY = """
import importlib, sys
from datetime import datetime, timezone
from pathlib import Path
from deploy.images import Image, PackageRequest
from deploy.services import DeployRequest
from registry.digests import tree_digest
from registry.models import ModelVersion

module, name, root, source, artifact, image = sys.argv[1:]
kind = getattr(importlib.import_module(module), name)
artifact = Path(artifact)
model = ModelVersion("line", 2, tree_digest(artifact), 1, datetime.now(timezone.utc))
package = PackageRequest(model, artifact, Path("score/line.py"), Path(source))
services = kind(Path(root))
image = Image(image, "", model.reference, model.digest) if image else None
request = DeployRequest("line-qa", "qa", package, image)
services.deploy(request, progress=lambda line: print(line, flush=True))
"""
