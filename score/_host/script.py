"""The entry script: load it, find out how its ``run()`` wants its input, call it with a time limit."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from flask import Request

from . import shims
from .errors import BadInput, ScoringFailed, ScoringTimeout, ScriptError

Reader = Callable[[Request], dict[str, Any]]


def _load(path: Path | None, root: Path) -> ModuleType:
    try:
        if path is None:
            return importlib.import_module("main")
        spec = importlib.util.spec_from_file_location("entry_module", path)
        if spec is None or spec.loader is None:
            raise ScriptError(f"{path} is no Python file", "name a .py file as the entry script")
        module = importlib.util.module_from_spec(spec)
        sys.modules["entry_module"] = module
        spec.loader.exec_module(module)
        return module
    except ScriptError:
        raise
    except FileNotFoundError as error:
        if path is not None and not path.exists():
            raise ScriptError(f"entry script {path} does not exist", "check --entry-script") from error
        raise ScriptError(f"importing {path} failed: {error!r}", "run it with Python to see the whole error") from error
    except BaseException as error:
        what = path or f"main (in {root})"
        raise ScriptError(
            f"importing the entry script {what} failed: {type(error).__name__}: {error}",
            "the traceback is in the log; run the script with Python to see it alone",
        ) from error


class _Alarm:
    """Raises ``TimeoutError`` in the main thread; without signals (another thread) it does nothing."""

    def __init__(self, milliseconds: int) -> None:
        self.seconds = milliseconds / 1000
        signal.signal(signal.SIGALRM, self._ring)

    @staticmethod
    def _ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    def start(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    @staticmethod
    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


class EntryScript:
    """A loaded entry script.

    Parameters
    ----------
    path : Path or None
        The file; ``None`` imports ``main`` from `root`.
    root : Path
        The project's folder.
    timeout_ms : int
        Limit of one ``run()``.
    main_thread : bool
        Whether ``run()`` will be called in the main thread; only there can it be stopped.

    Raises
    ------
    ScriptError
        It cannot be imported, lacks ``init()`` or ``run()``, or ``run()`` has a signature that cannot be called.
    """

    def __init__(self, path: Path | None, root: Path, timeout_ms: int, *, main_thread: bool = True) -> None:
        shims.install()
        module = _load(path, root)
        for name in ("init", "run"):
            if not hasattr(module, name):
                raise ScriptError(
                    f"entry script {module.__file__} has no function {name}()", f"define {name}() in the script"
                )
        self.module = module
        self._init: Callable[[], object] = module.init
        # A generated "driver" wraps the real script; its run() passes arguments on wrongly, so call the real one.
        driver = getattr(module, "driver_module", None)
        self.run: Callable[..., Any] = (
            driver.run if isinstance(driver, ModuleType) and hasattr(driver, "run") else module.run
        )
        self.timeout_ms = timeout_ms
        self._alarm = _Alarm(timeout_ms) if main_thread else None
        self.decorated = self._is_decorated()
        self._wants_headers = False
        self.read: Reader = self._choose_reader()

    def init(self) -> None:
        """Call ``init()``. Raises :class:`ScriptError`."""
        try:
            self._init()
        except BaseException as error:
            raise ScriptError(
                f"init() of the entry script failed: {type(error).__name__}: {error}",
                "the traceback is in the log; check the model folder and the packages that it needs",
            ) from error

    def _is_decorated(self) -> bool:
        # Who uses the decorators has imported the package; nobody else pays for it.
        if "inference_schema" not in sys.modules:
            return False
        return bool(importlib.import_module("inference_schema.schema_util").is_schema_decorated(self.run))

    def _choose_reader(self) -> Reader:
        parameters = list(inspect.signature(self.run).parameters.values())
        if any(each.kind not in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters):
            raise ScriptError(
                "run() has positional-only parameters, *args or **kwargs", "give run() plain named parameters"
            )
        self._wants_headers = any(each.name == "request_headers" for each in parameters)
        parameters = [each for each in parameters if each.name != "request_headers"]
        if not parameters:
            raise ScriptError("run() has no parameter for the input data", "write it as run(data)")
        first = parameters[0].name
        if shims.raw_requested():
            if self.decorated:
                raise ScriptError("run() has both @rawhttp and @input_schema", "choose one of the two")
            return lambda request: {first: request}
        if self.decorated:
            return lambda request: read_object(request, parameters)
        return lambda request: {first: read_text(request)}

    def call(self, request: Request) -> tuple[Any, float]:
        """Read the input from `request` and run the script.

        Returns
        -------
        tuple
            What ``run()`` returned, and the milliseconds that it took.

        Raises
        ------
        BadInput
            The request does not fit ``run()``.
        ScoringTimeout, ScoringFailed
            See there.
        """
        arguments = self.read(request)
        if self._wants_headers:
            arguments["request_headers"] = dict(request.headers)
        started = time.perf_counter()
        try:
            if self._alarm is None:
                output = self.run(**arguments)
            else:
                try:
                    self._alarm.start()
                    output = self.run(**arguments)
                finally:
                    self._alarm.stop()
        except TimeoutError as error:
            raise ScoringTimeout from error
        except BaseException as error:
            # SystemExit too: a script that calls exit() must not end the service.
            if self.decorated and not self._reached(error):
                raise BadInput(f"The input does not fit the schema of run(): {error}") from error
            raise ScoringFailed from error
        return output, (time.perf_counter() - started) * 1000

    def _reached(self, error: BaseException) -> bool:
        """Whether the user's own function was entered, or the schema decorator failed to convert the input."""
        code = getattr(inspect.unwrap(self.run), "__code__", None)
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is code:
                return True
            trace = trace.tb_next
        return code is None


def _query(request: Request) -> dict[str, Any]:
    """Query parameters; each value is JSON if it can be, and repeated ones are a list."""

    def value(text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    values = {name: [value(text) for text in request.args.getlist(name)] for name in request.args}
    return {name: each[0] if len(each) == 1 else each for name, each in values.items()}


def _must_have_input(request: Request) -> None:
    if request.method not in ("GET", "POST"):
        raise BadInput("Method not allowed", 405)


def read_text(request: Request) -> str:
    """The input of an undecorated ``run()``: the body as text, or the query as a JSON object."""
    _must_have_input(request)
    if request.method == "GET":
        return json.dumps(_query(request))
    try:
        # The stream is read before anything can take the body for a form.
        return str(request.get_data(cache=True, parse_form_data=False), "utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"Input cannot be decoded as UTF-8: {error}") from None


def read_object(request: Request, parameters: list[inspect.Parameter]) -> dict[str, Any]:
    """The input of a ``run()`` with ``@input_schema``: one value a parameter, from a JSON object or the query."""
    _must_have_input(request)
    if request.method == "GET":
        return _pick(_query(request), parameters)
    if not request.is_json:
        raise BadInput("Expects Content-Type to be application/json", 415)
    body = request.get_data()
    if not body:
        raise BadInput("POST body is empty. Expecting a JSON dictionary.")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise BadInput(f"POST body could not be decoded as JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"POST body could not be decoded as JSON: {error}") from None
    except RecursionError:
        raise BadInput("POST body could not be decoded as JSON: it is nested too deeply") from None
    except ValueError as error:  # an integer with more digits than Python converts
        raise BadInput(f"POST body could not be decoded as JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadInput("POST body should be a JSON dictionary.")
    return _pick(document, parameters)


def _pick(document: dict[str, Any], parameters: list[inspect.Parameter]) -> dict[str, Any]:
    chosen = {}
    for parameter in parameters:
        value = document.get(parameter.name, parameter.default)
        if value is inspect.Parameter.empty:
            raise BadInput(f"A value is not provided for the {parameter.name!r} parameter.")
        chosen[parameter.name] = value
    return chosen
