"""What Azure ML is given to score with: entry script, code, and an environment made from the one lock."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.content import copy_code
from deploy.errors import PackageRefused
from deploy.images import PackageRequest

SERVER = "azureml-inference-server-http>=1.5,<2"
"""Azure ML's own server; it must be in the environment of a service of SDK v1.
https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http"""
_PIN = re.compile(r"^([A-Za-z0-9._-]+(?:\[[A-Za-z0-9,._-]+\])?==[^\s;\\]+)", re.MULTILINE)


def pins(lock: Path) -> list[str]:
    """``name==version`` of every package of a lock. Raises ``PackageRefused`` if there are none."""
    found = _PIN.findall(lock.read_text(encoding="utf-8"))
    if not found:
        raise PackageRefused(f"{lock.name} pins no package", hint="make lock")
    return sorted(found)


def environment(name: str, lock: Path, python: str, further: tuple[str, ...] = (SERVER,)) -> Any:
    """An ``azureml.core.Environment`` with exactly the packages of the lock, and Azure's server.

    Conda installs only Python and pip; everything else is pip's, at the versions of the lock, so that the image holds
    what the model was trained with. The file is the truth; this is generated from it.
    """
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    dependencies = CondaDependencies()
    dependencies.set_python_version(python)
    for package in (*pins(lock), *further):
        dependencies.add_pip_package(package)
    made = Environment(name)
    made.python.conda_dependencies = dependencies
    return made


@contextlib.contextmanager
def inference_config(request: PackageRequest, env: Mapping[str, str] | None = None) -> Iterator[Any]:
    """An ``InferenceConfig`` over a folder that holds the entry script and the code, and nothing else.

    The folder exists inside the ``with`` only; the SDK uploads it when it deploys.
    """
    from azureml.core.model import InferenceConfig

    python = request.model.lineage.python or ""
    lock_name = request.lock.stem
    with tempfile.TemporaryDirectory(prefix="mlops-source-") as scratch:
        source = Path(scratch) / "source"
        copy_code(request, source)
        made = environment(f"{request.model.name}-{lock_name}", request.lock, python)
        if env:
            made.environment_variables = {**made.environment_variables, **env}
        yield InferenceConfig(
            entry_script=request.entry_script.as_posix(), source_directory=str(source), environment=made
        )
