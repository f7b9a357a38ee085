"""A lesson: the words a student reads, unfolded where there is room and folded on a phone."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from markdown_it import MarkdownIt

LESSONS = Path(__file__).parent.parent / "lessons"


def lesson(name: str) -> gr.HTML:
    """`lessons/<name>.md` under "Try this"."""
    words = MarkdownIt().render((LESSONS / f"{name}.md").read_text(encoding="utf-8"))
    return gr.HTML(
        html_template=(
            '<details class="lesson"><summary>Try this</summary>'
            f'<div class="prose">{words}</div></details>'
        ),
        css_template="summary { font-weight: 600; cursor: pointer; padding: .5rem 0; }",
        js_on_load='element.querySelector("details").open = window.innerWidth > 900;',
        padding=True,
    )
