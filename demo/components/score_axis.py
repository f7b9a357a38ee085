"""D's scores on one axis: real pictures above it, generated ones below, one picture's mark across.

Scores have no unit and no zero, so the axis is laid around both kinds and stays as it is while the
mark moves; a mark that is farther out waits at the edge. The component triggers "select" once, when
it is first seen: what takes long to measure need not be there before.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source

BINS = 20  # over both kinds together
MARGIN = 0.75  # of their range, on both sides
TICKS = 6  # at most


@dataclass(frozen=True, slots=True)
class Kinds:
    """D's scores of pictures of both kinds."""

    real: NDArray[np.floating]
    generated: NDArray[np.floating]

    @property
    def ends(self) -> tuple[float, float]:
        """Of the axis."""
        both = np.concatenate([self.real, self.generated])
        margin = max(MARGIN * float(np.ptp(both)), 0.01)
        return float(both.min()) - margin, float(both.max()) + margin

    def lower(self, score: float) -> tuple[float, float]:
        """The shares of real and of generated pictures whose score is lower."""
        return float((self.real < score).mean()), float((self.generated < score).mean())


def signed(number: float, digits: int = 2) -> str:
    """With a minus sign; nothing is -0."""
    text = f"{abs(number):.{digits}f}"
    return f"−{text}" if number < 0 and float(text) else text


def axis(kinds: Kinds, score: float | None, names: tuple[str, str]) -> str:
    """The value of `score_axis`: how both kinds are spread, and where a score lies."""
    low, high = kinds.ends

    def at(number: float) -> float:
        return 100 * min(1.0, max(0.0, (number - low) / (high - low)))

    both = np.concatenate([kinds.real, kinds.generated])
    edges = np.histogram_bin_edges(both, BINS, (both.min(), max(both.max(), both.min() + 1e-6)))
    parts = []
    for kind, scores, name in (
        ("real", kinds.real, names[0]), ("generated", kinds.generated, names[1])
    ):  # fmt: skip
        counts, _ = np.histogram(scores, edges)
        bars = "".join(
            f'<i style="left:{at(left):.2f}%;width:{at(right) - at(left):.2f}%;'
            f'height:{100 * count / counts.max():.1f}%"></i>'
            for count, left, right in zip(counts, edges, edges[1:], strict=False)
        )
        parts.append(f'<div class="half {kind}"><b>{html.escape(name)}</b>{bars}</div>')
    grain = next(
        step * 10.0**power
        for power in range(-3, 9)
        for step in (1, 2, 5)
        if (high - low) / (step * 10.0**power) <= TICKS
    )
    first = int(np.ceil(low / grain))
    digits = max(0, -int(np.floor(np.log10(grain))))
    ticks = "".join(
        f'<span style="left:{at(tick * grain):.2f}%">{signed(tick * grain, digits)}</span>'
        for tick in range(first, int(np.floor(high / grain)) + 1)
    )
    mark, said = "", "no picture"
    if score is not None:
        beyond = "◀ " if score < low else ""
        text = f"{beyond}{signed(score)}{' ▶' if score > high else ''}"
        place = f"clamp(2.5rem, {at(score):.2f}%, calc(100% - 2.5rem))"
        mark = (
            f'<div class="here" style="left:{at(score):.2f}%"></div>'
            f'<div class="said" style="left:{place}">{text}</div>'
        )
        said = f"the picture's score is {signed(score)}"
    described = f"D's scores of {names[0]} and of {names[1]}; {said}"
    return (
        f'<div class="axis" role="img" aria-label="{html.escape(described)}">{mark}{"".join(parts)}'
        f'</div><div class="ticks" aria-hidden="true">{ticks}</div>'
        f'<div class="sides"><span>← less real to D</span><span>D\'s score, without a unit</span>'
        f"<span>more real to D →</span></div>"
    )


def waiting(words: str) -> str:
    """What stands in place of an axis that is not measured yet."""
    return f'<div class="axis waiting">{html.escape(words)}</div>'


def score_axis(value: str, *, elem_id: str) -> gr.HTML:
    """A component for one of the values above."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        css_template=source("score_axis.css"),
        js_on_load=source("score_axis.js"),
        apply_default_css=False,
    )
