"""The published exit codes, and which exception gives which.

``docs/exit-codes.md`` is the page for people; a test holds the two equal.
"""

from __future__ import annotations

import errno
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``mlops``."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    INVALID = 5
    KEEP = 6
    DEPLOY_FAILED = 7
    UNAVAILABLE = 8
    TIMEOUT = 124
    INTERRUPTED = 130


# By qualified name, so that no room has to be imported to look one up: whoever raised it has loaded it.
_BY_EXCEPTION: dict[str, ExitCode] = {
    "mlops.settings.SettingsError": ExitCode.USAGE,
    "mlops.app.UsageMistake": ExitCode.USAGE,
    "mlops.app.BackendUnavailable": ExitCode.UNAVAILABLE,
    "registry.errors.NotFound": ExitCode.NOT_FOUND,
    "registry.errors.Conflict": ExitCode.CONFLICT,
    "registry.errors.InvalidName": ExitCode.INVALID,
    "registry.errors.Corrupt": ExitCode.INVALID,
    "registry.errors.NewerSchema": ExitCode.INVALID,
    "registry.errors.Unavailable": ExitCode.UNAVAILABLE,
    "registry.errors.RegistryError": ExitCode.INVALID,
    "deploy.errors.ServiceNotFound": ExitCode.NOT_FOUND,
    "deploy.errors.Invalid": ExitCode.INVALID,
    "deploy.errors.DeployConflict": ExitCode.CONFLICT,
    "deploy.errors.PackageRefused": ExitCode.INVALID,
    "deploy.errors.EngineUnavailable": ExitCode.UNAVAILABLE,
    "deploy.errors.StateUnavailable": ExitCode.UNAVAILABLE,
    "deploy.errors.DeployTimeout": ExitCode.TIMEOUT,
    "deploy.errors.DeployError": ExitCode.DEPLOY_FAILED,
    "model.errors.DataNotFound": ExitCode.NOT_FOUND,
    "model.errors.ModelError": ExitCode.INVALID,
    "pipeline.errors.PipelineNotFound": ExitCode.NOT_FOUND,
    "pipeline.errors.PipelineConflict": ExitCode.CONFLICT,
    "pipeline.errors.PipelineTimeout": ExitCode.TIMEOUT,
    "pipeline.errors.EngineUnavailable": ExitCode.UNAVAILABLE,
    "pipeline.errors.PipelineError": ExitCode.INVALID,
    "builtins.PermissionError": ExitCode.UNAVAILABLE,
    "builtins.KeyboardInterrupt": ExitCode.INTERRUPTED,
}


# What a folder, a file or a disk answers that cannot be written: no defect of the kit.
_DISK = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EFBIG)
)


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code for an exception: that of its nearest class in the table, else ``UNEXPECTED``."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return ExitCode.UNAVAILABLE
    if type(error).__qualname__ == "StepFailed":  # a step in another process has looked its own error up already
        code = getattr(error, "exit_code", None)
        return ExitCode(code) if code in {int(item) for item in ExitCode} else ExitCode.UNEXPECTED
    for kind in type(error).__mro__:
        code = _BY_EXCEPTION.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            return code
    return ExitCode.UNEXPECTED
