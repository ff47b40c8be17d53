"""The model registry in an Azure Machine Learning workspace."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from types import EllipsisType
from typing import Any

from registry import names
from registry.artifacts import survey
from registry.azure.promotions import BlobLog, aliases_of
from registry.azure.workspace import AzureWorkspace, quiet, translated
from registry.digests import tree_digest
from registry.errors import AliasMoved, Conflict, Corrupt, InUse, NotFound
from registry.models import AliasMove, Lineage, ModelRegistry, ModelVersion, moment_after

# Ours in the properties of an Azure model; properties cannot be changed after they are set.
_OURS = "mlops."
_MIRROR = "alias."
_chdir = threading.Lock()


class AzureModelRegistry(ModelRegistry):
    """Versions are Azure ML models; what Azure has no field for is in their properties (``mlops.*``).

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    """

    def __init__(self, workspace: AzureWorkspace) -> None:
        self._workspace = workspace

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
        tags, properties = names.check_texts(tags), names.check_texts(properties, "property")
        metrics = names.check_metrics(metrics)
        parameters = names.check_document(parameters, "parameter")
        names.check_text(description, "the description")
        size = survey(artifact)
        ours = {
            "digest": tree_digest(artifact),
            "size": str(size),
            "artifact": artifact.name,
            "created": datetime.now(timezone.utc).isoformat(),
            "metrics": json.dumps(metrics, sort_keys=True),
            "parameters": json.dumps(parameters, sort_keys=True),
            "lineage": json.dumps(asdict(lineage or Lineage()), sort_keys=True),
        }
        from azureml.core import Model

        with translated(f"registering {name}"), inside(artifact.parent):
            model = Model.register(
                self._workspace.sdk,
                model_path=artifact.name,
                model_name=name,
                tags=dict(tags),
                properties={**properties, **{_OURS + key: value for key, value in ours.items()}},
                description=description,
            )
        return _version(model)

    def get(self, name: str, version: int) -> ModelVersion:
        return self._with_aliases(_version(self._model(name, version)))

    def latest(self, name: str) -> ModelVersion:
        names.check_name(name)
        from azureml.core import Model

        with translated(f"model {name}"):
            model = Model(self._workspace.sdk, name=name)
        return self._with_aliases(_version(model))

    def versions(
        self, name: str | None = None, *, tags: Mapping[str, str | None] | None = None, limit: int | None = None
    ) -> Iterator[ModelVersion]:
        from azureml.core import Model

        if name is not None:
            names.check_name(name)
        wanted = [[key, value] if value is not None else key for key, value in (tags or {}).items()]
        with translated("listing models"):
            models = [_version(model) for model in Model.list(self._workspace.sdk, name=name, tags=wanted or None)]
        models.sort(key=lambda model: (model.name, -model.version))
        known: dict[str, dict[str, int]] = {}
        for model in models[:limit]:
            if model.name not in known:
                known[model.name] = self.aliases(model.name)
            yield _named(model, known[model.name])

    def names(self) -> list[str]:
        from azureml.core import Model

        with translated("listing models"):
            return sorted({str(model.name) for model in Model.list(self._workspace.sdk, latest=True)})

    def download(self, name: str, version: int, target: Path) -> Path:
        model = self._model(name, version)
        target.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".download-", dir=target))
        try:
            with translated(f"downloading {name}:{version}"):
                path = Path(model.download(target_dir=str(scratch), exist_ok=True))
            kept = _ours(model)
            if kept.get("digest") and tree_digest(path) != kept["digest"]:
                raise Corrupt(f"the artifact of {name}:{version} does not match its digest {kept['digest']}")
            final = target / (kept.get("artifact") or path.name)
            if os.path.lexists(final):
                raise Conflict(f"{final} is there already", hint="choose another folder")
            path.rename(final)
            return final
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def alias(self, name: str, alias: str) -> int | None:
        entries = self._log(name, alias).entries()
        return entries[-1]["to_version"] if entries else None

    def aliases(self, name: str) -> dict[str, int]:
        names.check_name(name)
        found = {alias: self.alias(name, alias) for alias in aliases_of(self._workspace, name)}
        return {alias: version for alias, version in found.items() if version is not None}

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
        log = self._log(name, alias)
        names.check_text(who, "who")
        names.check_text(why, "why")
        if version is not None:
            self._model(name, version)
        while True:
            entries = log.entries()
            last = _move(name, alias, entries[-1]) if entries else None
            now = last.to_version if last else None
            if not isinstance(expect, EllipsisType) and now != expect:
                raise AliasMoved(
                    f"alias {alias!r} of {name} names version {now}, not {expect}",
                    winner=now,
                    hint=f"mlops models history {name} shows who moved it",
                )
            if version is None and now is None:
                raise NotFound(f"{name} has no alias {alias!r} to remove", hint=f"mlops models history {name}")
            entry = {
                "sequence": len(entries) + 1,
                "when": moment_after(last).isoformat(),
                "from_version": now,
                "to_version": version,
                "who": who,
                "why": why,
            }
            if log.append(entry):
                self._mirror(name, alias, now, version)
                return _move(name, alias, entry)

    def history(self, name: str, alias: str | None = None) -> list[AliasMove]:
        names.check_name(name)
        chosen = [alias] if alias is not None else aliases_of(self._workspace, name)
        moves = [_move(name, one, entry) for one in chosen for entry in self._log(name, one).entries()]
        return sorted(moves, key=lambda move: (move.when, move.alias, move.sequence))

    def set_tags(self, name: str, version: int, tags: Mapping[str, str | None]) -> ModelVersion:
        model = self._model(name, version)
        add = names.check_texts({key: value for key, value in tags.items() if value is not None})
        for key in tags:
            names.check_key(key, "tag")
        remove = [key for key, value in tags.items() if value is None and key in (model.tags or {})]
        with translated(f"tags of {name}:{version}"):
            model.update_tags_properties(add_tags=add or None, remove_tags=remove or None)
        return self.get(name, version)

    def delete(self, name: str, version: int) -> None:
        model = self._model(name, version)
        holding = sorted(alias for alias, held in self.aliases(name).items() if held == version)
        if holding:
            raise InUse(
                f"{name}:{version} cannot be deleted: alias {', '.join(holding)} names it",
                hint="move the alias first: mlops models alias",
            )
        with translated(f"deleting {name}:{version}"):
            model.delete()

    def _model(self, name: str, version: int) -> Any:
        names.check_name(name)
        names.check_version(version)
        from azureml.core import Model

        try:
            with translated(f"model {name}:{version}"):
                return Model(self._workspace.sdk, id=f"{name}:{version}")
        except NotFound:
            raise NotFound(f"there is no model {name}:{version}", hint=f"mlops models list {name}") from None

    def _log(self, name: str, alias: str) -> BlobLog:
        return BlobLog(self._workspace, names.check_name(name), names.check_name(alias, "alias"))

    def _with_aliases(self, model: ModelVersion) -> ModelVersion:
        return _named(model, self.aliases(model.name))

    def _mirror(self, name: str, alias: str, before: int | None, after: int | None) -> None:
        """Show the alias as a tag in the portal. The log is the truth: a mirror that fails is left to the next move."""
        # The SDK prints a line for each tag, and standard output is for data.
        with contextlib.suppress(Exception), quiet():
            if before is not None and before != after:
                self._model(name, before).remove_tags([_MIRROR + alias])
            if after is not None:
                self._model(name, after).add_tags({_MIRROR + alias: "current"})


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in `folder`: the SDK refuses to register what is not below the working folder of the process."""
    with _chdir:
        before = Path.cwd()
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _ours(model: Any) -> dict[str, str]:
    properties = model.properties or {}
    return {key[len(_OURS) :]: value for key, value in properties.items() if key.startswith(_OURS)}


def _version(model: Any) -> ModelVersion:
    """The kit's view of an Azure model; one that another tool registered has no digest."""
    ours = _ours(model)
    lineage = json.loads(ours.get("lineage", "{}"))
    created = model.created_time
    return ModelVersion(
        name=model.name,
        version=int(model.version),
        digest=ours.get("digest", ""),
        size=int(ours.get("size", "0")),
        created=created if created.tzinfo else created.replace(tzinfo=timezone.utc),
        description=model.description or "",
        metrics=json.loads(ours.get("metrics", "{}")),
        parameters=json.loads(ours.get("parameters", "{}")),
        tags={key: value for key, value in (model.tags or {}).items() if not key.startswith(_MIRROR)},
        properties={key: value for key, value in (model.properties or {}).items() if not key.startswith(_OURS)},
        lineage=Lineage(**{key: lineage.get(key) for key in asdict(Lineage())}),
    )


def _named(model: ModelVersion, aliases: Mapping[str, int]) -> ModelVersion:
    return replace(model, aliases=tuple(sorted(alias for alias, held in aliases.items() if held == model.version)))


def _move(name: str, alias: str, entry: Mapping[str, Any]) -> AliasMove:
    return AliasMove(
        name=name,
        alias=alias,
        sequence=entry["sequence"],
        when=datetime.fromisoformat(entry["when"]),
        from_version=entry["from_version"],
        to_version=entry["to_version"],
        who=entry["who"],
        why=entry["why"],
    )
