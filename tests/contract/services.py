"""What every adapter of ``Services`` does. Subclass it and give the fixtures ``services`` and ``project``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy import http
from deploy.errors import DeployError, DeployFailed, Invalid, PackageRefused, ServiceNotFound
from deploy.images import PackageRequest
from deploy.services import Services, ServiceState
from tests.contract.services_project import Project

TWO = json.dumps({"data": [[2.0]]}).encode()


def answer_of(services: Services, service: str = "line-qa") -> float:
    """What the service answers to 2: twice the slope of the version that answers."""
    answer = services.invoke(service, TWO)
    assert answer.status == 200, answer.body
    result: float = json.loads(answer.body)["result"][0]
    return result


def gone(uri: str) -> bool:
    """Whether nothing serves at an address any more: nobody listens, or a front end knows of no such service."""
    try:
        return http.call("POST", uri, body=TWO, timeout=5).status == 404
    except OSError:
        return True


class ServicesContract:
    """The suite."""

    @pytest.fixture
    def services(self) -> Services:
        raise NotImplementedError

    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        return Project(tmp_path / "project")

    def test_deploys_and_answers(self, services: Services, project: Project) -> None:
        request = project.request(3.0)
        said: list[str] = []
        info = services.deploy(request, progress=said.append)
        assert (info.name, info.stage, info.state) == ("line-qa", "qa", ServiceState.HEALTHY)
        assert info.version == request.package.model.reference
        assert info.uri.startswith("http")
        answer = services.invoke("line-qa", TWO)
        assert json.loads(answer.body) == {"result": [6.0]}
        assert answer.headers["x-model-digest"] == request.package.model.digest
        assert [item.traffic for item in services.revisions("line-qa")] == [100]
        assert said

    def test_a_second_version_keeps_address_and_keys(self, services: Services, project: Project) -> None:
        first = services.deploy(project.request(3.0))
        keys = services.keys("line-qa")
        request = project.request(4.0)
        second = services.deploy(request)
        assert second.uri == first.uri
        assert services.keys("line-qa") == keys
        assert second.version == request.package.model.reference
        assert answer_of(services) == 8.0

    def test_a_version_that_does_not_load_leaves_the_one_before(self, services: Services, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        with pytest.raises(DeployFailed) as failure:
            services.deploy(project.request(4.0, init="raise"))
        assert failure.value.phase in ("start", "ready")
        assert "the weights are of the wrong kind" in failure.value.logs
        assert failure.value.hint
        assert services.get("line-qa") == before
        assert len(services.revisions("line-qa")) == 1
        assert answer_of(services) == 6.0

    def test_a_first_version_that_does_not_load_leaves_no_service(self, services: Services, project: Project) -> None:
        with pytest.raises(DeployFailed):
            services.deploy(project.request(3.0, init="raise"))
        with pytest.raises(ServiceNotFound):
            services.get("line-qa")
        assert list(services.services()) == []

    def test_a_version_that_answers_wrongly_gets_no_traffic(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0))
        with pytest.raises(DeployFailed):
            services.deploy(project.request(4.0, golden=99.0))
        assert answer_of(services) == 6.0

    def test_a_model_without_golden_prediction_is_refused(self, services: Services, project: Project) -> None:
        request = project.request(3.0)
        (request.package.artifact / "golden.json").unlink()
        with pytest.raises(PackageRefused, match=r"golden\.json"):
            services.deploy(request)
        assert list(services.services()) == []

    def test_a_missing_entry_script_is_refused_by_name(self, services: Services, project: Project) -> None:
        request = project.request(3.0)
        package = PackageRequest(
            model=request.package.model,
            artifact=request.package.artifact,
            entry_script=Path("score/other.py"),
            source=project.root,
        )
        with pytest.raises(PackageRefused, match=r"score/other\.py"):
            services.deploy(type(request)(service="line-qa", stage="qa", package=package))

    def test_environment_reaches_the_entry_script(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0, env={"GREETING": "hello"}))
        answer = services.invoke("line-qa", json.dumps({"greet": True}).encode())
        assert json.loads(answer.body) == {"greeting": "hello"}

    def test_requests_without_or_with_a_wrong_key_are_refused(self, services: Services, project: Project) -> None:
        info = services.deploy(project.request(3.0))
        assert http.call("POST", info.uri, body=TWO).status == 401
        assert http.call("POST", info.uri, body=TWO, headers=http.bearer("wrong")).status in (401, 403)
        assert (
            http.call("POST", info.uri, body=TWO, headers=http.bearer(services.keys("line-qa").secondary)).status == 200
        )

    def test_a_new_key_replaces_one_of_two(self, services: Services, project: Project) -> None:
        info = services.deploy(project.request(3.0))
        before = services.keys("line-qa")
        after = services.regenerate_key("line-qa", "primary")
        assert after.secondary == before.secondary
        assert after.primary != before.primary
        assert services.keys("line-qa") == after
        assert http.call("POST", info.uri, body=TWO, headers=http.bearer(before.primary)).status in (401, 403)
        for key in (after.primary, after.secondary):
            assert http.call("POST", info.uri, body=TWO, headers=http.bearer(key)).status == 200
        with pytest.raises(DeployError):
            services.regenerate_key("line-qa", "tertiary")

    def test_keys_are_not_shown(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0))
        keys = services.keys("line-qa")
        shown = repr(keys) + repr(services.get("line-qa")) + services.logs("line-qa", lines=1000)
        assert keys.primary not in shown
        assert keys.secondary not in shown

    def test_logs(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0))
        assert "loaded a line with slope 3.0" in services.logs("line-qa")
        assert services.logs("line-qa", lines=0) == ""

    def test_a_canary_gets_its_share_then_everything(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0))
        services.deploy(project.request(4.0), traffic=20)
        canary, stable = services.revisions("line-qa")
        assert (canary.traffic, stable.traffic) == (20, 80)
        assert {answer_of(services) for _ in range(100)} == {6.0, 8.0}
        services.set_traffic("line-qa", {canary.id: 100})
        assert [item.id for item in services.revisions("line-qa")] == [canary.id]
        assert {answer_of(services) for _ in range(20)} == {8.0}

    def test_a_canary_is_taken_back(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0))
        services.deploy(project.request(4.0), traffic=20)
        canary, stable = services.revisions("line-qa")
        services.set_traffic("line-qa", {stable.id: 100, canary.id: 0})
        assert [item.id for item in services.revisions("line-qa")] == [stable.id]
        assert {answer_of(services) for _ in range(20)} == {6.0}

    def test_shares_that_do_not_add_up_change_nothing(self, services: Services, project: Project) -> None:
        services.deploy(project.request(3.0))
        services.deploy(project.request(4.0), traffic=20)
        before = services.revisions("line-qa")
        canary, stable = before
        for percent in ({canary.id: 50}, {canary.id: 150, stable.id: -50}, {}):
            with pytest.raises(Invalid):
                services.set_traffic("line-qa", percent)
        with pytest.raises(ServiceNotFound):
            services.set_traffic("line-qa", {"nobody": 100})
        assert services.revisions("line-qa") == before

    def test_services_are_listed_by_name(self, services: Services, project: Project) -> None:
        for name in ("line-qa", "line-b", "line-a"):
            services.deploy(project.request(3.0, service=name))
        assert [info.name for info in services.services()] == ["line-a", "line-b", "line-qa"]

    def test_delete(self, services: Services, project: Project) -> None:
        info = services.deploy(project.request(3.0))
        services.delete("line-qa")
        assert list(services.services()) == []
        assert gone(info.uri)

    def test_what_is_not_there_is_said(self, services: Services) -> None:
        calls = [
            lambda: services.get("nobody"),
            lambda: services.revisions("nobody"),
            lambda: services.keys("nobody"),
            lambda: services.regenerate_key("nobody", "primary"),
            lambda: services.logs("nobody"),
            lambda: services.invoke("nobody", TWO),
            lambda: services.set_traffic("nobody", {"r1": 100}),
            lambda: services.ensure("nobody"),
            lambda: services.stop("nobody"),
            lambda: services.delete("nobody"),
        ]
        for call in calls:
            with pytest.raises(ServiceNotFound, match="nobody"):
                call()

    def test_names_are_azure_names(self, services: Services, project: Project) -> None:
        for name in ("x", "Line", "line_qa", "-line", "line--qa", "line-", "l" * 33, "../line"):
            with pytest.raises(Invalid):
                services.deploy(project.request(3.0, service=name))
