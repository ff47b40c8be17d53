"""Small charts as SVG text: scatter and line, readable in light and dark pages, with no library and no script."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, EDGE, LEFT = 480, 340, 52, 72
COLORS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2")

Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that span from `low` to `high`, about `count` of them; always more than one."""
    largest = max(abs(low), abs(high))
    span = min(high - low, sys.float_info.max / 4)
    if span <= largest * 1e-9:  # no more than rounding: there is nothing between them to show
        span = largest or 1.0
    rough = max(span, 1e-300) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough)
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [float(f"{number * step:.12g}") for number in range(first, max(last, first + 1) + 1)]


class Plot:
    """One chart with axes.

    Parameters
    ----------
    title, x_label, y_label : str
    xs, ys : sequence of float
        All values that will be drawn; they set the axes.
    """

    def __init__(self, title: str, x_label: str, y_label: str, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.x_ticks, self.y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
        self.parts: list[str] = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}" '
            'xmlns="http://www.w3.org/2000/svg">',
            f'<text class="title" x="{WIDTH / 2}" y="18">{escape(title)}</text>',
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}">{escape(x_label)}</text>',
            f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)">{escape(y_label)}</text>',
        ]
        for value in self.x_ticks:
            x = self.x(value)
            self.parts.append(f'<line class="grid" x1="{x:.1f}" y1="{EDGE - 20}" x2="{x:.1f}" y2="{HEIGHT - EDGE}"/>')
            self.parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - EDGE + 16}">{value:g}</text>')
        for value in self.y_ticks:
            y = self.y(value)
            self.parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 12}" y2="{y:.1f}"/>')
            self.parts.append(f'<text class="tick left" x="{LEFT - 6}" y="{y + 4:.1f}">{value:g}</text>')

    def x(self, value: float) -> float:
        """Where a value is, from the left."""
        low, high = self.x_ticks[0], self.x_ticks[-1]
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 12)

    def y(self, value: float) -> float:
        """Where a value is, from the top."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return HEIGHT - EDGE - (value - low) / (high - low) * (HEIGHT - 2 * EDGE + 20)

    def scatter(self, points: Points) -> Plot:
        """Draw points."""
        for x, y in points:
            self.parts.append(
                f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3" fill="{COLORS[0]}" fill-opacity="0.55">'
                f"<title>{x:g}, {y:g}</title></circle>"
            )
        return self

    def line(self, points: Points, *, color: str = COLORS[0], marks: bool = True) -> Plot:
        """Draw points joined by a line."""
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        if marks:
            for x, y in points:
                place = f'cx="{self.x(x):.1f}" cy="{self.y(y):.1f}"'
                self.parts.append(f'<circle {place} r="3.5" fill="{color}"><title>{y:g}</title></circle>')
        return self

    def svg(self) -> str:
        """The chart."""
        return "\n".join([*self.parts, "</svg>"])
