"""The actions that the interpreter can carry out. Any other is named as unknown before a run starts.

Inputs as in the ``action.yml`` of each action's repository.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehearse.errors import NotRehearsed, PipelineError
from rehearse.graph import Step
from rehearse.run import scripts
from rehearse.run.context import StepContext
from rehearse.run.reports import find
from rehearse.run.tasks import copy


@dataclass(frozen=True)
class Action:
    """One action: its inputs, those that it must be given, and what it does."""

    run: Callable[[StepContext], int]
    inputs: frozenset[str]
    required: frozenset[str] = frozenset()
    signs_in: bool = False


def _run(context: StepContext) -> int:
    shells = {
        None: ("bash", "-e"),
        "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
        "sh": ("sh", "-e"),
    }
    shell = context.step.shell
    if shell not in shells:
        raise NotRehearsed(f"the shell {shell!r} is not known here", where=context.step.where)
    cwd = context.inputs.get("working-directory")
    script = scripts.Script(
        context.inputs["run"],
        context.inside(cwd) if cwd else context.folders.sources,
        context.env,
        context.folders.temp / f"step-{context.number}.sh",
        shells[shell],
        scripts.left(context.deadline),
        place=context.step.where,
    )
    return scripts.run(script, context.result, context.hear)


def _checkout(context: StepContext) -> int:
    if context.inputs.get("repository") or context.inputs.get("ref"):
        raise NotRehearsed("checkout of another repository or ref is not known here", where=context.step.where)
    path = context.inputs.get("path")
    context.world.check_out(context.inside(path) if path else context.folders.sources)
    return 0


def _python(context: StepContext) -> int:
    asked = context.inputs.get("python-version", "")
    have = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not asked.startswith(have):
        context.result.note = f"asks for {asked or 'no version'}, rehearsed with {have}"
    return 0


def _login(context: StepContext) -> int:
    if (context.job.extra.get("permissions") or {}).get("id-token") != "write":
        context.say("azure/login: the job has no permission id-token: write, so GitHub gives it no token")
        return 1
    missing = [name for name in ("client-id", "tenant-id", "subscription-id") if not context.inputs.get(name)]
    if missing:
        context.say(f"azure/login: {', '.join(missing)} is empty")
        return 1
    return 0


def _upload(context: StepContext) -> int:
    name = context.inputs.get("name") or "artifact"
    target = context.run_folder / "artifacts" / name
    if target.exists():
        context.say(f"the artifact {name} is there already")
        return 1
    lines = [line.strip() for line in context.inputs["path"].splitlines() if line.strip()]
    folders = [context.inside(line) for line in lines if context.inside(line).is_dir()]
    files = find("\n".join(line for line in lines if not context.inside(line).is_dir()), context.folders.sources)
    if not folders and not files:
        how = context.inputs.get("if-no-files-found", "warn")
        context.result.note = "nothing to upload"
        return 1 if how == "error" else 0
    target.mkdir(parents=True)
    for folder in folders:
        copy(folder, target)
    for file in files:
        shutil.copy2(file, target / file.name)
    context.result.note = f"artifact {name}"
    return 0


def _download(context: StepContext) -> int:
    if context.inputs.get("run-id") or context.inputs.get("pattern"):
        raise NotRehearsed("downloads from other runs or by pattern are not known here", where=context.step.where)
    place, wanted = context.run_folder / "artifacts", context.inputs.get("name")
    names = [wanted] if wanted else sorted(child.name for child in place.iterdir())
    path = Path(context.inside(context.inputs.get("path") or "."))
    for name in names:
        if not (place / name).is_dir():
            context.say(f"this run has no artifact {name}")
            return 1
        copy(place / name, path if wanted else path / name)
    context.result.note = ", ".join(names)
    return 0


ACTIONS: dict[str, tuple[frozenset[str], Action]] = {
    "run": (frozenset(), Action(_run, frozenset({"run", "working-directory"}), frozenset({"run"}))),
    "actions/checkout": (
        frozenset({"v4", "v5", "v6"}),
        Action(_checkout, frozenset({"persist-credentials", "fetch-depth", "repository", "ref", "path", "fetch-tags"})),
    ),
    "actions/setup-python": (
        frozenset({"v5", "v6"}),
        Action(_python, frozenset({"python-version", "cache", "cache-dependency-path", "architecture"})),
    ),
    "azure/login": (
        frozenset({"v2", "v3"}),
        Action(
            _login,
            frozenset({"client-id", "tenant-id", "subscription-id", "enable-AzPSSession", "environment", "audience"}),
            frozenset({"client-id", "tenant-id", "subscription-id"}),
            signs_in=True,
        ),
    ),
    "actions/upload-artifact": (
        frozenset({"v4", "v5", "v6", "v7"}),
        Action(
            _upload,
            frozenset({"name", "path", "if-no-files-found", "retention-days", "include-hidden-files"}),
            frozenset({"path"}),
        ),
    ),
    "actions/download-artifact": (
        frozenset({"v4", "v5", "v6", "v7", "v8"}),
        Action(_download, frozenset({"name", "path", "pattern", "merge-multiple", "run-id", "github-token"})),
    ),
}


def known(step: Step) -> Action:
    """The action of a step, its inputs checked. Raises ``NotRehearsed``, ``PipelineError``."""
    name, _, version = step.uses.partition("@")
    if name not in ACTIONS:
        hint = f"known: {', '.join(ACTIONS)}"
        raise NotRehearsed(f"the action {step.uses} is not known here", where=step.where, hint=hint)
    versions, action = ACTIONS[name]
    if versions and version not in versions:
        raise NotRehearsed(f"{name} is known here at {', '.join(sorted(versions))}, not {version!r}", where=step.where)
    for key in step.inputs:
        if key not in action.inputs:
            raise PipelineError(
                f"{step.uses} has no input {str(key)!r}", where=getattr(key, "where", None) or step.where
            )
    for key in action.required:
        if key not in step.inputs:
            raise PipelineError(f"{step.uses} needs the input {key!r}", where=step.where)
    return action
