"""The command line: ``python -m fakes serve``, ``env``, ``run``, and commands to a running server."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import fakes
from fakes.doors.admin_client import DEFAULT_ADDRESS, AdminClient, AdminError

_NAMES = ("workspace_name", "resource_group", "subscription_id", "region", "tenant_id", "client_id", "client_secret")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 ok, 1 the server refused or is not there, 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments) or 0)
    except AdminError as error:
        print(f"fakes: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


# ---- serve, run, env


def _settings(arguments: argparse.Namespace) -> Any:
    from fakes.core.settings import Settings

    given = {name: getattr(arguments, name) for name in ("sign_in", *_NAMES) if getattr(arguments, name) is not None}
    try:
        return Settings(
            strict=not arguments.loose,
            seed=arguments.seed,
            admin_token=arguments.admin_token or os.environ.get("FAKES_ADMIN_TOKEN"),
            **given,
        )
    except ValueError as error:
        raise AdminError(str(error)) from error


def _serve(arguments: argparse.Namespace) -> int:
    from fakes.core.application import Application
    from fakes.core.state import State
    from fakes.doors.server import Server

    state = State(_settings(arguments))
    application = Application(state)
    if arguments.state:
        _load(state, Path(arguments.state))
    try:
        server = Server(
            lambda: application,
            host=arguments.host,
            port=arguments.port,
            hours=arguments.hours,
            connections=arguments.connections,
            tunnel=arguments.allow_other_hosts,
        )
    except OSError as error:
        raise AdminError(f"cannot listen on {arguments.host}:{arguments.port}: {error.strerror}") from error
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    server.start()
    _reach(state, server)
    print(f"Azure ML is faked at {server.address} (workspace {state.settings.workspace_name}, seed {state.seed})")
    print(f'  a shell:    eval "$(python -m fakes env --address {server.address})"')
    print(f"  a program:  python -m fakes run --address {server.address} -- python train.py", flush=True)
    while not stop.wait(3600):
        pass
    server.stop()
    _forget_env(server)
    if arguments.state and arguments.save:
        _save(state, Path(arguments.state))
    state.close()
    return 0


def _reach(state: Any, server: Any) -> None:
    """Let what the fake runs (scripts, pipeline steps) find its way back to it."""
    from fakes.core.folders import process_folder
    from fakes.doors.client import proxy_variables, write_certificates

    write_certificates(process_folder(), server.authority.pem)
    variables = proxy_variables(server.address, process_folder())
    state.child_environment = lambda: dict(variables)


def _load(state: Any, path: Path) -> None:
    if not path.exists():
        return
    try:
        with path.open("rb") as source:
            state.read(source)
    except (OSError, ValueError) as error:
        raise AdminError(f"cannot read the state in {path}: {error}") from error


def _save(state: Any, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        out.writelines(state.pieces())
    part.replace(path)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fakes-run-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _variables(client: AdminClient, folder: Path, *, other_hosts: bool) -> dict[str, str]:
    """Return what a program needs; writes certificates and makes a HOME below `folder`."""
    from fakes.doors.client import fixed_variables, proxy_variables, write_azure_cli, write_certificates

    known = client.call("GET", "/environment")
    home = folder / "home"
    home.mkdir(exist_ok=True)
    write_certificates(folder, known["ca_pem"])
    write_azure_cli(home, known["azure_cli"])
    return {
        **fixed_variables(home),
        **known["variables"],
        **proxy_variables(client.address, folder, other_hosts=other_hosts),
    }


def _env_folder(port: int) -> Path:
    """Return where ``fakes env`` keeps the files of its variables: they must be there as long as the server is."""
    return Path(tempfile.gettempdir()) / f"fakes-env-{os.getuid()}-{port}"


def _forget_env(server: Any) -> None:
    folder = _env_folder(server.port)
    if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
        shutil.rmtree(folder, ignore_errors=True)


def _env(arguments: argparse.Namespace) -> int:
    from fakes.doors.client import is_scrubbed

    client = _client(arguments)
    folder = _env_folder(urlsplit(client.address).port or 80)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise AdminError(f"{folder} belongs to somebody else; remove it first")
    variables = _variables(client, folder, other_hosts=arguments.allow_other_hosts)
    if arguments.format == "json":
        print(json.dumps(variables, indent=2))
    elif arguments.format == "dotenv":
        print("\n".join(f"{name}={value}" for name, value in variables.items()))
    else:
        for name in sorted(name for name in os.environ if is_scrubbed(name) and name not in variables):
            print(f"unset {name}")
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from fakes.doors.client import scrubbed

    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise AdminError("say what to run: python -m fakes run -- python train.py")
    with _folder() as folder:
        if arguments.address:
            client = _client(arguments)
            variables = _variables(client, folder, other_hosts=arguments.allow_other_hosts)
            return _child(command, {**scrubbed(dict(os.environ)), **variables})
        from fakes.core.application import Application
        from fakes.core.state import State
        from fakes.doors.server import Server

        _name_the_projects_workspace(arguments)
        state = State(_settings(arguments))
        application = Application(state)
        if arguments.state:
            _load(state, Path(arguments.state))
        server = Server(lambda: application, tunnel=arguments.allow_other_hosts).start()
        _reach(state, server)
        try:
            client = AdminClient(server.address, state.settings.admin_token)
            variables = _variables(client, folder, other_hosts=arguments.allow_other_hosts)
            return _child(command, {**scrubbed(dict(os.environ)), **variables})
        finally:
            server.stop()
            _forget_env(server)
            if arguments.state and arguments.save:
                _save(state, Path(arguments.state))
            state.close()


def _name_the_projects_workspace(arguments: argparse.Namespace) -> None:
    """Give the fake's workspace the names that the project's programs ask for, unless the command line has others."""
    from fakes.doors.project import workspace_of

    if any(getattr(arguments, name) for name in ("workspace_name", "resource_group", "subscription_id")):
        return
    found = workspace_of(Path.cwd())
    if found is not None:
        vars(arguments).update(found[1])
        print(f"fakes: the workspace is {found[1]['workspace_name']}, named by {found[0]}", file=sys.stderr)


def _child(command: list[str], environment: dict[str, str]) -> int:
    """Run a command in the foreground; signals that reach us are its business."""
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as error:
        print(f"fakes: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child as well
    signal.signal(signal.SIGTERM, lambda number, frame: child.terminate())
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


# ---- commands to a running server


def _client(arguments: argparse.Namespace) -> AdminClient:
    address = arguments.address or os.environ.get("FAKES_ADDRESS") or DEFAULT_ADDRESS
    return AdminClient(address, arguments.admin_token or os.environ.get("FAKES_ADMIN_TOKEN"))


def _show(document: Any) -> None:
    if document is not None:
        print(json.dumps(document, indent=2, ensure_ascii=False))


def _health(arguments: argparse.Namespace) -> None:
    _show(_client(arguments).call("GET", "/health"))


def _reset(arguments: argparse.Namespace) -> None:
    _show(_client(arguments).call("POST", "/reset", {} if arguments.seed is None else {"seed": arguments.seed}))


def _state(arguments: argparse.Namespace) -> None:
    client = _client(arguments)
    if arguments.file is None:
        sys.stdout.flush()
        client.download("/state", sys.stdout.buffer)
        print()
        return
    try:
        source = sys.stdin.buffer if arguments.file == "-" else Path(arguments.file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise AdminError(f"cannot read {arguments.file}: {error}") from error
    with source:
        client.upload("/state", source)


def _transitions(arguments: argparse.Namespace) -> None:
    client = _client(arguments)
    if arguments.clear:
        client.call("DELETE", f"/transitions/{arguments.kind}" if arguments.kind else "/transitions")
    elif arguments.kind and arguments.mode:
        failure = None
        if arguments.fail:
            code, _, message = arguments.fail.partition(":")
            failure = {"code": code, "message": message.strip() or "made to fail by a transition of the fake"}
        rule = {"mode": arguments.mode, "after": arguments.after, "failure": failure}
        _show(client.call("PUT", f"/transitions/{arguments.kind}", rule))
    else:
        _show(client.call("GET", "/transitions"))


def _faults(arguments: argparse.Namespace) -> None:
    client = _client(arguments)
    if arguments.clear:
        client.call("DELETE", "/faults")
    elif arguments.operation:
        names = ("kind", "status", "code", "message", "retry_after", "seconds", "times", "skip", "rate")
        rule = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
        if arguments.always:
            rule["times"] = None
        _show(client.call("POST", "/faults", {"operation": arguments.operation, **rule}))
    else:
        _show(client.call("GET", "/faults"))


def _requests(arguments: argparse.Namespace) -> None:
    answer = _client(arguments).call("GET", "/requests", last=arguments.last, operation=arguments.operation)
    if arguments.json:
        _show(answer)
        return
    for entry in answer["requests"]:
        print(
            f"{entry['time']}  {entry['status']}  {entry['milliseconds']:8.2f} ms  {entry['operation']:32} "
            f"{entry['method']} {entry['url']}"
        )


def _operations(arguments: argparse.Namespace) -> None:
    found = _client(arguments).call("GET", "/operations")
    if arguments.json:
        _show(found)
        return
    for entry in found:
        print(f"{entry['operation']:36} {entry['evidence']:14} {entry['method']:6} {entry['path']}")


# ---- the parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fakes", description="Azure Machine Learning, faked on the wire: the real SDK works offline."
    )
    parser.add_argument("--version", action="version", version=f"fakes {fakes.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = _command(commands, "serve", _serve, "start the server")
    _names(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    serve.add_argument("--port", type=int, default=8774, help="port to listen on, 0 for a free one (default: 8774)")
    serve.add_argument("--hours", type=float, default=24.0, help="how long the certificates are valid (default: 24)")
    serve.add_argument("--connections", type=int, default=256, help="most connections at a time (default: 256)")

    run = _command(commands, "run", _run, "run a command against a fake of its own, or a running server")
    _names(run)
    run.add_argument("--address", help="use a running server instead of one for this command")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")

    env = _client_command(commands, "env", _env, "print the variables that lead a program to a running server")
    env.add_argument("--format", choices=["sh", "json", "dotenv"], default="sh")
    env.add_argument("--allow-other-hosts", action="store_true", help="trust the usual authorities as well")

    _client_command(commands, "health", _health, "ask whether the server is there")

    reset = _client_command(commands, "reset", _reset, "forget everything")
    reset.add_argument("--seed", help="begin with another seed")

    state = _client_command(commands, "state", _state, "print the state, or load one")
    state.add_argument("--load", dest="file", metavar="FILE", help="load it from a file, - for standard input")

    transitions = _client_command(commands, "transitions", _transitions, "show or set how long operations take")
    transitions.add_argument("kind", nargs="?", help="kind of operation: service, image, compute, run, ... or *")
    transitions.add_argument("mode", nargs="?", choices=["immediately", "polls", "seconds"])
    transitions.add_argument("after", nargs="?", type=float, default=0, help="number of polls or seconds")
    transitions.add_argument("--fail", metavar="CODE:MESSAGE", help="end in this failure")
    transitions.add_argument("--clear", action="store_true", help="forget the rule of a kind, or every rule")

    faults = _client_command(commands, "faults", _faults, "show or add answers that go wrong")
    faults.add_argument("operation", nargs="?", help="operation, or a pattern such as 'Models_*'")
    faults.add_argument("--kind", choices=["status", "reset", "delay", "truncate"])
    faults.add_argument("--status", type=int)
    faults.add_argument("--code")
    faults.add_argument("--message")
    faults.add_argument("--retry-after", type=float)
    faults.add_argument("--seconds", type=float, help="length of a delay")
    faults.add_argument("--times", type=int, help="how often (default: once)")
    faults.add_argument("--always", action="store_true")
    faults.add_argument("--skip", type=int, help="let this many through first")
    faults.add_argument("--rate", type=float, help="probability, drawn from the seed")
    faults.add_argument("--clear", action="store_true", help="remove every rule")

    requests = _client_command(commands, "requests", _requests, "show the last requests")
    requests.add_argument("--last", type=int, default=20)
    requests.add_argument("--operation")
    requests.add_argument("--json", action="store_true")

    operations = _client_command(commands, "operations", _operations, "list what the fake implements")
    operations.add_argument("--json", action="store_true")
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], help: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    parser.add_argument("--admin-token", help="token of the admin address (also FAKES_ADMIN_TOKEN)")
    return parser


def _client_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], help: str
) -> argparse.ArgumentParser:
    parser = _command(commands, name, run, help)
    parser.add_argument("--address", help=f"address of the server (also FAKES_ADDRESS; default: {DEFAULT_ADDRESS})")
    return parser


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loose", action="store_true", help="do not check input as the cloud does")
    parser.add_argument("--seed", default="0", help="the same seed gives the same ids (default: 0)")
    parser.add_argument("--state", metavar="FILE", help="begin with the state in this file, if it exists")
    parser.add_argument("--save", action="store_true", help="write the state back to --state at the end")
    parser.add_argument("--allow-other-hosts", action="store_true", help="pass on connections to hosts outside Azure")
    parser.add_argument("--sign-in", choices=["service-principal", "azure-cli"], help="what programs sign in with")
    for name in _NAMES:
        parser.add_argument(f"--{name.replace('_', '-')}")
