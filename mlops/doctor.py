"""What ``mlops doctor`` says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mlops.app import App, BackendUnavailable
from mlops.checks import Check, folder_check, lock_check, package_checks, project_check, python_check

MARKS = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}


@dataclass(frozen=True)
class Report:
    """All findings, and all settings with their sources."""

    backend: str
    backend_source: str
    checks: list[Check]
    settings: list[dict[str, str]]

    @property
    def usable(self) -> bool:
        """Whether nothing that the chosen backend needs is missing."""
        return all(check.state != "missing" for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "backend_source": self.backend_source,
            "usable": self.usable,
            "checks": [asdict(check) for check in self.checks],
            "settings": self.settings,
        }

    def to_text(self, show_settings: bool) -> str:
        lines = [f"backend: {self.backend} (from {self.backend_source})", ""]
        width = max(len(check.name) for check in self.checks)
        for check in self.checks:
            lines.append(f"{MARKS[check.state]}  {check.name.ljust(width)}  {check.detail}")
            if check.mend and check.state != "ok":
                lines.append(f"         {' ' * width}  -> {check.mend}")
        rows = [row for row in self.settings if show_settings or row["source"] != "default"]
        lines += ["", "settings:" if show_settings else "settings that are not the default (all: --settings):"]
        width = max((len(row["setting"]) for row in rows), default=0)
        lines += [f"  {row['setting'].ljust(width)}  {row['value'] or chr(34) * 2}   ({row['source']})" for row in rows]
        lines += [
            "",
            "everything that this backend needs is there" if self.usable else "something is missing: see above",
        ]
        return "\n".join(lines)


def examine(app: App) -> Report:
    """Look at this machine and at the chosen backend."""
    settings = app.settings
    checks = [
        python_check(),
        project_check(app.project),
        lock_check(app.project),
        folder_check(app.state),
        *package_checks(),
    ]
    try:
        checks += app.backend.checks()
    except BackendUnavailable as error:
        checks.append(Check(str(settings["backend"]), "missing", str(error), error.hint or ""))
    return Report(str(settings["backend"]), settings.source("backend"), checks, settings.rows())
