"""What came out of a duel: ROC curves with a table of their figures, and every picture's truth.

Each function makes the value, HTML, of one component made by `results`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source


@dataclass(frozen=True, slots=True)
class Roc:
    """How well one judge tells real from generated pictures."""

    kind: Literal["you", "few", "many"]  # how its line is drawn
    name: str
    false: NDArray[np.floating]  # (T,): the share of generated pictures called real, rising
    true: NDArray[np.floating]  # (T,): the share of real pictures called real
    area: float
    right: float  # the share of pictures that were called what they are


@dataclass(frozen=True, slots=True)
class Card:
    """One picture, its truth, and what was said of it."""

    url: str
    real: bool
    answer: str
    is_right: bool
    score: str  # D's


def curves(judges: Sequence[Roc], words: str, best: str = "") -> str:
    """All curves in one plot, their figures, and a sentence about them; `best` is HTML."""
    lines = "".join(
        f'<polyline class="{judge.kind}" points="{points(judge)}"/>' for judge in judges
    )
    rows = "".join(
        f'<tr><th scope="row"><svg viewBox="0 0 34 8" aria-hidden="true"><polyline '
        f'class="{judge.kind}" points="0,4 34,4"/></svg>{html.escape(judge.name)}</th>'
        f"<td>{judge.area:.2f}</td><td>{100 * judge.right:.0f} %</td></tr>"
        for judge in judges
    )
    said = "; ".join(f"{judge.name}: area {judge.area:.2f}" for judge in judges)
    return (
        f'<div class="result"><div class="plot" role="img" aria-label="ROC curves. '
        f'{html.escape(said)}"><svg viewBox="0 0 1 1" preserveAspectRatio="none">'
        f'<polyline class="chance" points="0,1 1,0"/>{lines}</svg>'
        '<span class="x" style="left:0">0 %</span><span class="x" style="left:100%">100 %</span>'
        '<span class="y" style="bottom:100%">100 %</span>'
        '<span class="across">generated, called real</span>'
        '<span class="down">real, called real</span></div>'
        f"<div><table><thead><tr><th>judge</th><th>area under the curve</th><th>right</th></tr>"
        f"</thead><tbody>{rows}</tbody></table><p>{html.escape(words)}</p>{best}</div></div>"
    )


def points(judge: Roc) -> str:
    return " ".join(f"{x:.4f},{1 - y:.4f}" for x, y in zip(judge.false, judge.true, strict=True))


def picture(url: str, title: str, words: str) -> str:
    """One picture of note, generated, beside words about it."""
    return (
        f'<div class="best"><img src="{url}" alt="{html.escape(title)}"><div>'
        f"<b>{html.escape(title)}</b><br>{html.escape(words)}</div></div>"
    )


def cards(row: Sequence[Card]) -> str:
    """All pictures of a game."""
    return '<div class="cards">' + "".join(
        f'<figure class="{"real" if card.real else "generated"}"><img src="{card.url}" '
        f'alt="{"A real" if card.real else "A generated"} picture"><figcaption>'
        f"<b>{'real' if card.real else 'generated'}</b>{'✓' if card.is_right else '✗'} you: "
        f'{html.escape(card.answer)}<span class="quiet"><br>D: {html.escape(card.score)}</span>'
        "</figcaption></figure>"
        for card in row
    ) + "</div>"  # fmt: skip


def results(value: str, *, elem_id: str) -> gr.HTML:
    """A component for one of the values above."""
    return gr.HTML(
        value=value, elem_id=elem_id, css_template=source("roc.css"), apply_default_css=False
    )
