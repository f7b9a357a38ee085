"""One picture that a decoder made, redrawn in place as fast as new ones come."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.player import encode


def payload(pixels: NDArray[np.uint8], description: str) -> dict[str, Any]:
    """What `decoded` shows: pixels (H, W, C), C being 1 or 3, and what a screen reader says."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(f"A picture is uint8 (H, W, 1 or 3), not {pixels.dtype} {pixels.shape}.")
    height, width, channels = pixels.shape
    return {
        "serial": serial(),
        "height": height,
        "width": width,
        "channels": channels,
        "pixels": encode(pixels),
        "description": description,
    }


def decoded(value: dict[str, Any], *, title: str, elem_id: str) -> gr.HTML:
    """A `payload`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=source("decoded.html"),
        css_template=source("decoded.css"),
        js_on_load=source("decoded.js"),
        apply_default_css=False,
        title=title,
    )
