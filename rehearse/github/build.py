"""From a workflow file to the graph. A job is a stage of one job; a called workflow is a stage of its jobs.

Source: docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax and .../reuse-automations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rehearse.errors import NotRehearsed, PipelineError
from rehearse.graph import Job, Pipeline, Stage, Step, Variable
from rehearse.source import Node, load, where

_WORKFLOW = {"name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"}
_JOB = {
    "name", "permissions", "needs", "if", "runs-on", "environment", "concurrency", "outputs", "env", "defaults",
    "steps", "timeout-minutes", "strategy", "continue-on-error", "container", "services", "uses", "with", "secrets",
}  # fmt: skip
_STEP = {
    "id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env", "continue-on-error",
    "timeout-minutes",
}  # fmt: skip


def workflow(path: Path, root: Path, name: str | None = None) -> Pipeline:
    """Read one workflow, the workflows that it calls included.

    Parameters
    ----------
    path : pathlib.Path
        The workflow file.
    root : pathlib.Path
        The repository: ``./`` in ``uses`` is relative to it.
    name : str, optional
        Its short name; default: the file's stem.

    Raises
    ------
    rehearse.errors.RehearseError
        GitHub would refuse it, or it uses something that is not known here.
    """
    document = _read(path, root)
    stages = [_stage(str(key), job, document, root) for key, job in document["jobs"].items()]
    names = [stage.name for stage in stages]
    for stage in stages:
        for need in stage.needs:
            if need not in names:
                raise PipelineError(f"it needs {need!r}, which does not exist", where=stage.where)
    return Pipeline(
        name or path.stem,
        str(path.relative_to(root)),
        "github",
        stages,
        _variables(document.get("env")),
        {},
        {"on": document["on"]},
        {"permissions": document.get("permissions"), "name": document.get("name")},
    )


def _read(path: Path, root: Path) -> Node:
    document = load(path, root)
    _keys(document, _WORKFLOW, "a workflow")
    for key in ("on", "jobs"):
        if not document.get(key):
            raise PipelineError(f"a workflow needs {key!r}", where=document.where)
    if not isinstance(document["jobs"], Node):
        raise PipelineError("'jobs' must be a mapping", where=document.where)
    return document


def _keys(node: Node, known: set[str], what: str) -> None:
    for key in node:
        if key not in known:
            raise PipelineError(f"{what} has no key {str(key)!r}", where=where(key) or node.where)


def _variables(mapping: Any) -> list[Variable]:
    if mapping is None:
        return []
    if not isinstance(mapping, Node):
        raise PipelineError("'env' must be a mapping", where=where(mapping))
    return [Variable(str(key), value or "", where=where(key)) for key, value in mapping.items()]


def _stage(name: str, node: Any, document: Node, root: Path) -> Stage:
    if not isinstance(node, Node):
        raise PipelineError(f"the job {name!r} must be a mapping", where=where(node))
    _keys(node, _JOB, "a job")
    needs = node.get("needs") or []
    needs = [str(item) for item in (needs if isinstance(needs, list) else [needs])]
    stage = Stage(name, [], str(node.get("name") or name), needs, node.get("if"), where=node.where)
    if "uses" not in node:
        stage.jobs = [replace(_job(name, node, document), needs=[], condition=None)]  # both are the stage's
        return stage
    for key in ("steps", "runs-on", "environment", "env", "outputs"):
        if key in node:
            raise PipelineError(f"a job that calls a workflow has no {key!r}", where=node.where)
    caller = document
    called, document = _called(node, root)
    stage.jobs = [_job(str(key), job, document) for key, job in document["jobs"].items()]
    stage.variables = _variables(document.get("env"))
    stage.extra = {"calls": str(node["uses"]), "with": node.get("with") or Node(), **called}
    _permitted(stage, node.get("permissions", caller.get("permissions")), node.where)
    return stage


def _called(node: Node, root: Path) -> tuple[dict[str, Any], Node]:
    uses = str(node["uses"])
    if not uses.startswith("./"):
        raise NotRehearsed(f"the workflow {uses!r} is in another repository", where=where(node["uses"]))
    path = root / uses[2:]
    if not path.is_file():
        raise PipelineError(f"there is no workflow {uses}", where=where(node["uses"]))
    document = _read(path, root)
    on = document["on"]
    if "workflow_call" not in (on if isinstance(on, (Node, list)) else [on]):
        raise PipelineError(f"{uses} cannot be called: it has no workflow_call", where=where(node["uses"]))
    call = (on.get("workflow_call") if isinstance(on, Node) else None) or Node()
    inputs = call.get("inputs") or Node()
    for name, value in (node.get("with") or {}).items():
        if name not in inputs:
            raise PipelineError(f"{uses} has no input {str(name)!r}", where=where(name) or where(value))
    for name, declared in inputs.items():
        required = str((declared or {}).get("required", "")).lower() == "true"
        if required and name not in (node.get("with") or {}):
            raise PipelineError(f"{uses} needs the input {str(name)!r}", where=node.where)
    for job in document["jobs"].values():
        if "uses" in job:
            raise NotRehearsed(f"{uses} calls a workflow itself", where=where(job))
    outputs = {str(key): str(value["value"]) for key, value in (call.get("outputs") or {}).items()}
    return {"inputs": inputs, "outputs": outputs}, document


def _permitted(stage: Stage, given: Any, place: str | None) -> None:
    """A called workflow gets no permission that its caller lacks; GitHub refuses the run otherwise."""
    if not isinstance(given, Mapping):  # none said: what the repository's settings give
        return
    for job in stage.jobs:
        for scope, level in (job.extra.get("permissions") or {}).items():
            if str(level) == "write" and str((given or {}).get(scope, "none")) != "write":
                message = f"the called job {job.name!r} wants {scope}: write, its caller has not"
                raise PipelineError(message, where=place)


def _job(name: str, node: Node, document: Node) -> Job:
    _keys(node, _JOB, "a job")
    if "strategy" in node or "container" in node or "services" in node:
        raise NotRehearsed("'strategy', 'container' and 'services' of a job are not known here", where=node.where)
    if "steps" not in node or not isinstance(node["steps"], list):
        raise PipelineError(f"the job {name!r} has no steps", where=node.where)
    needs = node.get("needs") or []
    environment = node.get("environment")
    if isinstance(environment, Node):
        environment = environment.get("name")
    permissions = node.get("permissions", document.get("permissions"))
    steps = [_step(item, node.where) for item in node["steps"]]
    names = [step.name for step in steps if step.name]
    if len(names) != len(set(names)):
        raise PipelineError(f"two steps of {name!r} have the same id", where=node.where)
    return Job(
        name,
        {"steps": steps},
        str(node.get("name") or name),
        [str(item) for item in (needs if isinstance(needs, list) else [needs])],
        node.get("if"),
        _variables(node.get("env")),
        None if environment is None else str(environment),
        environment is not None,
        {},
        {str(key): str(value) for key, value in (node.get("outputs") or {}).items()},
        str(node.get("continue-on-error", "false")),
        node.get("runs-on"),
        node.where,
        {"permissions": permissions if isinstance(permissions, Mapping) else {}},
        _minutes(node.get("timeout-minutes"), node.where),
    )


def _minutes(value: Any, place: str | None) -> int:
    """Six hours when nothing is said."""
    text = str(value or 360)
    if not text.isdigit():
        raise PipelineError(f"'timeout-minutes' must be a number, not {text!r}", where=where(value) or place)
    return int(text)


def _step(node: Any, place: str | None) -> Step:
    if not isinstance(node, Node) or ("uses" in node) == ("run" in node):
        raise PipelineError("a step has 'run' or 'uses'", where=where(node) or place)
    _keys(node, _STEP, "a step")
    if "run" in node:
        uses, inputs = "run", {"run": node["run"]}
        if "working-directory" in node:
            inputs["working-directory"] = node["working-directory"]
    else:
        uses, inputs = _action(node["uses"]), dict(node.get("with") or {})
    title = str(node.get("name") or (str(inputs["run"]).strip().splitlines()[0] if uses == "run" else uses))
    return Step(
        uses,
        inputs,
        None if node.get("id") is None else str(node["id"]),
        title[:70],
        node.get("if"),
        {str(key): value or "" for key, value in (node.get("env") or {}).items()},
        str(node.get("continue-on-error", "false")),
        True,
        None if node.get("shell") is None else str(node["shell"]),
        node.where,
    )


def _action(uses: Any) -> str:
    """The action and its version; of one that is pinned to a commit, the version is in the comment behind it."""
    name, at, version = str(uses).partition("@")
    if not at or not re.fullmatch("[0-9a-f]{40}", version):
        return str(uses)
    told = re.match(r"(v\d+)(\.\d+)*$", getattr(uses, "comment", ""))
    if told is None:
        raise PipelineError(
            f"{name} is pinned to a commit, and no comment behind it says its version",
            where=where(uses),
            hint=f"uses: {name}@{version} # v1.2.3",
        )
    return f"{name}@{told[1]}"
