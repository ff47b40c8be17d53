"""The program that starts the scripts of jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fakes.executor.script import LAUNCHER
from fakes.hosting import guard


def launch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(LAUNCHER), *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def script(folder: Path, text: str, name: str = "main.py") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def test_arguments_main_and_the_import_path(tmp_path: Path) -> None:
    script(tmp_path, "WHOSE = 'mine'\n", "sub/score.py")
    text = "import sys, score\nif __name__ == '__main__':\n    print(sys.argv, score.WHOSE, __file__)\n"
    done = launch(tmp_path, script(tmp_path, text, "sub/main.py"), "--a", "b c")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['sub/main.py', '--a', 'b c'] mine")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("import sys\nsys.exit(5)\n", 5, ""),
        ("import sys\nsys.exit('bad news')\n", 1, "bad news"),
        ("import sys\nsys.exit()\n", 0, ""),
        ("def f():\n    raise KeyError('gone')\nf()\n", 1, "KeyError: 'gone'"),
    ],
)
def test_how_it_ends(tmp_path: Path, text: str, code: int, said: str) -> None:
    done = launch(tmp_path, script(tmp_path, text))
    assert done.returncode == code
    assert said in done.stderr
    assert "launcher" not in done.stderr


def test_a_script_with_a_wrong_line_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert "SyntaxError" in launch(tmp_path, script(tmp_path, "def\n")).stderr
    done = launch(tmp_path, "nothing.py")
    assert (done.returncode, "nothing.py" in done.stderr) == (1, True)


def test_classes_of_the_script_can_be_pickled(tmp_path: Path) -> None:
    text = "import pickle\nclass Thing:\n    pass\nprint(type(pickle.loads(pickle.dumps(Thing()))).__name__)\n"
    assert launch(tmp_path, script(tmp_path, text)).stdout == "Thing\n"


def test_anything_but_a_script_is_python_s_business(tmp_path: Path) -> None:
    assert launch(tmp_path, "-c", "print('plain')").stdout == "plain\n"
    script(tmp_path, "print('module')\n", "thing.py")
    assert launch(tmp_path, "-m", "thing").stdout == "module\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-m", "package.tool", "--a"), "tool ['--a'] __main__\n"),
        (("-u", "-m", "package.tool"), "tool [] __main__\n"),
        (("-c", "import sys, package.tool; print(sys.argv)", "--a"), "tool ['--a'] package.tool\n['-c', '--a']\n"),
        (("-V",), sys.version.partition(" ")[0]),
    ],
)
def test_modules_and_code_are_run_as_python_runs_them(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    script(tmp_path, "", "package/__init__.py")
    script(tmp_path, "import sys\nprint('tool', sys.argv[1:], __name__)\n", "package/tool.py")
    done = launch(tmp_path, *arguments)
    assert said in done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [("main.py",), ("-m", "main"), ("-c", "import main")])
def test_what_is_hidden_is_not_found_however_it_is_started(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    hidden = tmp_path / "hidden.json"
    hidden.write_text('{"modules": ["pluggy"], "setting": "x = 1"}')
    script(tmp_path, "import pluggy\n")
    command = [sys.executable, guard.__file__, str(hidden), str(LAUNCHER), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'pluggy'" in done.stderr
    assert "launcher" not in done.stderr and "guard" not in done.stderr
