"""Large bodies live in files, not in memory."""

from __future__ import annotations

import base64
import gc
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import fakes
from fakes.core.content import Content, Spool, TooLarge, pieces, save
from fakes.services.blob.models import BlobBackend

MB = 1024 * 1024


@pytest.fixture
def spool() -> Iterator[Spool]:
    spool = Spool(memory=10)
    yield spool
    spool.close()


def files(spool: Spool) -> list[Path]:
    return sorted(spool._folder.iterdir()) if spool._folder else []


@pytest.mark.parametrize("data", [b"", b"0123456789", b"0123456789a", bytes(3 * MB)])
def test_what_was_put_in_comes_out(spool: Spool, data: bytes) -> None:
    for content in (spool.keep(data), spool.take(io.BytesIO(data))):
        assert content.in_memory == (len(data) <= 10)
        assert (content.size, content.data, content.head(4)) == (len(data), data, data[:4])
        assert b"".join(content.chunks(2, 9, 3)) == data[2:9]
        assert b"".join(content.chunks()) == data


def test_pieces_of_contents_that_follow_each_other(spool: Spool, tmp_path: Path) -> None:
    whole = bytes(range(60))
    contents = [spool.keep(whole[:5]), spool.keep(whole[5:40]), Content(), spool.keep(whole[40:])]
    for start in (0, 3, 5, 39, 40, 59, 60):
        for stop in (0, 4, 5, 41, 60, 99):
            assert b"".join(pieces(contents, start, stop)) == whole[start:stop]
    save(contents, tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == whole


def test_a_file_goes_with_the_last_reference_and_with_the_spool(spool: Spool) -> None:
    first, second = spool.keep(bytes(11)), spool.keep(bytes(12))
    assert len(files(spool)) == 2
    del first
    gc.collect()
    assert len(files(spool)) == 1
    folder = files(spool)[0].parent
    spool.close()
    assert not folder.exists() and second.size == 12


def test_too_much_is_refused_and_leaves_no_file(spool: Spool) -> None:
    with pytest.raises(TooLarge):
        spool.take(io.BytesIO(bytes(3 * MB)), most=2 * MB)
    assert files(spool) == []


class Zeros:
    """A body that is longer than anybody should hold."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, size if size >= 0 else self.left)
        self.left -= size
        return bytes(size)


def test_memory_does_not_grow_with_what_is_uploaded_and_downloaded(door: str) -> None:
    """80 MB in blocks of 4 MB, as the SDK sends them; then all of it at once, both ways."""
    size = 80 * MB
    with fakes.mock_azure(door=door) as azure:
        workspace = azure.state.workspace()
        address = azure.state.backend(BlobBackend).sas_url(
            workspace.storage_account, workspace.container, "model.bin", "rcw"
        )
        headers = {"x-ms-blob-type": "BlockBlob"}
        ids = [base64.b64encode(f"{number:04}".encode()).decode() for number in range(size // (4 * MB))]
        with requests.Session() as session:
            session.get(address)  # what is loaded once is not counted
            tracemalloc.start()
            try:
                for block in ids:
                    assert session.put(f"{address}&comp=block&blockid={block}", bytes(4 * MB)).status_code == 201
                listed = "".join(f"<Latest>{block}</Latest>" for block in ids)
                body = f"<BlockList>{listed}</BlockList>"
                assert session.put(f"{address}&comp=blocklist", body, headers=headers).status_code == 201
                got = 0
                with session.get(address, stream=True) as answer:
                    for chunk in answer.iter_content(MB):
                        got += len(chunk)
                assert (answer.headers["Content-Length"], got) == (str(size), size)
                assert session.put(address, Zeros(size), headers=headers).status_code == 201
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert azure.state.backend(BlobBackend).get(*_place(workspace)).size == size
        assert azure.state.bugs == []
    assert peak < 40 * MB


def _place(workspace: object) -> tuple[str, str, str]:
    return workspace.storage_account, workspace.container, "model.bin"  # type: ignore[attr-defined]


def test_large_blobs_are_exported_and_come_back_as_files() -> None:
    with fakes.mock_azure(memory_body=10) as azure:
        workspace = azure.state.workspace()
        place = (workspace.storage_account, workspace.container)
        azure.state.backend(BlobBackend).put(*place, "large", bytes(range(100)))
        azure.state.backend(BlobBackend).stage_block(*place, "open", "AA==", bytes(50))
        azure.state.load(json.loads(json.dumps(azure.state.export())))
        blobs = azure.state.backend(BlobBackend)
        (block,) = blobs.get(*place, "large").blocks
        assert (block.in_memory, block.data) == (False, bytes(range(100)))
        assert blobs.container(*place).uncommitted["open"]["AA=="].size == 50


def test_no_file_is_left_by_a_killed_process(tmp_path: Path) -> None:
    """SIGKILL gives it no chance to clean up, and what was uploaded may be large."""
    program = """
import os, signal
from fakes.core.content import Spool
kept = Spool(memory=10).keep(bytes(2_000_000))
os.kill(os.getpid(), signal.SIGKILL)
"""
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run([sys.executable, "-c", program], env=env).returncode < 0
    wait = f"for i in $(seq 200); do ls -A '{tmp_path}' | grep -q . || exit 0; sleep 0.05; done; exit 1"
    assert subprocess.run(["sh", "-c", wait]).returncode == 0, list(tmp_path.iterdir())


def test_no_file_is_left(tmp_path: Path) -> None:
    program = """
import fakes
with fakes.mock_azure() as azure:
    workspace = azure.state.workspace()
    azure.state.spool.keep(bytes(2_000_000))
kept = fakes.mock_azure().start().state.spool.keep(bytes(2_000_000))
print(kept.in_memory)
"""
    command = [sys.executable, "-c", program]
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert list(tmp_path.iterdir()) == []
