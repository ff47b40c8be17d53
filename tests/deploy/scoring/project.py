"""What is deployed everywhere: the kit's own entry script, able to misbehave, and a model that is plain arithmetic."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from deploy.images import PackageRequest
from deploy.services import DeployRequest
from registry.digests import tree_digest
from registry.models import Lineage, ModelVersion
from tests.contract.services_project import Register
from tests.deploy.scoring.corpus import LIMIT, WISH

KIT = Path(__file__).parents[3]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
LOCK = KIT / "requirements" / "locks" / f"score-{PYTHON}.txt"
TIMEOUT_MS = 3000
"""When a request is given up. More than any other request takes, so that only one that waits reaches it."""
SERVICE = "corpus"
FOLDER = "CORPUS_FOLDER"
_MISBEHAVE = f"""

_score = run


@rawhttp
def run(request):
    import pathlib, time

    wish = request.headers.get({WISH!r})
    if wish == "raise":
        raise RuntimeError("asked to fail")
    if wish == "exit":
        os._exit(3)
    if wish == "hold":
        folder = pathlib.Path(os.environ.get({FOLDER!r}, "/nowhere"))
        if folder.is_dir():
            (folder / "held").touch()
        while not (folder / "released").exists():
            time.sleep(0.01)
    return _score(request)
"""
_COEFFICIENTS = [1.0, 10.0, 100.0]


class Hold:
    """Lets the entry script keep a request until it is released."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder

    @property
    def held(self) -> bool:
        """Whether a request is being kept."""
        return (self.folder / "held").exists()

    def release(self) -> None:
        """Let the request that is kept be answered, and keep no other."""
        (self.folder / "released").touch()

    def again(self) -> None:
        """Keep the next one."""
        for name in ("held", "released"):
            (self.folder / name).unlink(missing_ok=True)


def request_of(root: Path, hold: Hold | None, register: Register | None = None) -> DeployRequest:
    """Write project and model below `root`; a request to deploy them."""
    (root / "score").mkdir(parents=True)
    (root / "model").mkdir()
    (root / "model" / "__init__.py").write_text("")
    (root / "score" / "score.py").write_text((KIT / "score" / "score.py").read_text("utf-8") + _MISBEHAVE)
    (root / "score" / "swagger3.json").write_bytes((KIT / "score" / "swagger3.json").read_bytes())
    artifact = root / "artifacts" / "corpus"
    artifact.mkdir(parents=True)
    documents = {
        "golden.json": {"request": {"data": [[1, 1, 1]]}, "response": {"result": [111.0]}, "rtol": 1e-6},
        "manifest.json": {
            "schema_version": 1,
            "python": PYTHON,
            "libraries": {},
            "features": ["a", "b", "c"],
            "code": ["model"],
            "fast_path": {
                "version": 1,
                "features": 3,
                "steps": [{"op": "linear", "coef": _COEFFICIENTS, "intercept": 0.0}],
            },
        },
    }
    for name, document in documents.items():
        (artifact / name).write_text(json.dumps(document))
    make = register or _version
    package = PackageRequest(
        model=make(SERVICE, artifact),
        artifact=artifact,
        entry_script=Path("score/score.py"),
        source=root,
        code=("model",),
        lock=LOCK,
    )
    env = {"MLOPS_SCORE_MAX_BODY_BYTES": str(LIMIT)}
    if hold is not None:
        env[FOLDER] = str(hold.folder)
    return DeployRequest(service=SERVICE, stage="qa", package=package, env=env)


def _version(name: str, artifact: Path) -> ModelVersion:
    lineage = Lineage(python=PYTHON)
    return ModelVersion(name, 1, tree_digest(artifact), 1, datetime.now(timezone.utc), lineage=lineage)
