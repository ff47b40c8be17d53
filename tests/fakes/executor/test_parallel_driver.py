"""The driver of ParallelRunStep as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.executor.parallel import DRIVER


def drive(folder: Path, entry: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "entry.py").write_text(entry)
    data = folder / "data"
    data.mkdir(exist_ok=True)
    for name in ("a", "b", "c"):
        (data / name).write_text(name)
    return subprocess.run(
        [sys.executable, str(DRIVER), "--scoring_module_name", "entry.py", "--input_fds_0", "files", *arguments],
        cwd=folder,
        env={**os.environ, "files": str(data)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_summary_only_writes_no_file_and_all_functions_are_called(tmp_path: Path) -> None:
    entry = (
        "def init():\n    print('init')\n"
        "def run(mini_batch, context):\n    print('batch', context.mini_batch_id)\n    return mini_batch\n"
        "def shutdown():\n    print('shutdown')\n"
    )
    done = drive(tmp_path, entry, "--output_action", "summary_only", "--output", "out", "--mini_batch_size", "2")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["init", "batch", "batch", "2", "shutdown"]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("entry", "arguments", "said"),
    [
        ("x = 1\n", ["--output", "out"], "no function run"),
        ("def run(b):\n    return None\n", ["--output", "out"], "must return a list"),
        ("def run(b):\n    return b\n", [], "needs an output"),
        ("def run(b):\n    return b\n", ["--output", "out", "--partition_keys", "[1]"], "partition_keys"),
        (
            "import time\ndef run(b):\n    time.sleep(60)\n",
            ["--output", "out", "--run_invocation_timeout", "1", "--run_max_try", "1", "--error_threshold", "0"],
            "run_invocation_timeout",
        ),
    ],
)
def test_what_goes_wrong_is_named(tmp_path: Path, entry: str, arguments: list[str], said: str) -> None:
    done = drive(tmp_path, entry, *arguments)
    assert done.returncode != 0
    assert said in done.stderr


def test_errors_below_the_threshold_are_counted(tmp_path: Path) -> None:
    entry = "def run(b):\n    return [p for p in b if not p.endswith('b')]\n"
    done = drive(tmp_path, entry, "--output", "out", "--error_threshold", "1")
    assert done.returncode == 0, done.stderr
    assert "3 items, 1 failed" in done.stdout
    assert len((tmp_path / "out" / "parallel_run_step.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--allowed_failed_count", "0"], "allowed_failed_count (0)"),
        (["--allowed_failed_count", "1"], None),
        (["--allowed_failed_percent", "33"], "1 of 3 mini-batches failed"),
        (["--allowed_failed_percent", "34"], None),
        ([], None),
    ],
)
def test_mini_batches_that_may_fail(tmp_path: Path, arguments: list[str], said: str | None) -> None:
    entry = "def run(b):\n    assert not b[0].endswith('b')\n    return b\n"
    more = ["--output", "out", "--mini_batch_size", "1", "--run_max_try", "1"]
    done = drive(tmp_path, entry, *more, *arguments)
    assert (done.returncode == 0) == (said is None), done.stderr
    assert said is None or said in done.stderr
