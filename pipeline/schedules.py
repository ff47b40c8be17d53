"""When a published pipeline starts by itself: at times, or when data changes."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import PipelineError

UNITS = ("minute", "hour", "day", "week", "month")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class When:
    """What starts a run: every `interval` `unit`s, or a change below `path`.

    Attributes
    ----------
    unit : str or None
        ``minute``, ``hour``, ``day``, ``week`` or ``month``; ``None`` for a schedule by data.
    interval : int
        Units between two runs.
    at : str or None
        ``HH:MM`` in UTC; days and weeks only.
    weekdays : tuple of str
        Weeks only.
    path : str or None
        Folder of the backend's store that is watched.
    poll_minutes : int
        How often it is looked at.

    Raises
    ------
    pipeline.errors.PipelineError
        The parts contradict each other.
    """

    unit: str | None = None
    interval: int = 1
    at: str | None = None
    weekdays: tuple[str, ...] = ()
    path: str | None = None
    poll_minutes: int = 5

    def __post_init__(self) -> None:
        wrong = self._wrong()
        if wrong:
            raise PipelineError(f"this is no schedule: {wrong}", hint="mlops pipeline schedule create --help")

    def _wrong(self) -> str | None:
        if (self.unit is None) == (self.path is None):
            return "give either a time or data to watch"
        if self.interval < 1 or self.poll_minutes < 1:
            return "an interval is at least 1"
        if self.unit is not None and self.unit not in UNITS:
            return f"{self.unit!r} is none of {', '.join(UNITS)}"
        if self.at is not None and (self.unit not in ("day", "week") or not _TIME.fullmatch(self.at)):
            return "a time of day (HH:MM) goes with days and weeks"
        if self.weekdays and (self.unit != "week" or not set(self.weekdays) <= set(WEEKDAYS)):
            return "days of the week go with weeks"
        return None

    def __str__(self) -> str:
        if self.path is not None:
            return f"when {self.path} changes, looked at every {self.poll_minutes} min"
        often = f"every {self.unit}" if self.interval == 1 else f"every {self.interval} {self.unit}s"
        days = f" on {', '.join(day.capitalize() for day in self.weekdays)}" if self.weekdays else ""
        return often + days + (f" at {self.at} UTC" if self.at else "")

    def cron(self) -> str | None:
        """The five fields of a crontab, where it can say so; cron counts in the machine's own time zone."""
        hour, minute = (int(part) for part in (self.at or "00:00").split(":"))
        step = "*" if self.interval == 1 else f"*/{self.interval}"
        if self.unit == "week":
            days = ",".join(str(WEEKDAYS.index(day) + 1) for day in self.weekdays or WEEKDAYS[:1])
            return f"{minute} {hour} * * {days}" if self.interval == 1 else None
        fields = {
            "minute": f"{step} * * * *",
            "hour": f"0 {step} * * *",
            "day": f"{minute} {hour} {step} * *",
            "month": f"0 0 1 {step} *",
        }
        return fields.get(self.unit or "")


@dataclass(frozen=True)
class Schedule:
    """A schedule as the backend keeps it."""

    id: str
    name: str
    pipeline: str
    when: str
    """For a person."""
    last_run: str | None = None
    """Id of the last run that it started."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)
