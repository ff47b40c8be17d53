"""An expanded pipeline as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.graph import Pipeline, Step


def lines(pipeline: Pipeline) -> Iterator[str]:
    """The pipeline, a line a stage, job and step."""
    yield f"{pipeline.name} ({pipeline.file})"
    for stage in pipeline.stages:
        needs = f" after {', '.join(stage.needs)}" if stage.needs else ""
        yield f"  stage {stage.name}{needs}" + (f" if {stage.condition}" if stage.condition else "")
        for job in stage.jobs:
            target = f" -> {job.environment}" if job.environment else ""
            yield f"    job {job.name}{target}" + (f" if {job.condition}" if job.condition else "")
            for hook, steps in job.hooks.items():
                if hook != "steps":
                    yield f"      {hook}:"
                for step in steps:
                    yield "      - " + _step(step)


def _step(step: Step) -> str:
    what = (step.script or "").strip() or ", ".join(f"{key}={value}" for key, value in step.inputs.items())
    name = f"{step.name}: " if step.name else ""
    return f"{name}{step.uses}: {what}" + (f"  if {step.condition}" if step.condition else "")
