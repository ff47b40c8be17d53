"""``mock_azure``: decorator, context manager and plain start/stop over one state."""

from __future__ import annotations

import atexit
import contextlib
import functools
import inspect
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from fakes.core.application import Application
from fakes.core.settings import Settings
from fakes.core.state import State
from fakes.doors.inprocess import Interception

T = TypeVar("T")

# Variables that change where the SDK signs in or what it contacts: taken away while the fake is on.
_SCRUBBED_PREFIXES = ("AZUREML_", "AZURE_", "MSI_", "IDENTITY_", "ARM_CLOUD_METADATA_URL")
_STILL = {
    "AZUREML_CURRENT_CLOUD": "AzureCloud",
    "AZUREML_LOG_DEPRECATION_WARNING_ENABLED": "False",
    # Read when azureml is first imported: fault tests need not wait for its back-off.
    "AZUREML_DEFAULT_BACKOFF": "0",
    "AZUREML_DEFAULT_500_BACKOFF": "0",
    "AZUREML_DEFAULT_503_BACKOFF": "0",
    # Stills telemetry.
    "HBI_WORKSPACE_JOB": "true",
}
_KEPT = ("AZUREML_DEFAULT_RETRIES",)


@functools.cache
def process_home() -> Path:
    """Return the HOME of this process while a fake is on: one for all activations, removed at exit.

    The SDK reads HOME once, when it is imported (its discovery cache), so a new directory each time would leave it
    with a path that is gone.
    """
    home = Path(tempfile.mkdtemp(prefix="fakes-home-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(home, ignore_errors=True)

    atexit.register(remove)
    return home


class Environment:
    """The variables and the HOME that a program sees while the fake is on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._saved: dict[str, str] = {}

    def enter(self) -> None:
        """Set the variables and make an empty HOME."""
        self._saved = dict(os.environ)
        home = process_home()
        for child in home.iterdir():
            shutil.rmtree(child, ignore_errors=True) if child.is_dir() else child.unlink(missing_ok=True)
        for name in list(os.environ):
            if name.startswith(_SCRUBBED_PREFIXES) and name not in _KEPT:
                del os.environ[name]
        os.environ.update(_STILL)
        os.environ.update(self._settings.environment())
        os.environ["HOME"] = str(home)
        os.environ["AZURE_CONFIG_DIR"] = str(home / "no-azure-cli-here")

    def leave(self) -> None:
        """Put the variables back as they were."""
        for name in set(os.environ) - set(self._saved):
            del os.environ[name]
        for name, value in self._saved.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


class Fake:
    """One fake of Azure ML as a test sees it.

    Attributes
    ----------
    state
        What the fake remembers.
    application
        What answers.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.application = Application(State(settings))
        self.state = self.application.state
        self.settings = self.state.settings

    def reset(self, seed: int | str | None = None) -> None:
        """Forget everything."""
        self.state.reset(seed)

    def token(self, **options: Any) -> str:
        """Return an access token of the default service principal, for programs that do not use the SDK."""
        return self.state.tokens.issue(**options)


class _Active:
    """The one activation of this process; nested ones share it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0
        self.fake: Fake | None = None
        self.exit: contextlib.ExitStack | None = None

    def application(self) -> Application:
        fake = self.fake
        if fake is None:
            raise RuntimeError("no fake of Azure is active")
        return fake.application

    def enter(self, settings: Settings | None) -> Fake:
        with self.lock:
            if self.fake is None:
                fake = Fake(settings)
                stack = contextlib.ExitStack()
                environment = Environment(fake.settings)
                environment.enter()
                stack.callback(environment.leave)
                self.fake = fake
                interception = Interception(self.application)
                interception.start()
                stack.callback(interception.stop)
                self.exit = stack
            elif settings is not None and settings != self.fake.settings:
                raise RuntimeError("a fake with other settings is active already: nested activations share one state")
            self.depth += 1
            return self.fake

    def leave(self) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth:
                return
            fake, stack, self.exit = self.fake, self.exit, None
            if fake is not None:
                fake.state.close()
            if stack is not None:
                stack.close()
            self.fake = None


ACTIVE = _Active()


class MockAzure:
    """Azure ML, faked in this process: ``with mock_azure() as azure``, or a decorator of a function or a class.

    Activations may be nested: they share one state, which begins fresh with the outermost.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings

    def start(self) -> Fake:
        """Turn the fake on."""
        return ACTIVE.enter(self._settings)

    def stop(self) -> None:
        """Turn the fake off."""
        ACTIVE.leave()

    def __enter__(self) -> Fake:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __call__(self, target: T) -> T:
        """Decorate a function, a coroutine function, or every test method of a class."""
        if inspect.isclass(target):
            for name, member in list(vars(target).items()):
                if name.startswith(("test", "setUp", "tearDown")) and inspect.isfunction(member):
                    setattr(target, name, self(member))
            return target
        if inspect.iscoroutinefunction(target):

            @functools.wraps(target)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await target(*args, **kwargs)

            return run_async  # type: ignore[return-value]
        if not callable(target):
            raise TypeError(f"mock_azure decorates functions and classes, not {type(target).__name__}")
        function: Callable[..., Any] = target

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]


def mock_azure(target: Any = None, **settings: Any) -> Any:
    """Fake Azure ML in this process.

    Use it as ``with mock_azure() as azure:``, ``@mock_azure`` or ``@mock_azure(workspace_name="ws")``.

    Parameters
    ----------
    **settings
        Fields of `fakes.Settings`, for example ``strict=False`` or ``workspace_name="ws"``.

    Returns
    -------
    MockAzure, or the decorated function or class
        Entering it gives the `Fake`.
    """
    activation = MockAzure(Settings(**settings) if settings else None)
    return activation if target is None else activation(target)
