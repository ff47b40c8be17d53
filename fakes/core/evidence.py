"""How sure we are that an operation answers as Azure does."""

from __future__ import annotations

from enum import Enum


class Evidence(str, Enum):
    """Evidence label of one operation, strongest first.

    ``verified-live`` is written by the live suite alone (with a date and an SDK version), never by hand.
    """

    VERIFIED_LIVE = "verified-live"
    SDK_ACCEPTS = "sdk-accepts"
    DOCUMENTED = "documented"
    PUBLIC_TRACE = "public-trace"
    ASSUMED = "assumed"

    @property
    def meaning(self) -> str:
        return _MEANING[self]


_MEANING = {
    Evidence.VERIFIED_LIVE: "compared with a real workspace by the live suite",
    Evidence.SDK_ACCEPTS: "the unmodified SDK sends this request and works with the answer",
    Evidence.DOCUMENTED: "written from Microsoft's published documentation or REST specification",
    Evidence.PUBLIC_TRACE: "written from a real exchange that somebody published",
    Evidence.ASSUMED: "a guess that fits its neighbours",
}
