"""The easel: the picture that is to be edited, and where it may change, painted on it.

Its value is a plain dictionary, the same in both directions: `Canvas.payload` makes it and `read`
checks it. It is painted in the browser; "input" is triggered when a stroke ends.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo import inputs
from demo.components import serial, source
from demo.components.pictures import as_png
from demo.components.player import encode

PNG = "data:image/png;base64,"


@dataclass(frozen=True, slots=True)
class Canvas:
    """What stands on the easel."""

    pixels: NDArray[np.uint8]  # (size, size, 3)
    place: tuple[int, int] | None  # the number of its shelf, and its place there
    mask: NDArray[np.bool_] | None = None  # (size, size), true where it may change

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        size = len(self.pixels)
        if self.pixels.shape != (size, size, 3):
            raise ValueError(f"A picture on the easel is square RGB, not {self.pixels.shape}.")
        if self.mask is not None and self.mask.shape != (size, size):
            raise ValueError(f"The mask must be {(size, size)}, not {self.mask.shape}.")
        return {
            "serial": serial(),
            "size": size,
            "src": as_png(self.pixels),
            "place": None if self.place is None else list(self.place),
            "mask": None if self.mask is None else encode(np.packbits(self.mask)),
        }


def read(value: Any, size: int, places: int) -> Canvas:
    """What an easel of this size sent; whatever else it may be is refused.

    places: how many there are on a shelf.
    """
    if not isinstance(value, dict) or not isinstance(value.get("src"), str):
        raise inputs.refusal("There is no picture: pick one, or give your own.")
    place = read_place(value.get("place"), places)
    return Canvas(_pixels(value["src"], size), place, _mask(value.get("mask"), size))


def read_place(value: Any, places: int) -> tuple[int, int] | None:
    """The number of a shelf of so many places, and a place on it."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise inputs.refusal("A picture's place must be the shelf's number and a place on it.")
    return (
        inputs.whole(value[0], "The shelf's number", 0, inputs.LARGEST_SEED),
        inputs.whole(value[1], "The place on the shelf", 0, places - 1),
    )


def _pixels(address: str, size: int) -> NDArray[np.uint8]:
    refusal = inputs.refusal(f"The picture must be a PNG of {size} by {size} pixels.")
    # The length first: nothing long is ever decoded.
    if not address.startswith(PNG) or len(address) > 6 * size * size + 10_000:
        raise refusal
    try:
        data = base64.b64decode(address.removeprefix(PNG), validate=True)
    except (binascii.Error, ValueError):
        raise refusal from None
    image = inputs.picture(data)
    if image.size != (size, size):
        raise refusal
    return np.asarray(image)


def _mask(text: Any, size: int) -> NDArray[np.bool_] | None:
    """The painted pixels; None where nothing is painted."""
    if text is None:
        return None
    refusal = inputs.refusal(f"The mask must be {size} by {size} bits, as the easel sends them.")
    count = size * size // 8
    if not isinstance(text, str) or len(text) != (count + 2) // 3 * 4:
        raise refusal
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refusal from None
    if len(data) != count:
        raise refusal
    mask = np.unpackbits(np.frombuffer(data, np.uint8)).reshape(size, size).astype(np.bool_)
    return mask if mask.any() else None


def easel(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """An easel with a `Canvas.payload()` on it."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("easel.html"),
        css_template=source("easel.css"),
        js_on_load=source("easel.js"),
        apply_default_css=False,
        padding=False,
    )
