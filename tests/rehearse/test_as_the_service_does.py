"""Small things in which the services are not what one would guess, each from what they or their sources say."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.azure.check import problems
from rehearse.errors import NotRehearsed, PipelineError
from rehearse.run.azure_engine import AzureEngine
from rehearse.run.results import CANCELED, FAILED, SKIPPED, SUCCEEDED
from tests.rehearse.helpers import azure, github, printed, project, run_azure, run_github, world


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


def test_azure_puts_underscores_for_dots_and_blanks_alone(tmp_path: Path, scratch: Path) -> None:
    """ConvertToEnvVariableFormat of the agent: a dash stays, so a shell cannot name such a variable."""
    content = """
        variables: {a.b: dot, c d: blank, e-f: dash}
        steps:
        - bash: echo "$A_B $C_D ${E_F-none}"; env | grep ^E-F
        """
    assert printed(run_azure(tmp_path, scratch, content)) == ["dot blank none", "E-F=dash"]


RESOURCE = """
    resources:
      pipelines:
      - {pipeline: other, source: build}
    steps:
    - bash: echo "$RESOURCES_PIPELINE_OTHER_RUNID"
    """
BUILD = """
    steps:
    - bash: exit CODE
    """


@pytest.mark.parametrize("code", ["1", "0"])
def test_azure_resolves_a_pipeline_resource_before_a_run_starts(tmp_path: Path, scratch: Path, code: str) -> None:
    """To the newest run that succeeded: with none, there is no run at all."""
    engine = AzureEngine(world(tmp_path, scratch), project())
    build = azure(tmp_path, BUILD.replace("CODE", code))
    build.name = "build"
    assert engine.run(build).state == (FAILED if code == "1" else SUCCEEDED)
    user = azure(tmp_path, RESOURCE)
    if code == "0":
        assert printed(engine.run(user)) == ["1001"]
        return
    with pytest.raises(PipelineError, match="unable to resolve latest version for pipeline other") as failure:
        engine.run(user)
    assert failure.value.hint == "no run of build has succeeded yet"


TIMED = """
    jobs:
    - job: Slow
      timeoutInMinutes: 1
      steps:
      - bash: echo begun; sleep 60; echo never
      - bash: echo skipped
      - {bash: echo failed, condition: failed()}
      - {bash: echo last, condition: always()}
    - job: Usual
      dependsOn: Slow
      steps:
      - bash: echo usual
    - job: Failed
      dependsOn: Slow
      condition: failed()
      steps:
      - bash: echo after a failure
    - job: Stopped
      dependsOn: Slow
      condition: in(dependencies.Slow.result, 'Failed', 'Canceled')
      steps:
      - bash: echo after the time limit
    """


def test_azure_cancels_a_job_at_its_time_limit(tmp_path: Path, scratch: Path) -> None:
    """The job is Canceled: failed() does not hold for what follows it."""
    result = run_azure(tmp_path, scratch, TIMED, minute=3)
    jobs = {name: job.state for name, job in result.stages["__default"].jobs.items()}
    assert jobs == {"Slow": CANCELED, "Usual": SKIPPED, "Failed": SKIPPED, "Stopped": SUCCEEDED}
    assert printed(result) == ["begun", "last", "after the time limit"]


def test_github_cancels_a_job_at_its_time_limit(tmp_path: Path, scratch: Path) -> None:
    content = """
        on: push
        jobs:
          Slow:
            runs-on: ubuntu-latest
            timeout-minutes: 1
            steps:
            - run: echo begun; sleep 60; echo never
            - run: echo skipped
            - run: echo failed
              if: failure()
            - run: echo last
              if: always()
          Failed:
            runs-on: ubuntu-latest
            needs: Slow
            if: failure()
            steps:
            - run: echo after a failure
          Stopped:
            runs-on: ubuntu-latest
            needs: Slow
            if: always() && needs.Slow.result == 'cancelled'
            steps:
            - run: echo after the time limit
        """
    result = run_github(tmp_path, scratch, content, minute=3)
    states = {name: stage.state for name, stage in result.stages.items()}
    assert states == {"Slow": CANCELED, "Failed": SKIPPED, "Stopped": SUCCEEDED}
    assert printed(result) == ["begun", "last", "after the time limit"]


def test_github_fails_a_job_whose_deployment_is_rejected(tmp_path: Path, scratch: Path) -> None:
    content = """
        on: push
        jobs:
          Deploy:
            runs-on: ubuntu-latest
            environment: production
            steps:
            - run: echo deployed
          After:
            runs-on: ubuntu-latest
            needs: Deploy
            if: failure()
            steps:
            - run: echo not deployed
        """
    result = run_github(tmp_path, scratch, content, approve=lambda name, who: False)
    assert (result.state, printed(result)) == (FAILED, ["not deployed"])


@pytest.mark.parametrize("place", ["workflow", "job"])
def test_github_gives_a_called_workflow_no_more_than_its_caller_has(tmp_path: Path, place: str) -> None:
    """What the calling job does not say, the calling workflow does."""
    said = {"workflow": "", "job": "", place: "permissions: {contents: read}"}
    caller = f"""
        on: push
        {said["workflow"]}
        jobs:
          Call:
            uses: ./.github/workflows/called.yml
            {said["job"]}
        """
    called = """
        on: workflow_call
        jobs:
          Sign:
            runs-on: ubuntu-latest
            permissions: {id-token: write}
            steps:
            - run: echo signed in
        """
    with pytest.raises(PipelineError, match="wants id-token: write, its caller has not"):
        github(tmp_path, caller, called=called)


OUTPUTS = """
    stages:
    - stage: A
      jobs:
      - deployment: Release
        environment: qa
        strategy:
          runOnce:
            deploy:
              steps:
              - checkout: none
              - {bash: 'echo "##vso[task.setvariable variable=v;isOutput=true]yes"', name: s}
      - job: Same
        dependsOn: Release
        condition: eq(dependencies.Release.outputs['Release.s.v'], 'yes')
        steps:
        - bash: echo same stage
    - stage: B
      condition: eq(dependencies.A.outputs['Release.Release.s.v'], 'yes')
      jobs:
      - job: Other
        variables:
          told: $[stageDependencies.A.Release.outputs['Release.s.v']]
        steps:
        - bash: echo other stage $(told)
    """


def test_azure_names_outputs_of_a_deployment_by_job_and_hook(tmp_path: Path, scratch: Path) -> None:
    expanded = azure(tmp_path, OUTPUTS)
    assert [str(problem) for problem in problems(expanded, project())] == []
    assert printed(run_azure(tmp_path, scratch, OUTPUTS)) == ["same stage", "other stage yes"]
    wrong = azure(tmp_path, OUTPUTS.replace("'Release.Release.s.v'", "'Release.Release.t.v'"))
    assert ["no step named 't'" in str(problem) for problem in problems(wrong, project())] == [True]


def test_a_result_that_a_task_cannot_have_is_named(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(NotRehearsed, match="the result 'Canceled'"):
        run_azure(tmp_path, scratch, 'steps:\n- bash: echo "##vso[task.complete result=Canceled]"\n')


@pytest.mark.parametrize("value", ["v-$[variables.a]", "$[variables.a]-v", "$[variables.a]$[variables.a]"])
def test_a_runtime_expression_of_azure_is_the_whole_value(tmp_path: Path, scratch: Path, value: str) -> None:
    """Beside other text it would stay as it is, and nobody would say so."""
    content = f"variables: {{a: x, b: '{value}'}}\nsteps:\n- bash: echo $(b)\n"
    with pytest.raises(PipelineError, match="must be the whole value of 'b'"):
        run_azure(tmp_path, scratch, content)
