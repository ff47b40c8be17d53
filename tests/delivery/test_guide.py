"""The commands of the guide, as a reader would paste them, against the fake. `az` is the one part that is not real."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rehearse.clouds import open_cloud
from rehearse.kits import describe
from rehearse.run.world import World

from .conftest import ROOT

pytestmark = [pytest.mark.azure, pytest.mark.slow]
GUIDE = ROOT / "docs" / "getting-started-azure.md"
# It writes down what it was called with; of what it would answer, a reader who has signed in gets tokens alone.
AZ = """#!/bin/sh
[ "$1 $2" = "account get-access-token" ] && exec '{az}' "$@"
printf '%s\\n' "$*" >> "$HOME/az.log"
"""


def blocks() -> list[str]:
    """The command blocks of the guide, in order."""
    return re.findall(r"^```\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_command_of_the_guide_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = describe(ROOT).groups["devopsforai-aml-vg"]
    text = "\n".join(["set -euo pipefail", *blocks()])
    for name in ("SUBSCRIPTION_ID", "MLOPS_AZURE_AKS_RESOURCE_ID"):
        assert f"{name}=..." in text
        text = text.replace(f"{name}=...", f"{name}={group[name]}")
    assert "..." not in text, "something else is left to the reader"
    monkeypatch.setenv("VENV", sys.prefix)
    with open_cloud("azure", ROOT, tmp_path, group) as cloud:
        assert cloud.tools is not None
        world = World(ROOT, tmp_path, cloud.venv, cloud.environment, cloud.agents)
        copy, home = tmp_path / "copy", tmp_path / "home"
        world.check_out(copy)
        environment = world.environment(home, signed_in=True)
        program = home / "bin" / "az"
        program.parent.mkdir()
        program.write_text(AZ.format(az=cloud.tools / "az"))
        program.chmod(0o755)
        environment["PATH"] = f"{program.parent}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-c", text], cwd=copy, env=environment, input="y\n", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert cloud.mlops("services", "list") == [], "the last step leaves services behind"
    listed = re.findall(r"^(diabetes-\S+)\s+(qa|production)\s+Healthy\s+diabetes:1\s+(\S+)", done.stdout, re.MULTILINE)
    assert sorted(listed) == [("diabetes-production", "production", "aks"), ("diabetes-qa", "qa", "aci")]
    calls = (home / "az.log").read_text().splitlines()
    assert [call.split(" --")[0] for call in calls] == [
        "login", "account set", "deployment sub what-if", "deployment sub create", "group delete",
    ]  # fmt: skip
    given = {call.split()[2]: call for call in calls if call.startswith("deployment")}
    assert all("--location westeurope --parameters infra/main.bicepparam" in call for call in given.values())
    assert f"--name {group['RESOURCE_GROUP']}" in calls[-1]


def test_outputs_of_the_template_are_what_the_guide_asks_for() -> None:
    outputs = set(
        re.findall(r"^output (\w+) ", (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {"SUBSCRIPTION_ID", "MLOPS_AZURE_AKS_RESOURCE_ID"} <= outputs
