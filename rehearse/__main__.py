"""``python -m rehearse``: show, check and run the delivery pipelines of this project."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import click

from rehearse.errors import RehearseError

DESCRIPTION = ".pipelines/rehearsal.yml"


def _root() -> Path:
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise RehearseError(f"there is no {DESCRIPTION} here or above", hint="run it in the project folder")


def _changes(pairs: tuple[str, ...]) -> dict[str, str]:
    changes: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--set")
        changes[name] = value
    return changes


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run the delivery pipelines of this project on this machine: the YAML itself, offline."""


KIND = click.option("--kind", type=click.Choice(["azure", "github"]), default="azure", help="Which files.")
SET = click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Change a variable of the files.")


@cli.command()
@KIND
@SET
@click.argument("names", nargs=-1)
def show(kind: str, pairs: tuple[str, ...], names: tuple[str, ...]) -> int:
    """Print pipelines expanded: stages, jobs, conditions, environments, steps."""
    from rehearse.kits import open_kit
    from rehearse.show import lines

    kit = open_kit(kind, _root(), _changes(pairs))
    for name in names or kit.names():
        for line in lines(kit.expand(name)):
            click.echo(line)
    return 0


@cli.command()
def check() -> int:
    """Check every file of both kinds; exits 5 when one has a problem."""
    from rehearse.kits import open_kit

    found = 0
    for kind in ("azure", "github"):
        kit = open_kit(kind, _root(), {})
        for name in kit.names():
            for problem in kit.problems(name):
                found += 1
                click.echo(str(problem), err=True)
    click.echo(f"{found} problems" if found else "no problem found", err=True)
    return 5 if found else 0


@cli.command()
@KIND
@SET
@click.option("--backend", type=click.Choice(["azure", "local"]), default="azure", help="azure: the fake of it.")
@click.option("--approve", type=click.Choice(["grant", "ask", "reject"]), default="grant", help="Approvals.")
@click.option("--full", is_flag=True, help="Run long commands in full, not in their short form.")
@click.option("--keep", is_flag=True, help="Keep the folder of the rehearsal.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the steps print.")
@click.argument("names", nargs=-1)
def run(
    kind: str, pairs: tuple[str, ...], backend: str, approve: str, full: bool, keep: bool, verbose: bool,
    names: tuple[str, ...],
) -> int:  # fmt: skip
    """Run pipelines, and those that they trigger, in clean copies of the project.

    Without NAMES: the whole story, with what must be true after each run. Exits 7 when a run failed or left the wrong
    state.
    """
    from rehearse.story import Story

    root = _root()
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as folder:
        scratch = Path(tempfile.mkdtemp(prefix="rehearsal-")) if keep else Path(folder)
        if keep:
            click.echo(f"everything is in {scratch}", err=True)
        story = Story(root, kind, scratch, backend, _changes(pairs), approve=approve, shorten=not full, verbose=verbose)
        return story.tell(list(names))


def main() -> int:
    """Run; return the exit code."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that what was started is ended
    try:
        code = cli.main(standalone_mode=False)
    except RehearseError as error:
        click.echo(f"rehearse: error: {error.where + ': ' if error.where else ''}{error.message}", err=True)
        if error.hint:
            click.echo(f"  next: {error.hint}", err=True)
        return 5
    except click.ClickException as error:
        error.show()
        return int(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
