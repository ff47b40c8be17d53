"""What each step hands on: ``result.json`` in its output folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.documents import Document

RESULT = "result.json"


@dataclass(frozen=True)
class DataResult(Document):
    """Of ``check_data``: the version to train on."""

    name: str
    version: int
    digest: str
    """``sha256:<hex>``."""
    rows: int
    file: str
    """File or folder name of the data set, as ``DataSets.download`` gives it."""
    violations: list[str] = field(default_factory=list)
    """Tolerated ones."""

    @property
    def reference(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class TrainResult(Document):
    """Of ``train``: the candidate. Beside it lie ``model/``, ``holdout.csv`` and ``predictions.csv``."""

    run_id: str
    experiment: str
    data: str
    """``name:version``."""
    data_digest: str
    metrics: Mapping[str, float]
    parameters: Mapping[str, Any]
    model_digest: str
    """Digest of ``model/``, as the registry computes it."""
    metric_definition: str
    split: str
    holdout_digest: str
    """Digest of ``holdout.csv``: with the definition, what makes stored metrics comparable."""
    lock_digest: str | None
    python: str
    platform: str
    code_digest: str
    search: Mapping[str, Any] | None = None
    """Of a search: how many combinations, the folds, the best score."""


@dataclass(frozen=True)
class EvaluateResult(Document):
    """Of ``evaluate``: the gate's verdict."""

    decision: str
    """``promote`` or ``keep``."""
    reason: str
    metric: str
    candidate: float | None
    production: float | None
    compared_with: str | None
    """``name:version`` of the model version in production."""
    rescored: bool
    """Whether production was scored again on the candidate's held-out rows."""


@dataclass(frozen=True)
class RegisterResult(Document):
    """Of ``register``: the new version, or why there is none."""

    model: str | None
    """``name:version``."""
    version: int | None
    digest: str | None
    run_id: str
    """The run that trained it."""
    skipped: str | None = None
    """Why nothing was registered."""


@dataclass(frozen=True)
class SplitResult(Document):
    """Of ``split``: what is scored, by what. Beside it lie the parts: ``mlops-parts/<table>/<first row>.<kind>``."""

    model: str
    """``name:version``."""
    name: str
    version: int
    model_digest: str
    features: list[str]
    data: str
    """``name:version``."""
    data_digest: str
    chunk_rows: int
    tables: Sequence[Mapping[str, Any]]
    """``table`` (path below the data set), ``scores`` (the same of the output), ``rows``, ``parts``."""
    folder: bool
    """Whether the data set is a folder of tables; else it is one file."""


@dataclass(frozen=True)
class ScoreResult(Document):
    """Of ``score``, where it ran on one machine. Beside it lie the predictions of each part, as JSON."""

    parts: int


@dataclass(frozen=True)
class JoinResult(Document):
    """Of ``join``: the tables with predictions and their reports, which lie beside it below ``tables/``."""

    model: str
    """``name:version``."""
    data: str
    """``name:version``."""
    rows: int
    bad_rows: int
    files: Sequence[Mapping[str, Any]]
    """One :class:`pipeline.batching.job.FileReport` a table; paths are relative to ``tables/``."""
    folder: bool
    """Whether the data set was a folder of tables; else it was one file."""
