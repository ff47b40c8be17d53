"""Files of a service: where they go, and what must not leave the folder."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.hosting.errors import HostError
from fakes.hosting.layout import ModelFiles, inside, lay_out, unpack


@dataclass
class Kept:
    """The content of an artifact."""

    data: bytes

    def save(self, path: Path) -> None:
        path.write_bytes(self.data)


def archive(path: Path, *members: tuple[str, bytes | None, str]) -> Path:
    """A tar of ``(name, content, link target)``."""
    with tarfile.open(path, "w:gz") as opened:
        for name, content, link in members:
            info = tarfile.TarInfo(name)
            if link:
                info.type, info.linkname = tarfile.SYMTYPE, link
            elif content is None:
                info.type = tarfile.FIFOTYPE
            else:
                info.size = len(content)
            opened.addfile(info, io.BytesIO(content or b""))
    return path


@pytest.mark.parametrize(
    "member",
    [
        ("../out.py", b"x", ""),
        ("a/../../out.py", b"x", ""),
        ("/etc/out.py", b"x", ""),
        ("link", b"", "../../etc/passwd"),
        ("link", b"", "/etc/passwd"),
        ("pipe", None, ""),
    ],
)
def test_what_leaves_the_folder_is_refused(tmp_path: Path, member: tuple[str, bytes | None, str]) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    with pytest.raises(HostError):
        unpack(archive(tmp_path / "a.tar.gz", member), folder)
    assert list(folder.iterdir()) == [] and not (tmp_path / "out.py").exists()


def test_links_inside_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    unpack(archive(tmp_path / "a.tar.gz", ("src/a.py", b"one", ""), ("src/b.py", b"", "a.py")), folder)
    assert (folder / "src" / "b.py").read_bytes() == b"one"


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"no tar")
    with pytest.raises(HostError, match=r"a\.tar\.gz is not a tar archive"):
        unpack(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "x\0y"])
def test_names_that_are_no_relative_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostError):
        inside(tmp_path, name)


def test_the_layout_is_azures(tmp_path: Path) -> None:
    stored = {
        "LocalUpload/x/score.py": b"script",
        "LocalUpload/m/model/a.bin": b"a",
        "LocalUpload/m/model/d/b.bin": b"b",
    }

    def read(origin: str, container: str, prefix: str) -> Iterator[tuple[str, Kept]]:
        for key, content in stored.items():
            path = key.removeprefix(f"{origin}/{container}/")
            if key.startswith(f"{origin}/{container}/") and (path == prefix or path.startswith(f"{prefix}/")):
                yield path, Kept(content)

    request: dict[str, Any] = {
        "assets": [{"url": "aml://artifact/LocalUpload/x/score.py"}],
        "environment": {"environmentVariables": {"AZUREML_ENTRY_SCRIPT": "score.py"}},
    }
    root = tmp_path / "one"
    root.mkdir()
    model = ModelFiles("m", 3, ("aml://artifact/LocalUpload/m/model",))
    layout = lay_out(root, request, [model], read)
    assert layout.entry_script == "score.py" and layout.model_dir == root / "azureml-models" / "m" / "3"
    assert (layout.model_dir / "model" / "d" / "b.bin").read_bytes() == b"b"
    root = tmp_path / "two"
    root.mkdir()
    assert lay_out(root, request, [model, ModelFiles("n", 1, model.urls)], read).model_dir == root / "azureml-models"
    root = tmp_path / "three"
    root.mkdir()
    with pytest.raises(HostError, match="there is no artifact"):
        lay_out(root, request, [ModelFiles("m", 1, ("aml://artifact/LocalUpload/gone/x",))], read)
    request["environment"] = {"environmentVariables": {"AZUREML_ENTRY_SCRIPT": "../../etc/passwd"}}
    (tmp_path / "four").mkdir()
    with pytest.raises(HostError, match="leaves the application folder"):
        lay_out(tmp_path / "four", request, [], read)
