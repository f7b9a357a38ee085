"""Pictures in a row, each with a title and a sign before it, redrawn in place."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.components import serial, source

Layout = Literal["beside", "sum"]  # all of one size, or small terms and a large result


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the row."""

    title: str
    kind: Literal["real", "generated", "reconstructed", "with", "without"]  # its frame's colour
    pixels: NDArray[np.uint8]  # (H, W, 3)
    description: str  # for a screen reader
    sign: str = ""


def as_png(pixels: NDArray[np.uint8]) -> str:
    """A picture (H, W, 3) as a data URL: far smaller than its bytes, and as exact."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"A picture is uint8 (H, W, 3), not {pixels.dtype} {pixels.shape}.")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def payload(row: Sequence[Shown]) -> dict[str, Any]:
    """What `pictures` shows: always as many."""
    return {
        "serial": serial(),
        "pictures": [
            {
                "title": item.title,
                "kind": item.kind,
                "src": as_png(item.pixels),
                "description": item.description,
                "sign": item.sign,
            }
            for item in row
        ],
    }


def pictures(value: dict[str, Any], *, layout: Layout, elem_id: str) -> gr.HTML:
    """A `payload`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=f'<div class="pictures {layout}"></div>',
        css_template=source("pictures.css"),
        js_on_load=source("pictures.js"),
        apply_default_css=False,
    )
