"""How long codes are on the way from one to another, drawn over where other codes lie."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from demo.components import source

APART = 13.0  # percent of the height: two names that stand over each other
LABELS = 6  # numbers at the axis, at most
SWATCH = '<svg viewBox="0 0 10 8" aria-hidden="true"><rect class="{}" width="10" height="8"/></svg>'


@dataclass(frozen=True, slots=True)
class Band:
    """Lengths from `low` to `high`, and whose they are."""

    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True)
class Lengths:
    """Two ways from the same code to the same other one; the second one is nowhere shorter."""

    names: tuple[str, str]
    ways: tuple[Sequence[float], Sequence[float]]  # |z| at every step
    ends: tuple[str, str]  # what the ways begin and end with
    radius: float  # of the shell, drawn as a line
    shell: Band  # random codes
    real: Band | None  # codes of real images; a generator has none
    said: str  # for those who can't see it

    @property
    def bands(self) -> dict[str, Band]:
        return {"shell": self.shell} | ({"real": self.real} if self.real else {})

    @property
    def top(self) -> float:
        highest = (band.high for band in self.bands.values())
        return 1.06 * max(*self.ways[0], *self.ways[1], *highest)

    def height(self, length: float) -> float:
        """Above the ground, in percent of the plot."""
        return 100 * length / self.top

    def draw(self) -> str:
        """HTML."""
        y = 100 - self.height(self.radius)
        return (
            f'<div class="plot" role="img" aria-label="{html.escape(self.said)}">'
            '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
            + "".join(self._band(band, kind) for kind, band in self.bands.items())
            + f'<line x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>'
            + "".join(map(self._way, self.ways))
            + f"</svg>{self._ticks()}{self._names()}</div>"
            + f'<div class="sides"><span>{html.escape(self.ends[0])}</span>'
            + f"<span>{html.escape(self.ends[1])}</span></div>"
            + f'<div class="key">{"".join(map(self._key, self.bands))}</div>'
        )

    def _band(self, band: Band, kind: str) -> str:
        low, high = self.height(band.low), self.height(band.high)
        return (
            f'<rect class="{kind}" x="0" width="100" y="{100 - high:.2f}" '
            f'height="{high - low:.2f}"/>'
        )

    def _key(self, kind: str) -> str:
        return f"<span>{SWATCH.format(kind)}{html.escape(self.bands[kind].words)}</span>"

    def _way(self, lengths: Sequence[float]) -> str:
        points = " ".join(
            f"{100 * at / (len(lengths) - 1):.2f},{100 - self.height(length):.2f}"
            for at, length in enumerate(lengths)
        )
        return f'<polyline points="{points}"/>'

    def _ticks(self) -> str:
        grain = next(
            step * 10**power
            for power in range(6)
            for step in (1, 2, 5)
            if self.top / (step * 10**power) <= LABELS
        )
        return "".join(
            f'<span class="tick" style="bottom:{self.height(at):.2f}%">{at}</span>'
            for at in range(0, math.floor(self.top) + 1, grain)
        )

    def _names(self) -> str:
        low, high = (self.height(way[len(way) // 2]) for way in self.ways)
        push = max(0.0, APART - (high - low)) / 2
        # Where both ways are as long, one name would hide the other; nor may one leave the plot.
        low = max(low - push, APART / 2)
        high = max(high + push, low + APART)
        return "".join(
            f'<span class="name" style="bottom:{place:.2f}%">{html.escape(name)}</span>'
            for place, name in zip((low, high), self.names, strict=True)
        )


def lengths(value: str, *, elem_id: str) -> gr.HTML:
    """A component for what `Lengths.draw` makes, and words under it."""
    return gr.HTML(
        value=value, elem_id=elem_id, css_template=source("lengths.css"), apply_default_css=False
    )
