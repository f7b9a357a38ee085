"""What names of clusters are worth: accuracies as bars, each with the labels that it took.

`show` makes the value, HTML, of a component made by `worth`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One way to tell what is on the pictures."""

    title: str
    kind: Literal["student", "best", "supervised"]  # its bar's colour
    share: float  # of the pictures, that it gets right
    labels: str  # that it took


def show(rows: Sequence[Accuracy], sentences: Sequence[str], note: str) -> str:
    """Accuracies under each other, what is to be said of the clusters, and how it was measured."""
    for row in rows:
        if not 0 <= row.share <= 1:
            raise ValueError(f"{row.title!r} can't get a share of {row.share} right.")
    body = "".join(
        f'<tr class="{row.kind}"><th scope="row">{html.escape(row.title)}</th>'
        f'<td><span><i style="width:{100 * row.share:.1f}%"></i></span>'
        f"<b>{100 * row.share:.1f} %</b></td><td>{html.escape(row.labels)}</td></tr>"
        for row in rows
    )
    told = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return (
        '<div class="worth"><table><thead><tr><td></td><th scope="col">Right, of all images</th>'
        f'<th scope="col">Labels it took</th></tr></thead><tbody>{body}</tbody></table>'
        f"<div><ul>{told}</ul><p>{html.escape(note)}</p></div></div>"
    )


def worth(value: str, *, elem_id: str) -> gr.HTML:
    """A component for the value of `show`."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        css_template=source("worth.css"),
        apply_default_css=False,
        padding=False,
    )
