"""Environments through the SDK."""

from __future__ import annotations

import pytest
import requests

pytestmark = pytest.mark.azure


def _environment(name="train", *packages):
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    environment = Environment(name)
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=list(packages))
    return environment


def test_register_versions_and_get(workspace):
    from azureml.core import Environment

    first = _environment("train", "scikit-learn").register(workspace)
    assert (first.name, first.version) == ("train", "1")
    assert _environment("train", "scikit-learn").register(workspace).version == "1", "unchanged: the same version"
    assert _environment("train", "scikit-learn", "pandas").register(workspace).version == "2"
    assert Environment.get(workspace, "train").version == "2"
    one = Environment.get(workspace, "train", version="1")
    assert one.python.conda_dependencies.serialize_to_string() == first.python.conda_dependencies.serialize_to_string()
    assert Environment.get(workspace, "train", label="latest").version == "2"


def test_dockerfile_and_variables(workspace):
    from azureml.core import Environment

    environment = Environment("docker")
    environment.docker.base_image = None
    environment.docker.base_dockerfile = "FROM scratch\n"
    environment.environment_variables = {"A": "b"}
    environment.python.user_managed_dependencies = True
    environment.register(workspace)
    again = Environment.get(workspace, "docker")
    assert again.docker.base_dockerfile == "FROM scratch\n"
    assert again.environment_variables == {"A": "b"} and again.python.user_managed_dependencies is True


def test_named_versions_are_immutable(workspace):
    from azureml.core import Environment

    environment = _environment("named", "a")
    environment.version = "2024.1"
    assert environment.register(workspace).version == "2024.1"
    other = _environment("named", "b")
    other.version = "2024.1"
    with pytest.raises(Exception, match="409"):
        other.register(workspace)
    assert Environment.get(workspace, "named").version == "2024.1"


def test_labels(workspace):
    from azureml.core import Environment

    _environment("l", "a").register(workspace)
    _environment("l", "b").register(workspace)
    from azureml._restclient.environment_client import EnvironmentClient

    client = EnvironmentClient(workspace.service_context)
    assert client._set_envionment_definition_labels("l", "1", ["stable"])
    assert Environment.get(workspace, "l", label="stable").version == "1"
    with pytest.raises(Exception, match="404"):
        Environment.get(workspace, "l", label="none")


def test_list_pages(azure, workspace):
    from azureml.core import Environment

    for number in range(60):
        _environment(f"e{number:02}").register(workspace)
    assert list(Environment.list(workspace)) == [f"e{number:02}" for number in range(60)]
    assert azure.state.requests.counts()["Environments_List"] == 2


def test_missing_and_reserved(azure, workspace, auth):
    from azureml.core import Environment

    with pytest.raises(Exception, match="No environment exists for name: nobody"):
        Environment.get(workspace, "nobody")
    base = f"https://westeurope.api.azureml.ms/environment/v1.0{azure.state.workspace().arm_id}/environments"
    for name in ("AzureML-Mine", "-bad"):
        answer = requests.put(f"{base}/{name}", json={"Name": name}, headers=auth)
        assert answer.status_code == 400 and answer.json()["error"]["details"] == []
    assert requests.put(f"{base}/ok", json={"Name": "other"}, headers=auth).status_code == 400
    assert requests.put(f"{base}/ok", json={"Name": "ok", "pyhton": {}}, headers=auth).status_code == 400


def test_versions_by_rest(azure, workspace, auth):
    _environment("many", "a").register(workspace)
    _environment("many", "b").register(workspace)
    base = f"https://westeurope.api.azureml.ms/environment/v1.0{azure.state.workspace().arm_id}/environments"
    found = requests.get(f"{base}/many/versions", headers=auth).json()["value"]
    assert [environment["version"] for environment in found] == ["2", "1"]
