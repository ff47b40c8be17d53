"""What the steps of a rehearsal left: by commands of the kit on the local backend, in the state of the fake on Azure.

The fake is asked for its state as a whole (``GET /fakes/state``), not through the SDK or the kit: what a step believes
to have done and what is there are two things.
"""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rehearse.clouds import Cloud
from rehearse.errors import RehearseError


@dataclass(frozen=True)
class Registered:
    """A model version."""

    model: str
    """``name:version``."""
    digest: str


@dataclass(frozen=True)
class Served:
    """A service as it is now."""

    name: str
    target: str
    uri: str
    key: str
    shares: Mapping[str, int]
    """Percent of the traffic by model version, zero left out."""


@dataclass(frozen=True)
class Named:
    """What an alias names, and why it does."""

    version: int
    why: str


class Readings(ABC):
    """Of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @abstractmethod
    def registered(self, build: str) -> Registered | None:
        """What a build registered."""

    @abstractmethod
    def version(self, model: str) -> Registered:
        """A version by ``name:version``."""

    @abstractmethod
    def alias(self, name: str, alias: str) -> Named:
        """What an alias names, by its promotion log. Raises ``RehearseError`` if there is none."""

    @abstractmethod
    def service(self, stage: str) -> Served:
        """The service of a stage. Raises ``RehearseError`` if there is none."""

    @abstractmethod
    def traffic(self) -> list[dict[str, int]]:
        """Shares of production's traffic that were set, oldest first; empty where that is not remembered."""


class LocalReadings(Readings):
    """Of the local backend."""

    def registered(self, build: str) -> Registered | None:
        found = self.cloud.mlops("pipeline", "model", "--build-id", build)
        return Registered(found["model"], found["digest"]) if found["model"] is not None else None

    def version(self, model: str) -> Registered:
        return Registered(model, self.cloud.mlops("models", "show", model)["digest"])

    def alias(self, name: str, alias: str) -> Named:
        moves = [move for move in self.cloud.mlops("models", "history", name) if move["alias"] == alias]
        if not moves:
            raise RehearseError(f"{name} has no alias {alias}")
        return Named(int(moves[-1]["to_version"]), moves[-1]["why"])

    def service(self, stage: str) -> Served:
        for item in self.cloud.mlops("services", "list"):
            if item["stage"] == stage:
                shown = self.cloud.mlops("services", "show", item["name"])
                key = self.cloud.mlops("services", "keys", item["name"])["primary"]
                shares = {
                    revision["model"]: revision["traffic"] for revision in shown["revisions"] if revision["traffic"]
                }
                return Served(item["name"], item["target"], item["uri"], key, shares)
        raise RehearseError(f"there is no service of stage {stage}")

    def traffic(self) -> list[dict[str, int]]:
        return []


class FakeReadings(Readings):
    """Of the fake of Azure ML."""

    def registered(self, build: str) -> Registered | None:
        for model in self._models():
            if model["document"]["kvTags"].get("build_id") == build:
                return _registered(model)
        return None

    def version(self, model: str) -> Registered:
        for item in self._models():
            if f"{item['name']}:{item['version']}" == model:
                return _registered(item)
        raise RehearseError(f"the workspace has no model {model}")

    def alias(self, name: str, alias: str) -> Named:
        entries = sorted(
            (blob, content)
            for containers in _values(self._state("blob", "containers"))
            for container in _values(containers)
            for blob, content in container["blobs"].items()
            if blob.startswith(f"mlops-promotions/{name}/{alias}/")
        )
        if not entries:
            raise RehearseError(f"{name} has no alias {alias}")
        entry = json.loads(_content(entries[-1][1]))
        return Named(int(entry["to_version"]), entry["why"])

    def service(self, stage: str) -> Served:
        for services in _values(self._state("webservices", "items")):
            for service in _values(services):
                units = list(_values(service["units"]))
                if any(tags.get("mlops.stage") == stage for tags in (service["tags"], *(u["tags"] for u in units))):
                    return _served(service, units)
        raise RehearseError(f"there is no service of stage {stage}")

    def traffic(self) -> list[dict[str, int]]:
        found: list[dict[str, int]] = []
        shares: dict[str, int] = {}
        for entry in self.cloud.fake("/requests?last=100000&operation=Services_Update")["requests"]:
            if entry["status"] >= 400 or not entry["request_body"].startswith("["):
                continue
            moved = False
            for edit in json.loads(entry["request_body"]):
                path = re.fullmatch(r"/versions/([^/]+)/trafficPercentile", edit["path"])
                if path:
                    shares[path[1]], moved = int(edit["value"]), True
            if moved:
                found.append(dict(shares))
        return found

    # ---- the fake's state ---------------------------------------------------------------------------------------
    def _state(self, service: str, part: str) -> Any:
        """A part of the state; a service that nobody has asked yet is not in it."""
        return self.cloud.fake("/state")["services"].get(service, {}).get(part, {})

    def _models(self) -> Iterator[Any]:
        for registry in _values(self._state("models", "registries")):
            yield from _values(registry["models"])


def readings(cloud: Cloud) -> Readings:
    """The readings of a cloud."""
    return FakeReadings(cloud) if cloud.backend == "azure" else LocalReadings(cloud)


def _registered(model: Any) -> Registered:
    return Registered(f"{model['name']}:{model['version']}", model["document"]["properties"]["mlops.digest"])


def _served(service: Any, units: list[Any]) -> Served:
    claimed = sum(int(unit["traffic"]) for unit in units)
    endpoint = service["compute_type"] == "AKSENDPOINT"
    shares: dict[str, int] = {}
    for unit in units:
        tags = unit["tags"] if endpoint else service["tags"]
        share = int(unit["traffic"]) + (100 - claimed if unit["is_default"] else 0) if endpoint else 100
        if share:
            shares[tags["mlops.model"]] = shares.get(tags["mlops.model"], 0) + share
    # Where Azure asks a service: see fakes.services.webservices.addresses, which says where that is from.
    path = f":80/api/v1/endpoint/{service['name']}/score" if endpoint else "/score"
    target = "aks" if endpoint else service["compute_type"].lower()
    uri = f"{service['scheme']}://{service['hostname']}{path}"
    return Served(service["name"], target, uri, service["primary_key"], shares)


def _values(mapping: Any) -> Iterator[Any]:
    """Values of an exported mapping; one whose keys are not all text is a list of pairs."""
    yield from (
        (value for _, value in mapping["items"])
        if mapping.get("$kind") == "dict"
        else (value for key, value in mapping.items() if key != "$kind")
    )


def _content(blob: Any) -> bytes:
    return b"".join(base64.b64decode(block["value"]) for block in blob["blocks"])
