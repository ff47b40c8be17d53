"""``mlops fakes``: run the fake of Azure ML; everything after it is handed to ``python -m fakes``."""

from __future__ import annotations

import click


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
    process = subprocess.Popen([sys.executable, "-m", "fakes", *arguments])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal has told the child as well: its own way of ending is the one that counts
