"""A generated picture beside the real ones nearest to it, redrawn in place."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.components import source


def nearest(value: dict[str, Any] | None, *, elem_id: str) -> gr.HTML:
    """A payload of `pictures`, the generated one first, as a first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template='<div class="pictures"></div>',
        css_template=source("nearest.css"),
        js_on_load=source("pictures.js"),
        apply_default_css=False,
        padding=False,
    )
