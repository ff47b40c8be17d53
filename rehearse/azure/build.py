"""From an expanded Azure document to the graph: implicit stages and jobs, shorthand steps, keys checked.

Source: learn.microsoft.com/azure/devops/pipelines/yaml-schema (the keys), .../process/stages and .../process/phases
(what a stage or job depends on when it does not say), .../process/deployment-jobs (strategies and hooks).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearse.azure.expand import Expander
from rehearse.azure.steps import condition, keys, named, steps
from rehearse.azure.values import to_text
from rehearse.errors import NotRehearsed, PipelineError
from rehearse.graph import Job, Pipeline, Stage, Step, Variable
from rehearse.source import Node, where

_PIPELINE = {
    "name",
    "appendCommitMessageToRunName",
    "trigger",
    "pr",
    "schedules",
    "resources",
    "variables",
    "parameters",
    "pool",
    "lockBehavior",
    "stages",
    "jobs",
    "steps",
    "container",
    "services",
    "workspace",
    "strategy",
}
_STAGE = {
    "stage",
    "displayName",
    "pool",
    "dependsOn",
    "condition",
    "variables",
    "jobs",
    "lockBehavior",
    "trigger",
    "isSkippable",
}
_JOB = {
    "displayName",
    "dependsOn",
    "condition",
    "continueOnError",
    "timeoutInMinutes",
    "cancelTimeoutInMinutes",
    "variables",
    "pool",
    "container",
    "services",
    "workspace",
    "uses",
    "steps",
    "strategy",
    "templateContext",
}
HOOKS = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")


def pipeline(
    path: Path,
    root: Path,
    given: dict[str, Any] | None = None,
    predefined: dict[str, str] | None = None,
    name: str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Pipeline:
    """Read and expand one Azure pipeline.

    Parameters
    ----------
    path : pathlib.Path
        The pipeline file.
    root : pathlib.Path
        The repository.
    given : dict, optional
        Values of the pipeline's parameters.
    predefined : dict, optional
        Variables that the service knows at expansion, such as ``Build.Reason``.
    name : str, optional
        The pipeline's name in the project; default: the file's stem.
    overrides : mapping of str to str, optional
        Variables of the files that get another value.

    Raises
    ------
    rehearse.errors.RehearseError
        The service would refuse it, or it uses something that is not known here.
    """
    document, parameters = Expander(root, predefined, overrides).pipeline(path, given)
    keys(document, _PIPELINE, "a pipeline")
    forms = [key for key in ("stages", "jobs", "steps") if key in document]
    if len(forms) != 1:
        raise PipelineError("a pipeline has 'stages', 'jobs' or 'steps', one of them", where=document.where)
    pool = document.get("pool")
    if forms[0] == "steps":
        body = Node(
            {key: document[key] for key in ("steps", "pool", "container", "services", "strategy") if key in document}
        )
        body["job"] = "Job"
        stages = [Stage("__default", [_job(body, pool)])]
    elif forms[0] == "jobs":
        stages = [Stage("__default", _jobs(document["jobs"], pool))]
    else:
        stages = _stages(document["stages"], pool)
    resources = document.get("resources")
    return Pipeline(
        name or path.stem,
        str(path.relative_to(root)),
        "azure",
        stages,
        variables(document.get("variables")),
        parameters,
        {key: document[key] for key in ("trigger", "pr", "schedules") if key in document}
        | {"pipelines": _pipelines(resources)},
        {"name": document.get("name"), "resources": resources, "lockBehavior": document.get("lockBehavior")},
    )


def _pipelines(resources: Any) -> list[Node]:
    if not isinstance(resources, Node):
        return []
    unknown = set(resources) - {"pipelines", "repositories", "containers", "builds", "packages", "webhooks"}
    if unknown:
        raise PipelineError(f"'resources' has no key {sorted(unknown)[0]!r}", where=resources.where)
    found = resources.get("pipelines") or []
    for item in found:
        if not isinstance(item, Node) or not item.get("pipeline") or not item.get("source"):
            raise PipelineError("a pipeline resource needs 'pipeline' and 'source'", where=where(item))
    return list(found)


def _needs(value: Any, previous: list[str], names: list[str], place: str | None) -> list[str]:
    if value is None:
        return previous
    wanted = [
        to_text(item) for item in (value if isinstance(value, list) else [value]) if item is not None and item != ""
    ]
    lowered = {name.lower(): name for name in names}
    for name in wanted:
        if name.lower() not in lowered:
            raise PipelineError(f"it depends on {name!r}, which does not exist", where=where(value) or place)
    return [lowered[name.lower()] for name in wanted]


def _stages(items: Any, pool: Any) -> list[Stage]:
    if not isinstance(items, list) or not items:
        raise PipelineError("there is no stage", where=where(items))
    names = [named(item.get("stage"), "stage", item.where) for item in items if isinstance(item, Node)]
    _distinct(names, "stage", items)
    result: list[Stage] = []
    for item, name in zip(items, names, strict=True):
        keys(item, _STAGE, "a stage")
        previous = [result[-1].name] if result else []
        needs = item.get("dependsOn")
        if "dependsOn" in item and needs is None:
            needs = []
        result.append(
            Stage(
                name,
                _jobs(item.get("jobs"), item.get("pool", pool), item.where),
                to_text(item.get("displayName")) or name,
                _needs(needs, previous, names, item.where),
                condition(item),
                variables(item.get("variables")),
                item.where,
                {"lockBehavior": item.get("lockBehavior")},
            )
        )
    return result


def _distinct(names: list[str], what: str, items: list[Any]) -> None:
    seen: set[str] = set()
    for name, item in zip(names, items, strict=True):
        if name.lower() in seen:
            raise PipelineError(f"two {what}s are named {name!r}", where=where(item))
        seen.add(name.lower())


def _jobs(items: Any, pool: Any, place: str | None = None) -> list[Job]:
    if not isinstance(items, list) or not items:
        raise PipelineError("there is no job", where=where(items) or place)
    jobs: list[Job] = []
    unnamed = 0
    for item in items:
        if not isinstance(item, Node) or ("job" in item) == ("deployment" in item):
            raise PipelineError("a job is one of 'job', 'deployment', 'template'", where=where(item) or place)
        if not item.get("job") and not item.get("deployment"):
            unnamed += 1
            item = _with(item, "job" if "job" in item else "deployment", f"Job{unnamed}")
        jobs.append(_job(item, pool))
    names = [job.name for job in jobs]
    _distinct(names, "job", items)
    for job, item in zip(jobs, items, strict=True):
        job.needs = _needs(item.get("dependsOn"), [], names, item.where)
    return jobs


def _with(node: Node, key: str, value: Any) -> Node:
    copy = Node(node)
    copy.where = node.where
    copy[key] = value
    return copy


def _job(item: Node, pool: Any) -> Job:
    deployment = "deployment" in item
    name = named(item["deployment" if deployment else "job"], "job", item.where)
    keys(item, _JOB | {"deployment", "environment"} if deployment else _JOB | {"job"}, "a job")
    if deployment and name.lower() in ("deploy", "deployment"):
        raise PipelineError(f"a deployment job cannot be named {name!r}", where=item.where)
    hooks, matrix = _deployment(item) if deployment else _ordinary(item)
    environment = item.get("environment")
    if isinstance(environment, Node):
        environment = ".".join(to_text(environment[key]) for key in ("name", "resourceName") if environment.get(key))
    if deployment and not environment:
        raise PipelineError(f"the deployment {name!r} has no environment", where=item.where)
    return Job(
        name,
        hooks,
        to_text(item.get("displayName")) or name,
        [],
        condition(item),
        variables(item.get("variables")),
        to_text(environment) or None,
        deployment,
        matrix,
        {},
        to_text(item.get("continueOnError", "false")).lower(),
        item.get("pool", pool),
        item.where,
        minutes=_minutes(item.get("timeoutInMinutes"), item.where),
    )


def _minutes(value: Any, place: str | None) -> int:
    """An hour when nothing is said; 0 is as long as the agent allows, six hours on those of the service."""
    text = to_text(value) or "60"
    if not text.isdigit():
        raise PipelineError(f"'timeoutInMinutes' must be a number, not {text!r}", where=where(value) or place)
    return int(text) or 360


def _ordinary(item: Node) -> tuple[dict[str, list[Step]], dict[str, dict[str, str]]]:
    strategy = item.get("strategy")
    matrix: dict[str, dict[str, str]] = {}
    if isinstance(strategy, Node):
        unknown = set(strategy) - {"matrix", "maxParallel", "parallel"}
        if unknown or "parallel" in strategy:
            raise NotRehearsed(
                f"the strategy {sorted(unknown | {'parallel'})[0]!r} is not known here", where=strategy.where
            )
        for leg, values in (strategy.get("matrix") or {}).items():
            matrix[str(leg)] = {str(key): to_text(value) for key, value in values.items()}
    if "steps" not in item:
        raise PipelineError("the job has no steps", where=item.where)
    return {"steps": steps(item["steps"], item.where)}, matrix


def _deployment(item: Node) -> tuple[dict[str, list[Step]], dict[str, dict[str, str]]]:
    strategy = item.get("strategy")
    if not isinstance(strategy, Node) or len(strategy) != 1:
        raise PipelineError("a deployment needs a strategy: runOnce, rolling or canary", where=item.where)
    kind, body = next(iter(strategy.items()))
    if kind != "runOnce":
        raise NotRehearsed(f"the strategy {str(kind)!r} is not known here", where=where(kind))
    if not isinstance(body, Node):
        raise PipelineError("'runOnce' holds the hooks of the deployment", where=where(kind))
    keys(body, {*HOOKS, "on"}, "'runOnce'")
    hooks: dict[str, list[Step]] = {}
    for name in HOOKS:
        if name in body:
            hooks[name] = _hook(body[name], name)
    for outcome, hook in (body.get("on") or {}).items():
        if outcome not in ("failure", "success"):
            raise PipelineError(f"'on' has no key {str(outcome)!r}", where=where(outcome))
        hooks[f"on.{outcome}"] = _hook(hook, f"on.{outcome}")
    return hooks, {}


def _hook(hook: Any, name: str) -> list[Step]:
    if not isinstance(hook, Node) or "steps" not in hook:
        raise PipelineError(f"the hook {name!r} has no steps", where=where(hook))
    keys(hook, {"steps", "pool"}, f"the hook {name!r}")
    return steps(hook["steps"], hook.where)


def variables(entries: Any) -> list[Variable]:
    """The entries of an expanded ``variables`` block."""
    found: list[Variable] = []
    for entry in entries or []:
        if "group" in entry:
            keys(entry, {"group"}, "a variable group")
            found.append(Variable("", group=to_text(entry["group"]), where=entry.where))
        else:
            found.append(Variable(str(entry["name"]), entry["value"], where=entry.where))
    return found
