"""modelstore on its file system storage. It has ids instead of numbers, no aliases and no fsync."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["MODEL_STORE_STATE"] = "none"

import logging

logging.disable(logging.WARNING)

import numpy  # noqa: E402  (after the switches above)
from modelstore import ModelStore  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402


class Peer:
    """``ModelStore.from_file_system``."""

    def __init__(self, folder: Path, artifact: Path) -> None:
        folder = folder / "modelstore"
        folder.mkdir(parents=True, exist_ok=True)
        self.store = ModelStore.from_file_system(root_directory=str(folder), create_directory=True)
        self.model = Ridge().fit(numpy.eye(10), numpy.arange(10.0))

    def prepare(self, count: int) -> None:
        for _ in range(count):
            self.register()

    def register(self) -> None:
        self.store.upload("m", model=self.model)

    def latest(self) -> None:
        assert self.store.get_model_info("m", self.store.list_models("m")[0])

    def list(self) -> None:
        assert self.store.list_models("m")
