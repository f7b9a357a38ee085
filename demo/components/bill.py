"""What labels cost: a bill of jobs in hours and money, and the images that were labelled.

Each function makes the value, HTML, of one component made by `results`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from demo.components import source

WEEK = 40  # working hours
YEAR = 52 * WEEK


@dataclass(frozen=True, slots=True)
class Job:
    """Work to pay for."""

    what: str
    detail: str
    images: int
    seconds: float | None  # an image; None: not known yet, 0: nobody has to work


@dataclass(frozen=True, slots=True)
class Card:
    """One image and what was said of it."""

    url: str
    yours: str
    label: str  # the data set's
    seconds: float | None  # None: not timed

    @property
    def agrees(self) -> bool:
        return self.yours == self.label


def duration(seconds: float) -> str:
    """How long it is, in the unit that one would say."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds else "0 s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    hours = seconds / 3600
    return f"{hours:,.1f} h" if hours < 100 else f"{hours:,.0f} h"


def of_work(seconds: float) -> str:
    """The same as working time of one person, where it is longer than a week."""
    hours = seconds / 3600
    if hours < WEEK:
        return ""
    if hours < YEAR:
        return f"{hours / WEEK:,.1f} working weeks"
    return f"{hours / YEAR:,.1f} working years"


def money(amount: float) -> str:
    return f"{amount:,.2f}" if 0 < amount < 100 else f"{amount:,.0f}"


def bill(jobs: Sequence[Job], wage: float, words: str, note: str) -> str:
    """Every job with its time and its price at a wage an hour. words: what follows from it; note:
    what is assumed."""
    rows = "".join(_row(job, wage) for job in jobs)
    return (
        '<div class="bill"><table><thead><tr><th scope="col">What</th><th scope="col">Images</th>'
        '<th scope="col">Time</th><th scope="col">Wages</th></tr></thead>'
        f"<tbody>{rows}</tbody></table><p><b>{html.escape(words)}</b></p>"
        f'<p class="quiet">{html.escape(note)}</p></div>'
    )


def _row(job: Job, wage: float) -> str:
    if job.seconds is None:
        time, price = "?", "?"
    else:
        total = job.seconds * job.images
        work = of_work(total)
        time = f"{duration(total)}{f'<small>{work}</small>' if work else ''}"
        price = money(wage * total / 3600)
    return (
        f'<tr class="{"free" if job.seconds == 0 else ""}"><th scope="row">{html.escape(job.what)}'
        f"<small>{html.escape(job.detail)}</small></th><td>{job.images:,}</td><td>{time}</td>"
        f"<td>{price}</td></tr>"
    )


def cards(row: Sequence[Card]) -> str:
    """All images of a round, those first that were labelled otherwise than in the data set."""
    figures = "".join(
        f'<figure class="{"same" if card.agrees else "other"}"><img src="{card.url}" alt="">'
        f"<figcaption>{_said(card)}"
        f"<small>{'not timed' if card.seconds is None else f'{card.seconds:.1f} s'}</small>"
        "</figcaption></figure>"
        for card in sorted(row, key=lambda card: card.agrees)
    )
    return f'<div class="cards">{figures}</div>'


def _said(card: Card) -> str:
    yours = html.escape(card.yours)
    if card.agrees:
        return f"<b>✓ {yours}</b>"
    return f"<b>✗ you: {yours}</b><b>label: {html.escape(card.label)}</b>"


def results(value: str, *, elem_id: str) -> gr.HTML:
    """A component for one of the values above."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        css_template=source("bill.css"),
        apply_default_css=False,
        padding=False,
    )
