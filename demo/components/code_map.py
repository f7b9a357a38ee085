"""A map of codes, tiled with what is drawn there, and the place chosen on it.

Its value is the chosen place alone, {"x", "y"}, small enough to be sent while it is dragged; the
tiles come with `tiled`, and again whenever the map is another one. A new place triggers "input".
Unlike the latent map, no data lies on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.pictures import as_png


@dataclass(frozen=True, slots=True)
class Tiles:
    """What is drawn in the middle of each of equal tiles: the first one at the upper left."""

    pictures: NDArray[np.uint8]  # (across, across, H, W, C), C being 1 or 3
    reach: float  # of the map, from the middle to its edges; y points up
    circles: tuple[tuple[float, str], ...] = ()  # radii around the middle, and what they say

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        shape = self.pictures.shape
        if self.pictures.dtype != np.uint8 or len(shape) != 5 or shape[4] not in (1, 3):
            raise ValueError(f"Tiles are uint8 pictures, not {self.pictures.dtype} {shape}.")
        if shape[0] != shape[1] or not shape[0]:
            raise ValueError(f"The tiles must form a square, not {shape[:2]}.")
        if not (math.isfinite(self.reach) and self.reach > 0):
            raise ValueError(f"The map can't reach to {self.reach}.")
        across, _, height, width, channels = shape
        joined = self.pictures.swapaxes(1, 2).reshape(across * height, across * width, channels)
        rgb = np.broadcast_to(joined, (*joined.shape[:2], 3))
        return {
            "serial": serial(),
            "reach": float(self.reach),
            "across": across,
            "circles": [[float(radius), words] for radius, words in self.circles],
            "src": as_png(np.array(rgb)),
        }


def code_map(
    tiles: dict[str, Any] | None, place: tuple[float, float], *, label: str, elem_id: str
) -> gr.HTML:
    """A map of `Tiles.payload()` with a place chosen; None: they come later."""
    return gr.HTML(
        value={"x": place[0], "y": place[1]},
        label=label,
        elem_id=elem_id,
        html_template=source("code_map.html"),
        css_template=source("code_map.css"),
        js_on_load=source("code_map.js"),
        apply_default_css=False,
        tiles=tiles,
    )


def tiled(tiles: dict[str, Any]) -> gr.HTML:
    """An event's output: other tiles, the place stays."""
    return gr.HTML(tiles=tiles)
