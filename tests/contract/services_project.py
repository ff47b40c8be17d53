"""A project as small as can be for the suites of ``Services``: a line for a model, no library to load."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from deploy.images import PackageRequest
from deploy.services import DeployRequest
from registry.digests import tree_digest
from registry.models import ModelVersion

ENTRY_SCRIPT = """
import json
import logging
import os
import time
from pathlib import Path


def init():
    global WEIGHTS
    path = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("weights.json"))
    WEIGHTS = json.loads(path.read_text())
    logging.getLogger("line").warning("loaded a line with slope %s", WEIGHTS["slope"])
    if WEIGHTS["init"] == "raise":
        raise RuntimeError("the weights are of the wrong kind")
    if WEIGHTS["init"] == "exit":
        os._exit(3)
    if WEIGHTS["init"] == "hang":
        time.sleep(600)


def run(data):
    request = json.loads(data)
    if WEIGHTS["runs"] and request["data"] != [[2.5]]:  # the golden request is answered well
        if WEIGHTS["runs"] == "fail":
            raise RuntimeError("this version fails")
        time.sleep(0.3)
    time.sleep(request.get("sleep", 0))
    if request.get("fail"):
        raise RuntimeError("asked to fail")
    if request.get("greet"):
        return {"greeting": os.environ.get("GREETING")}
    return {"result": [WEIGHTS["slope"] * row[0] for row in request["data"]]}
"""

PORTS = range(10000, 30000)
"""Addresses for services of tests: many, so that suites that run at the same time do not take each other's."""
Register = Callable[[str, Path], ModelVersion]


class Project:
    """Makes model folders and requests to deploy them."""

    def __init__(self, root: Path, register: Register | None = None) -> None:
        self.root = root
        self.register = register or self._remember
        self._versions = 0
        (root / "score").mkdir(parents=True)
        (root / "score" / "line.py").write_text(ENTRY_SCRIPT)
        (root / "model").mkdir()
        (root / "model" / "__init__.py").write_text("")

    def artifact(self, slope: float, *, init: str = "", runs: str = "", golden: float | None = None) -> Path:
        """A model folder.

        `init`: what ``init()`` does (``raise``, ``exit``, ``hang``); `runs`: what ``run()`` does (``fail``, ``slowly``)
        with all but the golden request; `golden`: a wrong answer to that.
        """
        self._versions += 1
        folder = self.root / "artifacts" / str(self._versions) / "line"
        folder.mkdir(parents=True)
        answer = slope * 2.5 if golden is None else golden
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        documents: dict[str, Any] = {
            "weights.json": {"slope": slope, "init": init, "runs": runs},
            "golden.json": {"request": {"data": [[2.5]]}, "response": {"result": [answer]}, "rtol": 1e-6},
            "manifest.json": {
                "schema_version": 1,
                "python": python,
                "platform": f"{sys.platform}-{platform.machine()}",
                "libraries": {},
                "features": ["x"],
                "code": ["model"],
                "fast_path": None,
            },
        }
        for name, document in documents.items():
            (folder / name).write_text(json.dumps(document))
        return folder

    def request(
        self,
        slope: float = 3.0,
        *,
        service: str = "line-qa",
        init: str = "",
        runs: str = "",
        golden: float | None = None,
        env: dict[str, str] | None = None,
    ) -> DeployRequest:
        """A request to deploy a new version whose answer to x is ``slope * x``."""
        artifact = self.artifact(slope, init=init, runs=runs, golden=golden)
        package = PackageRequest(
            model=self.register("line", artifact),
            artifact=artifact,
            entry_script=Path("score/line.py"),
            source=self.root,
            code=("model",),
        )
        return DeployRequest(service=service, stage="qa", package=package, env=env or {})

    def _remember(self, name: str, artifact: Path) -> ModelVersion:
        size = sum(item.stat().st_size for item in artifact.iterdir())
        return ModelVersion(name, self._versions, tree_digest(artifact), size, datetime.now(timezone.utc))
