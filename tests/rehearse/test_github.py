"""GitHub workflows: expressions, needs, outputs, called workflows, permissions, actions."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.errors import ExpressionError, NotRehearsed, PipelineError, RehearseError
from rehearse.github.evaluate import Evaluator
from tests.rehearse.helpers import github, printed, run_github, states

CONTEXTS = {
    "github": {"ref": "refs/heads/main", "n": 3},
    "inputs": {"model": ""},
    "steps": {"a": {"outputs": {"x": "1"}}},
}


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("github.ref == 'REFS/HEADS/MAIN'", True),
        ("inputs.model || 'default'", "default"),
        ("github.n > 2 && github.n <= 3", True),
        ("!(github.n != 3)", True),
        ("'1' == 1", True),
        ("null == ''", True),
        ("steps.a.outputs.x == '1'", True),
        ("steps.none.outputs.x", None),
        ("contains('Hello', 'ell')", True),
        ("contains(fromJSON('[\"a\", \"b\"]'), 'B')", True),
        ("format('{0}-{1}', 'a', github.n)", "a-3"),
        ("startsWith(github.ref, 'refs/')", True),
        ("join(fromJSON('[1, 2]'), '+')", "1+2"),
        ("0xff", 255),
        ("true && 'x' || 'y'", "x"),
    ],
)
def test_expressions(text: str, expected: object) -> None:
    assert Evaluator(CONTEXTS)(text) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hashFiles('x')", NotRehearsed),
        ("matrix.os", ExpressionError),
        ("a &", ExpressionError),
        ("1.2.3", ExpressionError),
    ],
)
def test_expressions_that_are_wrong(text: str, kind: type[RehearseError]) -> None:
    with pytest.raises(kind):
        Evaluator(CONTEXTS)(text)


WORKFLOW = """
    on: workflow_dispatch
    env: {SHARED: "${{ vars.REGION }}"}
    jobs:
      first:
        runs-on: ubuntu-latest
        outputs: {answer: "${{ steps.ask.outputs.answer }}"}
        steps:
        - id: ask
          run: |
            echo "answer=42" >> "$GITHUB_OUTPUT"
            { echo "LONG<<END"; echo "two"; echo "lines"; echo END; } >> "$GITHUB_ENV"
        - run: echo "$SHARED ${{ steps.ask.outputs.answer }} $LONG ${{ env.OWN }}"
          env: {OWN: mine}
        - run: exit 4
        - if: failure() && steps.ask.outcome == 'success'
          run: echo cleaning
        - run: echo never
      second:
        needs: first
        if: always()
        runs-on: ubuntu-latest
        steps: [{run: "echo ${{ needs.first.result }} ${{ needs.first.outputs.answer }}"}]
      third:
        needs: second
        runs-on: ubuntu-latest
        steps: [{run: echo never}]
    """


def test_steps_outputs_and_conditions(tmp_path: Path, scratch: Path) -> None:
    result = run_github(tmp_path, scratch, WORKFLOW)
    assert printed(result) == ["west 42 two", "lines mine", "cleaning", "failure 42"]
    assert states(result) == {"first": "Failed", "second": "Succeeded", "third": "Skipped"}


def test_run_steps_stop_at_the_first_failing_command(tmp_path: Path, scratch: Path) -> None:
    content = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: |\n        false\n        echo on\n"
    assert run_github(tmp_path, scratch, content).state == "Failed"


CALLED = """
    on:
      workflow_call:
        inputs: {who: {type: string, required: true}}
        outputs: {said: {value: "${{ jobs.speak.outputs.said }}"}}
    jobs:
      speak:
        runs-on: ubuntu-latest
        outputs: {said: "${{ steps.s.outputs.said }}"}
        steps:
        - id: s
          run: |
            echo "hello ${{ inputs.who }}"
            echo said=yes >> "$GITHUB_OUTPUT"
    """
CALLER = """
    on: push
    jobs:
      call:
        uses: ./.github/workflows/called.yml
        with: {who: "${{ github.ref_name }}"}
      then:
        needs: call
        if: needs.call.outputs.said == 'yes'
        runs-on: ubuntu-latest
        steps: [{run: echo then}]
      not:
        needs: call
        if: needs.call.outputs.said == 'no'
        runs-on: ubuntu-latest
        steps: [{run: echo not}]
    """


def test_called_workflows(tmp_path: Path, scratch: Path) -> None:
    result = run_github(tmp_path, scratch, CALLER, files={"called": CALLED})
    assert printed(result) == ["hello main", "then"]
    assert states(result) == {"call": "Succeeded", "then": "Succeeded", "not": "Skipped"}


@pytest.mark.parametrize(
    ("caller", "called", "message"),
    [
        (CALLER.replace("who:", "whom:"), CALLED, "has no input 'whom'"),
        (CALLER.replace("called.yml", "gone.yml"), CALLED, "there is no workflow ./.github/workflows/gone.yml"),
        (CALLER.replace('with: {who: "${{ github.ref_name }}"}', ""), CALLED, "needs the input 'who'"),
        (CALLER.replace("needs: call", "needs: cell"), CALLED, "it needs 'cell', which does not exist"),
        (CALLER.replace("./.github/workflows/called.yml", "org/repo/x.yml@v1"), CALLED, "in another repository"),
        (CALLER, CALLED.replace("workflow_call:", "workflow_dispatch:"), "cannot be called"),
    ],
)
def test_calls_that_github_would_refuse(tmp_path: Path, caller: str, called: str, message: str) -> None:
    with pytest.raises(RehearseError) as caught:
        github(tmp_path, caller, called=called)
    assert message in str(caught.value)


LOGIN = """
    on: push
    permissions: {contents: read}
    jobs:
      a:
        runs-on: ubuntu-latest
        %s
        steps:
        - uses: azure/login@v3
          with: {client-id: a, tenant-id: b, subscription-id: c}
        - run: echo "token ${SIGNED_IN:-none}"
    """


def test_signing_in_needs_the_permission(tmp_path: Path, scratch: Path) -> None:
    from rehearse.run.github_engine import GithubEngine
    from tests.rehearse.helpers import project, world

    place = world(tmp_path, scratch, signed_in={"SIGNED_IN": "yes"})
    engine = GithubEngine(place, project())
    assert engine.run(github(tmp_path, LOGIN % "")).state == "Failed"
    allowed = engine.run(github(tmp_path, LOGIN % "permissions: {id-token: write}"))
    assert (allowed.state, printed(allowed)) == ("Succeeded", ["token yes"])


def test_artifacts(tmp_path: Path, scratch: Path) -> None:
    content = """
        on: push
        jobs:
          a:
            runs-on: x
            steps:
            - uses: actions/checkout@v6
            - run: mkdir out && echo 1 > out/file && test -e .github
            - uses: actions/upload-artifact@v7
              with: {name: result, path: out, if-no-files-found: error}
          b:
            needs: a
            runs-on: x
            steps:
            - run: "! test -e .github"
            - uses: actions/download-artifact@v8
              with: {name: result, path: got}
            - run: cat got/file
        """
    result = run_github(tmp_path, scratch, content)
    assert (result.state, printed(result), result.artifacts) == ("Succeeded", ["1"], ["result"])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("uses: docker/login-action@v3", "the action docker/login-action@v3 is not known here"),
        ("uses: actions/checkout@v1", "known here at v4, v5, v6"),
        ("uses: actions/checkout@v6\n      with: {colour: 1}", "has no input 'colour'"),
        ("run: 'echo ::set-output name=a::b'", "::set-output:: is not known here"),
    ],
)
def test_unknown_actions_are_named(tmp_path: Path, scratch: Path, step: str, message: str) -> None:
    with pytest.raises((NotRehearsed, PipelineError)) as caught:
        run_github(tmp_path, scratch, f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - {step}\n")
    assert message in str(caught.value)
