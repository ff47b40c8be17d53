"""What a run of a published pipeline is, where whoever started it could not say so in tags: a schedule, or a request.

A schedule cannot give tags: ``Schedule.create`` and ``PublishedPipeline.submit`` (``azureml-pipeline-core`` 1.62)
leave ``tags`` of ``PipelineSubmissionInfo`` empty. What such a run carries are properties of Azure's own:
``azureml.pipelineid`` (which publication), and ``runType``, which is ``Schedule`` for one that a schedule started.
Sources: ``RunType`` of the SDK's ``PipelineRunEntity`` (HTTP, SDK, Schedule, Portal), and the event of such a run at
https://medium.com/geekculture/notifications-on-azure-machine-learning-pipelines-with-logic-apps-5d5df11d3126.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.config import PipelineConfig
from pipeline.graph import Pipeline

PIPELINE, STEPS, PUBLISHED, STARTED_BY = "pipeline", "steps", "published", "started_by"
"""Tags of a pipeline's run."""
PUBLICATION = "azureml.pipelineid"
SETTINGS = "mlops-runs/"
"""Blobs of what each run was started with, so that it can be resumed: Azure keeps only what its steps were told.

Who submits a run writes its whole configuration there; of one that a schedule or a request started, its first step
writes which parameters were given.
"""
GIVEN = "given"
"""Field of what a first step writes; no configuration has it."""


def scheduled(properties: Mapping[str, str]) -> bool:
    """Whether a schedule started the run."""
    return properties.get("runType") == "Schedule"


def own_config(config: PipelineConfig, properties: Mapping[str, str], given: frozenset[str]) -> PipelineConfig:
    """The configuration of a run whose parameters `given` were set by whoever started it.

    No build runs what a schedule starts: were it to go by the build that published, "the model that this build
    registered" would change from night to night.
    """
    if scheduled(properties) and "build_id" not in given:
        return replace(config, build_id=None, build_uri=None)
    return config


def marks(pipeline: Pipeline, config: PipelineConfig, properties: Mapping[str, str]) -> dict[str, str]:
    """The tags that a run should have, from what its first step knows."""
    found = {
        **config.tags,
        PIPELINE: pipeline.name,
        STEPS: ",".join(step.name for step in pipeline.steps),
        PUBLISHED: properties.get(PUBLICATION),
        STARTED_BY: "schedule" if scheduled(properties) else None,
        "build_id": config.build_id,
        "caller_run_id": config.caller_run_id,
    }
    return {name: value for name, value in found.items() if value}
