"""A local service, ACI and AKS answer alike, but for what the table in docs/scoring-contract.md says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.azure.services import AksOptions, AzureServices
from registry.azure.models import AzureModelRegistry
from registry.azure.workspace import AzureWorkspace
from registry.models import Lineage, ModelVersion
from tests.contract.azure import account_in
from tests.deploy.scoring.answers import Seen, collect
from tests.deploy.scoring.corpus import CASES, EVENTS
from tests.deploy.scoring.project import PYTHON, TIMEOUT_MS
from tests.deploy.scoring.table import CONTAINERS, folded, rows
from tests.deploy.scoring.targets import faked, process

if TYPE_CHECKING:
    from fakes import Fake

EVERY = {case.id: case for case in (*CASES, *EVENTS)}
STATUSES = {name: case.status for name, case in EVERY.items()}
CLUSTER = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/c"


@pytest.fixture
def fake() -> Iterator[Fake]:
    import fakes

    with fakes.mock_azure() as fake:
        yield fake


@pytest.mark.azure
@pytest.mark.slow
def test_answers_differ_where_the_table_says_so_and_nowhere_else(fake: Fake, tmp_path: Path) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget

    workspace = AzureWorkspace(account_in(fake))
    cluster = AksCompute.attach_configuration(resource_id=CLUSTER)
    ComputeTarget.attach(workspace.sdk, "aks", cluster).wait_for_completion()
    registry = AzureModelRegistry(workspace)

    def register(name: str, artifact: Path) -> ModelVersion:
        return registry.register(name, artifact, lineage=Lineage(python=PYTHON))

    options = AksOptions(replicas_max=1, scoring_timeout_ms=TIMEOUT_MS, max_request_wait_ms=100)
    services = AzureServices(workspace, aks=options)
    with process(tmp_path / "process") as local:
        aci = faked(fake, services, tmp_path / "aci", "qa", register)
        aks = faked(fake, services, tmp_path / "aks", "production", register)
        aks.refuses_when_busy = True
        with ThreadPoolExecutor() as pool:
            seen = list(pool.map(collect, (local, aci, aks)))
    assert {case: answer.status for case, answer in seen[0].items()} == STATUSES
    assert [problem for case in EVERY for problem in problems(case, [one[case] for one in seen])] == []


def problems(case: str, answers: list[Seen]) -> list[str]:
    """What the table does not say of one request, or says wrongly."""
    local, *others = answers
    found = folded(set().union(*(local.differs(other) for other in others)))
    about = [row for row in rows() if row.about(case)]
    told = set().union(*(row.fields for row in about))
    wrong = []
    if found != told:
        wrong.append(f"{case}: {sorted(found - told)} differ and are in no row; {sorted(told - found)} do not differ")
    for row in about:
        for where, status, answer in zip(("local", "ACI", "AKS"), row.statuses, answers, strict=True):
            if status not in (None, answer.status):
                wrong.append(f"{case}: row {row.id} says {status} of {where}, which answered {answer.status}")
    return wrong


def test_the_table_names_requests_of_the_corpus() -> None:
    table = rows()
    assert table
    assert len({row.id for row in table}) == len(table)
    for row in table:
        assert row.cases and row.cases <= {*EVERY, "*"}, row.id
        assert row.fields, row.id
        assert ("status" in row.fields) <= (None not in row.statuses), f"{row.id} must say each status"


def test_what_is_in_no_row_is_found() -> None:
    plain = Seen(200, "1", {"content-type": "text/plain"})
    fields = {name for row in rows() if row.about("good") for name in row.fields}
    agreed = Seen(200, "1", {"content-type": "text/plain", **dict.fromkeys(fields, "r1")})
    assert problems("good", [agreed, plain, plain]) == []
    (missing,) = problems("good", [agreed, plain, Seen(200, "2", plain.headers)])
    assert "['body'] differ and are in no row" in missing
    (stale,) = problems("good", [plain, plain, plain])
    assert "do not differ" in stale
    headers = {"x-model-digest": "sha256:0"}
    (container,) = problems("good", [agreed, plain, Seen(200, "1", {**plain.headers, **headers})])
    assert CONTAINERS in container
