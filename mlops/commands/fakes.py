"""``mlops fakes``: run the fake of Azure ML; everything after it is handed to ``python -m fakes``."""

from __future__ import annotations

import click

from mlops.app import BackendUnavailable


@click.command(
    name="fakes",
    short_help="Run the fake of Azure ML.",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def cli(arguments: tuple[str, ...]) -> int:
    """Hand ARGUMENTS to `python -m fakes`, such as `mlops fakes serve` or `mlops fakes run -- python train.py`."""
    import subprocess
    import sys

    if not arguments:
        arguments = ("--help",)
    if missing := _missing():
        raise BackendUnavailable(f"the fake of Azure ML needs {', '.join(missing)}", hint="make azure")
    process = subprocess.Popen([sys.executable, "-m", "fakes", *arguments])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal has told the child as well: its own way of ending is the one that counts


def _missing() -> list[str]:
    """What `requirements/fakes.in` names and is not installed: `make demo` installs less."""
    from importlib import metadata
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "requirements" / "fakes.in"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    missing = []
    for name in (line.partition("#")[0].partition(";")[0].strip() for line in lines):
        try:
            metadata.distribution(name or "click")
        except metadata.PackageNotFoundError:
            missing.append(name)
    return missing
