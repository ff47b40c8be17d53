"""The command line as a user meets it: help, mistakes, exit codes."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.__main__ import run
from mlops.cli import COMMANDS
from mlops.exit_codes import _BY_EXCEPTION, ExitCode, exit_code_of

ROOT = Path(__file__).parents[2]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['mlops', '--help']\n"
        "try:\n    from mlops.__main__ import main; main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'sklearn', 'pandas', 'flask', 'docker', 'requests', 'rich', 'azureml', 'joblib'}\n"
        "found = heavy & {name.partition('.')[0] for name in sys.modules}\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "Commands" in done.stdout


def test_help_takes_few_instructions_of_python() -> None:
    # CPU time, not wall clock, and against the bare interpreter's: a ratio, so that a slow machine does not matter.
    def cpu(*arguments: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, cwd=ROOT, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cpu("-m", "mlops", "--help")
    help_time = min(cpu("-m", "mlops", "--help") for _ in range(3))
    import_time = min(cpu("-c", "import click, json, argparse, pathlib, dataclasses") for _ in range(3))
    assert help_time < 4 * import_time


def test_every_command_of_the_table_exists_and_has_help(capfd: pytest.CaptureFixture[str]) -> None:
    for name, (module, _) in COMMANDS.items():
        assert importlib.util.find_spec(module), f"{name}: no module {module}"
        assert run([name, "--help"]) == 0, name
        assert "usage:" in capfd.readouterr().out.lower(), name


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["modls"], "Did you mean 'models'"),
        (["doctor", "--outptu", "json"], "No such option"),
        (["doctor", "--set", "novalue"], "KEY=VALUE"),
        (["doctor", "--backend", "aws"], "local, azure"),
        (["doctor", "--set", "gate.metrik=1"], "gate.metrik"),
        (["smoke", "--timeout", "-1"], "range"),
        (["smoke", "--timeout", "nan"], "not a number of seconds"),
        (["pipeline", "wait", "--timeout", "inf", "x"], "not a number of seconds"),
        (["services", "logs", "x", "-n", "0"], "range"),
        (["deploy", "@no-such-file"], "cannot read no-such-file: No such file"),
    ],
)
def test_a_usage_mistake_exits_2_without_a_traceback(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert part in error
    assert "Traceback" not in error


def test_with_json_an_error_is_the_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "-o", "json", "--set", "gate.metrik=1"]) == ExitCode.USAGE
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["exit_code"] == 2
    assert "gate.metric" in document["error"]["hint"]
    for words in (["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"]):
        assert run(["rollback", "--to", "x", *words]) == ExitCode.USAGE
        error = json.loads(capsys.readouterr().out)["error"]
        assert (error["code"], error["exit_code"]) == ("BadParameter", 2)
        assert "'x'" in error["message"]
    for words in ([], ["--stage=-o json"], ["--output", "text"]):
        assert run(["rollback", "--to", "x", *words]) == ExitCode.USAGE
        assert capsys.readouterr().out == ""


def test_doctor_says_what_is_chosen_and_where_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "-o", "json"]) in (ExitCode.OK, ExitCode.UNAVAILABLE)
    document = json.loads(capsys.readouterr().out)
    assert document["backend"] == "local"
    assert document["backend_source"].startswith(("mlops.toml:", "environment MLOPS_BACKEND"))
    assert {"python", "lock", "scikit-learn"} <= {check["name"] for check in document["checks"]}
    for check in document["checks"]:
        assert check["state"] != "missing" or check["mend"], check


def test_the_published_table_is_the_one_in_force() -> None:
    page = (ROOT / "docs/exit-codes.md").read_text()
    published = {int(code): name for code, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", page, re.MULTILINE)}
    assert published == {code.value: code.name for code in ExitCode}


def test_every_exception_of_the_mapping_exists() -> None:
    for name in _BY_EXCEPTION:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), BaseException), name


def test_a_full_disk_is_unavailable_not_unexpected() -> None:
    for number in (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ENOTDIR, errno.EACCES):
        assert exit_code_of(OSError(number, os.strerror(number))) is ExitCode.UNAVAILABLE
    assert exit_code_of(ValueError("x")) is ExitCode.UNEXPECTED


@pytest.mark.parametrize(
    ("number", "hint"), [(errno.ENOSPC, "next: free some space"), (errno.EACCES, "next: look at who"), (errno.EIO, "")]
)
def test_what_a_file_system_refuses_is_told_in_words(
    number: int, hint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("mlops.doctor.examine", refused)
    assert run(["doctor"]) == ExitCode.UNAVAILABLE
    error = capsys.readouterr().err
    assert f"mlops: error: {os.strerror(number)}\n" in error
    assert hint in error
    assert hint or "next:" not in error


def test_the_fake_says_what_it_needs_that_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    known = metadata.distribution

    def bare(name: str) -> metadata.Distribution:
        if name == "cryptography":
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "distribution", bare)
    assert run(["fakes", "serve"]) == ExitCode.UNAVAILABLE
    error = capsys.readouterr().err
    assert "the fake of Azure ML needs cryptography" in error
    assert "next: make azure" in error


def test_names_in_settings_follow_the_rules_of_those_who_take_them() -> None:
    from deploy.errors import Invalid
    from deploy.local import state
    from mlops.settings_table import NAMED, SERVICE
    from registry import names
    from registry.errors import InvalidName

    for name in ("a", "ab", "abc", "A-1", "a.b", "a.", "-a", "a-", "a--b", "a b", "", "_a", "a_b", "x" * 32, "x" * 33):
        for shape, rule, refusal in (
            (NAMED, names.check_name, InvalidName),
            (SERVICE, state.check_name, Invalid),
        ):
            try:
                rule(name)
                allowed = True
            except refusal:
                allowed = False
            assert bool(re.fullmatch(shape.pattern, name)) == allowed, (name, shape)


def test_the_same_name_acts_whatever_the_command() -> None:
    from mlops.releasing import who
    from registry.who import whoami

    assert (who(), who("41")) == (whoami(), "build 41")
