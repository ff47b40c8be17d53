"""infra/: the Bicep files fit together, grant least privilege, and leave nothing open. Read with a parser, no cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

from .conftest import ROOT

FILES = sorted((ROOT / "infra").rglob("*.bicep"))
# learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "f6c7c914-8db3-469d-8ca1-694a8f32e121": "AzureML Data Scientist",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
}


@cache
def parsed(path: Path) -> dict[str, Any]:
    return dict(BicepParser().parse(text=path.read_text(encoding="utf-8")))


def resources(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, type and properties of each resource that the file makes."""
    for name, item in parsed(path).get("resources", {}).items():
        if not item.get("existing"):
            config = item["config"]
            yield name, item["type"], config


def test_it_is_all_read() -> None:
    assert {path.name for path in FILES} == {"main.bicep", "workspace.bicep", "aks.bicep", "identity.bicep"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_modules_get_what_they_declare(path: Path) -> None:
    for name, module in parsed(path).get("modules", {}).items():
        target = path.parent / module["detail"]["path"]
        assert target.is_file(), f"{name}: there is no {target.name}"
        config = module["config"]
        params = config.get("config", config)["params"]
        declared = parsed(target)["parameters"]
        needed = {key for key, value in declared.items() if value.get("default") is None}
        assert set(params) <= set(declared), f"{name} has no parameter {set(params) - set(declared)}"
        assert needed <= set(params), f"{name} is not given {needed - set(params)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_parameter_and_variable_is_used(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in (*parsed(path).get("parameters", {}), *parsed(path).get("variables", {})):
        assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is unused"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_outputs_of_modules_that_are_read_exist(path: Path) -> None:
    text, modules = path.read_text(encoding="utf-8"), parsed(path).get("modules", {})
    for module, output in re.findall(r"\b(\w+)\.outputs\.(\w+)", text):
        target = path.parent / modules[module]["detail"]["path"]
        assert output in parsed(target)["outputs"], f"{module} has no output {output}"


def test_the_parameter_file_sets_what_main_declares() -> None:
    text = (ROOT / "infra" / "main.bicepparam").read_text(encoding="utf-8")
    declared = parsed(ROOT / "infra" / "main.bicep")["parameters"]
    given = set(re.findall(r"^param (\w+)", text, re.MULTILINE))
    assert given <= set(declared)
    assert {name for name, item in declared.items() if item.get("default") is None} <= given


def test_resource_types_have_stable_versions() -> None:
    for path in FILES:
        for name, item in parsed(path).get("resources", {}).items():
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", item["api_version"]), f"{name}: {item['api_version']}"


def test_only_listed_roles_are_granted_and_each_on_one_resource() -> None:
    granted: list[str] = []
    for path in FILES:
        for name, kind, config in resources(path):
            if kind != "Microsoft.Authorization/roleAssignments":
                continue
            function = config["properties"]["roleDefinitionId"]["function"]["parameters"]
            role = function["resource_name_1"]
            assert role in ROLES, f"{name} grants {role}"
            assert config["scope"] in ("workspace", "storage", "registry"), f"{name} grants on {config['scope']}"
            granted.append(ROLES[role])
    assert sorted(granted) == ["AcrPull", "AcrPull", "AzureML Data Scientist", "Storage Blob Data Contributor"]


def test_nothing_is_left_open() -> None:
    made = {kind: config for path in FILES for _, kind, config in resources(path)}
    storage = made["Microsoft.Storage/storageAccounts"]["properties"]
    assert (storage["minimumTlsVersion"], storage["supportsHttpsTrafficOnly"]) == ("TLS1_2", True)
    assert storage["allowBlobPublicAccess"] is False
    assert made["Microsoft.KeyVault/vaults"]["properties"]["enablePurgeProtection"] is True
    assert made["Microsoft.ContainerService/managedClusters"]["properties"]["enableRBAC"] is True
    compute = made["Microsoft.MachineLearningServices/workspaces/computes"]["properties"]["properties"]
    assert (compute["remoteLoginPortPublicAccess"], compute["scaleSettings"]["minNodeCount"]) == ("Disabled", 0)


def test_no_output_can_be_a_secret() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"listKeys|listCredentials|connectionString|InstrumentationKey|password", text, re.IGNORECASE
        )


def test_outputs_carry_the_names_of_the_variable_group() -> None:
    from rehearse.kits import describe

    group = describe(ROOT).groups["devopsforai-aml-vg"]
    assert set(parsed(ROOT / "infra" / "main.bicep")["outputs"]) <= set(group)
