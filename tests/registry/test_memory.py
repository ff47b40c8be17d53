"""The contracts of the registry room, for the small in-memory backend of docs/a-new-backend.md."""

from __future__ import annotations

import pytest

from tests.contract.data import DataSetsContract, table
from tests.contract.models import ModelRegistryContract, artifact, name, other
from tests.contract.runs import RunHistoryContract, experiment
from tests.pipeline.memory import MemoryData, MemoryModels, MemoryRuns, Shelf

__all__ = ["artifact", "experiment", "name", "other", "table"]


class TestMemoryModels(ModelRegistryContract):
    """A dictionary."""

    @pytest.fixture
    def registry(self) -> MemoryModels:
        return MemoryModels(Shelf())


class TestMemoryRuns(RunHistoryContract):
    """A dictionary."""

    @pytest.fixture
    def history(self) -> MemoryRuns:
        return MemoryRuns()


class TestMemoryData(DataSetsContract):
    """A dictionary."""

    @pytest.fixture
    def data(self) -> MemoryData:
        return MemoryData(Shelf())
