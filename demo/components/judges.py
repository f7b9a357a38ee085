"""Two judges of one picture: a classifier's p(y | x) as bars, and where its -log p(x) lies.

`answer` and `density` make the values, HTML, of components made by `judge`; the value of `verdict`
is plain text.
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
from demo.components.rank import percent

BINS = 40
BEYOND = 1.7  # the axis ends at so many times the reference's largest score
TICKS = 6  # at most
EDGE = "4.2rem"  # how near to an edge the middle of a number may come


@dataclass(frozen=True, slots=True)
class Score:
    """A picture's -log p(x), and by what rule it is judged."""

    nats: float
    least: float  # from here on it is not too likely; -inf where nothing is
    most: float  # up to here it is not too unlikely
    rank: str  # among the reference
    sees: str  # the picture that the model was given, as an address
    remark: str = ""

    @property
    def refused(self) -> bool:
        return not self.least <= self.nats <= self.most


def answer(names: Sequence[str], shares: Sequence[float], certainty: float) -> str:
    """p(y | x) of every class. certainty: what the best class needs, lest it be refused."""
    best = max(range(len(shares)), key=lambda label: shares[label])
    bars = "".join(
        f'<span class="{"best" if label == best else ""}"><i style="height:{100 * share:.1f}%;'
        f'background:var(--gm-class-{label % 10})"></i><em>{html.escape(name)}</em>'
        f"<small>{100 * share:.0f}</small></span>"
        for label, (name, share) in enumerate(zip(names, shares, strict=True))
    )
    said = ", ".join(f"{name}: {percent(share)}" for name, share in zip(names, shares, strict=True))
    verb = "refuses" if shares[best] < certainty else "answers"
    return (
        '<div class="heading">Supervised: p(y | x), in % <span>must answer</span></div>'
        f'<div class="bars" role="img" aria-label="p(y | x): {html.escape(said)}">{bars}</div>'
        f'<p class="said">“{html.escape(names[best])}” with <b>{percent(shares[best])}</b>; all '
        "together always make 100 %. <span>As a judge of what is a digit, its certainty "
        f"<b>{verb}</b>: it refuses below {percent(certainty)}.</span></p>"
    )


def density(reference: NDArray[np.floating], unit: str, score: Score) -> str:
    """How a reference's scores are spread, what is refused, and where one picture lies.

    The axis stays as it is: a mark that is farther out waits at its end.
    """
    end = BEYOND * float(reference.max())

    def at(number: float) -> float:
        return 100 * min(1.0, max(0.0, number / end))

    counts, edges = np.histogram(reference, BINS)
    bars = "".join(
        f'<i style="left:{at(low):.2f}%;width:{at(high) - at(low):.2f}%;'
        f'height:{100 * count / counts.max():.1f}%"></i>'
        for count, low, high in zip(counts, edges, edges[1:], strict=False)
    )
    zones = f'<u style="left:{at(score.most):.2f}%;right:0"><b>refused</b></u>'
    if score.least > 0:
        zones += f'<u style="left:0;width:{at(score.least):.2f}%"></u>'
    grain = next(
        step * 10**power
        for power in range(12)
        for step in (1, 2, 5)
        if end / (step * 10**power) <= TICKS
    )
    ticks = "".join(
        f'<span style="left:{at(tick):.2f}%">{tick:,}</span>'
        for tick in range(0, math.floor(end) + 1, grain)
    )
    verb = "refuses" if score.refused else "answers"
    text = f"{score.nats:,.1f} {unit}{' ▶' if score.nats > end else ''}"
    place = f"clamp({EDGE}, {at(score.nats):.2f}%, calc(100% - {EDGE}))"
    label = f"−log p(x) = {score.nats:,.1f} {unit}: {score.rank}; {verb}"
    return (
        f'<div class="heading">Unsupervised: −log p(x), in {unit} <span>can refuse</span></div>'
        '<div class="scored"><div>'
        f'<div class="plot" role="img" aria-label="{html.escape(label)}">{zones}{bars}'
        f'<div class="here" style="left:{at(score.nats):.2f}%"></div>'
        f'<div class="mark" style="left:{place}">{text}</div></div>'
        f'<div class="axis" aria-hidden="true">{ticks}</div></div>'
        f'<figure><img src="{score.sees}" alt=""><figcaption>what it sees</figcaption></figure>'
        f'</div><p class="said remark">It <b>{verb}</b>. <span>Blue: the test digits. '
        f"{html.escape(score.remark)}</span></p>"
    )


def judge(value: str, *, elem_id: str) -> gr.HTML:
    """A component for one of the values above."""
    return gr.HTML(
        value=value, elem_id=elem_id, css_template=source("judges.css"), apply_default_css=False
    )


def verdict(value: str, *, elem_id: str) -> gr.HTML:
    """What both say, in a sentence that screen readers read out as it changes. The line stays in
    the page, or its changes would not be noticed, and keeps room for the longest."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template='<p class="verdict" role="status"></p>',
        css_template=source("judges.css"),
        js_on_load=(
            'const line = element.querySelector("p");'
            "const show = () => { line.textContent = props.value; };"
            'watch("value", show);'
            "show();"
        ),
        apply_default_css=False,
    )
