"""Pixel maps: images and heat maps of one size side by side, read and chosen from pixel by pixel.

The pixel under the pointer is outlined in all maps at once and its values stand in one line below
them, so that they can be compared. A value of the same shape replaces the one before in place.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.player import encode


@dataclass(frozen=True, slots=True)
class Picture:
    """An image; cells that are unknown are grey, and those that the model drew may be outlined."""

    title: str
    pixels: NDArray[np.uint8]  # (H, W, C), C is 1 or 3
    caption: str = ""
    _: KW_ONLY
    levels: int = 256  # that the model tells apart: what the values are read out in
    unknown: NDArray[np.bool_] | None = None  # (H, W)
    marks: NDArray[np.bool_] | None = None  # (H, W): drawn by the model, outlined in its colour

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pixels.shape[:2]

    def payload(self) -> dict[str, Any]:
        if self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3):
            raise ValueError(f"{self.title!r} has pixels {self.pixels.shape}, not (H, W, 1 or 3).")
        if self.pixels.dtype != np.uint8:
            raise ValueError(f"{self.title!r} has {self.pixels.dtype} pixels, not uint8.")
        if not 2 <= self.levels <= 256:
            raise ValueError(f"{self.title!r} has {self.levels} levels, not 2 to 256.")
        return {
            "kind": "picture",
            "title": self.title,
            "caption": self.caption,
            "channels": self.pixels.shape[2],
            "levels": self.levels,
            "pixels": encode(self.pixels),
            "unknown": _plane(self, "unknown", self.unknown),
            "marks": _plane(self, "marks", self.marks),
        }


@dataclass(frozen=True, slots=True)
class Heat:
    """A number a cell, as a colour from dark through orange to near white, with a colour bar.

    NaN is a cell without a value, and grey. A zero that is special keeps the ground's colour, from
    which the smallest other number stands out: "depends not at all", "depends a little".
    """

    title: str
    values: NDArray[np.floating]  # (H, W)
    unit: str
    caption: str = ""
    _: KW_ONLY
    low: float  # the ends of the colours; a value beyond them has the colour of the nearest end
    high: float
    zero_is_special: bool = False
    scale: Literal["linear", "log"] = "linear"
    field: NDArray[np.bool_] | None = None  # (H, W): the theoretical receptive field, outlined
    below: NDArray[np.uint8] | None = None  # (H, W): an image that shines through faintly

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def payload(self) -> dict[str, Any]:
        if self.values.ndim != 2:
            raise ValueError(f"{self.title!r} has values {self.values.shape}, not (H, W).")
        if np.isinf(self.values).any():
            raise ValueError(f"{self.title!r} has infinite values.")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.title!r} goes from {self.low} to {self.high}.")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"{self.title!r} has a log scale from {self.low}, not above 0.")
        return {
            "kind": "heat",
            "title": self.title,
            "caption": self.caption,
            "values": encode(self.values.astype("<f4")),
            "unit": self.unit,
            "low": float(self.low),
            "high": float(self.high),
            "scale": self.scale,
            "zeroIsSpecial": self.zero_is_special,
            "field": _plane(self, "field", self.field),
            "below": _plane(self, "below", self.below, np.uint8),
        }


@dataclass(frozen=True, slots=True)
class Maps:
    """What is shown. Rows and columns count from 0 here, and from 1 where a student reads them."""

    items: tuple[Picture | Heat, ...]  # all of one height and width
    cursor: tuple[int, int] | None = None  # row, column of the pixel chosen by the student
    _: KW_ONLY
    clickable: bool = False
    columns: int | None = None  # at most so many side by side; by default as many as fit well

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: small numbers as they are, arrays as base64."""
        if not self.items:
            raise ValueError("There is no map to show.")
        items = [item.payload() for item in self.items]
        shapes = {item.shape for item in self.items}
        if len(shapes) > 1:
            raise ValueError(f"Maps side by side must have one shape, not {sorted(shapes)}.")
        height, width = self.items[0].shape
        if not height or not width:
            raise ValueError(f"Maps of {height} by {width} cells show nothing.")
        if self.cursor is not None:
            row, column = self.cursor
            if not (0 <= row < height and 0 <= column < width):
                raise ValueError(f"The cursor {self.cursor} is outside {height} by {width} cells.")
        if self.columns is not None and self.columns < 1:
            raise ValueError(f"Maps stand in at least one column, not {self.columns}.")
        return {
            "serial": serial(),
            "height": height,
            "width": width,
            "items": items,
            "cursor": self.cursor and [int(number) for number in self.cursor],
            "clickable": self.clickable,
            "columns": self.columns,
        }


def _plane(
    item: Picture | Heat, name: str, array: NDArray[Any] | None, kind: type = np.bool_
) -> str | None:
    """A byte a cell, for an array that must have the map's own shape."""
    if array is None:
        return None
    if array.shape != item.shape or array.dtype != kind:
        raise ValueError(
            f"{item.title!r} needs {name} as {kind.__name__} {item.shape}, "
            f"not {array.dtype} {array.shape}."
        )
    return encode(array.astype(np.uint8))


def maps(value: dict[str, Any] | None, *, label: str, elem_id: str) -> gr.HTML:
    """Maps of `Maps.payload()`, as a component's first value or an event's output.

    Clickable maps trigger "select" with the `row` and `column` of a pixel, and with the `map`, the
    number of the item it was chosen in.
    """
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("maps.html"),
        css_template=source("maps.css"),
        js_on_load=source("maps.js"),
        apply_default_css=False,
    )
