"""A score among others: its place in a histogram, a score a class, and a table of the last ones.

Each function makes the value, HTML, of one component made by `rank`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source

BINS = 40


@dataclass(frozen=True, slots=True)
class Row:
    """A scored picture, as the table lists it."""

    picture: str  # an address that holds a small picture
    what: str
    model: str
    symbol: str  # "−log p(x)"
    nats: float
    bits_a_dimension: float
    rank: str


def rank(value: str, *, elem_id: str) -> gr.HTML:
    """A component for one of the values below."""
    return gr.HTML(
        value=value, elem_id=elem_id, css_template=source("rank.css"), apply_default_css=False
    )


def histogram(sample: NDArray[np.floating], value: float, heading: str, unit: str) -> str:
    """How often which score occurs in a sample, and where a value lies.

    The axis begins at zero and grows to hold the value, however far out it is.
    """
    counts, edges = np.histogram(sample, BINS)
    end = 1.05 * max(float(sample.max()), value)
    bars = "".join(
        f'<i style="left:{100 * low / end:.3f}%;width:{100 * (high - low) / end:.3f}%;'
        f'height:{100 * count / counts.max():.2f}%"></i>'
        for count, low, high in zip(counts, edges, edges[1:], strict=False)
    )
    grain = next(
        step * 10**power
        for power in range(12)
        for step in (1, 2, 5)
        if end / (step * 10**power) <= 6
    )
    ticks = "".join(
        f'<span style="left:{100 * at / end:.3f}%">{at:,}{f" {unit}" if at == 0 else ""}</span>'
        for at in range(0, math.floor(end) + 1, grain)
    )
    place = 100 * value / end
    # The number stays inside, where the line is near an edge.
    said = f"left:clamp(3.5rem, {place:.3f}%, calc(100% - 3.5rem))"
    return (
        f'<div class="heading">{html.escape(heading)}</div>'
        f'<div role="img" aria-label="{html.escape(heading)}">'
        f'<div class="plot">{bars}<div class="here" style="left:{place:.3f}%"></div>'
        f'<div class="said" style="{said}">{value:.1f} {unit}</div></div>'
        f'<div class="axis" aria-hidden="true">{ticks}</div></div>'
    )


def classes(
    names: Sequence[str], nats: Sequence[float], shares: Sequence[float], heading: str, note: str
) -> str:
    """A dot a class, the leftmost the best, with its score and its share."""
    low, high = min(nats), max(nats)
    best = nats.index(low)
    cells = [
        '<span class="head"></span><span class="head">← likelier</span>'
        '<span class="head number">−log p(x | class)</span>'
        '<span class="head number">p(class | x)</span>'
    ]
    for index, (name, score, share) in enumerate(zip(names, nats, shares, strict=True)):
        mark = " best" if index == best else ""
        place = 4 + 92 * (score - low) / ((high - low) or 1)  # percent
        cells.append(
            f'<span class="{mark}">{html.escape(name)}</span>'
            f'<span class="track" aria-hidden="true"><i class="{mark}" style="left:{place:.2f}%">'
            f'</i></span><span class="number{mark}">{score:.1f} nats</span>'
            f'<span class="number{mark}">{percent(share)}</span>'
        )
    return (
        f'<div class="heading">{html.escape(heading)}</div><div class="classes">{"".join(cells)}'
        f'</div><p class="quiet">{html.escape(note)}</p>'
    )


def outdated(value: str) -> str:
    """A value that still stands while the next one is computed, paler."""
    return f'<div class="outdated">{value}</div>'


def table(rows: Sequence[Row], caption: str) -> str:
    """The last scores, the newest first."""
    heads = ("", "Picture", "Model", "", "nats", "bits/dim", "by −log p(x) more surprising than")
    numbers = ("nats", "bits/dim")
    head = "".join(f"<th{' class=number' * (name in numbers)}>{name}</th>" for name in heads)
    body = "".join(
        f'<tr><td class="thumb"><img src="{row.picture}" alt=""></td>'
        f"<td>{html.escape(row.what)}</td><td>{html.escape(row.model)}</td><td>{html.escape(row.symbol)}</td>"
        f'<td class="number">{row.nats:.1f}</td><td class="number">{row.bits_a_dimension:.3f}</td>'
        f"<td>{html.escape(row.rank)}</td></tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def percent(share: float) -> str:
    """A share in percent, never rounded to what it is not."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"
