"""Entry point: runs the command line and turns every exception into a message and a published exit code."""

from __future__ import annotations

import errno
import itertools
import os
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run ``mlops`` with `arguments` (default: of the process) and exit."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run ``mlops`` and return its exit code."""
    import click

    from mlops.cli import cli
    from mlops.exit_codes import ExitCode

    arguments = sys.argv[1:] if arguments is None else arguments
    context: click.Context | None = None
    try:
        with cli.make_context("mlops", list(arguments)) as context:
            result = cli.invoke(context)
            return int(result) if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        _document(arguments, ExitCode.USAGE, type(error).__name__, error.format_message())
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        print("mlops: interrupted", file=sys.stderr)
        _document(arguments, ExitCode.INTERRUPTED, "Interrupted", "interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (`mlops models list | head`) went away: nothing is wrong. Keep the interpreter from complaining
        # when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        return _report(error, context)


def _document(arguments: list[str], code: int, kind: str, message: str) -> None:
    """An error as JSON, where that is asked for: the options may not have been read when it came up."""
    pairs = itertools.pairwise(arguments)
    if {"-ojson", "--output=json"} & set(arguments) or {("-o", "json"), ("--output", "json")} & set(pairs):
        from mlops.output import error_document

        print(error_document(code, kind, message), flush=True)


_PLACE = "free some space, or name a place that can be written to"
_RIGHTS = "look at who owns it, and who may read and write it"
_HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG), _PLACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM), _RIGHTS),
}


def _report(error: Exception, context: object) -> int:
    import click

    from mlops.app import App
    from mlops.exit_codes import ExitCode, exit_code_of
    from mlops.output import Output

    app = getattr(context, "obj", None) if isinstance(context, click.Context) else None
    output = app.output if isinstance(app, App) else Output()
    code = exit_code_of(error)
    if code is ExitCode.UNEXPECTED and (errors := sys.modules.get("model.errors")) is not None:
        error = errors.project_error(error) or error
        code = exit_code_of(error)
    hint = getattr(error, "hint", None)
    kind = type(error).__name__
    if code is ExitCode.UNEXPECTED:
        import traceback

        if output.verbose:
            traceback.print_exception(error, file=output.stderr)
        output.error(
            code,
            kind,
            f"unexpected {kind}: {error}",
            hint or "run again with --verbose for the traceback, and please report it",
        )
    else:
        message = str(error) or kind
        if isinstance(error, OSError) and error.strerror:
            message = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
            hint = hint or _HINTS.get(error.errno or 0)
        output.error(code, kind, message, hint, getattr(error, "logs", None) or getattr(error, "details", None))
    return code


if __name__ == "__main__":
    main()
