"""The command line: names and one-line helps here, each command in its own file, imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Any

import click

# name -> (module that has it as ``cli``, short help). Importing none of them is what keeps `mlops --help` quick.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("mlops.commands.init", "make a new project from this one"),
    "doctor": ("mlops.commands.doctor", "say what is installed, chosen and missing"),
    "data": ("mlops.commands.data", "check and register data sets"),
    "train": ("mlops.commands.train", "train a candidate"),
    "evaluate": ("mlops.commands.evaluate", "judge the candidate against production"),
    "register": ("mlops.commands.register", "register the candidate as a model version"),
    "package": ("mlops.commands.package", "build the scoring image of a model version"),
    "deploy": ("mlops.commands.deploy", "deploy a model version to a stage"),
    "smoke": ("mlops.commands.smoke", "smoke-test what a stage serves"),
    "promote": ("mlops.commands.promote", "move what QA serves to production"),
    "rollback": ("mlops.commands.rollback", "go back to the version before"),
    "release": ("mlops.commands.release", "release to production, with a canary when asked"),
    "run": ("mlops.commands.run", "the whole flow: data checks to production"),
    "batch": ("mlops.commands.batch", "score files"),
    "monitor": ("mlops.commands.monitor", "compare live inputs with the training data"),
    "models": ("mlops.commands.models", "list, show, alias, download and compare model versions"),
    "services": ("mlops.commands.services", "list, invoke, read and stop services"),
    "runs": ("mlops.commands.runs", "list, show and compare runs"),
    "pipeline": ("mlops.commands.pipeline", "publish and run the training pipeline"),
    "step": ("mlops.commands.step", "run one pipeline step (called by the runners)"),
    "azure": ("mlops.commands.azure", "set up the Azure workspace"),
    "fakes": ("mlops.commands.fakes", "run the fake of Azure ML"),
}
HIDDEN = {"step"}


class _Seconds(click.FloatRange):
    """More than none. ``nan`` compares with nothing and ``inf`` is no deadline, so the range alone lets both pass."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not number < float("inf"):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return number


SECONDS = _Seconds(min=0, min_open=True)
"""Type of an option that is a deadline."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called, not when help is printed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.cli
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"no such command: {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in COMMANDS.items() if name not in HIDDEN])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlops-kit", message="%(version)s")
def cli() -> None:
    """Ship a scikit-learn model to Azure Machine Learning, tested end to end on a laptop first.

    \b
    mlops run                     the whole flow on this machine
    mlops run --backend azure     the same flow on Azure ML
    mlops doctor                  what is installed, chosen and missing
    """


def confirm(question: str, otherwise: str = "nothing was deleted") -> None:
    """Ask before something is lost, or costs money. `otherwise`: what holds when nobody says yes.

    Raises
    ------
    mlops.app.UsageMistake
        There is nobody to ask.
    click.Abort
        The answer is no.
    """
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            from mlops.app import UsageMistake

            click.echo(err=True)
            raise UsageMistake(f"nobody answers the question: {otherwise}", hint="add --yes") from None
        raise


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command has, and hand the command an :class:`mlops.app.App` first.

    The options: ``-o/--output``, ``--backend``, ``--set KEY=VALUE``, ``--project``, ``-v``, ``-q``.
    """

    def wrapper(
        *args: Any,
        output: str,
        backend: str | None,
        overrides: tuple[str, ...],
        project: Path | None,
        verbose: bool,
        quiet: bool,
        **options: Any,
    ) -> Any:
        from mlops.app import App, find_project
        from mlops.output import Output

        given: dict[str, str] = {}
        for item in overrides:
            key, equals, value = item.partition("=")
            if not equals:
                raise click.BadParameter(f"{item!r} is not KEY=VALUE", param_hint="--set")
            given[key.strip()] = value
        if backend is not None:
            given["backend"] = backend
        app = App(
            (project.resolve() if project else find_project()),
            Output(output, quiet=quiet, verbose=verbose),
            given,
        )
        click.get_current_context().find_root().obj = app
        return function(app, *args, **options)

    options = [
        click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="What stdout gets."),
        click.option("--backend", metavar="NAME", help="local or azure; overrides MLOPS_BACKEND."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one setting."),
        click.option(
            "--project",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Project folder (default: the nearest one upwards with mlops.toml).",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Show details, and tracebacks of unexpected errors."),
        click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
    ]
    wrapped: Callable[..., Any] = update_wrapper(wrapper, function)
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped
