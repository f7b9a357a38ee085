"""A table of what several things are like, in columns: each cell a short answer and a smaller line.

Each row's question stands over its answers, so that these have all the width. `show` makes the
value, HTML, of a component made by `comparison`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Cell:
    """An answer."""

    main: str
    small: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A question and the answer of each column."""

    title: str
    cells: Sequence[Cell]


def show(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """The table."""
    for row in rows:
        if len(row.cells) != len(columns):
            raise ValueError(
                f"{row.title!r} has {len(row.cells)} cells, not {len(columns)}, one a column."
            )
    head = "".join(
        f'<th scope="col" role="columnheader">{html.escape(column)}</th>' for column in columns
    )
    body = "".join(
        f'<tr role="row"><th scope="row" role="rowheader">{html.escape(row.title)}</th>'
        + "".join(
            f'<td role="cell" data-column="{html.escape(column)}"><b>{html.escape(cell.main)}</b> '
            f"<small>{html.escape(cell.small)}</small></td>"
            for column, cell in zip(columns, row.cells, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    # The roles stay where the style sheet makes a grid of each row.
    return (
        f'<table class="comparison" role="table" style="--columns: {len(columns)}">'
        f'<thead role="rowgroup"><tr role="row"><th></th>{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def comparison(value: str, *, elem_id: str) -> gr.HTML:
    """A component for the value of `show`."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        css_template=source("comparison.css"),
        apply_default_css=False,
        padding=False,
    )
