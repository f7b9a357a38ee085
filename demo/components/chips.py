"""Examples to click on, each a few words. Its value is the words that were clicked."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from demo.components import source


def chips(examples: Sequence[str], *, label: str, elem_id: str) -> gr.HTML:
    """A row of examples; "input" is triggered by every click, on the same one as well."""
    return gr.HTML(
        value="",
        label=label,
        elem_id=elem_id,
        html_template='<div class="chips" role="group"></div>',
        css_template=source("chips.css"),
        js_on_load=source("chips.js"),
        apply_default_css=False,
        padding=False,
        examples=list(examples),  # sent once with the page, not with each value
    )
