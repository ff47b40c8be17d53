"""The Docker build context of a package: what Azure writes into it, as one can build it anywhere.

Source of the shape: ``azureml._model_management._util.download_docker_build_context`` (azureml-core 1.61), which reads
the manifest; the layout below ``/var/azureml-app`` is that of Azure's inference images.
"""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import Any

from fakes.hosting.layout import MODELS, ModelFiles

Document = dict[str, Any]
APP = "azureml-app"
DEFAULT_BASE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


def requirements(environment: Document) -> list[str]:
    """Return the pip requirements that an environment declares."""
    python = environment.get("python") or {}
    conda = python.get("condaDependencies") or {}
    found: list[str] = []
    for item in conda.get("dependencies") or []:
        if isinstance(item, dict):
            found += [str(requirement) for requirement in item.get("pip") or []]
        elif not str(item).startswith(("python", "pip")):
            # conda writes name=version where pip writes name==version.
            name, equals, version = str(item).replace("==", "=").partition("=")
            found.append(f"{name}=={version}" if equals else name)
    return found


def base_image(environment: Document) -> str:
    """Return the base image that an environment names."""
    docker = environment.get("docker") or {}
    return str(docker.get("baseImage") or DEFAULT_BASE)


def dockerfile(environment: Document, models: list[ModelFiles], entry_script: str) -> str:
    """Return a Dockerfile that serves the entry script."""
    model_dir = f"{MODELS}/{models[0].name}/{models[0].version}" if len(models) == 1 else MODELS
    variables = {
        str(name): str(value)
        for name, value in (environment.get("environmentVariables") or {}).items()
        if name != "AZUREML_ENTRY_SCRIPT"
    }
    lines = [
        f"FROM {base_image(environment)}",
        "COPY requirements.txt /var/requirements.txt",
        "RUN python -m pip install --no-cache-dir -r /var/requirements.txt",
        f"COPY {APP} /var/{APP}",
        f"WORKDIR /var/{APP}",
        f"ENV AML_APP_ROOT=/var/{APP} \\",
        f"    AZUREML_MODEL_DIR={model_dir} \\",
        f"    AZUREML_ENTRY_SCRIPT={entry_script}",
        *[f"ENV {name}={_quoted(value)}" for name, value in sorted(variables.items())],
        "EXPOSE 5001",
        f'CMD ["azmlinfsrv", "--entry_script", "{entry_script}", "--model_dir", "/var/{APP}/{model_dir}"]',
    ]
    return "\n".join(lines) + "\n"


def manifest(request: Document, models: list[ModelFiles], entry_script: str) -> Document:
    """Return what ``ModelPackage.save`` downloads: files given inline, and addresses of artifacts."""
    environment = request["environment"]
    wanted = [*requirements(environment), "azureml-inference-server-http"]
    entries = [
        _inline("Dockerfile", dockerfile(environment, models, entry_script)),
        _inline("requirements.txt", "".join(f"{line}\n" for line in dict.fromkeys(wanted))),
    ]
    for asset in request.get("assets") or []:
        entries.append(_remote(str(asset["url"]), APP, bool(asset.get("unpack"))))
    for model in models:
        path = str(PurePosixPath(APP, MODELS, model.name, str(model.version)))
        entries += [_remote(url, path, model.unpack) for url in model.urls]
    named = {"name": environment.get("name"), "version": environment.get("version")}
    return {"context": entries, "environment": named}


def _inline(path: str, text: str) -> Document:
    content = base64.b64encode(text.encode()).decode()
    return {"entryType": "inline", "encoding": "base64", "content": content, "path": path}


def _remote(uri: str, path: str, unpack: bool) -> Document:
    return {"entryType": "remote", "uri": uri, "path": path, "unpack": unpack}


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
    return f'"{escaped}"'
