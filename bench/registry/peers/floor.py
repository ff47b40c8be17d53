"""The floor: what registering durably cannot do without. Copy and hash, JSON, four fsyncs, one rename."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


class Peer:
    """Numbered folders, found by trying."""

    def __init__(self, folder: Path, artifact: Path) -> None:
        self.root, self.artifact = folder / "floor", artifact
        self.root.mkdir(parents=True, exist_ok=True)
        self.count = len(list(self.root.iterdir()))

    def prepare(self, count: int) -> None:
        for number in range(1, count + 1):
            folder = self.root / str(number)
            folder.mkdir(exist_ok=True)
            (folder / "version.json").write_text("{}")
        self.count = count

    def register(self) -> None:
        temporary = self.root.parent / f".{os.urandom(8).hex()}"
        temporary.mkdir()
        digest = hashlib.sha256()
        with self.artifact.open("rb") as source, (temporary / "model.bin").open("wb") as target:
            while block := source.read(1 << 20):
                digest.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        with (temporary / "version.json").open("w") as target:
            json.dump({"digest": digest.hexdigest(), "tags": {"n": "x"}, "metrics": {"mse": 1.0}}, target)
            target.flush()
            os.fsync(target.fileno())
        _sync(temporary)
        while True:
            self.count += 1
            try:
                temporary.rename(self.root / str(self.count))
            except OSError:
                continue
            break
        _sync(self.root)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
