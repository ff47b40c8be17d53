"""What every adapter of ``ImageBuilder`` does. Subclass it and give the fixtures ``builder`` and ``package``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import PackageRefused
from deploy.images import ImageBuilder, PackageRequest


class ImageBuilderContract:
    """The suite."""

    @pytest.fixture
    def builder(self) -> ImageBuilder:
        raise NotImplementedError

    @pytest.fixture
    def package(self) -> PackageRequest:
        """A model of :class:`tests.contract.services_project.Project`, with the lock of this Python."""
        raise NotImplementedError

    def test_builds(self, builder: ImageBuilder, package: PackageRequest) -> None:
        said: list[str] = []
        image = builder.build(package, progress=said.append)
        assert image.model == package.model.reference
        assert image.model_digest == package.model.digest
        assert image.digest.startswith("sha256:")
        assert image.reference
        assert said

    def test_the_same_request_gives_the_same_image(self, builder: ImageBuilder, package: PackageRequest) -> None:
        assert builder.build(package) == builder.build(package)

    def test_an_artifact_that_was_changed_is_refused(self, builder: ImageBuilder, package: PackageRequest) -> None:
        (package.artifact / "weights.json").write_text('{"slope": 9.0, "init": ""}')
        with pytest.raises(PackageRefused, match="not what was registered"):
            builder.build(package)

    def test_a_missing_code_folder_is_refused_by_name(self, builder: ImageBuilder, package: PackageRequest) -> None:
        with pytest.raises(PackageRefused, match="features"):
            builder.build(replace(package, code=("features",)))

    def test_code_outside_the_project_is_refused(self, builder: ImageBuilder, package: PackageRequest) -> None:
        for folder in ("..", "/etc"):
            with pytest.raises(PackageRefused, match="not inside the project"):
                builder.build(replace(package, code=(folder,)))

    def test_a_missing_lock_is_refused(self, builder: ImageBuilder, package: PackageRequest, tmp_path: Path) -> None:
        with pytest.raises(PackageRefused, match=r"other\.txt"):
            builder.build(replace(package, lock=tmp_path / "other.txt"))

    def test_a_lock_without_hashes_is_refused(
        self, builder: ImageBuilder, package: PackageRequest, tmp_path: Path
    ) -> None:
        loose = tmp_path / "loose.txt"
        loose.write_text("flask==3.1.3\n")
        with pytest.raises(PackageRefused, match="hash-locked"):
            builder.build(replace(package, lock=loose))

    def test_another_library_version_is_refused_by_name(self, builder: ImageBuilder, package: PackageRequest) -> None:
        changed = with_manifest(package, libraries={"numpy": "0.0.1"})
        with pytest.raises(PackageRefused, match=r"numpy 0\.0\.1"):
            builder.build(changed)

    def test_a_module_that_the_image_would_not_have_is_named(
        self, builder: ImageBuilder, package: PackageRequest
    ) -> None:
        """`pandas` is installed where this runs, but the scoring lock does not have it."""
        script = package.source / package.entry_script
        script.write_text(f"import pandas\n{script.read_text()}")
        with pytest.raises(PackageRefused, match="'pandas'"):
            builder.build(package)

    def test_code_of_the_project_that_is_not_packed_is_named(
        self, builder: ImageBuilder, package: PackageRequest
    ) -> None:
        (package.source / "helpers").mkdir()
        (package.source / "helpers" / "__init__.py").write_text("")
        script = package.source / package.entry_script
        script.write_text(f"import helpers\n{script.read_text()}")
        with pytest.raises(PackageRefused, match="'helpers'"):
            builder.build(package)
        assert builder.build(replace(package, code=("model", "helpers"))).model == package.model.reference


def with_manifest(package: PackageRequest, **changes: object) -> PackageRequest:
    """The request with another manifest, registered as such."""
    from registry.digests import tree_digest

    manifest = package.artifact / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))
    return replace(package, model=replace(package.model, digest=tree_digest(package.artifact)))
