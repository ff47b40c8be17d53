"""Releases to AKS with a fault at a random point each: what served goes on serving."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fakes
from deploy import canary
from deploy.azure.aks import Aks
from deploy.azure.services import AzureServices
from deploy.errors import DeployError
from deploy.local.programs import wait_until
from deploy.services import DeployRequest, Services, ServiceState
from fakes.doors.activation import Fake
from registry.azure.models import AzureModelRegistry
from registry.azure.workspace import AzureWorkspace
from tests.contract.canary import PROBES
from tests.contract.services import answer_of
from tests.contract.services_project import Project
from tests.deploy.test_azure_faults import workspace
from tests.deploy.test_azure_services import LINEAGE, AzureProject

__all__ = ["workspace"]
pytestmark = [pytest.mark.azure, pytest.mark.slow]

RELEASES = int(os.environ.get("MLOPS_TEST_RELEASES", "10"))
"""`make soak-releases` asks for a hundred."""
SEED = int(os.environ.get("MLOPS_TEST_SEED", "20260101"))
POINTS = ("adding", "is up", "gets", "answers of", "all traffic")
"""What the lines hold that a release reports."""
RULE = canary.Rule(requests=3, max_latency_ratio=1000.0, max_disagreement=100.0)


class Fault(Exception):
    """Raised where nobody expects it."""


class Release:
    """One release that something happens to; with a canary or without, as chance has it."""

    def __init__(self, fake: Fake, services: Services, project: Project, chance: random.Random) -> None:
        self.fake, self.services, self.project, self.chance = fake, services, project, chance
        self.canary = chance.random() < 0.5

    def deploy(self, request: DeployRequest, say: Callable[[str], None] = lambda line: None) -> None:
        if self.canary:
            canary.release(self.services, request, percent=20, probes=PROBES, rule=RULE, progress=say)
        else:
            self.services.deploy(request, progress=say)

    def a_refused_request(self, slope: float) -> None:
        """One request, whichever, is answered with an error, cut off or not at all."""
        request = self.project.request(slope)  # registered before the fault: that is no part of the release
        kind = self.chance.choice(("status", "status", "reset", "truncate"))
        status = self.chance.choice((400, 403, 404, 409, 429, 500, 503))
        skip = self.chance.randrange(80 if self.canary else 40)
        self.fake.state.faults.add("*", kind, status=status, skip=skip, times=1)  # type: ignore[arg-type]
        self.deploy(request)

    def an_outage(self, slope: float) -> None:
        """Azure does not take a change, and comes back when it has been given up."""
        self.fake.state.faults.add("Services_Update", status=503, times=None, skip=self.chance.randrange(4))

        def say(line: str) -> None:
            if "back" in line:
                self.fake.state.faults.clear()

        self.deploy(self.project.request(slope), say)

    def a_deployment_that_ends_badly(self, slope: float) -> None:
        """No capacity, no image, no health: Azure says so at the end."""
        failure = {"code": "AksDeploymentFailed", "message": "Back-off restarting failed container"}
        self.fake.state.transitions.set("service", failure=failure)

        def say(line: str) -> None:
            if "back" in line:
                self.fake.state.transitions.clear("service")

        self.deploy(self.project.request(slope), say)

    def an_error(self, slope: float) -> None:
        """The command itself breaks, or is interrupted, at one of its steps."""
        point, error = self.chance.choice(POINTS), self.chance.choice((Fault, KeyboardInterrupt, MemoryError))

        def strike(line: str) -> None:
            if point in line:
                raise error

        self.deploy(self.project.request(slope), strike)

    def a_bad_version(self, slope: float) -> None:
        """The version itself does not work."""
        requests: list[Callable[[], DeployRequest]] = [
            lambda: self.project.request(slope, init="raise"),
            lambda: self.project.request(slope, init="exit"),
            lambda: self.project.request(slope, runs="fail"),
            lambda: self.project.request(slope, golden=-1.0),
        ]
        # The golden request is answered well by the third one, and the host refuses the fourth one before it serves.
        self.canary = True
        self.deploy(self.chance.choice(requests)())


KINDS = [
    Release.a_refused_request,
    Release.an_outage,
    Release.a_deployment_that_ends_badly,
    Release.an_error,
    Release.a_bad_version,
]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fakes.mock_azure(seed=SEED) as fake:
        yield fake


@pytest.fixture
def services(workspace: AzureWorkspace) -> AzureServices:
    from azureml.core.compute import AksCompute, ComputeTarget

    configuration = AksCompute.attach_configuration(
        resource_id="/subscriptions/s/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/c"
    )
    ComputeTarget.attach(workspace.sdk, "aks", configuration).wait_for_completion()
    return AzureServices(workspace, targets={"qa": "aks"})


@pytest.mark.timeout(60 + 30 * RELEASES)
def test_a_fault_at_a_random_point_leaves_the_version_before(
    fake: Fake, services: AzureServices, workspace: AzureWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = AzureModelRegistry(workspace)
    project = AzureProject(tmp_path / "project", lambda name, folder: registry.register(name, folder, lineage=LINEAGE))
    chance = random.Random(SEED)
    slope = 1.0
    before = services.deploy(project.request(slope))
    keys = services.keys("line-qa")
    outcomes: Counter[str] = Counter()
    # every kind at least once, then as chance has it
    kinds = [*chance.sample(KINDS, len(KINDS)), *(chance.choice(KINDS) for _ in range(RELEASES - len(KINDS)))]
    for number, kind in enumerate(kinds):
        release = Release(fake, services, project, chance)
        failure: BaseException | None = None
        try:
            kind(release, slope + 1)
        except (DeployError, Fault, KeyboardInterrupt, MemoryError) as error:
            failure = error
        finally:
            fake.state.faults.clear()
            fake.state.transitions.clear("service")
        how = "with a canary" if release.canary else "at once"
        where = f"release {number}, {kind.__name__} {how}, seed {SEED}: {failure!r}"
        served = answer_of(services) / 2
        assert served == (slope if failure else slope + 1), where
        # Where even looking at the operation failed, it goes on without traffic; the next release clears it away.
        assert wait_until(lambda: services.get("line-qa").state is ServiceState.HEALTHY, 60), where
        now = services.get("line-qa")
        assert not failure or now.version == before.version, where
        assert (now.uri, services.keys("line-qa")) == (before.uri, keys), where
        assert [item.traffic for item in services.revisions("line-qa") if item.traffic] == [100], where
        outcomes["before" if failure else "new"] += 1
        slope, before = served, now
    assert outcomes["before"] > len(kinds) / 2
    # A version that could not be deleted stays, idle, and is in nobody's way.
    with monkeypatch.context() as patch:
        patch.setattr(Aks, "_remove", lambda *_: None)
        services.deploy(project.request(slope + 1))
    assert 0 in [item.traffic for item in services.revisions("line-qa")]
    request = project.request(slope + 2)
    assert canary.release(services, request, percent=20, probes=PROBES, rule=RULE).promoted
    assert answer_of(services) == 2 * (slope + 2)
    assert [item.traffic for item in services.revisions("line-qa")] == [100]
