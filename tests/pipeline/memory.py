"""The seams in memory: proof that steps and runners need nothing but the seams."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import EllipsisType
from typing import Any

from registry import names
from registry.artifacts import survey
from registry.data import DataSets, DataSetVersion
from registry.digests import tree_digest
from registry.errors import AliasMoved, Conflict, InUse, NotFound
from registry.models import AliasMove, Lineage, ModelRegistry, ModelVersion, moment_after
from registry.runs import Run, RunHistory, RunInfo, RunState


def now() -> datetime:
    return datetime.now(timezone.utc)


class Shelf:
    """Copies of artifacts."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.numbers = itertools.count()

    def put(self, path: Path) -> Path:
        survey(path)  # refuses links, special files, what is not there
        target = self.root / str(next(self.numbers)) / path.name
        target.parent.mkdir()
        copy(path, target)
        return target

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def copy(source: Path, target: Path) -> Path:
    if target.exists():
        raise Conflict(f"{target} exists")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    return target


def matches(tags: Mapping[str, str], wanted: Mapping[str, str | None] | None) -> bool:
    return all(name in tags and value in (None, tags[name]) for name, value in (wanted or {}).items())


class MemoryModels(ModelRegistry):
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.stored: dict[tuple[str, int], ModelVersion] = {}
        self.files: dict[tuple[str, int], Path] = {}
        self.moves: list[AliasMove] = []
        self.last: dict[str, int] = {}

    def register(
        self,
        name: str,
        artifact: Path,
        *,
        description: str = "",
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        lineage: Lineage | None = None,
    ) -> ModelVersion:
        names.check_name(name)
        kept = self.shelf.put(artifact)
        metrics = names.check_metrics(metrics)
        self.last[name] = number = self.last.get(name, 0) + 1  # a number is never given again
        self.files[name, number] = kept
        self.stored[name, number] = ModelVersion(
            name,
            number,
            tree_digest(kept),
            survey(kept),
            now(),
            description,
            dict(metrics or {}),
            dict(parameters or {}),
            dict(tags or {}),
            dict(properties or {}),
            lineage or Lineage(),
        )
        return self.get(name, number)

    def get(self, name: str, version: int) -> ModelVersion:
        names.check_name(name)
        names.check_version(version)
        if (name, version) not in self.stored:
            raise NotFound(f"no {name}:{version}")
        aliases = tuple(sorted(alias for alias, number in self.aliases(name).items() if number == version))
        return replace(self.stored[name, version], aliases=aliases)

    def latest(self, name: str) -> ModelVersion:
        names.check_name(name)
        for version in self.versions(name):
            return version
        raise NotFound(f"no model {name}")

    def versions(
        self, name: str | None = None, *, tags: Mapping[str, str | None] | None = None, limit: int | None = None
    ) -> Iterator[ModelVersion]:
        if name is not None:
            names.check_name(name)
        keys = sorted((key for key in self.stored if name in (None, key[0])), key=lambda key: (key[0], -key[1]))
        found = (self.get(*key) for key in keys if matches(self.stored[key].tags, tags))
        return itertools.islice(found, limit)

    def names(self) -> list[str]:
        return sorted({name for name, _ in self.stored})

    def download(self, name: str, version: int, target: Path) -> Path:
        self.get(name, version)
        kept = self.files[name, version]
        return copy(kept, target / kept.name)

    def alias(self, name: str, alias: str) -> int | None:
        names.check_name(alias, "alias")
        return self.aliases(name).get(alias)

    def aliases(self, name: str) -> dict[str, int]:
        names.check_name(name)
        last = {move.alias: move.to_version for move in self.moves if move.name == name}
        return {alias: number for alias, number in last.items() if number is not None}

    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | None,
        *,
        who: str,
        why: str,
        expect: int | EllipsisType | None = ...,
    ) -> AliasMove:
        names.check_name(name)
        names.check_name(alias, "alias")
        if version is not None:
            self.get(name, version)
        before = self.alias(name, alias)
        if expect is not ... and expect != before:
            raise AliasMoved(f"{alias} names {before}", winner=before)
        if version is None and before is None:
            raise NotFound(f"{name} has no alias {alias}")
        moves = self.history(name, alias)
        when = moment_after(moves[-1] if moves else None)
        move = AliasMove(name, alias, len(moves) + 1, when, before, version, who, why)
        self.moves.append(move)
        return move

    def history(self, name: str, alias: str | None = None) -> list[AliasMove]:
        names.check_name(name)
        return [move for move in self.moves if move.name == name and alias in (None, move.alias)]

    def set_tags(self, name: str, version: int, tags: Mapping[str, str | None]) -> ModelVersion:
        merged = {**self.get(name, version).tags, **tags}
        kept = {key: value for key, value in merged.items() if value is not None}
        self.stored[name, version] = replace(self.stored[name, version], tags=kept)
        return self.get(name, version)

    def delete(self, name: str, version: int) -> None:
        self.get(name, version)
        if version in self.aliases(name).values():
            raise InUse(f"{name}:{version} is in use: {', '.join(sorted(self.aliases(name)))}")
        del self.stored[name, version]


class MemoryRun(Run):
    def __init__(self, history: MemoryRuns, run_id: str) -> None:
        self.history = history
        self.id = run_id

    def info(self) -> RunInfo:
        return self.history.get(self.id)

    def _set(self, **changes: Any) -> None:
        self.history.stored[self.id] = replace(self.info(), **changes)

    def log_metric(self, name: str, value: float, *, step: int | None = None) -> None:
        value = names.check_metric(name, value)
        self.history.values.setdefault((self.id, name), []).append((step, value))
        self._set(metrics={**self.info().metrics, name: float(value)})

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        self._set(parameters={**self.info().parameters, **parameters})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._set(tags={**self.info().tags, **tags})

    def upload(self, name: str, path: Path) -> None:
        names.check_path(name, "file")
        if not path.is_file():
            raise NotFound(f"there is no file {path}")
        if self.history.kept.setdefault((self.id, name), path.read_bytes()) != path.read_bytes():
            raise Conflict(f"run {self.id} has another file {name!r} already")

    def child(self, name: str, *, tags: Mapping[str, str] | None = None) -> Run:
        return self.history.start(self.info().experiment, name=name, parent=self.id, tags=tags)

    def _end(self, state: RunState, error: str | None = None) -> None:
        before = self.info().state
        if before.final and before is not state:
            raise Conflict(f"run {self.id} is {before.value}")
        if not before.final:
            self._set(state=state, ended=now(), error=error)

    def complete(self) -> None:
        self._end(RunState.COMPLETED)

    def fail(self, error: str) -> None:
        self._end(RunState.FAILED, error)

    def cancel(self) -> None:
        self._end(RunState.CANCELED)


class MemoryRuns(RunHistory):
    def __init__(self) -> None:
        self.stored: dict[str, RunInfo] = {}
        self.values: dict[tuple[str, str], list[tuple[int | None, float]]] = {}
        self.kept: dict[tuple[str, str], bytes] = {}

    def start(
        self,
        experiment: str,
        *,
        name: str = "",
        parent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        names.check_name(experiment, "experiment")
        if parent is not None:
            self.get(parent)
        run_id = f"run-{len(self.stored) + 1}"
        self.stored[run_id] = RunInfo(
            run_id, experiment, name, RunState.RUNNING, now(), now(), None, parent, dict(parameters or {}), {},
            dict(tags or {}),
        )  # fmt: skip
        return MemoryRun(self, run_id)

    def open(self, run_id: str) -> Run:
        self.get(run_id)
        return MemoryRun(self, run_id)

    def get(self, run_id: str) -> RunInfo:
        if run_id not in self.stored:
            raise NotFound(f"no run {run_id}")
        return self.stored[run_id]

    def search(
        self,
        experiment: str | None = None,
        *,
        parent: str | None = None,
        state: RunState | None = None,
        tags: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[RunInfo]:
        found = (
            run
            for run in reversed(list(self.stored.values()))
            if experiment in (None, run.experiment)
            and parent in (None, run.parent)
            and state in (None, run.state)
            and matches(run.tags, tags)
        )
        return itertools.islice(found, limit)

    def metric(self, run_id: str, name: str) -> list[tuple[int | None, float]]:
        self.get(run_id)
        return self.values.get((run_id, name), [])

    def files(self, run_id: str) -> list[str]:
        self.get(run_id)
        return sorted(name for run, name in self.kept if run == run_id)

    def download(self, run_id: str, name: str, target: Path) -> Path:
        if (run_id, name) not in self.kept:
            raise NotFound(f"run {run_id} has no file {name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.kept[run_id, name])
        return target


class MemoryData(DataSets):
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.stored: list[tuple[DataSetVersion, Path]] = []

    def register(
        self,
        name: str,
        path: Path,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> DataSetVersion:
        names.check_name(name, "data set")
        kept = self.shelf.put(path)
        known = list(self.versions(name))
        if known and known[0].digest == tree_digest(kept):
            return known[0]
        version = DataSetVersion(
            name,
            len(known) + 1,
            tree_digest(kept),
            survey(kept),
            now(),
            description,
            dict(tags or {}),
            dict(profile or {}),
        )
        self.stored.append((version, kept))
        return version

    def get(self, name: str, version: int | None = None) -> DataSetVersion:
        names.check_name(name, "data set")
        if version is not None:
            names.check_version(version)
        for item in self.versions(name):
            if version in (None, item.version):
                return item
        raise NotFound(f"no data set {name}:{version}")

    def versions(self, name: str | None = None) -> Iterator[DataSetVersion]:
        return (version for version, _ in reversed(self.stored) if name in (None, version.name))

    def download(self, name: str, version: int, target: Path) -> Path:
        wanted = self.get(name, version)
        kept = next(path for item, path in self.stored if item == wanted)
        return copy(kept, target / kept.name)
