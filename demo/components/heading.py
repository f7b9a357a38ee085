"""What stands above all tabs: the title, and a switch that makes everything larger for a beamer."""

from __future__ import annotations

import gradio as gr

from demo.components import source


def heading() -> gr.HTML:
    """The heading; `?beamer=1` in the address opens the app with large type."""
    return gr.HTML(
        html_template=source("heading.html"),
        css_template=source("heading.css"),
        js_on_load=source("heading.js"),
        apply_default_css=False,
        padding=False,
    )
