"""The checks of an environment, which live in the project and not in the YAML: branches, locks, approvals."""

from __future__ import annotations

from collections.abc import Callable

from rehearse.errors import PipelineError
from rehearse.run.project import Project

Approve = Callable[[str, list[str]], bool]


def grant(environment: str, approvers: list[str]) -> bool:
    """Grant every approval."""
    return True


def check(
    name: str, project: Project, branch: str, approve: Approve, waiting: Callable[[], None], place: str | None
) -> tuple[bool, list[str], str]:
    """Go through the checks of an environment.

    Parameters
    ----------
    name : str
        The environment; what stands after a dot is a resource in it.
    waiting : callable
        Called before somebody is asked.

    Returns
    -------
    tuple
        Whether all passed, what was checked, and why one did not pass.

    Raises
    ------
    PipelineError
        There is no such environment.
    """
    base = name.partition(".")[0]
    if base not in project.environments:
        known = ", ".join(project.environments) or "none"
        raise PipelineError(f"there is no environment {base!r}", where=place, hint=f"known: {known}")
    checks = project.environments[base]
    done: list[str] = []
    if checks.branches and branch not in checks.branches:
        return False, done, f"{branch} may not deploy to {base}"
    if checks.exclusive_lock:
        done.append(f"exclusive lock on {base}")
    if checks.approvers:
        waiting()
        if not approve(base, checks.approvers):
            return False, done, f"approval of {base} rejected"
        done.append(f"approved for {base} by {', '.join(checks.approvers)}")
    return True, done, ""
