"""Running Azure pipelines: variables, conditions, outputs, artifacts, deployments, and nothing skipped in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.errors import NotRehearsed, PipelineError
from rehearse.run.results import StageResult
from tests.rehearse.helpers import printed, run_azure, states


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


def test_variables_reach_scripts_as_macros_and_environment(tmp_path: Path, scratch: Path) -> None:
    content = """
        variables:
        - group: shared
        - {name: where, value: the $(REGION) wing}
        - {name: computed, value: "$[format('{0}!', variables.REGION)]"}
        steps:
        - bash: |
            echo "macro $(where)"
            echo "environment $WHERE"
            echo "computed $(computed)"
            echo "build $BUILD_BUILDID $(Build.BuildId)"
            echo "own $OWN"
            echo "secret ${TOKEN:-is not in the environment}"
            echo "hidden $(TOKEN)"
          env:
            OWN: $(where) too
        """
    result = run_azure(tmp_path, scratch, content)
    assert printed(result) == [
        "macro the west wing",
        "environment the west wing",
        "computed west!",
        f"build {result.id} {result.id}",
        "own the west wing too",
        "secret is not in the environment",
        "hidden ***",
    ]


def test_shells_are_clean(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "from outside")
    content = """
        steps:
        - bash: |
            echo "leak ${LEAK:-none}"
            case "$HOME" in *_home) echo own home;; esac
        """
    assert printed(run_azure(tmp_path, scratch, content)) == ["leak none", "own home"]


def test_a_failing_command_that_is_not_the_last_does_not_fail_the_step(tmp_path: Path, scratch: Path) -> None:
    """As on an agent: bash runs without -e."""
    result = run_azure(tmp_path, scratch, "steps:\n- bash: |\n    false\n    echo on\n")
    assert result.state == "Succeeded"


def test_variables_of_no_name_are_errors_with_their_place(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(PipelineError, match=r"main.yml:2: \$\(REGOIN\) is no variable"):
        run_azure(tmp_path, scratch, "steps:\n- bash: echo $(REGOIN)\n")
    again = run_azure(tmp_path, scratch / "again", "steps:\n- bash: echo '$(REGOIN)'\n", strict=False)
    assert printed(again) == ["$(REGOIN)"]


def test_set_variables_and_outputs_cross_steps_jobs_and_stages(tmp_path: Path, scratch: Path) -> None:
    content = """
        stages:
        - stage: A
          jobs:
          - job: first
            steps:
            - bash: |
                echo "##vso[task.setvariable variable=plain]p%3Bq"
                echo "##vso[task.setvariable variable=answer;isOutput=true]42"
              name: ask
            - bash: echo "$(plain) $PLAIN $(ask.answer)"
          - job: second
            dependsOn: first
            variables:
              got: $[dependencies.first.outputs['ask.answer']]
            steps:
            - bash: echo "second $(got)"
          - job: third
            dependsOn: first
            condition: eq(dependencies.first.outputs['ask.answer'], '41')
            steps: [{bash: echo never}]
        - stage: B
          condition: and(succeeded(), eq(dependencies.A.outputs['first.ask.answer'], '42'))
          jobs:
          - job: fourth
            variables:
              got: $[stageDependencies.A.first.outputs['ask.answer']]
            steps:
            - bash: echo "fourth $(got)"
        """
    result = run_azure(tmp_path, scratch, content)
    assert printed(result) == ["p;q p;q 42", "second 42", "fourth 42"]
    assert result.stages["A"].jobs["third"].state == "Skipped"


def test_an_output_needs_a_named_step(tmp_path: Path, scratch: Path) -> None:
    content = 'steps:\n- bash: echo "##vso[task.setvariable variable=x;isOutput=true]1"\n'
    with pytest.raises(PipelineError, match="a step without a name"):
        run_azure(tmp_path, scratch, content)


def test_secrets_set_by_a_step_are_hidden(tmp_path: Path, scratch: Path) -> None:
    content = """
        steps:
        - bash: echo "##vso[task.setvariable variable=key;isSecret=true]s3cr3t"
        - bash: |
            echo "value $(key)"
            echo "env ${KEY:-absent}"
        """
    assert printed(run_azure(tmp_path, scratch, content)) == ["value ***", "env absent"]


def test_conditions_of_steps(tmp_path: Path, scratch: Path) -> None:
    content = """
        steps:
        - bash: exit 3
        - bash: echo usual
        - bash: echo failed
          condition: failed()
        - bash: echo always
          condition: always()
        - bash: echo both
          condition: and(succeededOrFailed(), eq(variables['Agent.JobStatus'], 'Failed'))
        - bash: echo disabled
          enabled: false
          condition: always()
        """
    result = run_azure(tmp_path, scratch, content)
    assert printed(result) == ["failed", "always", "both"]
    assert (result.state, result.steps()[1].exit_code) == ("Failed", 3)


def test_continue_on_error_leaves_issues(tmp_path: Path, scratch: Path) -> None:
    content = "steps:\n- bash: exit 1\n  continueOnError: true\n- bash: echo $AGENT_JOBSTATUS\n"
    result = run_azure(tmp_path, scratch, content)
    assert (result.state, printed(result)) == ("SucceededWithIssues", ["SucceededWithIssues"])


def test_a_failure_skips_what_depends_on_it_indirectly_too(tmp_path: Path, scratch: Path) -> None:
    content = """
        stages:
        - stage: A
          jobs: [{job: a, steps: [{bash: exit 1}]}]
        - stage: B
          condition: always()
          jobs: [{job: b, steps: [{bash: echo b}]}]
        - stage: C
          dependsOn: B
          jobs: [{job: c, steps: [{bash: echo c}]}]
        - stage: D
          dependsOn: A
          condition: failed()
          jobs: [{job: d, steps: [{bash: echo d}]}]
        - stage: E
          dependsOn: []
          jobs: [{job: e, steps: [{bash: echo e}]}]
        """
    found = states(run_azure(tmp_path, scratch, content))
    assert found == {"A": "Failed", "B": "Succeeded", "C": "Skipped", "D": "Succeeded", "E": "Succeeded"}


def test_conditions_that_name_what_they_do_not_depend_on_are_errors(tmp_path: Path, scratch: Path) -> None:
    content = """
        jobs:
        - job: a
          steps: [{bash: echo a}]
        - job: b
          condition: eq(dependencies.a.result, 'Succeeded')
          steps: [{bash: echo b}]
        """
    with pytest.raises(Exception, match="there is no dependency 'a'"):
        run_azure(tmp_path, scratch, content)


def test_each_job_has_a_fresh_checkout_and_artifacts_are_the_only_way(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").write_text("x")
    (tmp_path / "kept").write_text("x")
    content = """
        jobs:
        - job: a
          steps:
          - bash: mkdir out && echo 1 > out/file && test -e kept && ! test -e ignored
          - publish: out
            artifact: result
        - job: b
          dependsOn: a
          steps:
          - bash: "! test -e out"
          - download: current
            artifact: result
          - bash: cat $(Pipeline.Workspace)/result/file
        - job: c
          steps:
          - checkout: none
          - bash: "! test -e kept"
        """
    result = run_azure(tmp_path, scratch, content)
    assert (result.state, printed(result), result.artifacts) == ("Succeeded", ["1"], ["result"])


DEPLOYMENT = """
    stages:
    - stage: Ship
      jobs:
      - job: build
        steps:
        - bash: mkdir out && echo built > out/file
        - publish: out
          artifact: app
      - deployment: ship
        dependsOn: build
        environment: production
        strategy:
          runOnce:
            deploy:
              steps:
              - bash: cat $(Pipeline.Workspace)/app/file && ! test -e main.yml
              - bash: exit $(code)
            on:
              failure:
                steps: [{bash: echo back}]
              success:
                steps: [{bash: echo forward}]
    - stage: After
      jobs: [{job: after, steps: [{bash: echo after}]}]
    """


@pytest.mark.parametrize(("code", "said", "after"), [("0", "forward", "Succeeded"), ("1", "back", "Skipped")])
def test_hooks_of_a_deployment(tmp_path: Path, scratch: Path, code: str, said: str, after: str) -> None:
    result = run_azure(tmp_path, scratch, DEPLOYMENT, queue={"code": code})
    assert [line for line in printed(result) if line != "after"] == ["built", said]
    assert states(result)["After"] == after
    assert result.stages["Ship"].checks == ["exclusive lock on production", "approved for production by boss"]


def test_approvals_are_asked_before_the_stage_starts(tmp_path: Path, scratch: Path) -> None:
    seen: list[str] = []

    def observe(run: object, changed: object) -> None:
        if isinstance(changed, StageResult):
            seen.append(f"{changed.name} {changed.state}")

    result = run_azure(
        tmp_path, scratch, DEPLOYMENT, queue={"code": "0"}, approve=lambda name, who: False, observe=observe
    )
    assert seen == ["Ship Waiting", "Ship Canceled", "After Skipped"]
    assert printed(result) == []
    assert result.stages["Ship"].note == "approval of production rejected"


def test_branches_that_may_not_deploy(tmp_path: Path, scratch: Path) -> None:
    result = run_azure(tmp_path, scratch, DEPLOYMENT, queue={"code": "0"}, branch="refs/heads/topic")
    assert result.stages["Ship"].note == "refs/heads/topic may not deploy to production"


def test_environments_and_connections_must_exist(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(PipelineError, match="there is no environment 'prod'"):
        run_azure(tmp_path, scratch, DEPLOYMENT.replace("production", "prod"), queue={"code": "0"})
    cli = "{azureSubscription: nope, scriptType: bash, scriptLocation: inlineScript, inlineScript: az}"
    with pytest.raises(PipelineError, match="no service connection 'nope'"):
        run_azure(tmp_path, scratch / "again", f"steps:\n- task: AzureCLI@2\n  inputs: {cli}\n")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("task: Docker@2", "the task Docker@2 is not known here"),
        ("task: AzureCLI@1\n  inputs: {inlineScript: az}", "the task AzureCLI@1 is not known here"),
        ("bash: echo '##vso[task.addattachment type=x]y'", "##vso[task.addattachment] is not known here"),
        ("pwsh: Get-Item", "the task PowerShell@2 is not known here"),
        ("checkout: other", "checkout of 'other'"),
    ],
)
def test_unknown_tasks_are_named(tmp_path: Path, scratch: Path, step: str, message: str) -> None:
    with pytest.raises(NotRehearsed) as caught:
        run_azure(tmp_path, scratch, f"steps:\n- {step}\n")
    assert message in str(caught.value)
    assert caught.value.where is not None


def test_matrix_legs_run_each(tmp_path: Path, scratch: Path) -> None:
    content = "strategy: {matrix: {a: {n: 1}, b: {n: 2}}}\nsteps:\n- bash: echo leg $(n)\n"
    assert printed(run_azure(tmp_path, scratch, content)) == ["leg 1", "leg 2"]


def test_reports_are_read_not_only_published(tmp_path: Path, scratch: Path) -> None:
    content = """
        steps:
        - bash: |
            echo '<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1"/></testsuites>' > junit.xml
            echo '<coverage line-rate="0.876"/>' > coverage.xml
        - task: PublishCodeCoverageResults@2
          inputs: {summaryFileLocation: coverage.xml}
        - task: PublishTestResults@2
          inputs: {testResultsFormat: JUnit, testResultsFiles: '*.xml', failTaskOnFailedTests: true}
        """
    result = run_azure(tmp_path, scratch, content.replace("'*.xml'", "junit.xml"))
    assert [step.note for step in result.steps()[-2:]] == ["88% of lines", "3 tests, 1 failed, 1 skipped"]
    assert result.state == "Failed"


def test_a_step_that_leaves_a_service_behind_ends(tmp_path: Path, scratch: Path) -> None:
    content = "steps:\n- bash: (trap '' INT; exec sleep 30) & echo $!\n"
    result = run_azure(tmp_path, scratch, content)
    assert (result.state, len(printed(result))) == ("Succeeded", 1)
    import os
    import signal

    os.kill(int(printed(result)[0]), signal.SIGKILL)


def test_counters_count(tmp_path: Path, scratch: Path) -> None:
    from rehearse.run.azure_engine import AzureEngine
    from tests.rehearse.helpers import azure, project, world

    pipeline = azure(tmp_path, "variables:\n  n: $[counter('v', 7)]\nsteps:\n- bash: echo $(n)\n")
    engine = AzureEngine(world(tmp_path, scratch), project())
    assert [printed(engine.run(pipeline)) for _ in range(2)] == [["7"], ["8"]]
