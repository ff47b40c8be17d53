"""An exported state as a stream: what is in files never comes into memory as a whole."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fakes.core.content import Content, Source
from fakes.core.exchange import Joined, pieces, read
from fakes.core.state import State
from fakes.services.blob.models import BlobBackend

MB = 1024 * 1024
# Over what is kept in memory (1 MB), and far over what an export or import may take.
LARGE = 48
BOUND = 12 * MB


class Dribble:
    """A source that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file, self._size = io.BytesIO(data), size

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(self._size if size < 0 else min(size, self._size))


class Large:
    """A source of `LARGE` megabytes that are not all alike."""

    def __init__(self) -> None:
        self._left = LARGE

    def read(self, size: int = -1, /) -> bytes:
        if not self._left:
            return b""
        self._left -= 1
        return bytes([self._left]) * MB


def _put(state: State, source: Source, name: str = "large") -> None:
    workspace = state.workspace()
    state.backend(BlobBackend).put(workspace.storage_account, workspace.container, name, state.spool.take(source))


def _blob(state: State, name: str = "large") -> Any:
    workspace = state.workspace()
    return state.backend(BlobBackend).get(workspace.storage_account, workspace.container, name)


@pytest.fixture
def state() -> Iterator[State]:
    state = State()
    yield state
    state.close()


def test_a_stream_is_the_document(state: State) -> None:
    _put(state, io.BytesIO(b"\x00\xff bytes"), "small")
    _put(state, io.BytesIO(bytes(range(256)) * 8000), "of two megabytes")
    assert json.loads(b"".join(state.pieces())) == state.export()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_it_is_read_whatever_the_pieces_are(state: State, size: int) -> None:
    _put(state, io.BytesIO(b"1234567890" * (1 if size < 64 else 200_000)), "b")
    workspace = state.workspace()
    # Text that looks like the beginning of content is only text.
    workspace.tags = {"a": '"$kind": "bytes", "value": "', "b": 'back\\slash " quote \\', "c": "Grüße\n"}
    text, before = b"".join(state.pieces()), state.export()
    state.reset(seed=9)
    state.read(Dribble(text, size))
    assert state.export() == before


def test_neither_way_takes_the_memory_of_what_is_in_it(state: State, tmp_path: Path) -> None:
    _put(state, Large())
    file = tmp_path / "state.json"
    tracemalloc.start()
    try:
        with file.open("wb") as out:
            for piece in state.pieces():
                out.write(piece)
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        with file.open("rb") as source:
            state.read(source)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.stat().st_size > LARGE * MB
    assert written < BOUND and taken < BOUND, (written, taken)
    blob = _blob(state)
    assert blob.size == LARGE * MB
    assert not any(block.in_memory for block in blob.blocks)
    assert [next(blob.chunks(at * MB, at * MB + 1)) for at in (0, 1)] == [b"\x2f", b"\x2e"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b'"value": "', b'"value": "*'),
        lambda text: text.replace(b"models.Registry", b"models.Nothing"),
        lambda text: text[:-1],
        lambda text: b"",
        lambda text: b"[]",
    ],
    ids=["half", "no base64", "unknown kind", "no end", "nothing", "a list"],
)
def test_what_cannot_be_read_changes_nothing(state: State, change: Any) -> None:
    _put(state, io.BytesIO(bytes(3 * MB)), "b")
    from fakes.services.models.models import ModelsBackend

    state.backend(ModelsBackend).of(state.workspace())
    before = state.export()
    with pytest.raises(ValueError):
        state.read(io.BytesIO(change(b"".join(state.pieces()))))
    assert state.export() == before
    assert _blob(state, "b").size == 3 * MB


@pytest.mark.timeout(60)
def test_it_may_end_anywhere(state: State) -> None:
    """Each end once: a reader that takes no end for more to come never returns."""
    whole = b"".join(pieces({"a": Content(b"abcd"), 'b"\\': ["c", None, {"d": "\\"}]}))
    for end in range(len(whole)):
        with pytest.raises(ValueError):
            read(io.BytesIO(whole[:end]), state.spool)
    assert read(io.BytesIO(whole), state.spool)[0]
    with pytest.raises(ValueError, match="nested too deeply"):
        read(io.BytesIO(b"[" * 1_000_000), state.spool)


def test_content_is_joined_from_chunks() -> None:
    assert Joined(iter([b"ab", b"", b"cde"])).read() == b"ab"
    joined = Joined(iter([b"ab", b"", b"cde"]))
    assert [joined.read(1), joined.read(4), joined.read(2), joined.read(2), joined.read()] == [
        b"a",
        b"b",
        b"cd",
        b"e",
        b"",
    ]


def test_any_document_with_content(state: State) -> None:
    made = b"".join(pieces({"x": [Content(b"abcd"), {"y": Content(b"")}], "z": 1.5}))
    assert json.loads(made)["x"][0] == {"$kind": "bytes", "value": "YWJjZA=="}
    document, contents = read(io.BytesIO(made), state.spool)
    assert [c.data for c in contents] == [b"abcd", b""]
    assert document["z"] == 1.5


def test_through_the_server(azure: Any, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    from fakes.doors.cli import main

    _put(azure.state, io.BytesIO(b"12345" * MB), "b")
    before = azure.state.export()
    address = azure.child_environment()["FAKES_ADDRESS"]
    answer = requests.get(f"{address}/fakes/state")
    assert answer.json() == before
    assert main(["state", "--address", address]) == 0
    file = tmp_path / "state.json"
    file.write_bytes(capfdbinary.readouterr().out)
    azure.state.reset(seed=3)
    assert main(["state", "--address", address, "--load", str(file)]) == 0
    assert azure.state.export() == before
