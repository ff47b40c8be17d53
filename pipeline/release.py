"""From a registered model version to a production service: package, deploy to a stage, smoke-test, move its alias.

The functions receive the seams; which backend is behind them, they cannot tell.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import EllipsisType
from typing import Any

from deploy import canary
from deploy.canary import CanaryReport, Rule
from deploy.content import check_code
from deploy.errors import DeployError, ServiceNotFound
from deploy.images import Image, ImageBuilder, PackageRequest
from deploy.services import DeployRequest, ServiceInfo, Services, ServiceState
from deploy.smoke import SmokeReport, read_golden, smoke
from pipeline.errors import PipelineConflict, PipelineError, PipelineNotFound
from registry.errors import AliasMoved
from registry.models import AliasMove, ModelRegistry, ModelVersion

STAGES = ("qa", "production")
"""Where a service runs, in the order in which a version goes through them."""

ROLLBACK = "rollback"
"""How the promotion log's reason of a rollback begins."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Release:
    """What a release needs beside the model version.

    ``names`` maps each stage to its service.
    """

    registry: ModelRegistry
    services: Services
    images: ImageBuilder | None
    """``None`` where services need no image."""
    project: Path
    entry_script: Path
    code: tuple[str, ...]
    names: Mapping[str, str]
    cache: Path
    """Folder for downloaded artifacts; may be removed at any time."""
    who: str
    base_image: str | None = None
    timeout: float = 300.0
    cpu: float | None = None
    memory_gb: float | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def service(self, stage: str) -> str:
        """The service of a stage. Raises ``PipelineError``."""
        if stage not in self.names:
            raise PipelineError(f"there is no stage {stage!r}", hint=f"stages: {', '.join(self.names)}")
        return self.names[stage]

    def package(self, version: ModelVersion) -> PackageRequest:
        """Download the artifact (its digest is verified) and say what goes into the image.

        Raises
        ------
        pipeline.errors.PipelineNotFound
            There is no lock for the Python that the model was trained with.
        """
        minor = version.lineage.python or ""
        lock = self.project / "requirements" / "locks" / f"score-{minor}.txt"
        if not lock.is_file():
            raise PipelineNotFound(
                f"{version.reference} was trained with Python {minor or 'unknown'}, and there is no lock {lock.name}",
                hint="train with a supported Python, or make the lock: make lock",
            )
        return PackageRequest(
            model=version,
            artifact=self.artifact(version),
            entry_script=self.entry_script,
            source=self.project,
            code=self.code,
            lock=lock,
            base_image=self.base_image,
        )

    def check(self) -> None:
        """Refuse, before anything is trained, what no version could be packaged with.

        Raises
        ------
        deploy.errors.PackageRefused
            The entry script or a folder of code is not there.
        """
        check_code(self.project, self.entry_script, self.code)

    def artifact(self, version: ModelVersion) -> Path:
        """The artifact of a version on this machine, its digest verified."""
        from registry.digests import tree_digest

        folder = self.cache / "artifacts" / version.name / f"{version.version}-{version.digest[7:19]}"
        if folder.is_dir():
            found = [item for item in folder.iterdir() if not item.name.startswith(".")]
            if len(found) == 1 and tree_digest(found[0]) == version.digest:
                return found[0]
            shutil.rmtree(folder)
        # Beside its place first: another command of this project may be about to use the same version.
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent, ignore_cleanup_errors=True) as scratch:
            made = self.registry.download(version.name, version.version, Path(scratch) / folder.name)
            try:
                made.parent.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
                return self.artifact(version)  # it has been put there meanwhile
        return folder / made.name

    def build(self, version: ModelVersion, progress: Progress) -> tuple[PackageRequest, Image | None]:
        """Package a version: an image where services need one, else what a process needs."""
        request = self.package(version)
        if self.images is None:
            progress(f"{version.reference}: no image needed, services are processes of this machine")
            return request, None
        return request, self.images.build(request, progress=progress)

    def deploy(
        self, stage: str, request: PackageRequest, image: Image | None, progress: Progress, *, traffic: int = 100
    ) -> ServiceInfo:
        """Deploy to a stage. The version before serves on until the new one is ready and smoke-tested."""
        wanted = self._wanted(stage, request, image)
        return self.services.deploy(wanted, traffic=traffic, timeout=self.timeout, progress=progress)

    def _wanted(self, stage: str, request: PackageRequest, image: Image | None) -> DeployRequest:
        return DeployRequest(
            service=self.service(stage),
            stage=stage,
            package=request,
            image=image,
            env=self.env,
            cpu=self.cpu,
            memory_gb=self.memory_gb,
            tags=self.tags,
        )

    def smoke(self, stage: str, version: ModelVersion, *, timeout: float = 60.0) -> SmokeReport:
        """Test what a stage serves, from outside, against the version's golden prediction and digest."""
        info = self.services.get(self.service(stage))
        key = self.services.keys(info.name).primary
        return smoke(info.uri, read_golden(self.artifact(version)), version.digest, key=key, timeout=timeout)

    def promoted(
        self, stage: str, version: ModelVersion, why: str, *, expect: int | EllipsisType | None = ...
    ) -> AliasMove | None:
        """Let the stage's alias name the version that its smoke test passed; nothing if it does already."""
        if self.registry.alias(version.name, stage) == version.version:
            return None
        return self.registry.set_alias(version.name, stage, version.version, who=self.who, why=why, expect=expect)

    def still(self, stage: str, model: str, judged: int | None) -> None:
        """Refuse to release a candidate that was judged against another version than the one that is there now.

        Raises
        ------
        pipeline.errors.PipelineConflict
            Another release came between.
        """
        now = self.registry.alias(model, stage)
        if now != judged:
            before, after = (f"{model}:{number}" if number else "nothing" for number in (judged, now))
            raise PipelineConflict(
                f"{stage} names {after} now; the candidate was judged against {before}",
                hint="mlops run judges one against what is there now",
            )

    def ensure(self, stage: str, model: str, progress: Progress) -> ServiceInfo | None:
        """Bring a stage's service back if it is down, from the version that its alias names.

        Returns ``None`` when the alias names nothing: the stage was never released to.
        """
        number = self.registry.alias(model, stage)
        if number is None:
            return None
        version = self.registry.get(model, number)
        name = self.service(stage)
        try:
            info = self.services.ensure(name, progress=progress)
            if info.state is ServiceState.HEALTHY and info.version == version.reference:
                return info
        except ServiceNotFound:
            pass
        except DeployError as error:
            progress(f"{name} does not come back ({error}): deploying {version.reference} again")
        request, image = self.build(version, progress)
        return self.deploy(stage, request, image, progress)

    def rollback(self, stage: str, model: str, progress: Progress, *, to: int | None = None) -> AliasMove | None:
        """Go back to the version that the stage's alias named before, or to `to`.

        ``None``: the alias names `to` already. Nothing is written then; what it names is brought back if it is down.

        The log gets a new entry first, expected to follow the one that was read, so that of two rollbacks one is told;
        then what it names is deployed. Where that fails, or does not pass, the alias goes back, and what it names then
        is deployed again if it does not serve.

        Raises
        ------
        pipeline.errors.PipelineError
            There is no such stage.
        pipeline.errors.PipelineNotFound
            There is no version before.
        registry.errors.AliasMoved
            Somebody else moved the alias meanwhile.
        """
        self.service(stage)
        now = self.registry.alias(model, stage)
        if to is not None and to == now:
            self.ensure(stage, model, progress)
            return None
        target = to if to is not None else previous_version(self.registry, model, stage)
        version = self.registry.get(model, target)
        request, image = self.build(version, progress)
        move = self.registry.set_alias(
            model, stage, target, who=self.who, why=f"{ROLLBACK} from version {now}", expect=now
        )
        try:
            self.deploy(stage, request, image, progress)
            self.smoke(stage, version)
        except BaseException as error:
            # The target may have its traffic already: both the alias and what serves must be what they were.
            why = f"{ROLLBACK} to version {target} failed: {type(error).__name__}"
            before = f"{model}:{now}" if now is not None else "what was there"
            progress(f"{why}: putting {before} back")
            try:
                self.registry.set_alias(model, stage, now, who=self.who, why=why, expect=target)
                self.ensure(stage, model, progress)
            except Exception as also:
                progress(f"putting {before} back did not work either: {also}")
            raise
        return move

    def promote(self, model: str, progress: Progress, *, source: str = "qa", target: str = "production") -> ServiceInfo:
        """Deploy what one stage's alias names to another stage, smoke-test it there and move that stage's alias.

        Raises
        ------
        pipeline.errors.PipelineError
            There is no such stage, or both are the same.
        pipeline.errors.PipelineConflict
            `source` names nothing that passed its smoke test.
        """
        if self.service(source) == self.service(target):
            raise PipelineError(f"{source!r} cannot be promoted to itself", hint=f"stages: {', '.join(self.names)}")
        number = self.registry.alias(model, source)
        if number is None:
            raise PipelineConflict(
                f"stage {source!r} has no version of {model} that passed its smoke test",
                hint=f"mlops deploy {model}@candidate --stage {source}",
            )
        return self.release_to(target, self.registry.get(model, number), progress, why=f"promoted from {source}")

    def release_to(self, stage: str, version: ModelVersion, progress: Progress, *, why: str) -> ServiceInfo:
        """Package, deploy, smoke-test and move the alias, in that order."""
        request, image = self.build(version, progress)
        info = self.deploy(stage, request, image, progress)
        self.prove(stage, version, progress, why=why)
        return info

    def release_with_canary(
        self,
        version: ModelVersion,
        progress: Progress,
        *,
        percent: int,
        rule: Rule,
        probes: Sequence[bytes] | None = None,
        stage: str = "production",
    ) -> CanaryReport:
        """Package, deploy with `percent` of the traffic, watch, give it everything, smoke-test, move the alias.

        Parameters
        ----------
        percent : int
            1 to 99.
        rule : deploy.canary.Rule
            When it is taken back.
        probes : sequence of bytes, optional
            Requests to send while watching; by default those of the golden predictions of both versions.

        Raises
        ------
        deploy.errors.CanaryFailed
            It was taken back, and the version before has all traffic.
        """
        request, image = self.build(version, progress)
        report = canary.release(
            self.services,
            self._wanted(stage, request, image),
            percent=percent,
            probes=self.golden_requests(version, stage) if probes is None else probes,
            rule=rule,
            timeout=self.timeout,
            progress=progress,
        )
        why = f"released after a canary with {percent} percent: {report.reason}"
        self.prove(stage, version, progress, why=why)
        return report

    def golden_requests(self, version: ModelVersion, stage: str) -> list[bytes]:
        """The golden requests of a version and of the one that the stage's alias names, one row each."""
        requests: list[Any] = [read_golden(self.artifact(version)).request]
        running = self.registry.alias(version.name, stage)
        if running is not None:
            requests.append(read_golden(self.artifact(self.registry.get(version.name, running))).request)
        found = []
        for request in requests:
            rows = request.get("data") if isinstance(request, dict) else None
            found += [{**request, "data": [row]} for row in rows] if isinstance(rows, list) and rows else [request]
        return [json.dumps(item).encode() for item in found]

    def prove(
        self,
        stage: str,
        version: ModelVersion,
        progress: Progress,
        *,
        why: str,
        expect: int | EllipsisType | None = ...,
    ) -> None:
        """Smoke-test what was deployed, and let the stage's alias name it.

        A version that fails has its traffic already: what the alias names is deployed again, so that a release that
        failed leaves the version before serving. So it is where the alias does not name `expect` any more.
        """
        try:
            self._tested(stage, version, why, expect)
        except BaseException:
            before = self.registry.alias(version.name, stage)
            if before not in (None, version.version):
                progress(f"{version.reference} does not pass: putting {version.name}:{before} back")
                try:
                    self.ensure(stage, version.name, progress)
                except Exception as also:
                    progress(f"putting {version.name}:{before} back did not work either: {also}")
            raise

    def _tested(self, stage: str, version: ModelVersion, why: str, expect: int | EllipsisType | None) -> None:
        """Smoke-test, then move the alias from what it named before the test: it must name what serves.

        Where another release has moved it meanwhile, the test says anew whose version serves.
        """
        while True:
            now = self.registry.alias(version.name, stage) if expect is ... else expect
            self.smoke(stage, version)
            try:
                self.promoted(stage, version, why, expect=now)
                return
            except AliasMoved:
                if expect is not ...:
                    raise


def previous_version(registry: ModelRegistry, model: str, alias: str) -> int:
    """The version that an alias named before the one it names now, skipping versions that are gone.

    Raises
    ------
    pipeline.errors.PipelineNotFound
        There is none.
    """
    from registry.errors import NotFound

    stack: list[int] = []
    for move in registry.history(model, alias):
        if move.to_version is None:
            continue
        if move.why.startswith(ROLLBACK) and move.to_version in stack:
            # Two rollbacks in a row go two versions back, not back and forth.
            del stack[stack.index(move.to_version) + 1 :]
        elif not stack or stack[-1] != move.to_version:
            stack.append(move.to_version)
    for candidate in reversed(stack[:-1]):
        try:
            registry.get(model, candidate)
        except NotFound:
            continue
        return candidate
    raise PipelineNotFound(
        f"alias {alias!r} of {model} has named no other version before", hint=f"mlops models history {model}"
    )
