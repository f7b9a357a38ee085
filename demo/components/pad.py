"""The drawing pad: an image that the student draws, picks or partly hides.

Its value is a plain dictionary, the same in both directions: `Drawing.payload` makes it and `read`
checks it. Everything is drawn in the browser; "input" is triggered by whatever the student
finishes, and while a stroke goes on a few times a second.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo import inputs
from demo.components import serial, source
from demo.components.player import encode
from demo.components.setting import Setting, in_address, wholes


@dataclass(frozen=True, slots=True)
class Drawing:
    """What lies on the pad."""

    pixels: NDArray[np.uint8]  # (H, W), 0 is black
    hidden: NDArray[np.bool_]  # (H, W), true where the pixel counts as unknown

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: it replaces the drawing, and can be undone there."""
        if self.pixels.dtype != np.uint8 or self.hidden.dtype != np.bool_:
            raise ValueError(
                "A drawing is of uint8 pixels and a bool for each, not of "
                f"{self.pixels.dtype} and {self.hidden.dtype}."
            )
        if self.pixels.ndim != 2 or self.pixels.shape != self.hidden.shape:
            raise ValueError(
                "A drawing's pixels and its hidden region are both (H, W), not "
                f"{self.pixels.shape} and {self.hidden.shape}."
            )
        height, width = self.pixels.shape
        return {
            "serial": serial(),
            "height": height,
            "width": width,
            "pixels": encode(self.pixels),
            "hidden": encode(self.hidden),
        }


def read(value: Any, height: int, width: int) -> Drawing:
    """The drawing that a pad of this size sent; whatever else it may be is refused."""
    refusal = inputs.refusal(
        f"The drawing must be {height} by {width} pixels, as the drawing pad sends them."
    )
    if not isinstance(value, dict):
        raise refusal
    if (value.get("height"), value.get("width")) != (height, width):
        raise refusal
    planes = []
    for name in ("pixels", "hidden"):
        text = value.get(name)
        # The length first: nothing long is ever decoded.
        if not isinstance(text, str) or len(text) != (height * width + 2) // 3 * 4:
            raise refusal
        try:
            data = base64.b64decode(text, validate=True)
        except ValueError:  # not base64, or not even ASCII
            raise refusal from None
        if len(data) != height * width:
            raise refusal
        planes.append(np.frombuffer(data, np.uint8).reshape(height, width).copy())
    pixels, hidden = planes
    if hidden.max() > 1:
        raise refusal
    return Drawing(pixels, hidden.astype(np.bool_))


def pad(
    value: dict[str, Any],
    *,
    label: str,
    elem_id: str,
    hideable: bool,
    examples: NDArray[np.uint8] | None = None,
    example_names: tuple[str, ...] = (),
) -> gr.HTML:
    """A pad with a `Drawing.payload()` on it.

    hideable: a part of the image can be hidden.
    examples: (N, H, W), up to 20 images to pick from, each with a name such as "a 7". The one that
    lies there has its number in the value ("example"), and in the address.
    """
    pickable = None
    if examples is not None:
        wanted = (len(example_names), value["height"], value["width"])
        if examples.dtype != np.uint8 or examples.shape != wanted:
            raise ValueError(
                f"The examples must be uint8 {wanted}, not {examples.dtype} {examples.shape}."
            )
        pickable = {"pixels": encode(examples), "names": list(example_names)}
        value = value | {"example": find(value, examples)}
    component = gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("pad.html"),
        css_template=source("pad.css"),
        js_on_load=source("pad.js"),
        apply_default_css=False,
        # Sent once with the page, not with each value.
        hideable=hideable,
        pickable=pickable,
    )
    if examples is None:
        return component
    shelf, hidden = examples, read(value, value["height"], value["width"]).hidden

    def lay(text: str, _: Any) -> dict[str, Any]:
        """An example on the pad, as much of it hidden as at first."""
        [number] = wholes(text, len(shelf) - 1)
        return Drawing(shelf[number], hidden).payload() | {"example": number}

    return in_address(component, Setting("picture", ("example",), lay))


def find(value: dict[str, Any], examples: NDArray[np.uint8]) -> int | None:
    """The number of the example that lies on the pad, if it is one."""
    pixels = read(value, value["height"], value["width"]).pixels
    same = (examples == pixels).all(axis=(1, 2)).nonzero()[0]
    return int(same[0]) if len(same) else None
