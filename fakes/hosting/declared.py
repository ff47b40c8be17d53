"""Which installed packages an environment does not declare: in Azure a script would not find them.

Every doubt is for the script: what cannot be told is not compared, because a false alarm costs more than a missed one.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.hosting import inventory as program
from fakes.hosting.inventory import normalized

Installed = Mapping[str, Mapping[str, Any]]
DEFAULTS = "azureml-defaults"
# What azureml-defaults brings from 1.41 on; older releases bring more. Used where it is not installed; read from the
# metadata of azureml-defaults 1.41 and 1.61, azureml-core 1.61, azureml-dataprep 5.5, the inference server 1.5.
_DEFAULTS_SINCE = (1, 41)
_KNOWN = {
    DEFAULTS: "azureml-core azureml-dataset-runtime azureml-inference-server-http configparser json-logging-py",
    "azureml-inference-server-http": "azure-monitor-opentelemetry-exporter certifi flask flask-cors gunicorn "
    "inference-schema opentelemetry-api opentelemetry-sdk psutil pydantic pydantic-settings waitress werkzeug",
    "inference-schema": "python-dateutil pytz wrapt",
    "azureml-dataset-runtime": "azureml-dataprep fusepy numpy pyarrow",
    "azureml-dataprep": "azure-identity azureml-dataprep-native azureml-dataprep-rslex cloudpickle jsonschema pyyaml",
    "azureml-core": "adal argcomplete azure-common azure-core azure-graphrbac azure-mgmt-authorization "
    "azure-mgmt-containerregistry azure-mgmt-keyvault azure-mgmt-network azure-mgmt-resource azure-mgmt-storage "
    "backports-tempfile bcrypt cffi charset-normalizer contextlib2 cryptography docker humanfriendly idna isodate "
    "jmespath jsonpickle knack msal msal-extensions msrest msrestazure ndg-httpsclient oauthlib packaging paramiko "
    "pathspec pkginfo portalocker pygments pyjwt pynacl pyopenssl pysocks python-dateutil pytz pyyaml requests "
    "requests-oauthlib secretstorage six tabulate typing-extensions urllib3",
}
# Every environment has these, and the host that answers for services has the others.
JOB = ("pip", "setuptools", "wheel", "certifi")
SERVICE = (*JOB, "flask", "httptools", "orjson", "azureml-inference-server-http")
# What Azure's images start to serve an entry script; azureml-defaults brings both.
_SERVERS = ("gunicorn", "flask")
# Images of Azure ML hold no Python packages of use to the environment but these, which hold a server.
_PLAIN_IMAGE = re.compile(r"mcr\.microsoft\.com/azureml/(?!.*inference)")
# Names that conda gives to packages that are called otherwise on PyPI.
_CONDA = {
    "pytorch": "torch",
    "py-xgboost": "xgboost",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "matplotlib-base": "matplotlib",
    "dask-core": "dask",
    "msgpack-python": "msgpack",
    "pyarrow-core": "pyarrow",
}
_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?(?P<rest>.*)", re.DOTALL
)
_EXTRA = re.compile(r"""extra\s*==\s*['"](?P<extra>[^'"]+)['"]""")


class CannotTell(Exception):
    """The environment cannot be compared; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """What an entry script must not find, and what is to be said about it.

    Attributes
    ----------
    hidden
        Top-level modules that are installed and that the environment does not bring.
    notes
        For the log of the container's start, one line each.
    """

    hidden: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def compare(environment: Mapping[str, Any], python: str = sys.executable, always: Sequence[str] = SERVICE) -> Verdict:
    """Compare the packages of an environment (as the SDK writes it) with those of an interpreter.

    `always` are found although they are not declared.
    """
    try:
        wanted = declared(environment)
        installed = installed_in(python)
        allowed = _closure(wanted, installed, always)
    except CannotTell as why:
        return Verdict(notes=(f"Imports are not compared with the environment: {why}.",))
    ours = {module for name in allowed if name in installed for module in installed[name]["modules"]}
    theirs = {module for name, known in installed.items() if name not in allowed for module in known["modules"]}
    notes = [
        f"The environment has {item.name} {item.version}, the fake runs with {installed[item.name]['version']}."
        for item in wanted
        if item.version and item.name in installed and installed[item.name]["version"] != item.version
    ]
    return Verdict(tuple(sorted(theirs - ours - sys.stdlib_module_names)), tuple(notes))


def lacks_server(environment: Mapping[str, Any], python: str = sys.executable) -> str | None:
    """Return what an environment does not bring of that which serves an entry script; None when it brings all of it.

    None also when that cannot be told: an image of one's own may hold a server.
    """
    docker = environment.get("docker") or {}
    image = str(docker.get("baseImage") or "")
    if docker.get("baseDockerfile") or (image and not _PLAIN_IMAGE.match(image)):
        return None
    try:
        brought = _closure(declared(environment), installed_in(python), ())
    except CannotTell:
        return None
    return next((name for name in _SERVERS if name not in brought), None)


@dataclass(frozen=True)
class Requirement:
    """One declared package; `extras` is None for all of them, `version` the pinned one."""

    name: str
    extras: frozenset[str] | None = frozenset()
    version: str | None = None
    conda: bool = False


def declared(environment: Mapping[str, Any]) -> list[Requirement]:
    """Return the packages that an environment declares.

    Raises
    ------
    CannotTell
        What the image holds is not said by the environment.
    """
    name, python = str(environment.get("name") or ""), environment.get("python") or {}
    if name.casefold().startswith(("azureml-", "microsoft")):
        raise CannotTell(f"{name} is a curated environment")
    if python.get("userManagedDependencies"):
        raise CannotTell("its packages are those of its image (user managed)")
    conda = python.get("condaDependencies")
    if not isinstance(conda, Mapping) or not isinstance(conda.get("dependencies"), list):
        raise CannotTell("it has no conda specification")
    found: list[Requirement] = []
    for item in conda["dependencies"]:
        if isinstance(item, Mapping):
            found += [r for line in item.get("pip") or [] if (r := _pip(str(line))) is not None]
        else:
            found += [r for r in [_conda(str(item))] if r is not None]
    return found


def _conda(text: str) -> Requirement | None:
    match = re.match(r"[A-Za-z0-9_.-]+", text.rpartition("::")[2].strip())
    if match is None:
        raise CannotTell(f"{text!r} is no conda package")
    name = normalized(match.group())
    if name in ("python", "pip"):
        return None
    # conda packages have no extras; what pip takes for extras they often bring.
    return Requirement(normalized(_CONDA.get(name, name)), extras=None, conda=True)


def _pip(line: str) -> Requirement | None:
    line = re.sub(r"(^|\s)#.*", "", line).strip()
    if not line or line.startswith(
        ("--index-url", "--extra-index-url", "--find-links", "-i ", "-f ", "--pre", "--trusted")
    ):
        return None
    wheel = re.search(r"(?P<name>[^/]+?)-[^-/]+(-[^-/]+)?-[^-/]+-[^-/]+-[^-/]+\.whl", line)
    if wheel is not None:
        return Requirement(normalized(wheel["name"]))
    match = _REQUIREMENT.fullmatch(line)
    if match is None or "/" in line.partition("@")[0] or line.startswith("-"):
        raise CannotTell(f"{line!r} does not say which package it is")
    extras = frozenset(normalized(extra.strip()) for extra in (match["extras"] or "").split(",") if extra.strip())
    pinned = re.match(r"\s*===?\s*([^\s;,*]+)\s*(?:;|$)", match["rest"])
    return Requirement(normalized(match["name"]), extras, pinned[1] if pinned else None)


def _closure(wanted: Iterable[Requirement], installed: Installed, always: Sequence[str]) -> set[str]:
    """Return the names of all that comes with the declared packages, as far as it is installed here."""
    todo = [Requirement(name) for name in always]
    for item in wanted:
        if item.name == DEFAULTS and item.version and _numbers(item.version) < _DEFAULTS_SINCE:
            raise CannotTell(f"{DEFAULTS} {item.version} brings other packages than today's")
        if item.name not in installed and item.name not in _KNOWN:
            what = "conda package" if item.conda else "package"
            raise CannotTell(f"the {what} {item.name} is not installed here, so what comes with it is not known")
        todo.append(item)
    seen: set[tuple[str, frozenset[str] | None]] = set()
    while todo:
        item = todo.pop()
        if (item.name, item.extras) in seen:
            continue
        seen.add((item.name, item.extras))
        todo += [Requirement(name) for name in _KNOWN.get(item.name, "").split()]
        for line in installed.get(item.name, {}).get("requires", ()):
            match = _REQUIREMENT.fullmatch(line)
            if match is None:
                continue
            # Other markers are not read: what another platform needs does no harm here.
            extras = {normalized(found["extra"]) for found in _EXTRA.finditer(match["rest"])}
            if not extras or item.extras is None or extras & item.extras:
                more = frozenset(normalized(e.strip()) for e in (match["extras"] or "").split(",") if e.strip())
                todo.append(Requirement(normalized(match["name"]), more))
    return {name for name, _ in seen}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


@functools.lru_cache(maxsize=8)
def installed_in(python: str) -> Installed:
    """Return what is installed beside an interpreter.

    Raises
    ------
    CannotTell
        It does not run.
    """
    if python == sys.executable:
        return program.inventory()
    try:
        done = subprocess.run([python, str(Path(program.__file__))], capture_output=True, check=True)
        found: Installed = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise CannotTell(f"{python} does not say what is installed ({error})") from error
    return found
