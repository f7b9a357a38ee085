"""One picture after the other, each to be called real or generated on a scale of four.

The deck holds pictures and nothing about them. Once all are answered the component triggers "input"
with {model, seed, answers}: 4 is "surely real", 1 "surely generated", 0 no answer in time.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.pictures import as_png


def deck(pictures: NDArray[np.uint8], model: str, seed: int) -> dict[str, Any]:
    """A new game: pictures (N, H, W, C), and what the server needs to know them again."""
    count, height, width, _ = pictures.shape
    sheet = np.broadcast_to(pictures.reshape(count * height, width, -1), (count * height, width, 3))
    return {
        "serial": serial(),
        "model": model,
        "seed": seed,
        "count": count,
        "height": height,
        "width": width,
        "sheet": as_png(np.ascontiguousarray(sheet)),
    }


def duel(value: dict[str, Any], *, elem_id: str) -> gr.HTML:
    """A `deck`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=source("duel.html"),
        css_template=source("duel.css"),
        js_on_load=source("duel.js"),
        apply_default_css=False,
    )
