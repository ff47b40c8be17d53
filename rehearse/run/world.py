"""Where rehearsed steps run: clean environments, a place for artifacts and runs, the cloud that they believe in."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rehearse.run.identity import Issuer
from rehearse.run.results import SUCCEEDED
from rehearse.run.workspace import Repository

_PASSED = ("LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")


@dataclass
class StoredRun:
    """A run that is over, as later runs see it."""

    pipeline: str
    id: str
    folder: Path
    state: str
    branch: str
    tags: list[str] = field(default_factory=list)

    def artifact(self, name: str) -> Path:
        """Where an artifact of the run lies."""
        return self.folder / "artifacts" / name

    def artifacts(self) -> list[str]:
        """Names of its artifacts."""
        place = self.folder / "artifacts"
        return sorted(child.name for child in place.iterdir()) if place.is_dir() else []


class World:
    """One rehearsal.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    scratch : pathlib.Path
        An empty folder for everything that the rehearsal writes.
    venv : pathlib.Path
        The environment that the commands run in.
    extra : mapping of str to str
        Variables of every step: where the state is, and the way to the fake.
    signed_in : mapping of str to str
        Variables of a step that has a service connection, or comes after ``azure/login``.
    tools : pathlib.Path, optional
        Programs that agents have and this machine need not: ``az``.
    issuer : Issuer, optional
        Where jobs of GitHub get tokens of their own.
    """

    def __init__(
        self,
        root: Path,
        scratch: Path,
        venv: Path,
        extra: Mapping[str, str] | None = None,
        signed_in: Mapping[str, str] | None = None,
        tools: Path | None = None,
        issuer: Issuer | None = None,
    ) -> None:
        self.root = root
        self.scratch = scratch
        self.venv = venv
        self.extra = dict(extra or {})
        self.signed_in = dict(signed_in or {})
        self.tools, self.issuer = tools, issuer
        self.repository = Repository(root)
        self.runs: list[StoredRun] = []
        self._next = 1000

    def new_run(self, pipeline: str) -> tuple[str, Path]:
        """The next build id, and a folder for the run."""
        self._next += 1
        identifier = str(self._next)
        folder = self.scratch / "runs" / f"{pipeline}-{identifier}"
        (folder / "artifacts").mkdir(parents=True)
        return identifier, folder

    def check_out(self, target: Path) -> None:
        """A clean copy of the project, with the environment that is shared by all of them."""
        self.repository.check_out(target)
        link = target / ".venv"
        if self.venv.is_dir() and not link.exists():
            link.symlink_to(self.venv, target_is_directory=True)

    def latest(self, pipeline: str) -> StoredRun | None:
        """The newest run of a pipeline that succeeded: what a pipeline resource is when nothing else is chosen."""
        return next((run for run in reversed(self.runs) if run.pipeline == pipeline and run.state == SUCCEEDED), None)

    def environment(self, home: Path, *, signed_in: bool) -> dict[str, str]:
        """A clean environment: nothing of the caller's but the language and the search path of the system."""
        home.mkdir(parents=True, exist_ok=True)
        tools = {str(Path(found).parent) for tool in ("make", "git", "bash", "docker") if (found := shutil.which(tool))}
        system = [part for part in ("/usr/local/bin", "/usr/bin", "/bin", *sorted(tools)) if Path(part).is_dir()]
        path = [*([str(self.tools)] if self.tools else []), str(Path(sys.executable).parent), *system]
        variables = {name: os.environ[name] for name in _PASSED if name in os.environ}
        variables |= {"PATH": os.pathsep.join(dict.fromkeys(path)), "HOME": str(home), "PYTHONUNBUFFERED": "1"}
        # The environment is shared with the project: make must not install the copy into it.
        variables |= {"TMPDIR": str(home), "VENV": str(self.venv), "ENV_READY": "1", "PYTHONPATH": "."}
        variables |= self.extra
        if signed_in:
            variables |= self.signed_in
        return variables
