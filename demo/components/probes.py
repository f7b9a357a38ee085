"""Pictures side by side, with names, and what a judge says of them once it is revealed."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Probe:
    """One picture."""

    name: str
    url: str  # an address that holds the picture
    kind: Literal["real", "generated", "other"]  # its frame's colour
    score: str = ""  # nothing as long as it is not revealed
    note: str = ""
    predicted: bool = False  # by the student, to be the first
    first: bool = False  # it has the highest score


def show(row: Sequence[Probe]) -> str:
    """The value of a component made by `probes`."""
    figures = []
    for probe in row:
        marks = " predicted" * probe.predicted + " first" * probe.first
        figures.append(
            f'<figure class="{probe.kind}{marks}"><img src="{probe.url}" '
            f'alt="{html.escape(probe.name)}"><figcaption>{html.escape(probe.name)}</figcaption>'
            f"<strong>{html.escape(probe.score or '?')}</strong>"
            f"<small>{html.escape(probe.note)}</small></figure>"
        )
    return f'<div class="probes">{"".join(figures)}</div>'


def probes(value: str, *, elem_id: str) -> gr.HTML:
    """A component for the value of `show`."""
    return gr.HTML(
        value=value, elem_id=elem_id, css_template=source("probes.css"), apply_default_css=False
    )
