"""Model versions signed before they are registered and verified before anybody loads them.

The signing is done by the program ``model_signing`` (https://github.com/sigstore/model-transparency) with a key pair,
so it needs no network. It runs as a program of its own, in an environment of its own: what it depends on does not fit
with the Azure SDK. The signature is the file ``model.sig`` in the artifact: it goes wherever the artifact goes, on
every backend. It covers every other file, and a file that it does not cover is an error.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any

from registry.artifacts import collect
from registry.errors import Corrupt, InvalidName, Unavailable
from registry.models import AliasMove, Collected, ModelRegistry, ModelVersion, Verified

SIGNATURE = "model.sig"
_SECONDS = 600


class SignedModelRegistry(ModelRegistry):
    """Another registry, with signatures.

    Parameters
    ----------
    inner : registry.models.ModelRegistry
        Where versions are kept.
    tool : str
        The program ``model_signing``: a name on ``PATH`` or a path.
    private_key : pathlib.Path, optional
        PEM file; with it every registered artifact is signed.
    public_key : pathlib.Path, optional
        PEM file; with it every download is verified before its path is given back.
    """

    def __init__(
        self,
        inner: ModelRegistry,
        *,
        tool: str = "model_signing",
        private_key: Path | None = None,
        public_key: Path | None = None,
    ) -> None:
        self.inner = inner
        self.tool = tool
        self.private_key = private_key
        self.public_key = public_key

    def register(self, name: str, artifact: Path, **fields: Any) -> ModelVersion:
        """Sign a copy of `artifact` and register that.

        Raises as the registry, and

        registry.errors.InvalidName
            `artifact` is no folder, or holds a file ``model.sig`` already.
        registry.errors.Unavailable
            The program or the key is not there, or it failed.
        """
        if self.private_key is None:
            return self.inner.register(name, artifact, **fields)
        folder_name, is_folder, files = collect(artifact)
        if not is_folder:
            raise InvalidName(f"{artifact} is one file; what is signed must be a folder", hint="put it into a folder")
        if any(path == SIGNATURE for path, _ in files):
            raise InvalidName(f"{artifact} holds a file {SIGNATURE} already", hint="remove it: signing makes a new one")
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / folder_name
            for path, source in files:
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy / path)
            done = self._run("sign", copy, "--private_key", self.private_key)
            if done.returncode or not (copy / SIGNATURE).is_file():
                raise Unavailable(f"could not sign {artifact} with {self.private_key}: {_last(done)}")
            return self.inner.register(name, copy, **fields)

    def download(self, name: str, version: int, target: Path) -> Path:
        """Download and verify the signature; what fails is removed again.

        Raises as the registry, and

        registry.errors.Corrupt
            There is no signature, it was made with another key, or it does not cover exactly these files.
        registry.errors.Unavailable
            The program or the key is not there.
        """
        if self.public_key is None:
            return self.inner.download(name, version, target)
        with tempfile.TemporaryDirectory(dir=_made(target), prefix=".unverified-") as scratch:
            path = self.inner.download(name, version, Path(scratch))
            self._verify(path, f"{name}:{version}")
            return _move(path, target / path.name)

    def _verify(self, path: Path, reference: str) -> None:
        hint = "do not load it; 'mlops models show' says where it came from"
        if not (path / SIGNATURE).is_file():
            raise Corrupt(f"{reference} is not signed", hint=hint)
        done = self._run("verify", path, "--public_key", self.public_key)
        if done.returncode:
            raise Corrupt(f"the signature of {reference} does not hold: {_last(done)}", hint=hint)

    def _run(self, verb: str, path: Path, option: str, key: Path | None) -> subprocess.CompletedProcess[str]:
        if key is None or not key.is_file():
            raise Unavailable(
                f"there is no key {key}", hint="set signing.private_key or signing.public_key to a PEM file"
            )
        signature = path / SIGNATURE
        command = [self.tool, verb, "key", str(path), option, str(key), "--signature", str(signature)]
        try:
            return subprocess.run(
                [*command, "--no-ignore-git-paths"], capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except FileNotFoundError:
            raise Unavailable(
                f"the signing program {self.tool!r} is not there",
                hint="install requirements/signing.in into its own environment; set signing.tool to its program",
            ) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"the signing program {self.tool!r} failed: {error}") from error

    # ---- the rest is the inner registry's -----------------------------------------------------------------------
    def get(self, name: str, version: int) -> ModelVersion:
        return self.inner.get(name, version)

    def latest(self, name: str) -> ModelVersion:
        return self.inner.latest(name)

    def versions(
        self, name: str | None = None, *, tags: Mapping[str, str | None] | None = None, limit: int | None = None
    ) -> Iterator[ModelVersion]:
        return self.inner.versions(name, tags=tags, limit=limit)

    def names(self) -> list[str]:
        return self.inner.names()

    def alias(self, name: str, alias: str) -> int | None:
        return self.inner.alias(name, alias)

    def aliases(self, name: str) -> dict[str, int]:
        return self.inner.aliases(name)

    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | None,
        *,
        who: str,
        why: str,
        expect: int | EllipsisType | None = ...,
    ) -> AliasMove:
        return self.inner.set_alias(name, alias, version, who=who, why=why, expect=expect)

    def history(self, name: str, alias: str | None = None) -> list[AliasMove]:
        return self.inner.history(name, alias)

    def set_tags(self, name: str, version: int, tags: Mapping[str, str | None]) -> ModelVersion:
        return self.inner.set_tags(name, version, tags)

    def delete(self, name: str, version: int) -> None:
        self.inner.delete(name, version)

    def verify(self, name: str | None = None) -> Verified:
        return self.inner.verify(name)

    def collect(self, *, dry_run: bool = False) -> Collected:
        return self.inner.collect(dry_run=dry_run)

    def export(self, target: Path) -> int:
        return self.inner.export(target)

    def import_(self, source: Path) -> int:
        return self.inner.import_(source)


def signed(inner: ModelRegistry, *, tool: str, private_key: str, public_key: str) -> ModelRegistry:
    """`inner`, with signatures if a key is given (an empty text: none)."""
    if not private_key and not public_key:
        return inner
    return SignedModelRegistry(
        inner,
        tool=tool or "model_signing",
        private_key=Path(private_key) if private_key else None,
        public_key=Path(public_key) if public_key else None,
    )


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1][:500] if lines else f"exit code {done.returncode}"


def _made(target: Path) -> Path:
    from registry.files.disk import guarded

    with guarded(f"write to {target}"):
        target.mkdir(parents=True, exist_ok=True)
    return target


def _move(path: Path, final: Path) -> Path:
    from registry.errors import Conflict

    if final.exists() or final.is_symlink():
        raise Conflict(f"{final} exists already", hint="choose an empty folder")
    return path.rename(final)
