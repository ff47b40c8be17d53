"""A mistake in a file that the project replaces is told as that, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

import model
from model.errors import ProjectFileFailed, project_error

HERE = Path(model.__file__).parent


def raised(source: str, path: Path) -> BaseException:
    """What comes up when `source` is run as the file `path`."""
    try:
        exec(compile(source, str(path), "exec"), {})
    except Exception as error:
        return error
    raise AssertionError("nothing came up")


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        ("estimator.py", "x = 1\ndef broken(\n", "model/estimator.py, line 2: SyntaxError: '(' was never closed"),
        ("dataset.py", "import nosuchmodule\n", "model/dataset.py, line 1: ModuleNotFoundError: No module named"),
        ("features.py", "\nundefined\n", "model/features.py, line 2: NameError: name 'undefined' is not defined"),
        # What a library says to it is its mistake as well.
        ("dataset.py", "import json\njson.loads('x')\n", "model/dataset.py, line 2: JSONDecodeError: "),
    ],
)
def test_a_mistake_in_a_file_of_the_projects_own(name: str, source: str, text: str) -> None:
    error = project_error(raised(source, HERE / name))
    assert isinstance(error, ProjectFileFailed)
    assert str(error).startswith(text)
    assert error.hint == f"mend model/{name}"


def test_a_defect_of_the_kit_stays_one() -> None:
    assert project_error(raised("undefined\n", HERE / "training.py")) is None
    assert project_error(raised("undefined\n", HERE.parent / "pipeline" / "engine.py")) is None
    assert project_error(raised("undefined\n", Path("/elsewhere/estimator.py"))) is None
