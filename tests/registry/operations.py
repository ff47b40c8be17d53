"""Every write operation of the file stores, and what a store must look like before and after it, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.files import disk
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from registry.runs import RunState

WHO = {"who": "me", "why": "test"}


def sources(work: Path) -> Path:
    """Artifacts to register; made once."""
    folder = work / "sources"
    if not folder.exists():
        for number in range(5):
            inner = folder / str(number) / "model"
            inner.mkdir(parents=True)
            (inner / "model.joblib").write_bytes(b"model %d" % number)
            (inner / "shared.json").write_text("{}")
    return folder


# ---- models -----------------------------------------------------------------------------------------------------


def prepare_models(root: Path, work: Path) -> None:
    registry = FileModelRegistry(root)
    for number in range(3):
        registry.register("m", sources(work) / str(number) / "model", tags={"n": str(number)})
    registry.set_alias("m", "production", 1, **WHO)
    registry.delete("m", 2)
    registry.collect()


def prepare_leftovers(root: Path, work: Path) -> None:
    prepare_models(root, work)
    FileModelRegistry(root).register("m", sources(work) / "2" / "model" / "model.joblib")
    FileModelRegistry(root).delete("m", 4)
    for number in range(3):
        (root / "blobs" / (str(number) * 64)).write_text("nobody names this")
    (root / "staging" / f"{'0' * 16}.json").write_text("its writer is dead")
    (root / "staging" / f"{'0' * 16}.1").write_text("its writer is dead")


def _artifact(work: Path, number: int) -> Path:
    return sources(work) / str(number) / "model"


def prepare_import(root: Path, work: Path) -> None:
    prepare_models(root, work)
    other = FileModelRegistry(work / "other")
    if not (work / "export.tar").exists():
        for number in (3, 4):
            other.register("other", _artifact(work, number), tags={"n": "x"})
        other.set_alias("other", "qa", 2, **WHO)
        other.set_tags("other", 1, {"n": "y"})
        other.export(work / "export.tar")


def alias_unsynced(registry: FileModelRegistry, work: Path) -> None:
    """Another process published a version and died before it was durable; then an alias moves to it."""
    whole = disk.sync_folder
    disk.sync_folder = lambda folder: None if folder.name == "versions" else whole(folder)
    try:
        number = registry.register("m", _artifact(work, 3)).version
    finally:
        disk.sync_folder = whole
    registry.set_alias("m", "production", number, **WHO)


MODELS: dict[str, tuple[Callable[[Path, Path], None] | None, Callable[[FileModelRegistry, Path], Any]]] = {
    "first": (None, lambda registry, work: registry.register("m", _artifact(work, 3))),
    "register": (prepare_models, lambda registry, work: registry.register("m", _artifact(work, 3), tags={"n": "3"})),
    "again": (prepare_models, lambda registry, work: registry.register("m", _artifact(work, 1), tags={"n": "1"})),
    "alias": (prepare_models, lambda registry, work: registry.set_alias("m", "production", 3, **WHO)),
    "new-alias": (prepare_models, lambda registry, work: registry.set_alias("m", "qa", 3, **WHO)),
    "alias-unsynced": (prepare_models, alias_unsynced),
    "tags": (prepare_models, lambda registry, work: registry.set_tags("m", 3, {"n": None, "new": "1"})),
    "delete": (prepare_models, lambda registry, work: registry.delete("m", 3)),
    "collect": (prepare_leftovers, lambda registry, work: registry.collect()),
    "import": (prepare_import, lambda registry, work: registry.import_(work / "export.tar")),
}


@dataclass(frozen=True)
class Models:
    """What a store of models holds, without times."""

    versions: dict[str, tuple[str, dict[str, str]]]
    history: list[tuple[Any, ...]]

    @classmethod
    def read(cls, root: Path) -> Models:
        registry = FileModelRegistry(root)
        moves = [move for name in registry.names() for move in registry.history(name)]
        return cls(
            {found.reference: (found.digest, dict(found.tags)) for found in registry.versions()},
            [(m.name, m.alias, m.sequence, m.from_version, m.to_version) for m in moves],
        )


def audit_models(root: Path, work: Path, operation: str, before: Models, after: Models, acknowledged: bool) -> None:
    """Open, list, verify, do it again, register again, collect: nothing acknowledged is lost, nothing is half there."""
    registry = FileModelRegistry(root)
    assert registry.verify().problems == []
    now = Models.read(root)
    if acknowledged:
        assert now == after
    elif operation == "import":  # any number of its documents may have arrived: again, it adds the rest
        assert now.versions.items() >= before.versions.items()
        registry.import_(work / "export.tar")
        assert Models.read(root) == after
        now = after
    elif operation == "alias-unsynced":  # the version may be there without the alias, never the other way round
        assert now.history in (before.history, after.history)
    else:
        assert now in (before, after)
    numbers = [version.version for version in registry.versions("m")]
    ever = max([{"first": 0, "collect": 4}.get(operation, 3), *numbers])
    assert registry.register("m", _artifact(work, 4)).version == ever + 1
    assert registry.download("m", ever + 1, root.parent / "out").is_dir()
    registry.set_alias("m", "after", ever + 1, **WHO)
    collected = registry.collect()
    assert (collected.problems, collected.alive) == ([], 0)
    assert list((root / "staging").iterdir()) == []
    used = {file.sha256 for found in registry.versions() for file in registry.artifact(found.name, found.version).files}
    assert {path.name for path in (root / "blobs").iterdir()} == used
    assert registry.verify().problems == []
    assert Models.read(root).versions.items() >= now.versions.items()


# ---- data sets --------------------------------------------------------------------------------------------------


def prepare_data(root: Path, work: Path) -> None:
    FileDataSets(root).register("d", _artifact(work, 0))


DATA: dict[str, tuple[Callable[[Path, Path], None] | None, Callable[[FileDataSets, Path], Any]]] = {
    "data-first": (None, lambda data, work: data.register("d", _artifact(work, 1) / "model.joblib")),
    "data-register": (prepare_data, lambda data, work: data.register("d", _artifact(work, 1), profile={"rows": 1})),
    "data-equal": (prepare_data, lambda data, work: data.register("d", _artifact(work, 0))),
}


def read_data(root: Path) -> dict[str, str]:
    return {found.reference: found.digest for found in FileDataSets(root).versions()}


def audit_data(root: Path, work: Path, operation: str, before: Any, after: Any, acknowledged: bool) -> None:
    data = FileDataSets(root)
    now = read_data(root)
    assert now == after if acknowledged else now in (before, after)
    for found in list(data.versions()):
        data.download(found.name, found.version, root.parent / f"out-{found.version}")
    assert data.register("d", _artifact(work, 4)).version == len(now) + 1
    assert read_data(root).items() >= now.items()
    assert data.collect().problems == []
    assert list((root / "staging").iterdir()) == []


# ---- runs -------------------------------------------------------------------------------------------------------


def prepare_runs(root: Path, work: Path) -> None:
    run = FileRunHistory(root).start("e", name="run", parameters={"a": 1})
    run.log_metric("mse", 1.0)
    run.log_metric("mse", 2.0)


def _run(history: FileRunHistory) -> Any:
    return history.open(next(history.search("e")).id)


RUNS: dict[str, tuple[Callable[[Path, Path], None] | None, Callable[[FileRunHistory, Path], Any]]] = {
    "run-first": (None, lambda history, work: history.start("e", name="run")),
    "run-metric": (prepare_runs, lambda history, work: _run(history).log_metric("mse", 3.0)),
    "run-upload": (prepare_runs, lambda history, work: _run(history).upload("f", _artifact(work, 1) / "model.joblib")),
    "run-complete": (prepare_runs, lambda history, work: _run(history).complete()),
}


def read_runs(root: Path) -> list[Any]:
    history = FileRunHistory(root)
    return [
        (info.name, info.state, dict(info.parameters), history.metric(info.id, "mse"), history.files(info.id))
        for info in history.search()
    ]


def audit_runs(root: Path, work: Path, operation: str, before: Any, after: Any, acknowledged: bool) -> None:
    history = FileRunHistory(root)
    now = read_runs(root)
    assert now == after if acknowledged else now in (before, after)
    for info in list(history.search()):
        for name in history.files(info.id):
            history.download(info.id, name, root.parent / f"out-{name}")
        if info.state is RunState.RUNNING:
            run = history.open(info.id)
            run.log_metric("r2", 0.5)
            run.complete()
            assert history.get(info.id).metrics["r2"] == 0.5
    history.start("e").complete()
    assert len(list(history.search(state=RunState.COMPLETED))) == len(now) + 1
    assert history.collect().problems == []
    assert list((root / "staging").iterdir()) == []
    for experiment in (root / "experiments").iterdir():
        assert all((run / "run.json").is_file() for run in experiment.iterdir())


@dataclass(frozen=True)
class Operation:
    """One write operation: how its store is prepared, what it does, what is read and audited."""

    name: str
    prepare: Callable[[Path, Path], None] | None
    act: Callable[[Any, Path], Any]
    open: Callable[[Path], Any]
    read: Callable[[Path], Any]
    audit: Callable[..., None]

    def run(self, root: Path, work: Path) -> None:
        self.act(self.open(root), work)


OPERATIONS: dict[str, Operation] = {
    **{name: Operation(name, *each, FileModelRegistry, Models.read, audit_models) for name, each in MODELS.items()},
    **{name: Operation(name, *each, FileDataSets, read_data, audit_data) for name, each in DATA.items()},
    **{name: Operation(name, *each, FileRunHistory, read_runs, audit_runs) for name, each in RUNS.items()},
}
