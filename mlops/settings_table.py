"""Every setting of the kit: name, kind, default, the names MLOpsPython users have for it, and one line of help."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any


class Secret:
    """A value that never shows itself."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The plain text."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a secret cannot be serialised")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True)
class Shape:
    """What a text must look like, and how that is said."""

    pattern: str
    words: str


GIVEN = Shape(r"(?s).*\S.*", "it must not be empty")
# The rules of registry/names.py and deploy/local/state.py, which are Azure's: told here, a mistake costs no training.
NAMED = Shape(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?",
    "it must be letters, digits, '.', '_' and '-', begin with a letter or digit, and not end with a dot",
)
SERVICE = Shape(
    r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){1,30}[a-z0-9]",
    "it must be 3 to 32 lower-case letters, digits and single dashes, beginning with a letter",
)


@dataclass(frozen=True)
class Setting:
    """One setting.

    ``kind`` is ``text``, ``int``, ``float``, ``bool``, ``list`` (of text), ``choice``, ``secret``, or ``table`` (free).
    """

    key: str
    kind: str
    default: Any
    help: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    shape: Shape | None = None

    @property
    def variable(self) -> str:
        """The environment variable, such as ``MLOPS_GATE_METRIC``."""
        return "MLOPS_" + self.key.upper().replace(".", "_").replace("-", "_")

    def parse(self, value: Any) -> Any:
        """Convert a value of a file, variable or flag. Raises ``ValueError`` or ``TypeError`` saying why not."""
        if self.kind == "secret":
            if not isinstance(value, str):
                raise TypeError("it must be text")
            return Secret(value) if value else None
        if self.kind == "bool":
            return _bool(value)
        if self.kind in ("int", "float"):
            return self._number(value)
        if self.kind == "table":
            return _table(value)
        if self.kind == "list":
            items = value.split(",") if isinstance(value, str) else value
            if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
                raise TypeError("it must be a list of text")
            return tuple(item.strip() for item in items if item.strip())
        if not isinstance(value, str):
            raise TypeError("it must be text")
        if self.kind == "choice" and value not in self.choices:
            raise ValueError(f"choose one of {', '.join(self.choices)}")
        if self.shape is not None and not re.fullmatch(self.shape.pattern, value):
            raise ValueError(self.shape.words)
        return value

    def _number(self, value: Any) -> float | int:
        what = "a whole number" if self.kind == "int" else "a number"
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise TypeError(f"it must be {what}")
        if self.kind == "int" and isinstance(value, float):
            raise TypeError(f"it must be {what}")
        try:
            number: float | int = int(value) if self.kind == "int" else float(value)
        except ValueError:
            raise ValueError(f"it must be {what}") from None
        if not math.isfinite(number) or not self.low <= number <= self.high:
            low = "" if self.low == -math.inf else f"at least {self.low:.12g}"
            high = "" if self.high == math.inf else f"at most {self.high:.12g}"
            raise ValueError(f"it must be {' and '.join(part for part in (low, high) if part) or 'finite'}")
        return number


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("it must be true or false")


def _table(value: Any) -> dict[str, Any]:
    """A table of the file, or an object of JSON in a variable or flag; none if that is empty."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise TypeError('it must be a table; as text, an object of JSON such as {"alpha": 0.5}')
    return value


TABLE: tuple[Setting, ...] = (
    Setting("backend", "choice", "local", "where steps run: local or azure", choices=("local", "azure")),
    Setting(
        "state", "text", ".mlops", "folder for what this machine keeps: registry, runs, data, services", shape=GIVEN
    ),
    Setting("model.name", "text", "diabetes", "name of the registered model", ("MODEL_NAME",), shape=NAMED),
    Setting(
        "model.experiment",
        "text",
        "diabetes-regression",
        "experiment that runs belong to",
        ("EXPERIMENT_NAME",),
        shape=NAMED,
    ),
    Setting("model.entry_script", "text", "score/score.py", "entry script with init() and run()", shape=GIVEN),
    Setting("model.code", "list", ("model",), "folders that a pickled model refers to, packed into the image"),
    Setting("signing.private_key", "text", "", "PEM file that model versions are signed with; empty: not signed"),
    Setting("signing.public_key", "text", "", "PEM file that every download is verified with; empty: not verified"),
    Setting("signing.tool", "text", "model_signing", "the program that signs (requirements/signing.in)"),
    Setting("data.name", "text", "diabetes", "name of the data set", ("DATASET_NAME",), shape=NAMED),
    Setting("data.version", "text", "", "data set version to train on; empty: the newest", ("DATASET_VERSION",)),
    Setting("data.path", "text", "", "CSV file of your own; empty: the sample", ("DATAFILE_NAME",)),
    Setting("data.test_size", "float", 0.2, "share of rows held out, between 0 and 1", low=0.01, high=0.99),
    Setting("train.seed", "int", 42, "seed of everything random", low=0, high=2**32 - 1),
    Setting("train.parameters", "table", {}, "parameters of the model"),
    Setting("train.search", "table", {}, "parameter grid of `mlops train --search`"),
    Setting(
        "train.joblib_backend",
        "choice",
        "loky",
        "joblib backend of search and batch",
        choices=("loky", "threading", "dask", "ray"),
    ),
    Setting("train.scheduler", "text", "", "address of the dask or ray scheduler"),
    Setting("train.compute", "choice", "process", "where local training runs", choices=("process", "docker")),
    Setting("gate.metric", "text", "mse", "metric that decides", shape=GIVEN),
    Setting("gate.direction", "choice", "lower", "which metric is better", choices=("lower", "higher")),
    Setting("gate.margin", "float", 0.0, "how much better a candidate must be", low=0.0),
    Setting("gate.evaluate", "bool", True, "judge candidates at all; false registers each", ("RUN_EVALUATION",)),
    Setting("gate.cancel_on_keep", "bool", False, "cancel the pipeline run on keep", ("ALLOW_RUN_CANCEL",)),
    Setting("image.base", "text", "", "base image; empty: the official slim image of this Python", ("BASE_IMAGE",)),
    Setting("image.push", "text", "", "REGISTRY/NAME to push images to"),
    Setting("services.target", "choice", "auto", "what runs local services", choices=("auto", "process", "docker")),
    Setting("services.qa", "text", "diabetes-qa", "name of the QA service", ("ACI_DEPLOYMENT_NAME",), shape=SERVICE),
    Setting(
        "services.production",
        "text",
        "diabetes-production",
        "name of the production service",
        ("AKS_DEPLOYMENT_NAME",),
        shape=SERVICE,
    ),
    Setting("services.timeout", "float", 300.0, "seconds until a deployment counts as failed", low=1.0),
    Setting("services.cpu", "float", 1.0, "cores a replica", low=0.1),
    Setting("services.memory_gb", "float", 1.0, "GB a replica", low=0.1),
    Setting("services.replicas_min", "int", 1, "fewest AKS replicas", low=1),
    Setting("services.replicas_max", "int", 3, "most AKS replicas", low=1),
    Setting("services.app_insights", "bool", False, "send telemetry of Azure services to Application Insights"),
    Setting("services.workers", "int", 1, "worker processes of the scoring host", low=1, high=64),
    Setting("canary.requests", "int", 50, "answers to watch before deciding", low=1),
    Setting("canary.max_errors", "float", 0.0, "share of failed answers that rolls back", low=0.0, high=1.0),
    Setting(
        "canary.max_latency_ratio", "float", 2.0, "mean latency over the running version's that rolls back", low=1.0
    ),
    Setting(
        "canary.max_disagreement",
        "float",
        0.25,
        "mean difference of answers, over the running version's size, that rolls back",
        low=0.0,
    ),
    Setting(
        "build.id",
        "text",
        "",
        "build that trains, for lineage and to find its pipeline",
        ("BUILD_BUILDID", "GITHUB_RUN_ID"),
    ),
    Setting("build.uri", "text", "", "address of that build", ("BUILD_URI",)),
    Setting(
        "pipeline.name",
        "text",
        "diabetes-training-pipeline",
        "name of the published pipeline",
        ("TRAINING_PIPELINE_NAME",),
    ),
    Setting("pipeline.environment", "text", "diabetes-training", "name of the Azure ML environment", ("AML_ENV_NAME",)),
    Setting("pipeline.allow_reuse", "bool", False, "skip a step whose inputs have not changed", ("ALLOW_RUN_REUSE",)),
    Setting(
        "batch.pipeline",
        "text",
        "diabetes-batch-pipeline",
        "name of the published pipeline that scores tables",
        ("SCORING_PIPELINE_NAME",),
    ),
    Setting(
        "batch.data",
        "text",
        "diabetes-scoring",
        "name of the data set that a published run scores",
        ("SCORING_DATASET_NAME",),
        shape=NAMED,
    ),
    Setting("batch.chunk_rows", "int", 1000, "rows of a table that are scored at once", low=1, high=1_000_000),
    Setting("batch.mini_batch_size", "int", 10, "chunks that a process of the cluster takes at a time", low=1),
    Setting("batch.error_threshold", "int", 0, "chunks that may fail before a run does; -1: any number", low=-1),
    Setting("batch.nodes", "int", 1, "nodes of the cluster that score", low=1),
    Setting("batch.processes", "int", 1, "scoring processes on each node", low=1),
    Setting("batch.timeout", "int", 600, "seconds that a mini-batch may take", low=1),
    Setting("batch.tries", "int", 3, "how often a mini-batch is tried", low=1),
    Setting("azure.subscription_id", "text", "", "subscription", ("SUBSCRIPTION_ID",)),
    Setting("azure.resource_group", "text", "", "resource group", ("RESOURCE_GROUP",)),
    Setting("azure.workspace", "text", "", "workspace", ("WORKSPACE_NAME",)),
    Setting("azure.location", "text", "", "region", ("LOCATION",)),
    Setting("azure.tenant_id", "text", "", "tenant of the service principal", ("TENANT_ID",)),
    Setting("azure.client_id", "text", "", "service principal or managed identity", ("SP_APP_ID",)),
    Setting("azure.client_secret", "secret", None, "secret of the service principal", ("SP_APP_SECRET",)),
    Setting(
        "azure.auth",
        "choice",
        "auto",
        "how to sign in",
        choices=("auto", "service-principal", "managed-identity", "cli", "workload-identity"),
    ),
    Setting("azure.compute", "text", "train-cluster", "AmlCompute cluster", ("AML_COMPUTE_CLUSTER_NAME",)),
    Setting(
        "azure.compute_sku", "text", "STANDARD_DS2_V2", "its virtual machine size", ("AML_COMPUTE_CLUSTER_CPU_SKU",)
    ),
    Setting("azure.compute_min", "int", 0, "its fewest nodes", ("AML_CLUSTER_MIN_NODES",), low=0),
    Setting("azure.compute_max", "int", 4, "its most nodes", ("AML_CLUSTER_MAX_NODES",), low=1),
    Setting("azure.aks", "text", "aks", "attached AKS cluster", ("AKS_COMPUTE_NAME",)),
    Setting("azure.aks_resource_id", "text", "", "resource id of the AKS cluster to attach"),
    Setting("azure.keep_alive", "float", 1800.0, "seconds to wait for long Azure operations", low=1.0),
)
