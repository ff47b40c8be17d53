"""Which installed packages an environment does not declare, and how a host program overlooks them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes.hosting import guard
from fakes.hosting.declared import compare, installed_in, lacks_server
from fakes.hosting.inventory import inventory


def distribution(requires: list[str] | None = None, modules: list[str] | None = None, version: str = "1.0") -> Any:
    return {"version": version, "requires": requires or [], "modules": modules or []}


INSTALLED = {
    "numpy": distribution(modules=["numpy"], version="2.0.0"),
    "pandas": distribution(["numpy>=1.2", 'pyarrow; extra == "parquet"'], ["pandas"]),
    "pyarrow": distribution(modules=["pyarrow"]),
    "scikit-learn": distribution(["numpy", "joblib>=1", 'matplotlib ; extra == "docs"'], ["sklearn"]),
    "joblib": distribution(modules=["joblib"]),
    "matplotlib": distribution(modules=["matplotlib", "pylab"]),
    "torch": distribution(modules=["torch"]),
    "flask": distribution(["werkzeug"], ["flask"]),
    "werkzeug": distribution(modules=["werkzeug"]),
    "orjson": distribution(modules=["orjson"]),
    "backport": distribution(modules=["typing", "shared"]),
    "other": distribution(modules=["shared", "other"]),
}
ALWAYS = {"flask", "werkzeug", "orjson"}


def environment(*dependencies: Any, **python: Any) -> dict[str, Any]:
    conda = {"dependencies": ["python=3.8.13", *dependencies]}
    return {"name": "mine", "python": {"userManagedDependencies": False, "condaDependencies": conda, **python}}


def pip(*lines: str) -> dict[str, list[str]]:
    return {"pip": list(lines)}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakes.hosting.declared.installed_in", lambda python: INSTALLED)


def found(*dependencies: Any) -> set[str]:
    """Modules that a script finds."""
    verdict = compare(environment(*dependencies))
    assert not any("not compared" in note for note in verdict.notes), verdict.notes
    every = {module for known in INSTALLED.values() for module in known["modules"]}
    return every - set(verdict.hidden) - ALWAYS - {"typing"}


@pytest.mark.parametrize(
    ("dependencies", "modules"),
    [
        ([], set()),
        ([pip("scikit-learn==1.0")], {"sklearn", "numpy", "joblib"}),
        ([pip("Scikit_Learn >= 0.1 ; python_version > '3'")], {"sklearn", "numpy", "joblib"}),
        ([pip("pandas[parquet]~=1.0")], {"pandas", "numpy", "pyarrow"}),
        ([pip("pandas")], {"pandas", "numpy"}),
        ([pip("azureml-defaults")], {"numpy", "pyarrow"}),
        ([pip("--extra-index-url https://example.com/simple", "joblib  # a comment", "")], {"joblib"}),
        ([pip("https://example.com/wheels/other-1.0-py3-none-any.whl")], {"other", "shared"}),
        ([pip("joblib @ https://example.com/joblib.tar.gz")], {"joblib"}),
        # conda packages have no extras, so they may bring what pip takes for one.
        (["conda-forge::scikit-learn=1.0=py38_0", "pip"], {"sklearn", "numpy", "joblib", "matplotlib", "pylab"}),
        (["pytorch>=1.9"], {"torch"}),
    ],
)
def test_what_an_environment_brings(dependencies: list[Any], modules: set[str]) -> None:
    assert found(*dependencies) == modules


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (environment("gcc"), "the conda package gcc is not installed here"),
        (environment(pip("mlflow")), "the package mlflow is not installed here"),
        (environment(pip("-r requirements.txt")), "does not say which package"),
        (environment(pip("git+https://example.com/thing.git")), "does not say which package"),
        (environment(pip("./wheels/thing")), "does not say which package"),
        (environment(pip("azureml-defaults==1.20.0")), "brings other packages"),
        (environment(userManagedDependencies=True), "user managed"),
        (environment() | {"name": "AzureML-sklearn"}, "curated"),
        ({"name": "x", "python": {"condaDependencies": None}}, "no conda specification"),
        ({}, "no conda specification"),
    ],
)
def test_what_cannot_be_told_is_not_compared(environment: dict[str, Any], why: str) -> None:
    verdict = compare(environment)
    assert verdict.hidden == ()
    (note,) = verdict.notes
    assert note.startswith("Imports are not compared with the environment: ") and why in note


def test_another_version_than_the_pinned_one_is_told() -> None:
    assert compare(environment(pip("numpy==1.9.3", "pandas==1.0"))).notes == (
        "The environment has numpy 1.9.3, the fake runs with 2.0.0.",
    )


def test_modules_of_the_standard_library_and_of_two_packages_stay() -> None:
    hidden = compare(environment(pip("other"))).hidden
    assert "typing" not in hidden and "shared" not in hidden and "numpy" in hidden


class TestInventory:
    """Of this very environment."""

    def test_it_names_modules_and_requirements(self) -> None:
        installed = inventory()
        assert installed["pytest"]["modules"] and "pytest" in installed["pytest"]["modules"]
        assert "yaml" in installed["pyyaml"]["modules"] and installed["flask"]["requires"]

    def test_another_interpreter_says_the_same_as_a_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        assert installed_in.__wrapped__(str(Path(sys.executable))) == inventory()
        program = Path(guard.__file__).with_name("inventory.py")
        done = subprocess.run([sys.executable, str(program)], capture_output=True, check=True)
        assert json.loads(done.stdout) == inventory()


def run(folder: Path, hidden: list[str], text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "hidden.json").write_text(json.dumps({"modules": hidden, "setting": "x = 1"}))
    (folder / "program").mkdir()
    (folder / "program" / "__main__.py").write_text(text)
    command = [sys.executable, guard.__file__, str(folder / "hidden.json"), str(folder / "program"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_hidden_module_is_not_found_and_the_log_says_why(tmp_path: Path) -> None:
    text = """
import sys
from importlib.util import find_spec
assert find_spec("flask") is None and find_spec("werkzeug") is not None
assert sys.argv[1:] == ["--one", "2"], sys.argv
try:
    import flask
except ModuleNotFoundError as error:
    print(error)
try:
    import declared  # beside guard.py
except ModuleNotFoundError as error:
    print(error)
"""
    done = run(tmp_path, ["flask"], text, "--one", "2")
    assert done.stdout == "No module named 'flask'\nNo module named 'declared'\n", done.stderr
    assert done.stderr.count("the module flask is installed here") == 1


def test_own_modules_of_the_same_name_are_found(tmp_path: Path) -> None:
    (tmp_path / "flask.py").write_text("mine = True")
    text = "import sys; sys.path.insert(0, '.'); import flask; print(flask.mine)"
    done = run(tmp_path, ["flask"], text)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_program_that_is_a_file_finds_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "hidden.json").write_text('{"modules": [], "setting": "x = 1"}')
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "beside.py").write_text("WHOSE = 'beside'")
    (folder / "main.py").write_text("import beside; print(beside.WHOSE)")
    command = [sys.executable, guard.__file__, str(tmp_path / "hidden.json"), str(folder / "main.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "beside\n", done.stderr


@pytest.mark.parametrize(
    ("dependencies", "lacking"),
    [
        ([pip("azureml-defaults")], None),
        ([pip("azureml-inference-server-http")], None),
        ([pip("gunicorn", "flask")], None),
        ([pip("scikit-learn")], "gunicorn"),
        ([pip("gunicorn")], "flask"),
        ([], "gunicorn"),
        ([pip("azureml-core")], "gunicorn"),
        ([pip("mlflow")], None),
    ],
)
def test_what_serves_is_declared(dependencies: list[Any], lacking: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INSTALLED, "gunicorn", distribution(modules=["gunicorn"]))
    assert lacks_server(environment(*dependencies)) == lacking


@pytest.mark.parametrize(
    ("docker", "lacking"),
    [
        ({"baseImage": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}, "gunicorn"),
        ({"baseImage": "mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference"}, None),
        ({"baseImage": "example.com/own"}, None),
        ({"baseDockerfile": "FROM scratch"}, None),
    ],
)
def test_an_image_of_ones_own_may_bring_a_server(docker: dict[str, str], lacking: str | None) -> None:
    assert lacks_server({**environment(pip("joblib")), "docker": docker}) == lacking
