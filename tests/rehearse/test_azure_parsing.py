# ruff: noqa: E501 (a table: one case a line)
"""What the reader refuses, with the place in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.errors import NotRehearsed, PipelineError, RehearseError
from tests.rehearse.helpers import azure

STEP = "steps: [{bash: echo hi}]"


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ("steps:\n- bash: a\n  colour: blue\n", "main.yml:3", "a bash step has no key 'colour'"),
        ("steps:\n- bash: a\n  script: b\n", "main.yml:2", "a step is one task"),
        ("steps:\n- task: Thing\n", "main.yml:2", "no task with a version"),
        ("stages:\n- stage: A\n  jobs: [{job: x, steps: []}]\n  needs: B\n", "main.yml:4", "a stage has no key 'needs'"),
        (f"stages:\n- stage: A\n  dependsOn: Z\n  jobs: [{{job: x, {STEP}}}]\n", "main.yml:3", "'Z', which does not exist"),
        (f"jobs:\n- job: A\n  {STEP}\n- job: a\n  {STEP}\n", "main.yml:4", "two jobs are named 'a'"),
        (f"jobs:\n- job: A-B\n  {STEP}\n", "main.yml:2", "no name of a job"),
        ("jobs:\n- deployment: D\n  strategy: {runOnce: {deploy: {steps: []}}}\n", "main.yml:2", "has no environment"),
        ("jobs:\n- deployment: deploy\n  environment: qa\n  strategy: {runOnce: {}}\n", "main.yml:2", "cannot be named"),
        ("jobs:\n- job: A\n  steps:\n  - bash: 1\n    name: s\n  - bash: 2\n    name: s\n", "main.yml:2", "two steps"),
        ("steps: []\njobs: []\n", "main.yml:1", "one of them"),
        ("trigger: ['${{ parameters.x }}']\nsteps: []\n", "main.yml:1", "not expanded in 'trigger'"),
        ("steps:\n- bash: x\n- bash: [\n", "main.yml:4", "not YAML"),
        ("pool: a\npool: b\nsteps: []\n", "main.yml:2", "occurs twice"),
        ("steps:\n- template: nope.yml\n", "main.yml:2", "there is no template nope.yml"),
        ("steps:\n- template: sub.yml\n  parameters: {typo: 1}\n", "main.yml:3", "unexpected parameter 'typo'"),
        ("steps:\n- template: sub.yml\n  parameters: {size: huge}\n", "main.yml:3", "cannot be 'huge'"),
        ("steps:\n- template: sub.yml\n  parameters: {fast: perhaps}\n", "main.yml:3", "must be true or false"),
        ("jobs:\n- template: sub.yml\n", "main.yml:2", "must hold jobs alone, it holds steps"),
        ("steps:\n- ${{ if eq(1, 1) }}:\n  - bash: a\n- ${{ else }}:\n  - bash: b\n- ${{ else }}:\n  - bash: c\n", "main.yml:6", "without an 'if'"),
        ("steps:\n- ${{ each x of y }}:\n  - bash: a\n", "main.yml:2", "write it as"),
        ("steps:\n- bash: ${{ eq(1 }}\n", "main.yml:2", "expected ','"),
        ("steps:\n- bash: ${{ parameters.none }}\n", "main.yml:2", "there is no parameter 'none'"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, content: str, place: str, message: str) -> None:
    sub = """
        parameters:
        - {name: size, default: small, values: [small, large]}
        - {name: fast, type: boolean, default: false}
        steps:
        - bash: echo ${{ parameters.size }}
        """
    with pytest.raises(RehearseError) as caught:
        azure(tmp_path, content, sub=sub)
    assert message in str(caught.value)
    assert str(caught.value).startswith(place + ": "), str(caught.value)


def test_a_parameter_without_default_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="a value for the parameter 'who' must be given"):
        azure(tmp_path, "parameters: [{name: who}]\nsteps: []\n")


@pytest.mark.parametrize(
    "content",
    [
        "jobs:\n- deployment: D\n  environment: qa\n  strategy: {canary: {increments: [10]}}\n",
        "jobs:\n- job: A\n  strategy: {parallel: 3}\n  steps: []\n",
        "steps:\n- template: x.yml@elsewhere\n",
    ],
)
def test_what_is_not_known_is_named_not_skipped(tmp_path: Path, content: str) -> None:
    with pytest.raises(NotRehearsed):
        azure(tmp_path, content)


def test_templates_cannot_include_themselves_for_ever(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="nested more than 20 deep"):
        azure(tmp_path, "steps: [{template: loop.yml}]\n", loop="steps:\n- template: loop.yml\n")


def test_yaml_tags_construct_nothing(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="not YAML"):
        azure(tmp_path, "steps: !!python/object/apply:os.system ['true']\n")
