"""Pictures in columns, one a model, and in rows, each of which shows the same of all models."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture."""

    title: str
    url: str  # an address that holds a square picture
    alt: str
    caption: str = ""
    # Of the picture's half width: circles around the middle, drawn over a plane.
    circles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """The same of all models."""

    heading: str
    note: str
    kind: Literal["generated", "plane"]  # a plane of codes has axes and circles
    cells: tuple[Cell, ...]


def show(lines: Sequence[Line]) -> str:
    """The value of a component made by `columns`. All lines must have equally many cells."""
    count = len(lines[0].cells)
    parts = [f'<div class="columns" style="--columns:{count}">']
    for line in lines:
        if len(line.cells) != count:
            raise ValueError(f"{line.heading!r} has {len(line.cells)} cells, not {count}.")
        note = html.escape(line.note)
        parts.append(f"<h4>{html.escape(line.heading)} <span>{note}</span></h4>")
        parts += [_figure(cell, line.kind) for cell in line.cells]
    return "".join([*parts, "</div>"])


def _figure(cell: Cell, kind: str) -> str:
    drawn = ""
    if kind == "plane":
        circles = "".join(f'<circle r="{radius:.4f}"/>' for radius in cell.circles)
        drawn = (
            '<svg viewBox="-1 -1 2 2" aria-hidden="true"><line x1="-1" x2="1"/>'
            f'<line y1="-1" y2="1"/>{circles}</svg>'
        )
    caption = f"<figcaption>{html.escape(cell.caption)}</figcaption>" if cell.caption else ""
    return (
        f'<figure class="{kind}"><b>{html.escape(cell.title)}</b><div class="frame">'
        f'<img src="{cell.url}" alt="{html.escape(cell.alt)}">{drawn}</div>{caption}</figure>'
    )


def columns(value: str, *, elem_id: str) -> gr.HTML:
    """A component for the value of `show`."""
    return gr.HTML(
        value=value, elem_id=elem_id, css_template=source("columns.css"), apply_default_css=False
    )
