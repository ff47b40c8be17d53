"""What stands in for the cloud: the local backend's folder, or the fake of Azure ML."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearse.errors import RehearseError
from rehearse.run.identity import Issuer, az_login, install_az, issuer


@dataclass
class Cloud:
    """How the commands of a rehearsal reach what stands in for the cloud."""

    backend: str
    root: Path
    venv: Path
    environment: dict[str, str] = field(default_factory=dict)
    signed_in: dict[str, str] = field(default_factory=dict)
    """Variables of a developer who is signed in; steps of pipelines sign in as on an agent (`agents`)."""
    agents: dict[str, str] = field(default_factory=dict)
    """Variables of a step of a pipeline that is signed in: where its ``az`` finds who it is."""
    tools: Path | None = None
    issuer: Issuer | None = None

    def opener(self) -> urllib.request.OpenerDirector:
        """What opens addresses of services: by way of the fake where there is one, directly else."""
        proxies = {
            kind: self.environment[f"{kind}_proxy"] for kind in ("http", "https") if f"{kind}_proxy" in self.environment
        }
        if proxies and "127.0.0.1" not in next(iter(proxies.values())):
            raise RehearseError("the way to the fake leads off this machine")
        context = ssl.create_default_context(cafile=self.environment.get("SSL_CERT_FILE"))
        return urllib.request.build_opener(
            urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
        )

    def fake(self, path: str, content: Any = None) -> Any:
        """What the fake says of itself: the answer of its admin address at ``/fakes`` + `path`; `content` is put."""
        address = self.environment["FAKES_ADDRESS"]
        if not address.startswith("http://127.0.0.1:"):
            raise RehearseError("the way to the fake leads off this machine")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{address}/fakes{path}", body, method="PUT" if body else "GET")  # noqa: S310
        with opener.open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def mlops(self, *arguments: str) -> Any:
        """Run an ``mlops`` command outside of any pipeline, and read the document that it prints."""
        return json.loads(self._run("mlops", *arguments, "-o", "json"))

    def python(self, code: str, *arguments: str) -> str:
        """Run Python code in the project, with its environment; what it prints."""
        return self._run("python", "-c", code, *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        variables = {**os.environ, **self.environment, **self.signed_in, "MLOPS_BACKEND": self.backend}
        done = subprocess.run(
            [str(self.venv / "bin" / program), *arguments],
            cwd=self.root,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            shown = " ".join(arguments)[:80]
            raise RehearseError(f"{program} {shown} exits {done.returncode}: {done.stderr.strip()[-400:]}")
        return done.stdout


@contextmanager
def open_cloud(backend: str, root: Path, scratch: Path, groups: Mapping[str, str] | None = None) -> Iterator[Cloud]:
    """Start it; end what it started.

    Raises
    ------
    RehearseError
        The environment of the project is missing.
    """
    groups = groups or {}
    venv = Path(os.environ.get("VENV", root / ".venv")).absolute()
    if not (venv / "bin" / "mlops").exists():
        raise RehearseError(f"there is no environment in {venv}", hint="make dev")
    caches = {"MYPY_CACHE_DIR": str(root / ".mypy_cache"), "RUFF_CACHE_DIR": str(root / ".ruff_cache")}
    if backend == "local":
        state = scratch / "state"
        cloud = Cloud(backend, root, venv, {**caches, "MLOPS_STATE": str(state), "MLOPS_SERVICES_TARGET": "process"})
        try:
            yield cloud
        finally:
            if state.exists():
                cloud.mlops("services", "stop", "--all")
        return
    if backend != "azure":
        raise RehearseError(f"the backend {backend!r} cannot be rehearsed", hint="local or azure")
    with _fake(root, venv, scratch, groups) as variables:
        sign_in = {name: value for name, value in variables.items() if name.startswith(_SIGN_IN)}
        route = {name: value for name, value in variables.items() if name not in sign_in and name not in _OWN}
        known = [sign_in[name] for name in ("TENANT_ID", "SP_APP_ID", "SP_APP_SECRET")]
        with issuer() as github:
            cloud = Cloud(
                backend,
                root,
                venv,
                {**caches, **route},
                {**sign_in, **{name: groups.get(name, "") for name in _NAMES}},
                az_login(scratch / "az", *known),
                install_az(scratch / "tools"),
                github,
            )
            _federate(cloud, groups, root.name)
            yield cloud


def _federate(cloud: Cloud, groups: Mapping[str, str], repository: str) -> None:
    """Make the identities of the guide known to the fake, with the federated credentials that it says to make."""
    state = cloud.fake("/state")
    own = {cloud.signed_in["SP_APP_ID"]: cloud.signed_in["SP_APP_SECRET"]}
    sign_in = state["services"].setdefault("signin", {"secrets": own})  # not there before somebody has signed in
    for name in ("AZURE_CLIENT_ID", "AZURE_INFRA_CLIENT_ID"):
        if name in groups:
            sign_in["secrets"].setdefault(groups[name], "none: it signs in with tokens of its pipeline alone")
    whose = ("ref:refs/heads/main", "environment:qa", "environment:production", "environment:infrastructure")
    sign_in["subjects"] = [f"repo:rehearsal/{repository}:{subject}" for subject in whose]
    cloud.fake("/state", state)


_SIGN_IN = ("SP_APP_", "TENANT_ID", "AZURE_CLIENT_", "AZURE_TENANT_", "AZUREML_SERVICE_PRINCIPAL_")
_NAMES = ("WORKSPACE_NAME", "RESOURCE_GROUP", "SUBSCRIPTION_ID")
_OWN = ("HOME", "PYTHONUSERBASE", *_NAMES)


@contextmanager
def _fake(root: Path, venv: Path, scratch: Path, groups: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The fake of Azure ML as a server; yields the variables that lead a program to it."""
    python = str(venv / "bin" / "python")
    names = [
        part for name in _NAMES if name in groups for part in (f"--{name.lower().replace('_', '-')}", groups[name])
    ]
    if "AZURE_TENANT_ID" in groups:
        names += ["--tenant-id", groups["AZURE_TENANT_ID"]]
    errors = (scratch / "fakes.log").open("wb")
    # What it writes, certificates and the files of running steps, lies in the rehearsal's folder and goes with it.
    own = {**os.environ, "TMPDIR": str(scratch)}
    server = subprocess.Popen(
        [python, "-m", "fakes", "serve", "--port", "0", *names],
        cwd=root, env=own, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None  # noqa: S101
        found = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        if found is None:
            raise RehearseError(f"the fake did not start: {(scratch / 'fakes.log').read_text()[-400:]}")
        printed = subprocess.run(
            [python, "-m", "fakes", "env", "--address", found[0], "--format", "json"],
            cwd=root, env=own, capture_output=True, text=True, check=True,
        )  # fmt: skip
        yield json.loads(printed.stdout)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
        errors.close()
