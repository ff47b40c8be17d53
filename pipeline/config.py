"""Everything that the steps of a pipeline need to be told; the same document on every backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pipeline.documents import Document


@dataclass(frozen=True)
class PipelineConfig(Document):
    """Inputs of a run of a pipeline. JSON values only: it travels as a file or as an argument."""

    model: str = "diabetes"
    """Name of the registered model."""
    experiment: str = "diabetes-regression"
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Further tags of the run and of the model version."""

    data: str = "diabetes"
    """Name of the data set."""
    data_version: int | None = None
    """``None``: the newest, or the sample when there is none yet."""
    data_path: str | None = None
    """A table to register as the next version; ``None``: use what is registered."""
    allow_shift: bool = False
    """Train although the distribution has shifted against the data that production was trained on."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Overrides of the defaults in ``model/estimator.py``."""
    seed: int = 42
    test_size: float = 0.2
    """Share of the rows held out, between 0 and 1."""
    search: bool = False
    """Search the parameters first."""
    grid: Mapping[str, list[Any]] = field(default_factory=dict)
    """Values to search; empty: those in ``model/estimator.py``."""
    joblib_backend: str = "loky"
    """``loky``, ``threading``, ``dask`` or ``ray``."""
    scheduler: str = ""
    """Address of the dask or ray scheduler."""

    evaluate: bool = True
    """Judge the candidate; ``False`` registers each."""
    metric: str = "mse"
    direction: str = "lower"
    """Which is better: ``lower`` or ``higher``."""
    margin: float = 0.0
    """The candidate must be better by more than this, in the metric's unit."""
    compare_to: str = "production"
    """Alias of the model version that the candidate is judged against."""
    cancel_on_keep: bool = False
    """End the run as Canceled, not Completed, when production is kept."""

    model_version: int | None = None
    """Of batch scoring; ``None``: the version that `compare_to` names."""
    entry_script: str = "score/score.py"
    """What batch scoring asks, relative to the code."""
    scores: str = ""
    """File name of the table that batch scoring writes from one file; empty: that of the file."""
    chunk_rows: int = 1000
    """Rows that batch scoring sends to the entry script at once."""
    stop_on_bad_row: bool = False
    """Batch scoring ends at a row that cannot be scored."""

    build_id: str | None = None
    build_uri: str | None = None
    git_revision: str | None = None
    git_dirty: bool | None = None
    lock_digest: str | None = None
    """``sha256:<hex>`` of the locked requirements; ``None``: those of this interpreter, in the step's own folder."""
    caller_run_id: str | None = None
    """The run that asked for this one."""
    who: str = ""
    """Who asked, for the promotion log."""


def kind_of(name: str) -> tuple[type, ...]:
    """What the value of a field may be.

    Numbers of JSON that are whole are ``int``; ``bool`` is none of them here.
    """
    kinds = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}
    first, *rest = next(item.type for item in fields(PipelineConfig) if item.name == name).split(" | ")
    found: tuple[type, ...] = kinds.get(first, (Mapping,))
    return (*found, type(None)) if rest else found


TEXTS = frozenset(item.name for item in fields(PipelineConfig) if item.type in ("str", "str | None"))
"""Fields that hold text: what looks like a number there (a build id) is none."""
