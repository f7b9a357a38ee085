"""Two pictures to compare, redrawn in place."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.components import source


def pair(value: dict[str, Any], *, elem_id: str) -> gr.HTML:
    """A payload of `pictures`, as a first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template='<div class="pictures"></div>',
        css_template=source("pair.css"),
        js_on_load=source("pictures.js"),
        apply_default_css=False,
        padding=False,
    )
