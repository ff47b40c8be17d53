"""A step whose work is shared out among the nodes of a cluster: ``ParallelRunStep``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

SCRIPT = "share_step.py"
SCRIPT_TEXT = '''"""Does the files of a step that are given to this process; the code is beside this file."""

from mlops.exit_codes import exit_code_of
from pipeline.azure.worker import Worker

worker = Worker(exit_code_of)
init, run, shutdown = worker.init, worker.run, worker.shutdown
'''
FUSE = ("azureml-dataset-runtime[fuse]", "fusepy==3.0.1")
"""What the nodes mount the files with: ``ParallelRunStep`` takes them by mount alone, and needs this extra for it.

Nothing of it is imported here, so it is in no lock of this machine's; the first is pinned to the version of the lock.
"""


@dataclass(frozen=True)
class Sharing:
    """How work is shared out.

    Attributes
    ----------
    mini_batch : int
        Files that a process takes at a time.
    error_threshold : int
        Files that may fail before the step does; -1: any number.
    nodes, processes : int
        Nodes of the cluster, and processes on each.
    timeout : int
        Seconds that one mini-batch may take.
    tries : int
        How often a mini-batch is tried.
    """

    mini_batch: int = 10
    error_threshold: int = 0
    nodes: int = 1
    processes: int = 1
    timeout: int = 600
    tries: int = 3


@dataclass(frozen=True)
class Flow:
    """What flows into shared work and out of it, as objects of the SDK."""

    parts: Any
    """The data set whose files are shared out."""
    inputs: Sequence[Any]
    """Whole outputs of steps before."""
    output: Any


def shared_step(
    name: str, arguments: list[Any], flow: Flow, environment: Any, target: Any, source: Path, sharing: Sharing
) -> Any:
    """The step of the SDK.

    Parameters
    ----------
    name : str
    arguments : list
        Without the one that names its output.
    flow : Flow
    environment : azureml.core.Environment
    target : azureml.core.compute.AmlCompute
    source : pathlib.Path
        Its code; the entry script is written there.
    sharing : Sharing

    Raises
    ------
    pipeline.errors.PipelineError
        The cluster has fewer nodes.
    """
    from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep

    most = target.scale_settings.maximum_node_count
    if sharing.nodes > most:
        raise PipelineError(
            f"batch.nodes is {sharing.nodes}; the cluster {target.name} has at most {most}",
            hint="fewer nodes, or a larger cluster: azure.compute_max and mlops azure init",
        )
    (source / SCRIPT).write_text(SCRIPT_TEXT, encoding="utf-8")
    before = list(sys.path)
    try:
        return ParallelRunStep(
            name=name,
            parallel_run_config=ParallelRunConfig(
                environment=environment,
                entry_script=SCRIPT,
                source_directory=str(source),
                # The results are files of the script's own: in order, and written as nobody else would.
                output_action="summary_only",
                mini_batch_size=str(sharing.mini_batch),
                error_threshold=sharing.error_threshold,
                compute_target=target,
                node_count=sharing.nodes,
                process_count_per_node=sharing.processes,
                run_invocation_timeout=sharing.timeout,
                run_max_try=sharing.tries,
            ),
            inputs=[flow.parts],
            side_inputs=list(flow.inputs),
            output=flow.output,
            arguments=[*arguments, "--into", flow.output],
            allow_reuse=False,
        )
    finally:
        sys.path[:] = before  # the SDK puts the copy of the code there, and leaves it
