"""The wheels of a lock, fetched on the host once: the image build itself needs no network."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy import locks
from deploy.errors import EngineUnavailable, PackageRefused, StateUnavailable
from deploy.images import Progress
from deploy.packaging import HERE

_HASHES = "THESE PACKAGES DO NOT MATCH THE HASHES"


def wheelhouse(lock: Path, cache: Path, *, python: str = HERE, machine: str, progress: Progress | None = None) -> Path:
    """The folder that holds the wheels of `lock` for Linux on `machine`.

    Parameters
    ----------
    lock : pathlib.Path
        Hash-locked requirements.
    cache : pathlib.Path
        Where wheelhouses are kept (``.mlops/cache``); one is made once for each content of a lock.
    python : str
        Minor version, such as ``3.11``.
    machine : str
        ``x86_64`` or ``aarch64``.

    Raises
    ------
    deploy.errors.PackageRefused
        A wheel does not match its hash, or there is none for this Python and machine.
    deploy.errors.EngineUnavailable
        The package index does not answer.
    """
    pinned = locks.pins(lock)
    name = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    target = cache / "wheels" / f"{name}-cp{python.replace('.', '')}-{machine}"
    if target.is_dir():
        return target
    if progress:
        progress(f"fetching the {len(pinned)} wheels of {lock.name} (once)")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as folder:
            _download(lock, Path(folder) / "wheels", python, machine)
            try:
                (Path(folder) / "wheels").rename(target)
            except OSError:
                if not target.is_dir():  # somebody else was first: as well
                    raise
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise StateUnavailable(
            f"cannot keep wheels in {target.parent}: {error.strerror}", hint="free disk space"
        ) from error
    return target


def _download(lock: Path, target: Path, python: str, machine: str) -> None:
    # glibc versions, newest first: what slim Debian images of the last years can run.
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (36, 34, 31, 28, 27, 24, 17)]
    platforms += [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}", f"linux_{machine}"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--dest", str(target)]
    command += ["--python-version", python, "--implementation", "cp", "--abi", f"cp{python.replace('.', '')}"]
    command += ["--abi", "abi3", "--abi", "none"]
    command += [word for platform in platforms for word in ("--platform", platform)]
    done = subprocess.run([*command, "--requirement", str(lock)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    last = " ".join(line.strip() for line in lines[-3:])
    if _HASHES in done.stderr:
        raise PackageRefused(f"a wheel of {lock.name} does not match its hash: {last}", hint="make lock")
    if "No matching distribution" in done.stderr and "connection" not in done.stderr.lower():
        raise PackageRefused(
            f"{lock.name} has no wheel for Python {python} on {machine}: {last}",
            hint="pin a version that has one in requirements/score.in, then make lock",
        )
    raise EngineUnavailable(
        f"the wheels of {lock.name} cannot be fetched: {last}",
        hint="is the package index reachable? services.target = process needs no image",
    )
