"""A new project from this one: its files, renamed, with or without the sample."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

from mlops.app import BackendUnavailable, UsageMistake

ROOT = Path(__file__).resolve().parents[1]
# What is about the kit, not about a project made with it.
LEFT_OUT = ("CHANGELOG.md", "examples", "bench", ".git", ".venv", ".mlops", ".tox")
# Tests that are about the sample's columns and numbers.
OF_THE_SAMPLE = (
    "tests/model",
    "tests/pipeline",
    "tests/score",
    "tests/rehearse",
    "tests/delivery",
    "tests/mlops/test_flow",
    "tests/mlops/test_backends_page.py",
    "tests/deploy/test_docker_is_marked.py",
    "integration",
)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME = 20
"""Characters; ``<name>-production`` must be a name of an Azure service, which has at most 32."""

_DATASET = '''"""Yours to replace: which columns there are, what is predicted, and sample data to start with.

The two columns below are a placeholder that makes every command work before you have put in your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.contract import Column

if TYPE_CHECKING:
    import pandas

NAME = "{name}"
"""The data set's name where none is configured."""

TASK = "regression"
"""``regression`` or ``classification``."""

FEATURES = (
    Column("first", minimum=-10, maximum=10),
    Column("second", minimum=-10, maximum=10),
)
"""In the order in which a scoring request gives them."""

TARGET = Column("target")


def sample() -> pandas.DataFrame:
    """Made-up data: one row an example, the feature columns, then the target."""
    import numpy
    import pandas

    random = numpy.random.default_rng(0)
    table = pandas.DataFrame(random.normal(size=(200, 2)).round(4), columns=[column.name for column in FEATURES])
    noise = random.normal(scale=0.1, size=len(table)).round(4)
    return table.assign(**{{TARGET.name: (2 * table["first"] - table["second"] + noise).round(4)}})
'''

_TEST = '''"""The project end to end, on this machine: what its own files say goes through the whole flow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def mlops(project: Path, *arguments: str) -> dict:
    command = [sys.executable, "-m", "mlops", *arguments, "-o", "json", "-q", "--project", str(project)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_flow_releases_a_first_model_and_keeps_an_equal_one(tmp_path: Path) -> None:
    options = ["--set", f"state={tmp_path / 'state'}", "--set", "services.target=process"]
    project = tmp_path / "project"
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".venv", ".mlops", ".git", "tests"))
    try:
        first = mlops(project, "run", *options)
        assert first["decision"] == "promote"
        assert {item["state"] for item in first["services"].values()} == {"Healthy"}
        assert mlops(project, "run", *options)["decision"] == "keep"
    finally:
        mlops(project, "services", "stop", "--all", *options)
'''


def make(name: str, target: Path, *, sample: bool, source: Path = ROOT) -> list[str]:
    """Copy the kit to the folder `target` and rename it.

    Parameters
    ----------
    name : str
        Of the project, its model and its services: lower case, digits, single dashes.
    target : pathlib.Path
        Must not exist, or be empty.
    sample : bool
        Keep the diabetes sample; otherwise a placeholder of two columns takes its place.

    Returns
    -------
    list of str
        The files that are the user's to replace.

    Raises
    ------
    mlops.app.UsageMistake
        The name is not allowed, or something is in the way.
    mlops.app.BackendUnavailable
        The folder cannot be written to; what was written is gone again.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise UsageMistake(
            f"{name!r} cannot be a project's name",
            hint=f"a lower-case letter, then letters, digits and single dashes; at most {MAX_NAME} characters",
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageMistake(f"{target} is in the way: it exists and is not empty", hint="choose another folder")
    files = [path for path in _files(source) if path.parts[0] not in LEFT_OUT and str(path) not in LEFT_OUT]
    if not sample:
        files = _without(OF_THE_SAMPLE, files, source)
    there = target.exists()
    try:
        for path in files:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / path, target / path)
        _rename(name, target)
        if not sample:
            (target / "model" / "dataset.py").write_text(_DATASET.format(name=name), encoding="utf-8")
            (target / "tests" / "test_project.py").write_text(_TEST, encoding="utf-8")
    except OSError as error:
        for item in target.iterdir() if there else ():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        if not there:
            shutil.rmtree(target, ignore_errors=True)
        raise BackendUnavailable(
            f"the project cannot be written to {target}: {error.strerror}", hint="choose another folder: --directory"
        ) from error
    return ["mlops.toml", "model/dataset.py", "model/estimator.py", "model/features.py"]


def _files(source: Path) -> list[Path]:
    """The files of the kit, relative: those that git knows, else all below that are not caches."""
    listed = subprocess.run(
        ["git", "-C", str(source), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        names = [Path(item.decode()) for item in listed.stdout.split(b"\0") if item]
        return [name for name in names if (source / name).is_file()]
    found = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts and path.parts[0] not in LEFT_OUT]


def _without(prefixes: tuple[str, ...], files: list[Path], source: Path) -> list[Path]:
    """`files` but those below `prefixes`, and but the tests that import one that is gone."""
    everything = set(files)
    kept = [path for path in files if not str(path).startswith(prefixes)]
    while True:
        there = set(kept)
        sound = [
            path
            for path in kept
            if path.parts[0] != "tests" or path.suffix != ".py" or not _imported(source / path, everything) - there
        ]
        if len(sound) == len(kept):
            return kept
        kept = sound


def _imported(path: Path, files: set[Path]) -> set[Path]:
    """Which of `files` the module at `path` imports by name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{item.name}" for item in node.names)}
    places = (Path(*name.split(".")) for name in names)
    return {item for place in places for item in (place.with_suffix(".py"), place / "__init__.py")} & files


def _rename(name: str, target: Path) -> None:
    """Put the project's name where the sample's stands in the settings."""
    path = target / "mlops.toml"
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        key = line.partition("=")[0].strip()
        if key in ("name", "experiment", "qa", "production"):
            line = line.replace('"diabetes-regression"', f'"{name}"').replace('"diabetes', f'"{name}')
        lines.append(line)
    text = "".join(lines)
    if "[pipeline]" not in text:
        text += f'\n[pipeline]\nname = "{name}-training-pipeline"\nenvironment = "{name}-training"\n'
        text += f'\n[batch]\npipeline = "{name}-batch-pipeline"\ndata = "{name}-scoring"\n'
    path.write_text(text, encoding="utf-8")
