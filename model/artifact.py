"""The model folder: ``model.joblib``, ``golden.json``, ``manifest.json``; byte for byte the same for the same model."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model import dataset
from model.errors import ArtifactUnreadable, Incompatible, TrainingFailed

if TYPE_CHECKING:
    import numpy

MODEL, GOLDEN, MANIFEST = "model.joblib", "golden.json", "manifest.json"
SCHEMA_VERSION = 1
LIBRARIES = ("joblib", "numpy", "scikit-learn", "scipy")
"""Libraries whose version a pickled estimator depends on."""
GOLDEN_ROWS = 5
GOLDEN_RTOL = 1e-6


def python_minor() -> str:
    """Such as ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def platform_name() -> str:
    """Such as ``linux-x86_64``."""
    return f"{sys.platform}-{platform.machine().lower()}"


def libraries() -> dict[str, str]:
    """Versions installed here of what a pickled estimator depends on."""
    return {name: metadata.version(name) for name in LIBRARIES}


def answer(estimator: Any, rows: numpy.ndarray[Any, Any]) -> dict[str, Any]:
    """What the entry script answers to a request with these rows."""
    return {"result": estimator.predict(rows).tolist()}


def write(
    folder: Path,
    estimator: Any,
    rows: numpy.ndarray[Any, Any],
    *,
    lock_digest: str | None,
    code: tuple[str, ...] = ("model",),
) -> Path:
    """Write a model folder.

    Parameters
    ----------
    folder : Path
        Made; must not hold anything yet.
    estimator : object
        Fitted.
    rows : array of shape (n, features)
        Held-out rows; the first ones become the golden request.
    lock_digest : str or None
        ``sha256:<hex>`` of the locked requirements that this interpreter was installed from.
    code : tuple of str
        Folders of the project that the pickled estimator refers to.

    Raises
    ------
    model.errors.TrainingFailed
        The estimator cannot be pickled.
    """
    import joblib

    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Uncompressed: numpy arrays can then be mapped into memory, and a compressor's version does not change bytes.
        joblib.dump(estimator, folder / MODEL, compress=0, protocol=4)
    except OSError:
        raise
    except Exception as error:  # pickle raises anything: PicklingError, TypeError, AttributeError
        raise TrainingFailed(
            f"the fitted estimator cannot be stored: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            hint="no lambdas or local classes: define transformers at the top of model/features.py",
        ) from error
    sample = rows[:GOLDEN_ROWS]
    golden = {"request": {"data": sample.tolist()}, "response": answer(estimator, sample), "rtol": GOLDEN_RTOL}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "python": python_minor(),
        "platform": platform_name(),
        "libraries": libraries(),
        "lock_digest": lock_digest,
        "task": dataset.TASK,
        "features": [column.name for column in dataset.FEATURES],
        "code": list(code),
        "fast_path": None,
    }
    _write_json(folder / GOLDEN, golden)
    _write_json(folder / MANIFEST, manifest)
    return folder


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check a manifest; nothing is unpickled. Raises ``ArtifactUnreadable``."""
    manifest = _read_json(folder / MANIFEST)
    version = manifest.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ArtifactUnreadable(
            f"{folder / MANIFEST} has schema version {version!r}; this release reads up to {SCHEMA_VERSION}",
            hint="use the release that made the model, or a newer one",
        )
    return manifest


def differences(manifest: Mapping[str, Any]) -> list[str]:
    """How this interpreter differs from the one that made the model, in words; empty when it fits."""
    found = []
    if manifest.get("python") != python_minor():
        found.append(f"made with Python {manifest.get('python')}, this is {python_minor()}")
    here = libraries()
    for name, version in manifest.get("libraries", {}).items():
        if here.get(name) != version:
            found.append(f"made with {name} {version}, here is {here.get(name, 'none')}")
    return found


def load(folder: Path, *, strict: bool = True) -> Any:
    """Unpickle the estimator of a model folder: only in a process that may run its code, its digest verified before.

    Parameters
    ----------
    folder : Path
    strict : bool
        Refuse another Python minor or library version. Without it, the golden prediction must still be reproduced.

    Raises
    ------
    model.errors.Incompatible
        Another Python minor or library version.
    model.errors.ArtifactUnreadable
        Incomplete, truncated, or the code that it refers to is missing.
    """
    import joblib

    manifest = read_manifest(folder)
    found = differences(manifest)
    if found and strict:
        raise Incompatible(
            f"the model in {folder} does not fit this interpreter: {'; '.join(found)}",
            hint="make an environment from the lock that it was trained with, or train again",
        )
    if not (folder / MODEL).is_file():
        raise ArtifactUnreadable(f"{folder / MODEL} is missing")
    try:
        estimator = joblib.load(folder / MODEL)
        reproduced = _reproduces(estimator, folder)
    except ArtifactUnreadable:
        raise
    except Exception as error:  # unpickling runs the model's own code
        raise ArtifactUnreadable(
            f"the model in {folder} does not load: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            hint="its code must be importable: see code in manifest.json",
        ) from error
    if not reproduced:
        cause = f" ({'; '.join(found)})" if found else ""
        raise ArtifactUnreadable(f"the model in {folder} does not reproduce its golden prediction{cause}")
    return estimator


def _reproduces(estimator: Any, folder: Path) -> bool:
    import numpy

    golden = _read_json(folder / GOLDEN)
    got = answer(estimator, numpy.array(golden["request"]["data"], dtype=float))["result"]
    expected = golden["response"]["result"]
    if len(got) != len(expected):
        return False
    if all(isinstance(item, float) for item in expected):
        return bool(numpy.allclose(got, expected, rtol=golden["rtol"], atol=0))
    return bool(got == expected)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactUnreadable(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise ArtifactUnreadable(f"{path} is unreadable: {error}") from error
    if not isinstance(document, dict):
        raise ArtifactUnreadable(f"{path} is not a JSON object")
    return document
