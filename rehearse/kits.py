"""Both kinds of pipeline files behind one face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rehearse.run.project import Project, read

if TYPE_CHECKING:
    from rehearse.azure.kit import AzurePipelines
    from rehearse.github.kit import GithubWorkflows

DESCRIPTION = ".pipelines/rehearsal.yml"


def describe(root: Path) -> Project:
    """The description of the project around the files."""
    return read(root / DESCRIPTION, root)


def open_kit(kind: str, root: Path, changes: Mapping[str, str]) -> AzurePipelines | GithubWorkflows:
    """The pipelines of one kind.

    Parameters
    ----------
    kind : str
        ``azure`` or ``github``.
    root : pathlib.Path
        The repository.
    changes : mapping of str to str
        Variables that get another value in this rehearsal.
    """
    project = describe(root)
    if kind == "azure":
        from rehearse.azure.kit import AzurePipelines

        return AzurePipelines(root, project, changes)
    from rehearse.github.kit import GithubWorkflows

    return GithubWorkflows(root, project, changes)
