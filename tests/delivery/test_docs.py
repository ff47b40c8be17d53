"""The pages about delivery name only what exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest

from rehearse.run.project import Project

from .conftest import ROOT

PAGES = ["docs/ci.md", "docs/getting-started-azure.md", "docs/what-cannot-be-rehearsed.md", "infra/README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
        assert f"\n{target}:" in makefile, f"{page}: make {target}"


@pytest.mark.parametrize("page", PAGES)
def test_mlops_commands_exist(page: str) -> None:
    from mlops.cli import cli

    text = (ROOT / page).read_text(encoding="utf-8")
    for line in re.findall(r"(?:^|[`'/])mlops ([a-z][^`'#\n]*)", text, re.MULTILINE):
        words = line.split()
        command: Any = cli
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(click.Context(cli), words.pop(0))
        assert command is not None, f"{page}: mlops {line}"
        options = {option for item in command.params for option in item.opts}
        for word in words:
            if word.startswith("-"):
                assert word in options, f"{page}: mlops {line}: no option {word}"


@pytest.mark.parametrize("page", PAGES)
def test_files_and_links_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if not link.startswith("https://"):
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"
    for name in re.findall(r"`((?:docs|tests|infra|\.pipelines|\.github)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), f"{page}: {name}"


def test_the_guide_names_every_variable_connection_and_environment(project: Project) -> None:
    guide = (ROOT / "docs" / "getting-started-azure.md").read_text(encoding="utf-8")
    outputs = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    for name in project.groups["devopsforai-aml-vg"]:
        assert name in guide or f"output {name} " in outputs, name
    for name in (*project.connections, *project.environments, *project.pipelines):
        assert f"`{name}`" in guide, name


def test_what_is_shortened_is_told(project: Project) -> None:
    page = (ROOT / "docs" / "what-cannot-be-rehearsed.md").read_text(encoding="utf-8")
    assert "make audit" in project.shortened
    assert "`make audit`" in page
    assert Path(ROOT / ".pipelines" / "rehearsal.yml").is_file()
