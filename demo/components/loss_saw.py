"""What a loss saw of the data: pictures, each with the y that stood beside it.

`show` makes the value, HTML, of a component made by `loss_saw`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its label."""

    url: str  # an address that holds the picture
    truth: str  # its class
    y: str | None  # what the label says; None where there is none


def show(pairs: Sequence[Pair], formula: str, words: str) -> str:
    """formula: what is minimised. A label that is not true is marked, for the reader alone."""
    return (
        f'<section class="saw"><div class="head"><b>What the loss saw</b>'
        f'<span class="formula">{html.escape(formula)}</span></div>'
        f"<ul>{''.join(map(_pair, pairs))}</ul><p>{html.escape(words)}</p></section>"
    )


def _pair(pair: Pair) -> str:
    if pair.y is None:
        kind, label, note = "none", '<s aria-hidden="true">y</s>', "no label"
    elif pair.y == pair.truth:
        kind, label, note = "true", f"y = {html.escape(pair.y)}", ""
    else:
        kind, label, note = "false", f"y = {html.escape(pair.y)}", f"✗ is {html.escape(pair.truth)}"
    return (
        f'<li class="{kind}"><img src="{pair.url}" alt="shows {html.escape(pair.truth)}">'
        f"<span>{label}</span><small>{note}</small></li>"
    )


def loss_saw(value: str, *, elem_id: str) -> gr.HTML:
    """A component for the value of `show`."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        css_template=source("loss_saw.css"),
        apply_default_css=False,
        padding=False,
    )
