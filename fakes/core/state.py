"""Everything that one fake remembers."""

from __future__ import annotations

import logging
import threading
import traceback
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fakes.core.background import Background
from fakes.core.clock import Clock, Ids
from fakes.core.content import Content, Source, Spool
from fakes.core.exchange import pieces, read
from fakes.core.faults import Faults
from fakes.core.operations import Operations
from fakes.core.records import decode, encode
from fakes.core.requestlog import RequestLog
from fakes.core.settings import Settings
from fakes.core.tenancy import Tenancy, Workspace
from fakes.core.tokens import Tokens
from fakes.core.transitions import Transition, Transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fakes.core.routing import Call

EXPORT_VERSION = 1
B = TypeVar("B", bound="Backend")


class Backend:
    """State and behaviour of one Azure service, without HTTP. One instance a `State`.

    A subclass sets `name`, keeps what it remembers in attributes made of `record` classes, dicts and lists, and lists
    those attributes in `exported`. `closing` ends what is not memory (sockets, folders).
    """

    name: ClassVar[str]
    exported: ClassVar[tuple[str, ...]] = ()

    def __init__(self, state: State) -> None:
        self.state = state

    def uses(self, workspace: Workspace, kind: str, name: str) -> list[str]:
        """Return the names of what needs `name` (of a kind: ``model``, ``environment``, ...), so that it stays."""
        return []

    def forget(self, workspace: Workspace) -> None:
        """A workspace is deleted: forget what is kept below its key. Called under the lock; a subclass ends more."""
        for name in self.exported:
            held = getattr(self, name)
            if isinstance(held, dict):
                held.pop(workspace.key, None)

    def closing(self) -> None:
        """End what must not outlive the state; called on reset and exit, without the lock."""

    def export(self, *, content: bool = False) -> dict[str, Any]:
        """Return what import needs."""
        return {name: encode(getattr(self, name), content=content) for name in self.exported}

    def load(self, values: Mapping[str, Any]) -> None:
        """Take what `export` returned, decoded."""
        for name in self.exported:
            if name in values:
                setattr(self, name, values[name])

    def loaded(self) -> None:
        """Called after every backend took its part of an import: start what the state says should run."""


class State:
    """One fake's memory. `lock` guards every backend; nobody waits or calls out while holding it."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.lock = threading.RLock()
        self.clock = Clock()
        self.closed = False
        self.generation = 0
        # Set by whoever opens a server door: variables that lead a child process back to this state.
        self.child_environment: Callable[[], dict[str, str]] | None = None
        self._begin(self.settings.seed)

    def _begin(self, seed: int | str) -> None:
        self.seed = seed
        self.ids = Ids(seed)
        self.request_ids = Ids(f"{seed}/requests")
        self.tokens = Tokens(self)
        self.tenancy = Tenancy(self)
        self.transitions = Transitions()
        self.operations = Operations(self)
        self.faults = Faults(self)
        self.requests = RequestLog(self.settings.request_log)
        self.bugs: list[str] = []
        self.background = Background()
        self.spool = Spool(self.settings.memory_body)
        self._backends: dict[type[Backend], Backend] = {}
        self.tenancy.seed()

    def backend(self, cls: type[B]) -> B:
        """Return the backend of one service, made when it is first asked for."""
        with self.lock:
            found = self._backends.get(cls)
            if found is None:
                found = self._backends[cls] = cls(self)
            return found  # type: ignore[return-value]

    def users_of(self, workspace: Workspace, kind: str, name: str) -> list[str]:
        """Return the names of what needs `name`, over all services."""
        with self.lock:
            return [user for backend in self._backends.values() for user in backend.uses(workspace, kind, name)]

    def forget(self, workspace: Workspace) -> None:
        """Let every service forget a workspace: one of the same name begins empty."""
        with self.lock:
            for backend in list(self._backends.values()):
                backend.forget(workspace)
            self.tenancy.workspaces.pop(workspace.key, None)

    def workspace(self, name: str | None = None) -> Workspace:
        """Return the workspace of the settings, or another of the same resource group by name."""
        s = self.settings
        return self.tenancy.workspace(s.subscription_id, s.resource_group, name or s.workspace_name)

    def note_bug(self, call: Call, error: Exception) -> None:
        """Remember an exception that the fake itself did not expect, with its traceback."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        with self.lock:
            self.bugs.append(f"{call.route.operation}\n{text}")
        logging.getLogger("fakes").error("%s failed\n%s", call.route.operation, text)

    def reset(self, seed: int | str | None = None) -> None:
        """Forget everything, end every thread and child, and begin again (same seed unless another is given)."""
        self._end()
        with self.lock:
            self.clock.reset()
            self.generation += 1
            self.closed = False
            self._begin(self.seed if seed is None else seed)

    def close(self) -> None:
        """End every thread and child."""
        self._end()

    def _end(self) -> None:
        with self.lock:
            self.closed = True
            backends, background, spool = list(self._backends.values()), self.background, self.spool
        background.stop()
        for backend in backends:
            backend.closing()
        spool.close()

    def pieces(self) -> Iterator[bytes]:
        """Return the exported state as pieces of JSON, as it is now; content is read as they are taken."""
        return pieces(self._export(content=True))

    def export(self) -> dict[str, Any]:
        """Return the state as JSON types, all of it in memory. Request log and threads are not part of it."""
        return self._export(content=False)

    def _export(self, *, content: bool) -> dict[str, Any]:
        with self.lock:
            return {
                "version": EXPORT_VERSION,
                "seed": self.seed,
                "ids": self.ids.export(),
                "clock": self.clock.export(),
                "tenancy": encode(
                    {
                        name: getattr(self.tenancy, name)
                        for name in ("subscriptions", "groups", "workspaces", "accounts")
                    }
                ),
                "transitions": self.transitions.document(),
                "operations": encode(self.operations.export()),
                "faults": encode(self.faults.rules()),
                "services": {
                    b.name: b.export(content=content) for b in sorted(self._backends.values(), key=lambda b: b.name)
                },
            }

    def load(self, document: Mapping[str, Any]) -> None:
        """Replace the state by an exported one.

        Raises
        ------
        ValueError
            The document was written by another version, or by no fake at all. The state is unchanged then.
        """
        self._load(document, None, Spool(self.settings.memory_body))

    def read(self, source: Source) -> None:
        """Replace the state by an exported one, read from a stream: blobs go to files as they come.

        Raises
        ------
        ValueError
            As `load`.
        """
        spool = Spool(self.settings.memory_body)
        try:
            document, contents = read(source, spool)
            self._load(document, contents, spool)
        except BaseException:
            if self.spool is not spool:
                spool.close()
            raise

    def _load(self, document: Any, contents: Sequence[Content] | None, spool: Spool) -> None:
        if not isinstance(document, dict):
            raise ValueError("this is no exported state: it is no JSON object")  # noqa: TRY004 - it was read
        version = document.get("version")
        if version != EXPORT_VERSION:
            raise ValueError(f"this is version {version!r} of the exported state; this fake reads {EXPORT_VERSION}")
        from fakes.core.application import load_services

        load_services()
        known = {cls.name: cls for cls in backends_known()}
        unknown = set(document.get("services", {})) - set(known)
        if unknown:
            raise ValueError(f"the exported state holds unknown services: {', '.join(sorted(unknown))}")
        try:
            tenancy = decode(document["tenancy"])
            operations, faults = decode(document["operations"]), decode(document["faults"])
            rules = {kind: Transition(**rule) for kind, rule in document["transitions"].items()}
            services = {name: decode(part, contents) for name, part in document.get("services", {}).items()}
            seed, clock = document["seed"], Clock()
            # Ids that are handed out from now on must not repeat those of the export.
            ids = Ids(f"{seed}/after import")
            if "ids" in document:
                ids.load(document["ids"])
            if "clock" in document:
                clock.load(document["clock"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the exported state is not complete: {type(error).__name__} {error}") from error
        self.reset(seed)
        with self.lock:
            self.spool.close()
            self.spool = spool
            self.ids = ids
            self.clock.load(clock.export())
            for name, value in tenancy.items():
                setattr(self.tenancy, name, value)
            for kind, rule in rules.items():
                self.transitions.set(kind, rule.mode, rule.after, rule.failure)
            self.operations.load(operations)
            self.faults.load(faults)
            for name, part in services.items():
                self.backend(known[name]).load(part)
        for backend in list(self._backends.values()):
            backend.loaded()


def backends_known() -> list[type[Backend]]:
    """Return every backend class that is declared."""
    found: list[type[Backend]] = []
    todo: list[type[Backend]] = [Backend]
    while todo:
        for cls in todo.pop().__subclasses__():
            todo.append(cls)
            if "name" in cls.__dict__:
                found.append(cls)
    return found
