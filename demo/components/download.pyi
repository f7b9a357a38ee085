"""Download: an output that saves what it is given as a file on the reader's machine.

Nothing is written on the server: the file travels as a data URL.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.components import source

from gradio.events import Dependency

class Download(gr.HTML):
    """Its value is {"name": file name, "url": data URL}; each new value is saved once."""

    def __init__(self, *, elem_id: str) -> None:
        super().__init__(
            value=None,
            elem_id=elem_id,
            html_template='<a class="download" hidden aria-hidden="true"></a>',
            js_on_load=source("download.js"),
            apply_default_css=False,
        )

    def postprocess(self, value: dict[str, str] | None) -> dict[str, str] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return value

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "name: file name, url: its content, a data URL"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component