"""What sets of pictures are like: how often each class occurs, and numbers, in columns.

`show` makes the value, HTML, of a component made by `census`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Group:
    """A set of pictures."""

    title: str
    letter: str  # the title in a word, where there is little room
    kind: Literal["generated", "real"]
    counts: Sequence[int]  # of pictures that show each class
    numbers: Sequence[str]  # as many as there are rows


def show(groups: Sequence[Group], rows: Sequence[str], names: Sequence[str], note: str) -> str:
    """A bar chart and a column of numbers a group. rows: what each number is; names: the classes';
    note: how it was all measured."""
    for group in groups:
        if len(group.counts) != len(names) or len(group.numbers) != len(rows):
            raise ValueError(
                f"{group.title!r} has {len(group.counts)} counts and {len(group.numbers)} numbers, "
                f"not {len(names)} and {len(rows)}."
            )
    most = max(count for group in groups for count in group.counts)
    charts = "".join(
        f'<figure class="{group.kind}"><figcaption>{html.escape(group.title)}</figcaption>'
        f"{_bars(group.counts, names, most)}</figure>"
        for group in groups
    )
    head = "".join(f'<th scope="col">{html.escape(group.letter)}</th>' for group in groups)
    body = "".join(
        f'<tr><th scope="row">{html.escape(what)}</th>'
        + "".join(f"<td>{html.escape(group.numbers[at])}</td>" for group in groups)
        + "</tr>"
        for at, what in enumerate(rows)
    )
    return (
        '<div class="census"><div class="charts"><b>Pictures that show each class</b>'
        f"{charts}</div>"
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{html.escape(note)}</p></div>"
    )


def _bars(counts: Sequence[int], names: Sequence[str], most: int) -> str:
    said = ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True))
    bars = "".join(
        f'<span><small>{count}</small><i style="height:{100 * count / most:.1f}%;'
        f'background:var(--gm-class-{at % 10})"></i><em>{html.escape(name)}</em></span>'
        for at, (name, count) in enumerate(zip(names, counts, strict=True))
    )
    return f'<div class="bars" role="img" aria-label="{html.escape(said)}">{bars}</div>'


def census(value: str, *, elem_id: str) -> gr.HTML:
    """A component for the value of `show`."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        css_template=source("census.css"),
        apply_default_css=False,
        padding=False,
    )
