"""``mock_azure``: decorator, context manager and plain start/stop over one state."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fakes.core.folders import process_folder
from fakes.core.settings import Settings
from fakes.core.state import State
from fakes.doors.client import identity_variables, scrubbed, write_azure_cli
from fakes.doors.discovery_cache import DiscoveryCache
from fakes.doors.guard import Guard
from fakes.doors.inprocess import Interception
from fakes.doors.shared import SharedServer, engine_loaded

if TYPE_CHECKING:
    from fakes.core.application import Application

T = TypeVar("T")
Door = Literal["inprocess", "server"]


def process_home() -> Path:
    """Return the HOME of this process while a fake is on.

    One for all activations: the SDK reads HOME once, when it is imported (its discovery cache).
    """
    return process_folder() / "home"


class Environment:
    """The variables and the HOME that a program sees while the fake is on."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._saved: dict[str, str] = {}
        self._cache: DiscoveryCache | None = None

    def enter(self) -> None:
        """Set the variables and make an empty HOME."""
        self._saved = dict(os.environ)
        self._cache = DiscoveryCache(Path.home())
        home = process_home()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        for name in set(os.environ) - set(scrubbed(dict(os.environ))):
            del os.environ[name]
        settings = self._state.settings
        if settings.sign_in == "azure-cli":
            from fakes.services.signin import azure_cli

            write_azure_cli(home, azure_cli.files(self._state))
        os.environ.update(identity_variables(settings, home))

    def leave(self) -> None:
        """Put the variables back as they were."""
        if self._cache is not None:
            self._cache.restore()
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
        What the fake remembers: `State.faults`, `State.transitions`, `State.clock`, `State.requests`, ...
    settings
        Names and credentials.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.state = State(settings)
        self.settings = self.state.settings
        self.state.child_environment = self.child_environment

    @functools.cached_property
    def application(self) -> Application:
        """What answers the requests. Made for the first of them: turning the fake on needs none of the services."""
        from fakes.core.application import Application

        return Application(self.state)

    def reset(self, seed: int | str | None = None) -> None:
        """Forget everything."""
        self.state.reset(seed)

    def token(self, **options: Any) -> str:
        """Return an access token of the default service principal, for programs that do not use the SDK."""
        return self.state.tokens.issue(**options)

    def child_environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """Return the variables for a child process that must reach this fake; starts the server on first use."""
        variables = {**scrubbed(dict(os.environ)), **SHARED.variables()}
        return {**variables, **identity_variables(self.settings, process_home()), **(extra or {})}


class _Active:
    """The one activation of this process; nested ones share it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0
        self.fake: Fake | None = None
        self.stack = contextlib.ExitStack()
        self.guard = Guard()
        self.interception: Interception | None = None
        self.owner = 0

    def application(self) -> Application:
        """Return the application that answers now."""
        fake = self.fake
        return fake.application if fake is not None else _ended()

    def wants_server(self) -> bool:
        """Whether a child process of this process should be led to the server."""
        return self.fake is not None and os.getpid() == self.owner

    def enter(self, settings: Settings | None, door: Door) -> Fake:
        """Turn the fake on, or join the one that is on."""
        with self.lock:
            if self.fake is None:
                self._begin(Fake(settings), door)
            elif settings is not None and settings != self.fake.settings:
                raise RuntimeError("a fake with other settings is active already: nested activations share one state")
            self.depth += 1
            return self.fake  # type: ignore[return-value]

    def _begin(self, fake: Fake, door: Door) -> None:
        with contextlib.ExitStack() as stack:
            environment = Environment(fake.state)
            stack.callback(environment.leave)
            environment.enter()
            self.guard.begin()
            stack.callback(self.guard.end)
            if door == "inprocess":
                self.interception = Interception(self.application, lambda: SHARED.address)
                stack.callback(self.interception.stop)
                self.interception.start()
            self.fake, self.owner = fake, os.getpid()
            stack.callback(self._forget)
            if door == "server" or SHARED.running or engine_loaded():
                SHARED.enter_environment(other_hosts=door != "server")
            SHARED.watch(self.wants_server)
            self.stack = stack.pop_all()

    def _forget(self) -> None:
        fake, self.fake = self.fake, None
        if fake is not None and os.getpid() == self.owner:
            fake.state.close()

    def leave(self) -> None:
        """Turn the fake off when the outermost activation ends."""
        with self.lock:
            if self.depth == 0:
                raise RuntimeError("no fake of Azure is active")
            self.depth -= 1
            if self.depth == 0:
                self.stack.close()

    def after_fork(self) -> None:
        """In a forked child the in-process door is closed: its state would be a copy. The server is the way."""
        self.lock = threading.RLock()
        if self.fake is not None:
            self.fake, self.depth = None, 0
            self.stack.pop_all()
            if self.interception is not None:
                self.interception.stop()


@functools.cache
def _ended() -> Application:
    """Answer requests that come when no fake is on: every one is refused."""
    from fakes.core.application import Application

    return Application(State(), services=())


ACTIVE = _Active()
SHARED = SharedServer(ACTIVE.application)
os.register_at_fork(after_in_child=ACTIVE.after_fork)


class MockAzure:
    """Azure ML, faked in this process: ``with mock_azure() as azure``, or a decorator of a function or a class.

    Activations may be nested: they share one state, which begins fresh with the outermost.
    """

    def __init__(self, settings: Settings | None = None, door: Door = "inprocess") -> None:
        if door not in ("inprocess", "server"):
            raise ValueError(f"door must be 'inprocess' or 'server', not {door!r}")
        self._settings, self._door = settings, door

    def start(self) -> Fake:
        """Turn the fake on."""
        return ACTIVE.enter(self._settings, self._door)

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
            _decorate_class(self, target)
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


def _decorate_class(activation: MockAzure, cls: type[Any]) -> None:
    """Turn the fake on around each test of a class, its set-up and tear-down included."""
    if hasattr(cls, "addCleanup"):  # unittest.TestCase, which is slow to import
        set_up = cls.setUp

        def begin(self: Any) -> None:
            activation.start()
            self.addCleanup(activation.stop)
            set_up(self)

        cls.setUp = functools.wraps(set_up)(begin)
        return
    before, after = getattr(cls, "setup_method", None), getattr(cls, "teardown_method", None)

    def setup_method(self: Any, method: Any) -> None:
        activation.start()
        if before is not None:
            try:
                before(self, *([method] if len(inspect.signature(before).parameters) > 1 else []))
            except BaseException:
                activation.stop()
                raise

    def teardown_method(self: Any, method: Any) -> None:
        try:
            if after is not None:
                after(self, *([method] if len(inspect.signature(after).parameters) > 1 else []))
        finally:
            activation.stop()

    for name, member in list(vars(cls).items()):
        if name.startswith("test") and inspect.isfunction(member):
            setattr(cls, name, activation(member))
    setattr(cls, "setup_method", setup_method)  # noqa: B010 - the class need not have it
    setattr(cls, "teardown_method", teardown_method)  # noqa: B010


def mock_azure(target: Any = None, *, door: Door = "inprocess", **settings: Any) -> Any:
    """Fake Azure ML in this process.

    Use it as ``with mock_azure() as azure:``, ``@mock_azure`` or ``@mock_azure(workspace_name="ws")``.

    Parameters
    ----------
    door
        ``inprocess`` answers every request of the ``requests`` library in this process, and starts the server for
        child processes and the native data engine when they come. ``server`` sends everything through the server.
    **settings
        Fields of `fakes.Settings`, for example ``strict=False`` or ``workspace_name="ws"``.

    Returns
    -------
    MockAzure, or the decorated function or class
        Entering it gives the `Fake`.
    """
    activation = MockAzure(Settings(**settings) if settings else None, door)
    return activation if target is None else activation(target)
