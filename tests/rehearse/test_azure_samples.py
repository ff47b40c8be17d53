"""Shapes of pipelines that Azure's own documentation shows, written afresh; each names its page and its expansion.

The pages are below learn.microsoft.com/azure/devops/pipelines/. What is expected is what the page says that the service
makes of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.errors import RehearseError
from tests.rehearse.helpers import azure


def scripts(pipeline: object) -> list[str]:
    return [str(step.script) for _, job in pipeline.jobs for step in job.steps]  # type: ignore[attr-defined]


def test_a_template_that_admits_only_some_steps(tmp_path: Path) -> None:
    """process/templates, "Extend from a template": a script step is CmdLine@2 to the template, which refuses it."""
    gate = """
        parameters:
        - name: work
          type: stepList
          default: []
        stages:
        - stage: guarded
          jobs:
          - job: guarded
            steps:
            - bash: echo first
            - ${{ each step in parameters.work }}:
              - ${{ each pair in step }}:
                  ${{ if ne(pair.value, 'CmdLine@2') }}:
                    ${{ pair.key }}: ${{ pair.value }}
                  ${{ if eq(pair.value, 'CmdLine@2') }}:
                    '${{ pair.value }}': error
            - bash: echo last
        """
    good = """
        trigger: [main]
        extends:
          template: gate.yml
          parameters:
            work:
            - bash: echo mine
              displayName: Mine
        """
    pipeline = azure(tmp_path, good, gate=gate)
    assert scripts(pipeline) == ["echo first", "echo mine", "echo last"]
    assert [step.title for _, job in pipeline.jobs for step in job.steps][1] == "Mine"
    with pytest.raises(RehearseError, match="CmdLine@2"):
        azure(tmp_path, good.replace("- bash: echo mine", "- script: echo mine"), gate=gate)


def test_each_over_an_object_and_a_mapping(tmp_path: Path) -> None:
    """process/template-parameters, "Loop through parameters": lists, and mappings as key and value."""
    content = """
        parameters:
        - name: towns
          type: object
          default:
          - name: Lyon
            streets: [one, two]
          - name: Nice
            streets: [three]
        - name: sizes
          type: object
          default: {small: 1, large: 9}
        steps:
        - ${{ each town in parameters.towns }}:
          - ${{ each street in town.streets }}:
            - bash: echo ${{ town.name }} ${{ street }}
        - ${{ each size in parameters.sizes }}:
          - bash: echo ${{ size.key }}=${{ size.value }}
        """
    assert scripts(azure(tmp_path, content)) == [
        "echo Lyon one", "echo Lyon two", "echo Nice three", "echo small=1", "echo large=9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tier", "expected"), [("dev", ["echo small"]), ("test", ["echo middle"]), ("x", ["echo none"])]
)
def test_if_elseif_else(tmp_path: Path, tier: str, expected: list[str]) -> None:
    """process/template-expressions, "Conditional insertion": one branch of a chain, for steps and for variables."""
    content = """
        parameters: [{name: tier}]
        variables:
        - ${{ if eq(parameters.tier, 'dev') }}:
          - name: size
            value: small
        - ${{ elseif eq(parameters.tier, 'test') }}:
          - name: size
            value: middle
        - ${{ else }}:
          - name: size
            value: none
        steps:
        - ${{ if eq(variables.size, 'small') }}:
          - bash: echo small
        - ${{ elseif eq(variables['size'], 'middle') }}:
          - bash: echo middle
        - ${{ else }}:
          - bash: echo none
        """
    assert scripts(azure(tmp_path, content, parameters={"tier": tier})) == expected


def test_a_job_template_for_each_platform(tmp_path: Path) -> None:
    """process/templates, "Job, stage, and step templates with parameters"; an object parameter fills a key."""
    job = """
        parameters:
        - {name: name, default: ''}
        - {name: pool, type: object, default: {vmImage: ubuntu-latest}}
        - {name: extended, type: boolean, default: false}
        jobs:
        - job: ${{ parameters.name }}
          pool: ${{ parameters.pool }}
          steps:
          - bash: make test
          - ${{ if eq(parameters.extended, true) }}:
            - bash: make test-all
        """
    content = """
        jobs:
        - template: parts/job.yml
          parameters: {name: Linux}
        - template: parts/job.yml
          parameters:
            name: Mac
            pool: {vmImage: macos-latest}
            extended: 'true'
        """
    pipeline = azure(tmp_path, content, parts__job=job)
    assert [(job.name, dict(job.pool), len(list(job.steps))) for _, job in pipeline.jobs] == [
        ("Linux", {"vmImage": "ubuntu-latest"}, 1),
        ("Mac", {"vmImage": "macos-latest"}, 2),
    ]


def test_stages_fan_out_and_in(tmp_path: Path) -> None:
    """process/stages, "Specify dependencies": the one before by default, none with an empty list, several by name."""
    jobs = "jobs: [{job: A, steps: [{bash: x}]}]"
    content = f"""
        stages:
        - stage: Test
          {jobs}
        - stage: Early
          dependsOn: []
          {jobs}
        - stage: US
          dependsOn: Test
          {jobs}
        - stage: EU
          dependsOn: Test
          {jobs}
        - stage: Done
          dependsOn: [US, EU]
          condition: and(succeeded(), eq(variables['Build.SourceBranch'], 'refs/heads/main'))
          {jobs}
        - stage: Last
          {jobs}
        """
    needs = {stage.name: stage.needs for stage in azure(tmp_path, content).stages}
    assert needs == {"Test": [], "Early": [], "US": ["Test"], "EU": ["Test"], "Done": ["US", "EU"], "Last": ["Done"]}


def test_variable_templates_with_parameters(tmp_path: Path) -> None:
    """process/templates, "Variable reuse": global and stage variables from one template, the nearer one wins."""
    variables = """
        parameters: [{name: folder, default: .}]
        variables:
        - name: COMMAND
          value: ls ${{ parameters.folder }}
        """
    content = """
        variables:
        - template: variables.yml
          parameters: {folder: a/b}
        - name: OTHER
          value: ${{ variables.COMMAND }} -l
        stages:
        - stage: One
          variables:
          - template: variables.yml
            parameters: {folder: c}
          jobs:
          - job: J
            steps:
            - bash: ${{ variables.COMMAND }}
        """
    pipeline = azure(tmp_path, content, variables=variables)
    assert [(item.name, item.value) for item in pipeline.variables] == [("COMMAND", "ls a/b"), ("OTHER", "ls a/b -l")]
    assert scripts(pipeline) == ["ls c"]


def test_steps_wrapped_around_the_steps_of_each_job(tmp_path: Path) -> None:
    """process/template-expressions, "Wrap steps": all of a job but its steps is copied, the steps are wrapped."""
    wrap = """
        parameters: [{name: jobs, type: jobList}]
        jobs:
        - ${{ each job in parameters.jobs }}:
          - ${{ each pair in job }}:
              ${{ if ne(pair.key, 'steps') }}:
                ${{ pair.key }}: ${{ pair.value }}
            steps:
            - bash: echo before
            - ${{ job.steps }}
            - bash: echo after
        """
    content = """
        extends:
          template: wrap.yml
          parameters:
            jobs:
            - job: A
              displayName: The first
              steps:
              - bash: echo a
            - job: B
              dependsOn: A
              steps:
              - template: own.yml
        """
    pipeline = azure(tmp_path, content, wrap=wrap, own="steps: [{bash: echo own}]\n")
    assert [(job.title, job.needs) for _, job in pipeline.jobs] == [("The first", []), ("B", ["A"])]
    assert scripts(pipeline) == [
        "echo before", "echo a", "echo after", "echo before", "echo own", "echo after",
    ]  # fmt: skip


def test_mappings_inserted_whole_and_by_condition(tmp_path: Path) -> None:
    """process/template-expressions, "Insertion": ${{ insert }} merges a mapping, a condition adds keys."""
    step = """
        parameters:
        - {name: extra, type: object, default: {}}
        - {name: debug, type: boolean, default: false}
        steps:
        - task: Bash@3
          inputs:
            script: build
          env:
            ALWAYS: 1
            ${{ insert }}: ${{ parameters.extra }}
            ${{ if parameters.debug }}:
              DEBUG: 1
        """
    content = """
        steps:
        - template: step.yml
          parameters:
            extra: {A: x, B: y}
            debug: true
        - template: step.yml
        """
    first, second = (step for _, job in azure(tmp_path, content, step=step).jobs for step in job.steps)
    assert first.env == {"ALWAYS": "1", "A": "x", "B": "y", "DEBUG": "1"}
    assert second.env == {"ALWAYS": "1"}


def test_context_passed_with_jobs(tmp_path: Path) -> None:
    """process/templates, "Use templateContext": a template reads what rides along with each job."""
    checks = """
        parameters: [{name: suites, type: jobList}]
        jobs:
        - ${{ each suite in parameters.suites }}:
          - ${{ if eq(suite.templateContext.status, 200) }}:
            - job:
              steps:
              - bash: expect success
              - ${{ suite.steps }}
          - ${{ if eq(suite.templateContext.status, 500) }}:
            - job:
              steps:
              - bash: expect failure
              - ${{ suite.steps }}
        """
    content = """
        extends:
          template: checks.yml
          parameters:
            suites:
            - job: good
              templateContext: {status: 200}
              steps: [{bash: run good}]
            - job: bad
              templateContext: {status: 500}
              steps: [{bash: run bad}]
        """
    assert scripts(azure(tmp_path, content, checks=checks)) == [
        "expect success", "run good", "expect failure", "run bad",
    ]  # fmt: skip


def test_nested_templates_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    """process/templates, "Reference template paths": relative, up, and from the root with a slash."""
    pipeline = azure(
        tmp_path,
        "steps: [{template: a/one.yml}]\n",
        a__one="steps: [{template: b/two.yml}, {template: ../three.yml@self}]\n",
        a__b__two="steps: [{bash: two}, {template: /three.yml}]\n",
        three="steps: [{bash: three}]\n",
    )
    assert scripts(pipeline) == ["two", "three", "three"]


def test_the_old_mapping_form_of_parameters(tmp_path: Path) -> None:
    """process/templates: files of earlier years declare parameters as a mapping of names to defaults."""
    old = """
        parameters: {image: ubuntu, extra: []}
        steps:
        - bash: use ${{ parameters.image }}
        - ${{ parameters.extra }}
        """
    content = "steps:\n- template: old.yml\n  parameters:\n    extra:\n    - bash: more\n"
    assert scripts(azure(tmp_path, content, old=old)) == ["use ubuntu", "more"]


def test_matrix_legs(tmp_path: Path) -> None:
    """process/phases, "Multi-job configuration": a leg is a set of variables."""
    content = """
        strategy:
          matrix:
            py310: {python: '3.10'}
            py311: {python: '3.11'}
          maxParallel: 2
        steps:
        - bash: echo $(python)
        """
    ((_, job),) = azure(tmp_path, content).jobs
    assert job.matrix == {"py310": {"python": "3.10"}, "py311": {"python": "3.11"}}
