"""Guidance taken apart: three guesses, their two differences and the guided sum, as an equation.

A value holds the steps so far and may grow while an edit runs; the steps are scrubbed and played in
the browser, which also draws the differences. When it is first seen, it triggers "select".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source
from demo.components.pictures import as_png

TILES = 4  # of a step: knowing nothing, the picture, picture and instruction; the guided sum
SCALE = 64  # grey levels at which the colours of a difference end


@dataclass(frozen=True, slots=True)
class Step:
    """What the model foresees at a step."""

    number: int
    strip: str  # a picture of the four tiles side by side, as an address


def step(number: int, tiles: NDArray[np.uint8]) -> Step:
    """A step of tiles (4, H, W, 3)."""
    if tiles.ndim != 4 or len(tiles) != TILES or tiles.shape[3] != 3:
        raise ValueError(f"A step's tiles are ({TILES}, H, W, 3), not {tiles.shape}.")
    return Step(number, as_png(np.concatenate(list(tiles), axis=1)))


@dataclass(frozen=True, slots=True)
class Apart:
    """An edit, as far as it has come."""

    steps: Sequence[Step]
    total: int
    text: float  # guidance
    image: float
    source: str  # addresses of pictures
    truth: str | None  # None: not known
    says: str  # of the truth: how the instruction is understood, or why it is not known

    def payload(self, *, asked: int) -> dict[str, Any]:
        """As the browser takes it. asked: a new number (`serial`) for another edit."""
        if any(not 0 < each.number <= self.total for each in self.steps):
            raise ValueError(f"An edit of {self.total} steps has no others.")
        return {
            "serial": asked,
            "steps": [[each.number, each.strip] for each in self.steps],
            "total": self.total,
            "text": self.text,
            "image": self.image,
            "source": self.source,
            "truth": self.truth,
            "says": self.says,
        }


def taken_apart(value: dict[str, Any] | None, *, elem_id: str) -> gr.HTML:
    """What `Apart.payload` makes, as a first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=source("taken_apart.html"),
        css_template=source("taken_apart.css"),
        js_on_load=source("taken_apart.js"),
        apply_default_css=False,
        padding=False,
        ends=SCALE,
    )
