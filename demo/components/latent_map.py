"""The plane of a code of two numbers: where the test images lie on it, and the place chosen there.

Its value is the chosen place alone, {"x", "y"}, small enough to be sent while it is dragged. The
plane, points and pictures, is sent once with the page. A new place triggers "input"; moving by
mouse, finger and keyboard, pointing at images and zooming happen in the browser.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.components import source
from demo.components.player import encode
from demo.components.setting import in_address, on_map

MOST_CLASSES = 10  # as many as there are colours
SPRITE_COLUMNS = 50  # images side by side; browsers refuse pictures that are very long


@dataclass(frozen=True, slots=True)
class LatentMap:
    """What lies on the plane, which reaches from -reach to reach both ways; y points up."""

    mean: NDArray[np.floating]  # (N, 2): of each image's q(z | x)
    sigma: NDArray[np.floating]  # (N, 2)
    kl: NDArray[np.floating]  # (N,), nats
    labels: NDArray[np.integer]  # (N,)
    class_names: tuple[str, ...]
    images: NDArray[np.uint8]  # (N, H, W), as the encoder was given them
    # (rows, columns, H, W): what the middle of each of equal tiles is decoded to; the first one
    # lies where x is least and y is most.
    tiles: NDArray[np.uint8]
    reach: float

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: small numbers as they are, arrays as base64, images as PNG."""
        count = len(self.labels)
        points = {"mean": (count, 2), "sigma": (count, 2), "kl": (count,), "labels": (count,)}
        if not count:
            raise ValueError("There is no image to place on the plane.")
        for name, shape in points.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} must have the shape {shape}, not {array.shape}.")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite.")
        if (self.sigma <= 0).any():
            raise ValueError("sigma must be above 0.")
        if not 0 < len(self.class_names) <= MOST_CLASSES:
            raise ValueError(f"{len(self.class_names)} classes, not 1 to {MOST_CLASSES}.")
        if self.labels.min() < 0 or self.labels.max() >= len(self.class_names):
            raise ValueError("labels must be numbers of the classes.")
        for name, array, axes in (("images", self.images, 3), ("tiles", self.tiles, 4)):
            if array.ndim != axes or array.dtype != np.uint8 or not array.size:
                raise ValueError(f"{name} are {array.dtype} {array.shape}, not uint8 pictures.")
        if len(self.images) != count or self.images.shape[1:] != self.tiles.shape[2:]:
            raise ValueError(
                f"{count} images of one size with the tiles' {self.tiles.shape[2:]} are needed, "
                f"not {self.images.shape}."
            )
        if self.tiles.shape[0] != self.tiles.shape[1]:
            raise ValueError(f"The tiles must form a square, not {self.tiles.shape[:2]}.")
        if not (math.isfinite(self.reach) and self.reach > 0):
            raise ValueError(f"The plane can't reach to {self.reach}.")
        height, width = self.images.shape[1:]
        rows = -(-count // SPRITE_COLUMNS)
        images = np.zeros((rows * SPRITE_COLUMNS, height, width), np.uint8)
        images[:count] = self.images
        return {
            "count": count,
            "height": height,
            "width": width,
            "reach": float(self.reach),
            "classNames": list(self.class_names),
            "points": encode(np.column_stack([self.mean, self.sigma, self.kl]).astype("<f4")),
            "labels": encode(self.labels.astype(np.uint8)),
            "columns": SPRITE_COLUMNS,
            "images": sprite(images.reshape(rows, SPRITE_COLUMNS, height, width)),
            "tiles": sprite(self.tiles),
            "tilesAcross": len(self.tiles),
        }


def sprite(pictures: NDArray[np.uint8]) -> str:
    """Pictures (rows, columns, H, W) in one, as the address of a PNG."""
    rows, columns, height, width = pictures.shape
    sheet = Image.fromarray(pictures.swapaxes(1, 2).reshape(rows * height, columns * width))
    if np.isin(pictures, (0, 255)).all():
        sheet = sheet.convert("1", dither=Image.Dither.NONE)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def latent_map(
    plane: dict[str, Any], place: tuple[float, float], *, label: str, elem_id: str
) -> gr.HTML:
    """A map of `LatentMap.payload()` with a place chosen; it triggers "input" for every other."""
    component = gr.HTML(
        value={"x": place[0], "y": place[1]},
        label=label,
        elem_id=elem_id,
        html_template=source("latent_map.html"),
        css_template=source("latent_map.css"),
        js_on_load=source("latent_map.js"),
        apply_default_css=False,
        # Sent once with the page, not with each value.
        plane=plane,
    )
    return in_address(component, on_map(plane["reach"]))
