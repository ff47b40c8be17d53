"""Starts the script of a job as Azure does: when it ends, what the SDK has not sent yet is sent.

A program of its own, run by path in the process of the job: it imports nothing of the fake. ``python launcher.py
SCRIPT ARGUMENTS`` is ``python SCRIPT ARGUMENTS``, with the clean-up of ``azureml.core`` at its end (Azure wraps scripts
in the same way; metrics that were logged in the last second would be lost otherwise). ``-m MODULE`` and ``-c CODE`` are
run in the same way; anything else is passed on to Python as it is.
"""

import os
import runpy
import sys
import traceback

CLEANUP_SECONDS = 40


def main() -> int:
    """Run the script named by the first argument; gives the exit code."""
    arguments = sys.argv[1:]
    while arguments and arguments[0] == "-u":  # the output of jobs is never buffered
        del arguments[0]
    how = arguments[0] if arguments else ""
    if (how.startswith("-") and how not in ("-m", "-c")) or len(arguments) < 1 + how.startswith("-"):
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606
    try:
        _run(how, arguments)
        code = 0
    except SystemExit as end:
        code = _code(end)
    except BaseException as error:
        _print_without_us(error)
        code = 1
    _clean_up()
    return code


def _run(how: str, arguments: list[str]) -> None:
    """Run what Python would run for these arguments."""
    if how == "-m":
        sys.argv, sys.path[0] = arguments[1:], os.getcwd()  # noqa: PTH109
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif how == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[2:]], ""
        names = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(arguments[1], "<string>", "exec"), names)  # noqa: S102
    else:
        sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.abspath(how))  # noqa: PTH100, PTH120
        runpy.run_path(how, run_name="__main__")


def _code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    print(end.code, file=sys.stderr)
    return 1


def _print_without_us(error: BaseException) -> None:
    """Print a traceback that begins in the script."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, runpy.__file__, "<frozen runpy>"):
        trace = trace.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, trace)


def _clean_up() -> None:
    """Let the SDK send what waits, when the script used it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if "azureml.core.run" not in sys.modules:
        return
    try:
        from azureml._history.utils.context_managers import SendRunKillSignal
    except ImportError:
        return
    try:
        SendRunKillSignal(True, CLEANUP_SECONDS).__exit__(None, None, None)
    except Exception:
        traceback.print_exc()


if __name__ == "__main__":
    sys.exit(main())
