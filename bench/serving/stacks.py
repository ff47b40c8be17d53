"""The services that are compared: how each starts, where it answers, what a request looks like."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KIT = HERE.parents[1]


@dataclass(frozen=True)
class Stack:
    """One service."""

    name: str
    command: list[str]
    path: str = "/score"
    env: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cwd: Path = KIT

    def body(self, rows: list[list[float]]) -> bytes:
        """The request for these rows, as this service wants it."""
        if self.path == "/invocations":
            return json.dumps({"inputs": rows}).encode()
        if self.path.startswith("/v2/"):
            flat: dict[str, Any] = {"name": "x", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": rows}
            return json.dumps({"inputs": [flat]}).encode()
        return json.dumps({"data": rows}).encode()

    def result(self, body: bytes) -> list[float]:
        """The predictions in an answer."""
        document = json.loads(body)
        if "predictions" in document:
            return list(document["predictions"])
        if "outputs" in document:
            return list(document["outputs"][0]["data"])
        return list(document["result"])


def ours(name: str, entry: str, folder: Path, port: int, workers: int, **env: str) -> Stack:
    """Our host, with keys, access log and all."""
    command = [sys.executable, "-m", "score", "--entry-script", entry, "--model-dir", str(folder / "models")]
    command += ["--port", str(port), "--workers", str(workers), "--keys-file", str(folder / "keys.json")]
    return Stack(name, command, env=env, headers={"Authorization": "Bearer bench-key"})


def all_stacks(folder: Path, peers: Path, port: int, workers: int) -> list[Stack]:
    """Ours, and the peers whose environments exist in `peers`."""
    apps = HERE / "apps"
    n, p = str(workers), str(port)
    model = {"AZUREML_MODEL_DIR": str(folder / "models")}
    entry = str(KIT / "score" / "score.py")
    stacks = [
        ours("ours-empty", str(apps / "empty_entry.py"), folder, port, workers),
        ours("ours-fast", entry, folder, port, workers),
        ours("ours-ordinary", entry, folder, port, workers, MLOPS_SCORE_FAST_PATH="0"),
    ]
    python = {each: peers / each / "bin" / "python" for each in ("azureml", "fastapi", "mlflow", "mlserver", "bentoml")}
    azure = (
        "import sys; from azureml_inference_server_http import amlserver, amlserver_linux as s; run = s.run; "
        "s.run = lambda host, *rest: run('127.0.0.1', *rest); sys.argv = ['azmlinfsrv', '--entry_script', "
        f"{str(apps / 'azure_entry.py')!r}, '--port', {p!r}, '--worker_count', {n!r}]; amlserver.run()"
    )
    candidates = {
        "azureml": Stack("azureml", [str(python["azureml"]), "-c", azure], env=model),
        "fastapi": Stack(
            "fastapi",
            [str(python["fastapi"]), "-m", "uvicorn", "fastapi_app:app", "--port", p, "--workers", n],
            env=model,
            cwd=apps,
        ),
        "mlflow": Stack(
            "mlflow",
            [
                *(str(python["mlflow"]), "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow")),
                *("-p", p, "-w", n, "--env-manager", "local"),
            ],
            "/invocations",
            env={"PATH": f"{python['mlflow'].parent}:/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"},
        ),
        "mlserver": Stack(
            "mlserver",
            [str(python["mlserver"].parent / "mlserver"), "start", str(folder / "mlserver")],
            "/v2/models/diabetes/infer",
            env={"MLSERVER_HTTP_PORT": p, "MLSERVER_PARALLEL_WORKERS": n if workers > 1 else "0"},
        ),
        "bentoml": Stack(
            "bentoml",
            [str(python["bentoml"].parent / "bentoml"), "serve", "bento_service:Score", "--port", p],
            env={**model, "BENCH_WORKERS": n, "BENTOML_DO_NOT_TRACK": "True"},
            cwd=apps,
        ),
    }
    return stacks + [stack for name, stack in candidates.items() if python[name].exists()]
