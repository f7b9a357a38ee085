"""A quiz: one question after the other, each answered by one of the same few choices.

The page holds the questions and nothing of what is right. Each answer triggers "input" with all
{answers} so far, and is answered by a `verdict` on them. "select" asks for what a question is
about: its number is `question`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from demo.components import serial, source


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is shown."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of an answer."""

    answer: str  # a choice's id
    paradigm: str  # the one that is right
    right: bool
    why: str
    title: str  # of what can be opened; "": nothing


def verdict(judged: Sequence[Judged], closing: str) -> dict[str, Any]:
    """All answers so far, judged; closing: what is said beside the score."""
    return {"serial": serial(), "judged": [asdict(each) for each in judged], "closing": closing}


def quiz(questions: Sequence[Asked], choices: Sequence[Choice], *, elem_id: str) -> gr.HTML:
    """The quiz at its first question."""
    return gr.HTML(
        value=verdict((), ""),
        elem_id=elem_id,
        html_template=source("quiz.html"),
        css_template=source("quiz.css"),
        js_on_load=source("quiz.js"),
        apply_default_css=False,
        padding=False,
        questions=[asdict(question) for question in questions],
        choices=[asdict(choice) for choice in choices],
    )
