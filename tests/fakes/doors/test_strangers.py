"""Somebody else's project: unmodified programs, their own module names, and an SDK that nobody touched."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import fakes
from fakes.doors.project import workspace_of

pytestmark = pytest.mark.azure
ROOT = Path(__file__).parents[3]

_PROGRAM = """
import json, os
from azureml.core import Model, Workspace
import model, registry, score, tests

config = json.dumps({"subscription_id": os.environ["SUBSCRIPTION_ID"], "resource_group": os.environ["RESOURCE_GROUP"],
                     "workspace_name": os.environ["WORKSPACE_NAME"]})
open("config.json", "w").write(config)
workspace = Workspace.from_config()
open("weights.bin", "wb").write(b"weights")
Model.register(workspace, "weights.bin", "mine")
found = Model(workspace, "mine").id
print("|".join([model.WHO, registry.WHO, score.WHO, tests.WHO, found, os.path.basename(os.getcwd())]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "stranger"
    folder.mkdir()
    for name in ("score.py", "model.py"):
        (folder / name).write_text(f"WHO = 'my {name}'\n")
    for name in ("registry", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"WHO = 'my {name}'\n")
    (folder / "main.py").write_text(_PROGRAM)
    return folder


EXPECTED = "my model.py|my registry|my score.py|my tests|mine:1|stranger"


def test_unmodified_program_behind_one_prefix(project):
    environment = {**os.environ, "AZUREML_RUN_ID": "somebody-else", "MSI_ENDPOINT": "http://127.0.0.1:9"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "fakes", "run", "--", sys.executable, "main.py"]
    found = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == EXPECTED


def test_the_workspace_of_the_projects_own_config_is_there(project):
    """As the portal offers it for download; the program runs in a folder below it."""
    names = {"subscription_id": str(uuid.UUID(int=7)), "resource_group": "my-rg", "workspace_name": "my-ws"}
    (project / ".azureml").mkdir()
    (project / ".azureml" / "config.json").write_text(json.dumps(names))
    (project / "config.json").write_text("not this one")
    (project / "below").mkdir()
    program = "from azureml.core import Workspace; w = Workspace.from_config(); print(w.name, w.resource_group)"
    command = [sys.executable, "-m", "fakes", "run", "--", sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=project / "below", env=environment, capture_output=True, text=True, timeout=120)
    assert found.stdout.splitlines()[-1:] == ["my-ws my-rg"], found.stderr
    assert f"the workspace is my-ws, named by {project / '.azureml' / 'config.json'}" in found.stderr


@pytest.mark.parametrize("text", [None, "{}", "[]", "no json", '{"workspace_name": "x"}'])
def test_other_files_of_that_name_are_left_alone(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert workspace_of(tmp_path) is None


def test_the_same_program_as_a_child_of_the_in_process_door(project):
    with fakes.mock_azure() as azure:
        command = [sys.executable, "main.py"]
        found = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
        assert found.returncode == 0, found.stderr
        assert found.stdout.splitlines()[-1] == EXPECTED
        assert azure.state.requests.counts()["Models_Register"] == 1


def test_own_modules_win_in_the_process_too(project):
    program = "import fakes\nwith fakes.mock_azure():\n    exec(open('main.py').read())\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == EXPECTED


def test_exit_codes_and_signals_are_the_commands(project):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def code(*command):
        argv = [sys.executable, "-m", "fakes", "run", "--", *command]
        return subprocess.run(argv, cwd=project, env=environment, capture_output=True, timeout=60).returncode

    assert code("sh", "-c", "exit 7") == 7
    assert code("sh", "-c", "kill -9 $$") == 137
    assert code("no-such-program") == 127


def _origin(value: object) -> str:
    """Return where a callable's code comes from (the SDK sets some methods of its own classes anew each time)."""
    code = getattr(value, "__code__", None)
    return code.co_filename if code else type(value).__name__


def _fingerprint() -> dict[str, str]:
    """Return digests of the SDK's files, and where what its loaded modules and classes hold comes from."""
    import azureml.core

    root = Path(azureml.core.__file__).parents[1]
    found = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("core", "_restclient", "_base_sdk_common", "_project")
        for path in sorted((root / part).rglob("*.py"))
    }
    for name, module in sorted(sys.modules.items()):
        if name.startswith("azureml.") and module is not None:
            for key, value in sorted(vars(module).items()):
                if callable(value) and getattr(value, "__module__", None) == name:
                    found[f"{name}.{key}"] = _origin(value)
                    if isinstance(value, type):
                        found |= {f"{name}.{key}.{k}": _origin(v) for k, v in vars(value).items() if callable(v)}
    assert not [name for name, origin in found.items() if "/fakes/" in origin]
    return found


@pytest.mark.parametrize("door", ["inprocess", "server"])
def test_the_sdk_is_not_touched(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.bin").write_bytes(b"x")
    core = importlib.import_module("azureml.core")

    def work(azure):
        s = azure.settings
        where = {"subscription_id": s.subscription_id, "resource_group": s.resource_group}
        workspace = core.Workspace.get(s.workspace_name, **where)
        core.Model.register(workspace, "m.bin", "m").download("out", exist_ok=True)

    with fakes.mock_azure(door=door) as azure:
        work(azure)  # loads what the SDK loads lazily
    before = _fingerprint()
    with fakes.mock_azure(door=door) as azure:
        work(azure)
        assert _fingerprint() == before
    assert _fingerprint() == before
