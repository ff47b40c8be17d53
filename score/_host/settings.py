"""Settings: flags over environment variables over Azure's ``config.json`` over defaults.

The variables are those of Azure Machine Learning's inference server
(https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http), so that a container definition
written for it works here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import __version__
from .errors import UsageError

MAX_BODY = 100 * 1024 * 1024
"""Bytes; the payload limit of Azure Kubernetes Service deployments."""


@dataclass(frozen=True)
class Settings:
    """Everything that the host is told.

    Times are in seconds unless the name says otherwise.
    """

    root: Path
    """AML_APP_ROOT: first on the import path; swagger files and config.json are looked for here."""
    entry_script: Path | None
    """``None``: a module ``main`` in `root`, as Azure's server does."""
    model_dir: Path | None = None
    source_dir: str | None = None
    host: str = "127.0.0.1"
    port: int = 5001
    health_port: int | None = None
    metrics_port: int | None = None
    keys_file: Path | None = None
    workers: int = 1
    scoring_timeout_ms: int = 3_600_000
    worker_timeout: float = 300.0
    drain_timeout: float = 30.0
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    idle_timeout: float = 75.0
    max_body: int = MAX_BODY
    max_queued_bytes: int = 4 * MAX_BODY
    max_connections: int = 4096
    max_queue: int = 2048
    service_name: str = "ML service"
    service_version: str = "1.0"
    service_path_prefix: str = ""
    cors_origins: tuple[str, ...] = ()
    server_version: str = ""
    log_level: str = "INFO"
    access_log: bool = True
    golden: bool = True


def _config_file(env: Mapping[str, str]) -> dict[str, object]:
    """Azure's ``config.json``: named by AZUREML_CONFIG_FILE, else in the app root, else beside the entry script."""
    places = [Path(env["AZUREML_CONFIG_FILE"])] if env.get("AZUREML_CONFIG_FILE") else []
    if env.get("AML_APP_ROOT"):
        places.append(Path(env["AML_APP_ROOT"], "config.json"))
    if env.get("AZUREML_ENTRY_SCRIPT"):
        places.append(Path(env["AZUREML_ENTRY_SCRIPT"]).resolve().parent / "config.json")
    for place in places:
        if place.is_file() and place.stat().st_size:
            try:
                document = json.loads(place.read_text("utf-8"))
            except ValueError as error:
                raise UsageError(f"{place} is not JSON: {error}", "mend or remove the file") from None
            if not isinstance(document, dict):
                raise UsageError(f"{place} must hold a JSON object", "mend or remove the file")
            return document
    return {}


class Reader:
    """Looks a setting up by its variable's name and says which one was wrong."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.file = _config_file(env)

    def text(self, name: str, default: str = "") -> str:
        """The variable, else config.json's entry of that name, else `default`."""
        if name in self.env:
            return self.env[name]
        value = self.file.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number within limits. Raises :class:`UsageError`."""
        text = self.text(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise UsageError(f"{name} is {text!r}, not a number", f"set {name} to {low:g} to {high:g}") from None
        if not low <= value <= high:
            raise UsageError(f"{name} is {text}, out of range", f"set {name} to {low:g} to {high:g}")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within limits. Raises :class:`UsageError`."""
        value = self.number(name, default, low, high)
        if value != int(value):
            raise UsageError(f"{name} is {self.text(name)}, not a whole number", f"set {name} to {low} to {high}")
        return int(value)

    def flag(self, name: str, default: bool) -> bool:
        """``true`` or ``false``."""
        text = self.text(name).strip().lower()
        return default if not text else text in ("1", "true", "yes", "on")


def from_environment(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings that the environment gives. Raises :class:`UsageError`."""
    read = Reader(os.environ if env is None else env)
    root = Path(read.text("AML_APP_ROOT") or Path.cwd()).resolve()
    entry = read.text("AZUREML_ENTRY_SCRIPT")
    model_dir = read.text("AZUREML_MODEL_DIR")
    keys_file = read.text("MLOPS_SCORE_KEYS_FILE")
    version = ""
    if read.flag("SERVER_VERSION_LOG_RESPONSE_ENABLED", True):
        version = read.text("HTTP_X_MS_SERVER_VERSION", f"mlops-score/{__version__}")
    separate = read.flag("SEPERATE_HEALTH_ENDPOINT", False)  # the misspelling is Azure's
    metrics = read.text("MLOPS_SCORE_METRICS_PORT")
    max_body = read.whole("MLOPS_SCORE_MAX_BODY_BYTES", MAX_BODY, 1, 1 << 34)
    origins = (origin.strip() for origin in read.text("AML_CORS_ORIGINS").split(","))
    return Settings(
        root=root,
        entry_script=root / entry if entry else None,
        model_dir=Path(model_dir).resolve() if model_dir else None,
        source_dir=read.text("AZUREML_SOURCE_DIRECTORY") or None,
        port=read.whole("SERVER_PORT", 5001, 0, 65535),
        health_port=read.whole("HEALTH_PORT", 5000, 0, 65535) if separate else None,
        metrics_port=read.whole("MLOPS_SCORE_METRICS_PORT", 0, 0, 65535) if metrics else None,
        keys_file=Path(keys_file) if keys_file else None,
        workers=read.whole("WORKER_COUNT", 1, 1, 512),
        scoring_timeout_ms=read.whole("SCORING_TIMEOUT_MS", 3_600_000, 1, 1 << 31),
        worker_timeout=read.number("WORKER_TIMEOUT", 300.0, 0.1, 1e6),
        drain_timeout=read.number("MLOPS_SCORE_DRAIN_SECONDS", 30.0, 0.0, 3600.0),
        header_timeout=read.number("MLOPS_SCORE_HEADER_SECONDS", 10.0, 0.05, 3600.0),
        body_timeout=read.number("MLOPS_SCORE_BODY_SECONDS", 60.0, 0.05, 3600.0),
        idle_timeout=read.number("MLOPS_SCORE_IDLE_SECONDS", 75.0, 0.05, 3600.0),
        max_body=max_body,
        max_queued_bytes=read.whole("MLOPS_SCORE_MAX_QUEUED_BYTES", 4 * max_body, max_body, 1 << 36),
        max_connections=read.whole("MLOPS_SCORE_MAX_CONNECTIONS", 4096, 1, 1_000_000),
        max_queue=read.whole("MLOPS_SCORE_MAX_QUEUE", 2048, 1, 1_000_000),
        service_name=read.text("SERVICE_NAME", "ML service"),
        service_version=read.text("SERVICE_VERSION", "1.0"),
        service_path_prefix=read.text("SERVICE_PATH_PREFIX"),
        cors_origins=tuple(origin for origin in origins if origin),
        server_version=version,
        log_level=read.text("AZUREML_LOG_LEVEL", "INFO").upper(),
        access_log=read.flag("MLOPS_SCORE_ACCESS_LOG", True),
    )
