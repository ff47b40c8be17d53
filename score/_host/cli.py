"""The command line of the scoring host."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import __version__, log
from .errors import HostError, UsageError
from .settings import Settings, from_environment


def parser() -> argparse.ArgumentParser:
    """The flags; each beats the environment variable of the same meaning."""
    flags = argparse.ArgumentParser(
        prog="python -m score", description="Serve an Azure Machine Learning entry script over HTTP."
    )
    flags.add_argument("--entry-script", help="file with init() and run() (AZUREML_ENTRY_SCRIPT)")
    flags.add_argument("--model-dir", help="what the entry script finds in AZUREML_MODEL_DIR")
    flags.add_argument("--root", help="the project's folder, first on the import path (AML_APP_ROOT; default: here)")
    flags.add_argument("--host", default=None, help="address to listen on (default 127.0.0.1)")
    flags.add_argument("--port", type=int, default=None, help="0: any free port (default 5001)")
    flags.add_argument("--health-port", type=int, default=None, help="a second port for / /livez /readyz")
    flags.add_argument("--metrics-port", type=int, default=None, help="a port for Prometheus' /metrics")
    flags.add_argument("--keys-file", help='JSON {"primary": ..., "secondary": ...}, read again when it changes')
    flags.add_argument("--workers", type=int, default=None, help="worker processes (WORKER_COUNT; default 1)")
    flags.add_argument("--no-golden", action="store_true", help="do not reproduce the golden prediction at start")
    flags.add_argument("--version", action="version", version=f"mlops-score {__version__}")
    return flags


def _port(name: str, value: int | None, default: int | None) -> int | None:
    if value is None:
        return default
    if not 0 <= value <= 65535:
        raise UsageError(f"{name} {value} is no port", "give 0 (any free port) to 65535")
    return value


def settings_from(args: argparse.Namespace, environment: Settings) -> Settings:
    """Lay the flags over the settings of the environment. Raises :class:`UsageError`."""
    root = Path(args.root).resolve() if args.root else environment.root
    entry = environment.entry_script
    if args.entry_script:
        given = Path(args.entry_script)
        entry = root / given if (root / given).is_file() else given.resolve()
    model_dir = Path(args.model_dir).resolve() if args.model_dir else environment.model_dir
    if model_dir is not None and not model_dir.is_dir():
        raise UsageError(f"the model folder {model_dir} does not exist", "give an existing folder with --model-dir")
    if args.workers is not None and not 1 <= args.workers <= 512:
        raise UsageError(f"--workers {args.workers} is out of range", "give 1 to 512")
    return replace(
        environment,
        root=root,
        entry_script=entry,
        model_dir=model_dir,
        host=args.host or environment.host,
        port=_port("--port", args.port, environment.port) or 0,
        health_port=_port("--health-port", args.health_port, environment.health_port),
        metrics_port=_port("--metrics-port", args.metrics_port, environment.metrics_port),
        keys_file=Path(args.keys_file).resolve() if args.keys_file else environment.keys_file,
        workers=args.workers or environment.workers,
        golden=environment.golden and not args.no_golden,
    )


def publish(settings: Settings) -> None:
    """Set the variables that entry scripts read."""
    os.environ["AML_APP_ROOT"] = str(settings.root)
    if settings.entry_script is not None:
        os.environ["AZUREML_ENTRY_SCRIPT"] = str(settings.entry_script)
    if settings.model_dir is not None:
        os.environ["AZUREML_MODEL_DIR"] = str(settings.model_dir)


def main(argv: Sequence[str]) -> int:
    """Serve until told to stop; returns the exit status."""
    args = parser().parse_args(argv)
    try:
        environment = from_environment()
        settings = settings_from(args, environment)
        log.set_level(settings.log_level)
        publish(settings)
        from .front import Front

        return Front(settings).run()
    except HostError as error:
        log.line("error", "start_failed", message=str(error), hint=error.hint, exit_code=error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    finally:
        sys.stdout.flush()
        log.close()
