"""Supervised and unsupervised learning side by side: every cell of the table opens what shows it.

It triggers "select" with the `activity` of the button that was chosen. A button of an example also
says which task is meant: the event "paradigms-task" on the document carries it, and so does
`data-task` of the element `.paradigms`, for who comes too late to hear the event.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source
from demo.components.pictures import as_png


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A button: what is claimed, and what shows it."""

    title: str
    opens: tuple[str, ...]  # names of activities: the first one that there is
    line: str = ""
    task: str = ""  # which of the nine examples


def _example(title: str, *opens: str) -> Demonstration:
    return Demonstration(title, opens, task=title)


# Supervised, unsupervised.
ROWS: dict[str, tuple[tuple[Demonstration, ...], tuple[Demonstration, ...]]] = {
    "Data": (
        (Demonstration("pairs (x, y)", ("labels",), "image, label"),),
        (Demonstration("x alone", ("labels",), "image"),),
    ),
    "Price of data": (
        (Demonstration("labels by hand", ("price",), "a person looks at every picture"),),
        (Demonstration("nearly free", ("price",), "as many as a camera takes"),),
    ),
    "Goal": (
        (Demonstration("learn a function x → y", ("budget",), "what is y, given x? p(y | x)"),),
        (
            Demonstration(
                "learn the structure hidden in x", ("clusters", "budget"), "what is x like? p(x)"
            ),
        ),
    ),
    "Examples": (
        (
            _example("classification", "nine", "labels"),
            _example("regression", "nine"),
            _example("object detection", "nine"),
            _example("semantic segmentation", "nine"),
            _example("image captioning", "nine"),
        ),
        (
            _example("clustering", "clusters", "nine"),
            _example("dimensionality reduction", "clusters", "nine"),
            _example("feature learning", "nine", "budget"),
            _example("density estimation", "refuse", "nine"),
        ),
    ),
}  # fmt: skip
BETWEEN = Demonstration("semi-supervised", ("budget",), "few labels, many pictures without")
PLACED = Demonstration("Which paradigm?", ("quiz",), "place this app's models")


def paradigm_table(
    activities: Mapping[str, str],
    pictures: NDArray[np.uint8],
    labels: Sequence[str],
    *,
    opens: str,
    elem_id: str,
) -> gr.HTML:
    """The table.

    activities: name -> title of those that can be opened; pictures (N, H, W, 3) with their labels:
    examples of data; opens: the element id of the tabs that hold the activities.
    """
    sources = [as_png(picture) for picture in pictures]
    shown = {
        "Data": (_thumbnails(sources, labels), _thumbnails(sources, [""] * len(labels))),
    }
    body = "".join(
        f'<tr><th scope="row">{title}</th>'
        + "".join(
            f'<td class="{side}">{_cell(cell, activities, shown.get(title, ("", ""))[at])}</td>'
            for at, (side, cell) in enumerate(zip(("with", "without"), cells, strict=True))
        )
        + "</tr>"
        for title, cells in ROWS.items()
    )
    between = "".join(
        f'<td class="{side}">{_button(demonstration, activities)}</td>'
        for side, demonstration in (("with", BETWEEN), ("without", PLACED))
    )
    return gr.HTML(
        elem_id=elem_id,
        html_template=(
            '<div class="paradigms"><table><thead><tr><td></td><th scope="col">Supervised</th>'
            f'<th scope="col">Unsupervised</th></tr></thead><tbody>{body}<tr class="between">'
            f'<th scope="row">In between</th>{between}</tr></tbody></table></div>'
        ),
        css_template=source("paradigm_table.css"),
        js_on_load=source("paradigm_table.js"),
        apply_default_css=False,
        padding=False,
        opens=opens,
    )


def _thumbnails(sources: Sequence[str], labels: Sequence[str]) -> str:
    """Pictures, each above its label, if it has one."""
    return '<span class="shown">' + "".join(
        f'<span><img src="{url}" alt=""><i>{html.escape(label)}</i></span>'
        for url, label in zip(sources, labels, strict=True)
    ) + "</span>"  # fmt: skip


def _cell(
    demonstrations: Sequence[Demonstration], activities: Mapping[str, str], shown: str
) -> str:
    if len(demonstrations) == 1:
        return _button(demonstrations[0], activities, shown)
    buttons = "".join(f"<li>{_button(each, activities)}</li>" for each in demonstrations)
    return f"<ul>{buttons}</ul>"


def _button(demonstration: Demonstration, activities: Mapping[str, str], shown: str = "") -> str:
    """What opens the demonstration, or says that there is none yet."""
    title, line = html.escape(demonstration.title), html.escape(demonstration.line)
    words = f"<span><b>{title}</b>{f'<span>{line}</span>' if line else ''}</span>{shown}"
    found = next((name for name in demonstration.opens if name in activities), None)
    if found is None:
        return f'<div class="later">{words}<em>not built yet</em></div>'
    task = f' data-task="{html.escape(demonstration.task)}"' if demonstration.task else ""
    where = html.escape(activities[found])
    return (
        f'<button type="button" data-activity="{found}"{task} title="Opens {where}">{words}'
        f'<em aria-hidden="true">{where}</em></button>'
    )
