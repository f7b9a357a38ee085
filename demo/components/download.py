"""Download: an output that saves what it is given as a file on the reader's machine.

Nothing is written on the server: the file travels as a data URL.
"""

from __future__ import annotations

import gradio as gr

from demo.components import source


def download(*, elem_id: str) -> gr.HTML:
    """Its value is {"name": file name, "url": data URL, "serial": a new number each time}."""
    return gr.HTML(
        elem_id=elem_id,
        html_template="<span hidden></span>",
        js_on_load=source("download.js"),
        apply_default_css=False,
    )
