"""The other end of a step in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pipeline.config import PipelineConfig
from pipeline.context import StepContext
from pipeline.documents import Document
from pipeline.execute import execute
from pipeline.graph import step_named
from pipeline.local.executors import ERROR, Order, Seams


def run_order(path: Path, seams: Seams, progress: Callable[[str], None]) -> Document:
    """Do what an order file says. An error is raised, and written beside the output for whoever gave the order."""
    order = Order.read(path)
    output = Path(order.output)
    output.mkdir(parents=True, exist_ok=True)
    try:
        context = StepContext(
            config=PipelineConfig.from_json(order.config),
            models=seams.models,
            runs=seams.runs,
            data=seams.data,
            run=seams.runs.open(order.run_id),
            parent=seams.runs.open(order.parent_id) if order.parent_id else None,
            inputs={name: Path(folder) for name, folder in order.inputs.items()},
            output=output,
            progress=progress,
        )
        return execute(step_named(order.step), context)
    except Exception as error:
        document = {"message": str(error) or type(error).__name__, "hint": getattr(error, "hint", None)}
        (output.parent / ERROR).write_text(json.dumps(document), encoding="utf-8")
        raise
