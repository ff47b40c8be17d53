"""Where registered models and uploaded artifacts come from: the other services of this fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fakes.core.errors import AzureError
from fakes.hosting.layout import ModelFiles, ReadArtifacts, Savable
from fakes.services.artifacts.models import ArtifactsBackend
from fakes.services.assets.models import AssetsBackend
from fakes.services.models.models import ModelsBackend

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace


def check(state: State, workspace: Workspace, model_id: str) -> None:
    """Raise `AzureError` (404) when there is no such registered model."""
    state.backend(ModelsBackend).get(workspace, model_id)


def document(state: State, workspace: Workspace, model_id: str) -> dict[str, Any] | None:
    """Return a registered model as Azure ML writes it; ``None`` when it was deleted meanwhile."""
    try:
        return state.backend(ModelsBackend).get(workspace, model_id).document
    except AzureError:
        return None


def files(state: State, workspace: Workspace, model_id: str) -> ModelFiles:
    """Return where the files of a model are kept."""
    model = state.backend(ModelsBackend).get(workspace, model_id)
    references = state.backend(AssetsBackend).references(workspace, model.document["url"])
    urls = tuple(f"aml://artifact/{reference}" for reference in references)
    return ModelFiles(model.name, model.version, urls, bool(model.document["unpack"]))


def reader(state: State, workspace: Workspace) -> ReadArtifacts:
    """Return how to read artifacts of a workspace; for use without the state lock."""
    artifacts = state.backend(ArtifactsBackend)

    def read(origin: str, container: str, prefix: str) -> Iterator[tuple[str, Savable]]:
        for artifact in artifacts.below(workspace, origin, container, prefix):
            yield artifact.path, artifacts.blob(workspace, artifact)

    return read
