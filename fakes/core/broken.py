"""An answer that is no HTTP answer."""

from __future__ import annotations

from werkzeug import Response


class BrokenConnection(Response):
    """A marker: each door drops the connection in its own way.

    `whole` is the answer of which half is sent before the drop (None: nothing at all).
    """

    def __init__(self, whole: Response | None = None) -> None:
        super().__init__(status=599)
        self.whole = whole
