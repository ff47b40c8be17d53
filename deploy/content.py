"""What a scoring host is given, the same in an image and in a local process: host, user's code, model.

==========  ==========================================================================================
``host/``   the scoring host (this kit's ``score/``), started by its path
``app/``    the user's code, in the places that it has in the project: entry script and code folders
``model/``  ``AZUREML_MODEL_DIR``: the registered file or folder lies directly in it
==========  ==========================================================================================
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from deploy.errors import PackageRefused, StateUnavailable
from deploy.images import PackageRequest
from registry.digests import tree_digest

KIT = Path(__file__).resolve().parents[1]
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "Dockerfile*")


def assemble(request: PackageRequest, target: Path) -> None:
    """Copy host, code and model below `target` (made if missing).

    Raises
    ------
    deploy.errors.PackageRefused
        The entry script or a code folder is missing or outside the project, or the artifact is not what was registered.
    deploy.errors.StateUnavailable
        It cannot be written: disk full, no permission.
    """
    check(request)
    try:
        target.mkdir(parents=True, exist_ok=True)
        _copy(KIT / "score", target / "host" / "score")
        copy_code(request, target / "app")
        _copy(request.artifact, target / "model" / request.artifact.name)
    except OSError as error:
        raise StateUnavailable(
            f"cannot prepare {request.model.reference} in {target}: {error}",
            hint="free disk space or mend the permissions of .mlops/",
        ) from error
    digest = tree_digest(target / "model" / request.artifact.name)
    if digest != request.model.digest:
        raise PackageRefused(
            f"the artifact of {request.model.reference} is not what was registered: {digest}, "
            f"not {request.model.digest}",
            hint=f"mlops models show {request.model.reference}",
        )


def copy_code(request: PackageRequest, target: Path) -> None:
    """Copy the entry script (with the folder that it lives in) and the code folders below `target`."""
    entry = request.source / request.entry_script
    target.mkdir(parents=True, exist_ok=True)
    if request.entry_script.parent == Path():
        shutil.copyfile(entry, target / entry.name)
    else:
        _copy(entry.parent, target / request.entry_script.parent)
    for folder in request.code:
        if not (target / folder).exists():
            _copy(request.source / folder, target / folder)


def check(request: PackageRequest) -> None:
    """Refuse a request whose files are not there. Raises ``PackageRefused``."""
    check_code(request.source, request.entry_script, request.code)
    if not request.artifact.exists():
        raise PackageRefused(f"the artifact of {request.model.reference} is not at {request.artifact}")


def check_code(source: Path, entry_script: Path, code: Sequence[str]) -> None:
    """Refuse an entry script and code folders that are not there. Raises ``PackageRefused``."""
    source = source.resolve()
    for what, path in [("entry script", entry_script), *(("code folder", Path(item)) for item in code)]:
        full = (source / path).resolve()
        if path.is_absolute() or not full.is_relative_to(source):
            raise PackageRefused(f"the {what} {path} is not inside the project {source}")
        if not (full.is_file() if what == "entry script" else full.is_dir()):
            setting = "model.entry_script" if what == "entry script" else "model.code"
            hint = f"look for it below {source}, or mend {setting}"
            raise PackageRefused(f"the {what} {path} is not there", hint=hint)


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    else:
        shutil.copytree(source, target, ignore=_IGNORED, copy_function=shutil.copyfile)
