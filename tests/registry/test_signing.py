"""Signed versions, with the real program ``model_signing`` (found on ``PATH`` or as ``MLOPS_TEST_SIGNING_TOOL``)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from registry.digests import tree_digest
from registry.errors import Conflict, Corrupt, InvalidName, Unavailable
from registry.files.models import FileModelRegistry
from registry.signing import SignedModelRegistry, signed
from tests.contract.models import ModelRegistryContract, artifact, name, other

__all__ = ["artifact", "name", "other"]

TOOL = os.environ.get("MLOPS_TEST_SIGNING_TOOL") or shutil.which("model_signing")
needs_tool = pytest.mark.skipif(TOOL is None, reason="needs model_signing (requirements/signing.in)")


@pytest.fixture
def registry(tmp_path: Path) -> SignedModelRegistry:
    """Without keys, it is the registry inside."""
    return SignedModelRegistry(FileModelRegistry(tmp_path / "store"))


class TestUnsigned(ModelRegistryContract):
    """A registry that could sign, and is not asked to."""


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Two key pairs."""
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    from cryptography.hazmat.primitives import serialization

    made = {}
    for owner in ("ours", "theirs"):
        key = ec.generate_private_key(ec.SECP256R1())
        made[owner] = tmp_path / f"{owner}.pem"
        made[owner].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        made[f"{owner}-public"] = tmp_path / f"{owner}-public.pem"
        made[f"{owner}-public"].write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    return made


@pytest.fixture
def sure(tmp_path: Path, keys: dict[str, Path]) -> SignedModelRegistry:
    inner = FileModelRegistry(tmp_path / "store")
    return SignedModelRegistry(inner, tool=str(TOOL), private_key=keys["ours"], public_key=keys["ours-public"])


@needs_tool
@pytest.mark.slow
def test_what_is_signed_is_given_back(sure: SignedModelRegistry, artifact: Path, tmp_path: Path) -> None:
    (artifact / ".gitignore").write_text("signed as well")
    before = tree_digest(artifact)
    made = sure.register("m", artifact, metrics={"mse": 1.0})
    assert tree_digest(artifact) == before
    got = sure.download("m", 1, tmp_path / "out")
    assert got == tmp_path / "out" / "model"
    assert tree_digest(got) == made.digest
    assert {path.name for path in got.iterdir()} == {*(path.name for path in artifact.iterdir()), "model.sig"}
    with pytest.raises(Conflict):
        sure.download("m", 1, tmp_path / "out")
    with pytest.raises(InvalidName, match=r"model\.sig"):
        sure.register("m", got)


@needs_tool
@pytest.mark.slow
@pytest.mark.parametrize("attack", ["changed", "added", "removed", "unsigned", "another key", "signature of another"])
def test_what_is_not_signed_by_us_is_not_given_back(
    sure: SignedModelRegistry, artifact: Path, tmp_path: Path, keys: dict[str, Path], attack: str
) -> None:
    """Whoever can write to the registry can register anything there, with a digest that is right."""
    theirs = SignedModelRegistry(sure.inner, tool=str(TOOL), private_key=keys["theirs"])
    if attack == "another key":
        theirs.register("m", artifact)
    elif attack == "unsigned":
        sure.inner.register("m", artifact)
    else:
        sure.register("m", artifact)
        stolen = sure.inner.download("m", 1, tmp_path / "stolen")
        if attack == "changed":
            (stolen / "model.joblib").write_bytes(b"evil")
        elif attack == "added":
            (stolen / "code" / "evil.py").write_text("evil")
        elif attack == "removed":
            (stolen / "manifest.json").unlink()
        else:
            (artifact / "model.joblib").write_bytes(b"evil")
            shutil.copy(stolen / "model.sig", artifact / "model.sig")
            stolen = artifact
        sure.inner.register("m", stolen)
    version = sure.latest("m").version
    with pytest.raises(Corrupt, match=f"m:{version}"):
        sure.download("m", version, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_file_cannot_be_signed(keys: dict[str, Path], tmp_path: Path, other: Path) -> None:
    sure = SignedModelRegistry(FileModelRegistry(tmp_path / "store"), private_key=keys["ours"])
    with pytest.raises(InvalidName, match="folder"):
        sure.register("m", other)


def test_a_program_or_key_that_is_not_there(keys: dict[str, Path], tmp_path: Path, artifact: Path) -> None:
    inner = FileModelRegistry(tmp_path / "store")
    inner.register("m", artifact)
    (artifact / "model.sig").write_text("{}")
    inner.register("m", artifact)
    (artifact / "model.sig").unlink()
    absent = str(tmp_path / "absent")
    for sure, text in (
        (
            signed(inner, tool=absent, private_key=str(keys["ours"]), public_key=str(keys["ours-public"])),
            "signing program",
        ),
        (signed(inner, tool=absent, private_key=absent, public_key=absent), "no key"),
    ):
        with pytest.raises(Unavailable, match=text):
            sure.register("m", artifact)
        with pytest.raises(Unavailable, match=text):
            sure.download("m", 2, tmp_path / "out")
    assert inner.latest("m").version == 2
    assert not (tmp_path / "out" / "model").exists()
    assert signed(inner, tool="", private_key="", public_key="") is inner
