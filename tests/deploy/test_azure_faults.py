"""What a deployment meets on a bad day: throttling, outages, and deployments that end badly, or never."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fakes
from deploy.azure.common import STATES, UNDER_WAY, check_answer, untracked
from deploy.azure.images import AzureImageBuilder
from deploy.azure.services import AzureServices
from deploy.errors import DeployConflict, DeployFailed, DeployTimeout, EngineUnavailable, ServiceNotFound
from deploy.services import ServiceState
from fakes.core.operations import Operation
from fakes.core.transitions import Transition
from fakes.doors.activation import Fake
from registry.azure.models import AzureModelRegistry
from registry.azure.workspace import AzureWorkspace
from registry.models import ModelVersion
from tests.contract.azure import account_in
from tests.contract.services import answer_of
from tests.contract.services_project import Project
from tests.deploy.test_azure_services import LINEAGE, AzureProject

pytestmark = [pytest.mark.azure, pytest.mark.slow]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fakes.mock_azure() as fake:
        yield fake


@pytest.fixture
def workspace(fake: Fake) -> AzureWorkspace:
    return AzureWorkspace(account_in(fake))


@pytest.fixture
def project(workspace: AzureWorkspace, tmp_path: Path) -> Project:
    registry = AzureModelRegistry(workspace)

    def register(name: str, artifact: Path) -> ModelVersion:
        return registry.register(name, artifact, lineage=LINEAGE)

    return AzureProject(tmp_path / "project", register)


@pytest.fixture(params=["aci", "aks"])
def services(request: pytest.FixtureRequest, workspace: AzureWorkspace) -> AzureServices:
    if request.param == "aks":
        from azureml.core.compute import AksCompute, ComputeTarget

        configuration = AksCompute.attach_configuration(
            resource_id="/subscriptions/s/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/c"
        )
        ComputeTarget.attach(workspace.sdk, "aks", configuration).wait_for_completion()
    return AzureServices(workspace, targets={"qa": request.param})


class Azure:
    """Makes the next deployment end badly; what comes after it ends well, because Azure has recovered."""

    def __init__(self, fake: Fake) -> None:
        self._state = fake.state
        self.said: list[str] = []

    def end(self, how: str) -> None:
        if how == "Failed":
            failure = {"code": "AciDeploymentFailed", "message": "No capacity is left in this region."}
            self._state.transitions.set("service", failure=failure)
        elif how == "TimedOut":
            failure = {"code": "DeploymentTimedOut", "message": "The deployment operation polling has TimedOut."}
            self._state.transitions.set("service", failure=failure)
        else:
            self._state.transitions.set("service", "polls", 10_000)

    def say(self, line: str) -> None:
        """Hears of the deployment's progress: when it is taken back, Azure has recovered."""
        self.said.append(line)
        if "back" in line:
            self._state.transitions.clear("service")

    def when_running(self, act: Callable[[], None], ready: Callable[[], bool] = lambda: True) -> None:
        """Acts once the operation that comes next is under way, and `ready` says so."""
        known = {operation.id for operation in self._state.operations.all("service")}
        found = threading.Event()

        def work() -> None:
            while not found.wait(0.05):
                if self._running(known) and ready():
                    found.set()
                    act()

        threading.Thread(target=work, daemon=True).start()

    def cancel_all(self) -> None:
        for operation in self._running(set()):
            self._state.operations.cancel(operation.id)

    def let_end(self) -> None:
        """What is under way, and what comes next, ends as it should."""
        self._state.transitions.clear("service")
        for operation in self._running(set()):
            operation.transition = Transition()

    def _running(self, known: set[str]) -> list[Operation]:
        return [item for item in self._state.operations.all("service") if item.id not in known and not item.finished]


@pytest.fixture
def azure(fake: Fake) -> Azure:
    return Azure(fake)


@pytest.mark.parametrize("how", ["Failed", "TimedOut", "Cancelled"])
def test_a_deployment_that_ends_badly_leaves_the_version_before(
    services: AzureServices, project: Project, azure: Azure, how: str
) -> None:
    before = services.deploy(project.request(3.0))
    keys = services.keys("line-qa")
    azure.end(how)
    if how == "Cancelled":
        # as somebody does in the portal, after the container has started
        azure.when_running(azure.cancel_all, ready=lambda: "slope 4" in services.logs("line-qa"))
    with pytest.raises(DeployFailed) as failure:
        services.deploy(project.request(4.0), progress=azure.say)
    assert isinstance(failure.value, DeployTimeout) == (how == "TimedOut")
    assert failure.value.phase == "ready"
    assert "loaded a line with slope" in failure.value.logs
    assert failure.value.hint == "mlops services logs line-qa"
    assert any("back" in line for line in azure.said)
    now = services.get("line-qa")
    assert (now.state, now.version, now.uri) == (ServiceState.HEALTHY, before.version, before.uri)
    assert services.keys("line-qa") == keys
    assert answer_of(services) == 6.0
    assert [item.traffic for item in services.revisions("line-qa")] == [100]
    # and the next run deploys
    services.deploy(project.request(5.0))
    assert answer_of(services) == 10.0


def test_a_deployment_that_never_ends_is_left_under_way(
    services: AzureServices, project: Project, azure: Azure, fake: Fake
) -> None:
    before = services.deploy(project.request(3.0))
    azure.end("never")
    with pytest.raises(DeployTimeout, match="under way") as failure:
        services.deploy(project.request(4.0), timeout=1.0, progress=azure.say)
    assert failure.value.hint == UNDER_WAY
    assert services.get("line-qa").uri == before.uri
    assert answer_of(services) == 6.0
    # The next run is refused as long as that lasts, and repairs it then.
    with pytest.raises(DeployConflict, match="under way") as conflict:
        services.deploy(project.request(5.0))
    assert conflict.value.hint == UNDER_WAY
    azure.cancel_all()
    services.deploy(project.request(5.0))
    assert answer_of(services) == 10.0
    assert [item.traffic for item in services.revisions("line-qa")] == [100]


def test_a_first_deployment_that_ends_badly_leaves_nothing_in_the_way(
    services: AzureServices, project: Project, azure: Azure, fake: Fake
) -> None:
    azure.end("Failed")
    with pytest.raises(DeployFailed, match="No capacity"):
        services.deploy(project.request(3.0))
    with pytest.raises(ServiceNotFound):
        services.get("line-qa")
    fake.state.transitions.clear()
    assert services.deploy(project.request(3.0)).state is ServiceState.HEALTHY


def test_a_release_from_another_commit(
    services: AzureServices, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK adds the commit of the working folder to what it sends, and properties of a service cannot be changed."""

    def commit() -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "next"], check=True)

    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    commit()
    services.deploy(project.request(3.0))
    commit()
    services.deploy(project.request(4.0))
    assert answer_of(services) == 8.0
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("status", [429, 500, 503])
def test_tries_again_what_azure_refused_for_now(
    services: AzureServices, project: Project, fake: Fake, status: int
) -> None:
    names = ("Services_Create", "Operations_Get", "Services_Get", "Models_Get", "Services_ListKeys")
    rules = [fake.state.faults.add(name, status=status, times=2) for name in names]
    services.deploy(project.request(3.0))
    assert [rule.hits for rule in rules] == [2] * len(names)
    update = fake.state.faults.add("Services_Update", status=status, times=2)
    services.deploy(project.request(4.0))
    assert update.hits == 2
    assert answer_of(services) == 8.0


@pytest.mark.parametrize("kind", ["status", "reset"])
def test_gives_up_on_what_stays_away(services: AzureServices, project: Project, fake: Fake, kind: str) -> None:
    services.deploy(project.request(3.0))
    rule = fake.state.faults.add("Services_Update", kind, times=None)  # type: ignore[arg-type]
    with pytest.raises(EngineUnavailable, match="line-qa") as failure:
        services.deploy(project.request(4.0))
    assert 1 < rule.hits < 60
    assert failure.value.hint
    assert answer_of(services) == 6.0
    fake.state.faults.clear()
    services.deploy(project.request(4.0))
    assert answer_of(services) == 8.0


def test_a_deployment_under_way_is_named(services: AzureServices, project: Project, fake: Fake) -> None:
    services.deploy(project.request(3.0))
    message = "Service line-qa is being updated by another operation."
    fake.state.faults.add("Services_Update", status=409, message=message, times=1)
    with pytest.raises(DeployConflict, match="another operation"):
        services.deploy(project.request(4.0))
    assert answer_of(services) == 6.0


def test_an_interrupt_leaves_what_the_next_run_repairs(
    services: AzureServices, project: Project, azure: Azure, fake: Fake
) -> None:
    services.deploy(project.request(3.0))
    azure.end("never")
    azure.when_running(lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        services.deploy(project.request(4.0), progress=azure.say)
    assert any("did not work either" in line and "under way" in line for line in azure.said)
    assert answer_of(services) == 6.0
    azure.cancel_all()
    services.deploy(project.request(5.0))
    assert answer_of(services) == 10.0
    assert [item.traffic for item in services.revisions("line-qa")] == [100]


def test_an_interrupt_as_azure_takes_the_request_is_taken_back_too(
    services: AzureServices, project: Project, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.deploy(project.request(3.0))
    presses = iter([True])

    @contextlib.contextmanager
    def pressed() -> Iterator[None]:
        """The SDK's call, and Ctrl-C right after it, once."""
        with untracked():
            yield
        if next(presses, False):
            raise KeyboardInterrupt

    for module in ("aks", "aci"):
        monkeypatch.setattr(f"deploy.azure.{module}.untracked", pressed)
    with pytest.raises(KeyboardInterrupt):
        services.deploy(project.request(4.0), progress=azure.say)
    assert any("back" in line for line in azure.said)
    azure.cancel_all()
    services.deploy(project.request(5.0))
    assert answer_of(services) == 10.0
    assert [item.traffic for item in services.revisions("line-qa")] == [100]


def test_of_two_deployments_at_once_one_is_told_of_the_other(
    services: AzureServices, project: Project, azure: Azure
) -> None:
    services.deploy(project.request(3.0))
    first, second = project.request(4.0), project.request(5.0)
    refused: list[BaseException] = []

    def deploy_too() -> None:
        try:
            services.deploy(second, progress=azure.say)
        except BaseException as error:
            refused.append(error)
        azure.let_end()

    azure.end("never")
    azure.when_running(deploy_too)
    services.deploy(first)
    (lost,) = refused
    assert isinstance(lost, DeployConflict), lost
    assert lost.hint == UNDER_WAY
    assert not any("back" in line for line in azure.said)  # what the other one deploys is not undone
    assert answer_of(services) == 8.0
    assert services.get("line-qa").version == first.package.model.reference
    assert [item.traffic for item in services.revisions("line-qa")] == [100]


def test_a_release_does_not_take_back_the_one_that_came_after_it(
    services: AzureServices, project: Project, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.deploy(project.request(3.0))
    first, second = project.request(4.0), project.request(5.0)

    def too_late(*given: Any) -> None:
        with monkeypatch.context() as patch:
            for module in ("aks", "aci"):
                patch.setattr(f"deploy.azure.{module}.check_answer", check_answer)
            services.deploy(second)
        check_answer(*given)

    for module in ("aks", "aci"):
        monkeypatch.setattr(f"deploy.azure.{module}.check_answer", too_late)
    with pytest.raises(DeployConflict, match=f"another release .*{second.package.model.reference}") as told:
        services.deploy(first, progress=azure.say)
    assert told.value.hint == "mlops services show line-qa"
    assert not any("back" in line for line in azure.said)
    assert answer_of(services) == 10.0
    now = services.get("line-qa")
    assert (now.state, now.version) == (ServiceState.HEALTHY, second.package.model.reference)
    assert [item.traffic for item in services.revisions("line-qa")] == [100]


def test_what_azure_has_not_taken_is_not_taken_back(
    services: AzureServices, project: Project, azure: Azure, fake: Fake
) -> None:
    services.deploy(project.request(3.0))
    fake.state.faults.add("Services_Update", status=400, times=1)
    updates = fake.state.requests.counts().get("Services_Update", 0)
    with pytest.raises(EngineUnavailable):
        services.deploy(project.request(4.0), progress=azure.say)
    # QA would be away while the version that serves is put into its own place
    assert fake.state.requests.counts()["Services_Update"] == updates + 1
    assert not any("back" in line for line in azure.said)
    assert answer_of(services) == 6.0


def test_what_is_not_seen_to_be_healthy_is_taken_back(
    services: AzureServices, project: Project, azure: Azure, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = services.deploy(project.request(3.0))
    with monkeypatch.context() as patch:
        patch.setitem(STATES, "Healthy", ServiceState.UNHEALTHY)
        with pytest.raises(DeployFailed, match="line-qa ended as Unhealthy"):
            services.deploy(project.request(4.0), progress=azure.say)
    assert any("back" in line for line in azure.said)
    assert answer_of(services) == 6.0

    def checked_and_then_away(*given: Any) -> None:
        check_answer(*given)
        fake.state.faults.add("Services_Get", status=403, times=3)  # as often as it is read

    for module in ("aks", "aci"):
        monkeypatch.setattr(f"deploy.azure.{module}.check_answer", checked_and_then_away)
    with pytest.raises(EngineUnavailable, match="line-qa"):
        services.deploy(project.request(5.0), progress=azure.say)
    assert answer_of(services) == 6.0
    now = services.get("line-qa")
    assert (now.state, now.version) == (ServiceState.HEALTHY, before.version)
    assert [item.traffic for item in services.revisions("line-qa")] == [100]


def test_an_image_that_is_never_built(workspace: AzureWorkspace, project: Project, fake: Fake) -> None:
    package = project.request(3.0).package
    fake.state.transitions.set("package", "polls", 10_000)
    with pytest.raises(DeployTimeout, match="the image of line:1 was not built within 0 s") as failure:
        AzureImageBuilder(workspace, timeout=0.0).build(package)
    assert failure.value.phase == "build"
    assert "Azure goes on" in (failure.value.hint or "")
    fake.state.transitions.set("package", failure={"code": "ImageBuildFailed", "message": "no space in the registry"})
    with pytest.raises(DeployFailed, match="was not built") as failed:
        AzureImageBuilder(workspace).build(package)
    assert "no space in the registry" in str(failed.value)
    assert failed.value.hint == "the whole log is in the portal"  # not its address, whose signature is a key to it
    fake.state.transitions.clear()
    assert AzureImageBuilder(workspace).build(package).reference.endswith(f"/line:1-{package.model.digest[7:19]}")
