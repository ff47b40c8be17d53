"""The whole flow of ``mlops run``: the training pipeline, then the release through the stages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.app import App
from mlops.configure import pipeline_config, training
from mlops.progress import Board
from mlops.releasing import release_of
from mlops.watching import watched

if TYPE_CHECKING:
    from types import EllipsisType

    from deploy.images import Image, PackageRequest
    from deploy.services import ServiceInfo
    from pipeline.release import Release
    from pipeline.results import EvaluateResult, RegisterResult, TrainResult
    from pipeline.runner import PipelineStatus
    from registry.models import ModelVersion

TRAINING_STEPS = {"check_data": "data checks", "train": "train", "evaluate": "evaluate", "register": "register"}
RELEASE_STEPS = ("package", "deploy to qa", "smoke test qa", "deploy to production", "smoke test production")


@dataclass(frozen=True)
class FlowResult:
    """The document that ``mlops run -o json`` prints."""

    decision: str
    reason: str
    model: str | None
    candidate: dict[str, Any]
    metrics: dict[str, float]
    previous: str | None
    image: dict[str, Any] | None
    services: dict[str, dict[str, Any]]
    backend: str
    call: str
    """A shell command that asks the production service; empty if there is none."""

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "decision": self.decision,
            "reason": self.reason,
            "model": self.model,
            "candidate": self.candidate,
            "metrics": self.metrics,
            "previous": self.previous,
            "image": self.image,
            "services": self.services,
            "backend": self.backend,
        }

    def to_text(self) -> str:
        lines = ["", f"decision    {self.decision}: {self.reason}"]
        lines.append(f"model       {self.model or f'{self.previous} stays in production'}")
        if self.image:
            digest = self.image["digest"][:19]  # of an image that Azure keeps, its SDK tells none
            lines.append(f"image       {self.image['reference']}{f' ({digest})' if digest else ''}")
        for stage, service in self.services.items():
            lines.append(f"{stage:<11} {service['uri']}  {service['state']}  {service['version']}")
        if self.call:
            lines += ["", "ask production:", f"  {self.call}"]
        return "\n".join(lines)


def run_flow(app: App, *, allow_shift: bool = False) -> FlowResult:
    """Train, judge, register if better, and release; on *keep*, see that what should serve does.

    Raises
    ------
    Exception
        What the step that failed raised; registry and services stay as they were before it.
    """
    from pipeline.results import EvaluateResult, RegisterResult, TrainResult

    release = release_of(app)
    release.check()
    model = app.settings["model.name"]
    if app.backend.target_reason:
        app.output.say(app.backend.target_reason)
    before = release.registry.alias(model, "production")
    with Board(app.output, [*TRAINING_STEPS.values(), *RELEASE_STEPS]) as board:
        status = _train(app, board, allow_shift)
        runner = app.backend.pipelines
        trained = runner.result(status.run_id, "train", TrainResult)
        verdict = runner.result(status.run_id, "evaluate", EvaluateResult)
        registered = runner.result(status.run_id, "register", RegisterResult)
        if registered.version is None:
            image, services = None, _keep(release, board, model)
        else:
            version = release.registry.get(model, registered.version)
            judged = _number(verdict.compared_with) if app.settings["gate.evaluate"] else ...
            image, services = _release(release, board, version, verdict.reason, judged)
    return _result(app, release, trained, verdict, registered, before, image, services)


def _train(app: App, board: Board, allow_shift: bool) -> PipelineStatus:
    config = pipeline_config(app, allow_shift=allow_shift or None)
    runner = app.backend.pipelines
    with watched(board, TRAINING_STEPS) as seen:
        status = runner.run(training(app), config, progress=seen.line)
        seen.ended(status)
    return status


def _number(reference: str | None) -> int | None:
    return None if reference is None else int(reference.rpartition(":")[2])


def _release(
    release: Release, board: Board, version: ModelVersion, why: str, judged: int | EllipsisType | None
) -> tuple[Image | None, dict[str, ServiceInfo]]:
    with board.step("package") as step:
        request, image = release.build(version, board.say)
        step.note = image.reference if image else "no image needed"
    services = {}
    for stage in release.names:
        # QA takes whichever comes; production only what is better than the version that is there.
        expect = judged if stage == "production" else ...
        services[stage] = _stage(release, board, stage, version, request, image, why, expect)
    return image, services


def _stage(
    release: Release,
    board: Board,
    stage: str,
    version: ModelVersion,
    request: PackageRequest,
    image: Image | None,
    why: str,
    expect: int | EllipsisType | None,
) -> ServiceInfo:
    with board.step(f"deploy to {stage}") as step:
        if expect is not ...:
            release.still(stage, version.name, expect)
        info = release.deploy(stage, request, image, board.say)
        step.note = info.uri
    with board.step(f"smoke test {stage}") as step:
        release.prove(stage, version, board.say, why=why, expect=expect)
        step.note = f"{version.reference} repeats its golden prediction"
    return info


def _keep(release: Release, board: Board, model: str) -> dict[str, ServiceInfo]:
    """Production is kept: nothing is released, but what should serve is brought back if it is down."""
    board.skip("package", "production is kept")
    services = {}
    for stage in release.names:
        with board.step(f"deploy to {stage}") as step:
            info = release.ensure(stage, model, board.say)
            step.note = "nothing was ever released here" if info is None else f"{info.version} serves"
        if info is None:
            board.skip(f"smoke test {stage}", "there is no service")
            continue
        services[stage] = info
        with board.step(f"smoke test {stage}") as step:
            number = release.registry.alias(model, stage)
            if number is not None:
                release.smoke(stage, release.registry.get(model, number))
            step.note = f"{info.version} repeats its golden prediction"
    return services


def _result(
    app: App,
    release: Release,
    trained: TrainResult,
    verdict: EvaluateResult,
    registered: RegisterResult,
    before: int | None,
    image: Image | None,
    services: dict[str, ServiceInfo],
) -> FlowResult:
    model = app.settings["model.name"]
    return FlowResult(
        decision="promote" if registered.version is not None else "keep",
        reason=verdict.reason,
        model=registered.model,
        candidate={
            "run_id": trained.run_id,
            "metrics": dict(trained.metrics),
            "parameters": dict(trained.parameters),
            "data": trained.data,
        },
        metrics=dict(trained.metrics),
        previous=None if before is None else f"{model}:{before}",
        image=None if image is None else {"reference": image.reference, "digest": image.digest},
        services={
            stage: {"name": info.name, "uri": info.uri, "state": info.state.value, "version": info.version}
            for stage, info in services.items()
        },
        backend=app.backend.name,
        call=_call(release, model, services.get("production")),
    )


def _call(release: Release, model: str, info: ServiceInfo | None) -> str:
    """A command that works when pasted into a shell in the project folder; the key is looked up, never printed."""
    number = None if info is None else release.registry.alias(model, "production")
    if info is None or number is None:
        return ""
    from deploy.smoke import read_golden

    request = read_golden(release.artifact(release.registry.get(model, number))).request
    rows = request.get("data", [])[:1] if isinstance(request, dict) else request
    body = json.dumps({"data": rows} if isinstance(request, dict) else request)
    key = f"$({_program()} services keys {info.name} --show primary)"
    return (
        f"curl -s {info.uri} -H 'Content-Type: application/json' \\\n"
        f'    -H "Authorization: Bearer {key}" \\\n'
        f"    -d '{body}'"
    )


def _program() -> str:
    """How to call this program from the shell that called it."""
    import os
    import sys
    from pathlib import Path

    path = Path(sys.argv[0])
    if path.name != "mlops":
        return f"{sys.executable} -m mlops"
    here = Path.cwd()
    return os.path.relpath(path, here) if path.resolve().is_relative_to(here) else str(path)
