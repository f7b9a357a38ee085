"""The losses of two networks, as they train, and afterwards what each of them draws.

A value holds everything so far; one that comes while the networks train is drawn in place of the
one before. Without drawings nothing but the curves is shown.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.player import encode


@dataclass(frozen=True, slots=True)
class Tiles:
    """Images of one kind, in rows that are to be compared."""

    title: str
    images: NDArray[np.uint8]  # (rows, images, H, W)
    words: str

    def payload(self) -> dict[str, Any]:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"{self.title!r} has {self.images.dtype} images {self.images.shape}.")
        rows, images, height, width = self.images.shape
        return {
            "title": self.title,
            "rows": rows,
            "images": images,
            "height": height,
            "width": width,
            "pixels": encode(self.images),
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class MaskLosses:
    """What is shown: a loss a step of each network, in nats an image."""

    steps: int  # that there are to be
    right: tuple[float, ...] = ()
    broken: tuple[float, ...] = ()
    _: KW_ONLY
    honest: float | None  # what an honest model reached; None where it is not measured
    invitation: str = ""  # shown as long as there is no curve
    answer: str = ""  # what came out of it
    drawings: tuple[Tiles, ...] = ()

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: small numbers as they are, arrays as base64."""
        if len(self.right) != len(self.broken) or len(self.right) > self.steps:
            raise ValueError(
                f"{len(self.right)} and {len(self.broken)} losses are not those of "
                f"{self.steps} steps."
            )
        if not all(map(math.isfinite, (*self.right, *self.broken))):
            raise ValueError("A loss is not finite.")
        return {
            "serial": serial(),
            "steps": self.steps,
            "right": [round(loss, 3) for loss in self.right],
            "broken": [round(loss, 3) for loss in self.broken],
            "honest": self.honest,
            "invitation": self.invitation,
            "answer": self.answer,
            "drawings": [tiles.payload() for tiles in self.drawings],
        }


def mask_losses(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """Curves and drawings of `MaskLosses.payload()`, as a first value or an event's output."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("mask_losses.html"),
        css_template=source("mask_losses.css"),
        js_on_load=source("mask_losses.js"),
        apply_default_css=False,
    )
