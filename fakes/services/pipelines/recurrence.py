"""When a recurrence is due. Pure functions.

Facts: ``azureml.pipeline.core.schedule.ScheduleRecurrence`` (1.62): a schedule without a start time runs at once, then
by its frequency, interval, and, for days and weeks, its hours, minutes and week days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fakes.core.errors import AzureError, bad_request

FREQUENCIES = {"0": "Month", "1": "Week", "2": "Day", "3": "Hour", "4": "Minute"}
WEEK_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Windows names of zones (Unicode CLDR, windowsZones.xml), the ones that people use most.
_ZONES = {
    "UTC": "UTC",
    "GMT Standard Time": "Europe/London",
    "Greenwich Standard Time": "Atlantic/Reykjavik",
    "W. Europe Standard Time": "Europe/Berlin",
    "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw",
    "Romance Standard Time": "Europe/Paris",
    "FLE Standard Time": "Europe/Kiev",
    "GTB Standard Time": "Europe/Bucharest",
    "Russian Standard Time": "Europe/Moscow",
    "Turkey Standard Time": "Europe/Istanbul",
    "Israel Standard Time": "Asia/Jerusalem",
    "South Africa Standard Time": "Africa/Johannesburg",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Mountain Standard Time": "America/Denver",
    "Pacific Standard Time": "America/Los_Angeles",
    "E. South America Standard Time": "America/Sao_Paulo",
    "India Standard Time": "Asia/Calcutta",
    "China Standard Time": "Asia/Shanghai",
    "Tokyo Standard Time": "Asia/Tokyo",
    "Korea Standard Time": "Asia/Seoul",
    "Singapore Standard Time": "Asia/Singapore",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "New Zealand Standard Time": "Pacific/Auckland",
}
_STEP = {
    "Minute": timedelta(minutes=1),
    "Hour": timedelta(hours=1),
    "Day": timedelta(days=1),
    "Week": timedelta(days=7),
}
_LONGEST = 5000


def frequency(recurrence: Mapping[str, Any]) -> str:
    """Month, Week, Day, Hour or Minute. Raises ``AzureError`` 400."""
    text = str(recurrence.get("Frequency"))
    word = FREQUENCIES.get(text, text)
    if word not in FREQUENCIES.values():
        raise bad_request(f"The frequency {text!r} is none of {', '.join(FREQUENCIES.values())}.", "BadRequest")
    return word


def check(recurrence: Mapping[str, Any]) -> None:
    """Refuse what the service refuses. Raises ``AzureError`` 400, 501 (a time zone that this fake does not know)."""
    word = frequency(recurrence)
    interval = recurrence.get("Interval")
    if not isinstance(interval, int) or interval < 1:
        raise bad_request("The interval of a recurrence must be a positive whole number.", "BadRequest")
    schedule = recurrence.get("Schedule") or {}
    if any(schedule.get(key) for key in ("Hours", "Minutes")) and word not in ("Day", "Week"):
        raise bad_request("Hours and minutes belong to recurrences by day or week.", "BadRequest")
    if schedule.get("WeekDays") and word != "Week":
        raise bad_request("Week days belong to recurrences by week.", "BadRequest")
    if recurrence.get("StartTime") and not recurrence.get("TimeZone"):
        raise bad_request("A start time needs a time zone.", "BadRequest")
    zone(recurrence)
    start(recurrence)


def zone(recurrence: Mapping[str, Any]) -> tzinfo:
    """The time zone of a recurrence, UTC without. Raises ``AzureError`` 501."""
    name = recurrence.get("TimeZone") or "UTC"
    if name not in _ZONES:
        raise AzureError(501, "NotImplementedByFake", f"The time zone {name!r} is not known to this fake.")
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(_ZONES[name])
    except ZoneInfoNotFoundError as error:
        raise AzureError(
            501, "NotImplementedByFake", f"This machine has no time zone data for {name}: install tzdata."
        ) from error


def start(recurrence: Mapping[str, Any]) -> datetime | None:
    """The start time with its zone, or None. Raises ``AzureError`` 400."""
    text = recurrence.get("StartTime")
    if not text:
        return None
    try:
        return datetime.fromisoformat(str(text).rstrip("Z")).replace(tzinfo=zone(recurrence))
    except ValueError as error:
        raise bad_request(f"The start time {text!r} is not written YYYY-MM-DDThh:mm:ss.", "BadRequest") from error


def next_due(recurrence: Mapping[str, Any], created: datetime, after: datetime) -> datetime | None:
    """The first time after `after` at which a recurrence is due, in UTC; None when that is too far away."""
    begin = (start(recurrence) or created).astimezone(zone(recurrence))
    for count, moment in enumerate(_moments(recurrence, begin)):
        if moment >= begin and moment > after:
            return moment.astimezone(timezone.utc)
        if count > _LONGEST and moment <= after:
            # Far behind, as after the clock was moved by months: go on from now.
            begin = after.astimezone(begin.tzinfo)
            break
    for moment in _moments(recurrence, begin):
        if moment > after:
            return moment.astimezone(timezone.utc)
    return None


def _moments(recurrence: Mapping[str, Any], begin: datetime) -> Iterator[datetime]:
    word, interval = frequency(recurrence), int(recurrence["Interval"])
    schedule = recurrence.get("Schedule") or {}
    count = 0
    while count < 2 * _LONGEST:
        if word == "Month":
            months = begin.month - 1 + count * interval
            year, month = begin.year + months // 12, months % 12 + 1
            yield begin.replace(year=year, month=month, day=min(begin.day, 28))
        else:
            base = begin + _STEP[word] * interval * count
            yield from _within(word, base, schedule) if schedule and word in ("Day", "Week") else [base]
        count += 1


def _within(word: str, base: datetime, schedule: Mapping[str, Any]) -> list[datetime]:
    hours = schedule.get("Hours") or [base.hour]
    minutes = schedule.get("Minutes") or [0 if schedule.get("Hours") else base.minute]
    days = [base]
    if word == "Week":
        wanted = [_week_day(day) for day in schedule.get("WeekDays") or []] or [base.weekday()]
        monday = base - timedelta(days=base.weekday())
        days = [monday + timedelta(days=day) for day in sorted(wanted)]
    return [
        day.replace(hour=hour, minute=minute, second=0, microsecond=0)
        for day in days
        for hour in sorted(hours)
        for minute in sorted(minutes)
    ]


def _week_day(day: Any) -> int:
    text = str(day)
    if text.isdigit() and int(text) < len(WEEK_DAYS):
        return int(text)
    if text in WEEK_DAYS:
        return WEEK_DAYS.index(text)
    raise bad_request(f"{day!r} is no week day.", "BadRequest")
