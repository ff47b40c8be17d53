"""Clean checkouts: a copy of what git would send, uncommitted changes included, for each job."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

from rehearse.errors import RehearseError


class Repository:
    """The project's files as a fresh agent would get them.

    Files that git ignores never get there: a pipeline that needs one fails here as it would on an agent.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: list[str] | None = None

    def files(self) -> list[str]:
        """Tracked and new files, relative to the repository; without git, everything but caches."""
        if self._files is None:
            listing = subprocess.run(
                ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                capture_output=True,
                check=False,
            )
            if listing.returncode != 0:
                raise RehearseError(
                    f"{self.root} is no git checkout", hint="a checkout step copies what git knows: run git init there"
                )
            names = listing.stdout.decode().split("\0")
            self._files = sorted({name for name in names if name and (self.root / name).is_file()})
        return self._files

    def check_out(self, target: Path) -> None:
        """Copy the files to `target`, times and modes included (make compares times)."""
        for name in self.files():
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # somebody's new file may be gone again
                shutil.copy2(self.root / name, place, follow_symlinks=False)
        self._give_history(target)

    def _give_history(self, target: Path) -> None:
        """A repository of its own for the copy: same index and commit, objects read from the original."""
        subprocess.run(["git", "init", "-q", "-b", "main", str(target)], check=True)
        common = Path(self._git("rev-parse", "--path-format=absolute", "--git-common-dir"))
        own = target / ".git"
        (own / "objects" / "info" / "alternates").write_text(f"{common / 'objects'}\n", encoding="utf-8")
        index = Path(self._git("rev-parse", "--path-format=absolute", "--git-path", "index"))
        if index.is_file():
            shutil.copy2(index, own / "index")
        revision = self.revision()
        if revision.strip("0"):
            (own / "refs" / "heads" / "main").write_text(revision + "\n", encoding="utf-8")

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, check=True, text=True)
        return done.stdout.strip()

    def revision(self) -> str:
        """The commit that is checked out; zeros before the first one."""
        done = subprocess.run(
            ["git", "-C", str(self.root), "rev-parse", "HEAD"], capture_output=True, check=False, text=True
        )
        return done.stdout.strip() if done.returncode == 0 else "0" * 40
