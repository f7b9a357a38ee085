"""One image after the other, each to be given its label, against the clock.

The deck holds images and nothing about them. Once all are labelled the component triggers "input"
with {dataset, seed, answers, seconds}: a class an image, and the seconds that each image but the
first one took. Between two images nothing is asked of the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.pictures import as_png


def deck(
    images: NDArray[np.uint8], names: Sequence[str], dataset: str, seed: int
) -> dict[str, Any]:
    """A new round: images (N, H, W, 1 or 3), the classes' names, at most ten, and what the server
    needs to know the images again."""
    count, height, width, channels = images.shape
    sheet = images.reshape(count * height, width, channels)
    return {
        "serial": serial(),
        "dataset": dataset,
        "seed": seed,
        "names": list(names),
        "count": count,
        "height": height,
        "width": width,
        "sheet": as_png(np.broadcast_to(sheet, (count * height, width, 3))),
    }


def labelling(value: dict[str, Any], *, elem_id: str) -> gr.HTML:
    """A `deck`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=source("labelling.html"),
        css_template=source("labelling.css"),
        js_on_load=source("labelling.js"),
        apply_default_css=False,
    )
