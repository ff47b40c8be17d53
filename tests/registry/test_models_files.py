"""The contract of model registries, for files."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.files.log import NumberedLog
from registry.files.models import FileModelRegistry
from registry.files.store import Store, Writer
from tests.contract.models import ModelRegistryContract, artifact, name, other

__all__ = ["artifact", "name", "other"]


def test_a_number_that_was_taken_meanwhile_is_not_the_one_in_the_document(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", "models", "models")
    store.make()
    log = NumberedLog(store.folder(store.documents / "m"))
    tried = []

    def document(number: int) -> dict[str, int]:
        tried.append(number)
        if len(tried) == 1:  # another process is quicker
            with Writer(store) as other:
                NumberedLog(log.folder).append(other, lambda taken: {"number": taken})
        return {"number": number}

    with Writer(store) as writer:
        assert log.append(writer, document, lock=store.documents / "lock") == 2
    assert tried == [1, 2]
    assert [log.read(number)["number"] for number in (1, 2)] == [1, 2]


@pytest.fixture
def registry(tmp_path: Path) -> FileModelRegistry:
    return FileModelRegistry(tmp_path / "store")


class TestFileModelRegistry(ModelRegistryContract):
    """Files."""
