"""The same latents through training: a sheet of pictures with D's scores, and both losses.

All numbers come with the page; the pictures of all snapshots are one image, which the browser
fetches once, when the component is first seen. Play, step, scrub and point happen in the browser.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.components import serial, source
from demo.components.setting import Setting, in_address

CLEAR = 0.9  # of all distances from a sheet's mean: what has the full colour, or more


@dataclass(frozen=True, slots=True)
class Stage:
    """What to look at from a step on."""

    step: int
    words: str


@dataclass(frozen=True, slots=True)
class TrainingHistory:
    """What is shown. A sheet is square: N = side * side tiles."""

    last: NDArray[np.uint8]  # (N, H, W, C): the pictures of the last snapshot
    scores: NDArray[np.floating]  # (S, N)
    steps: tuple[int, ...]  # (S,), rising
    losses: NDArray[np.floating]  # (R, 2): of D and of G
    loss_steps: tuple[int, ...]  # (R,), rising
    names: tuple[str, ...]  # (N,): the tiles' classes, or nothing
    stages: tuple[Stage, ...]

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        tiles, height, width, _ = self.last.shape
        side = math.isqrt(tiles)
        if side * side != tiles or self.scores.shape != (len(self.steps), tiles):
            raise ValueError(f"{tiles} tiles and scores {self.scores.shape} make no square sheets.")
        if self.losses.shape != (len(self.loss_steps), 2):
            raise ValueError(f"{len(self.loss_steps)} steps have no losses {self.losses.shape}.")
        for steps in (self.steps, self.loss_steps):
            if any(after <= before for before, after in zip((0, *steps), steps, strict=False)):
                raise ValueError(f"Steps rise from 1 on, unlike {steps}.")
        apart = np.abs(self.scores - self.scores.mean(axis=1, keepdims=True))
        return {
            "serial": serial(),
            "last": sprite(self.last[None]),
            "side": side,
            "height": height,
            "width": width,
            "steps": list(self.steps),
            "step": self.steps[-1],  # that is shown
            "scores": self.scores.round(2).tolist(),
            "clear": float(max(np.quantile(apart, CLEAR), 0.01)),
            "losses": self.losses.round(3).tolist(),
            "lossSteps": list(self.loss_steps),
            "names": list(self.names),
            "stages": [{"step": stage.step, "words": stage.words} for stage in self.stages],
        }


def sprite(images: NDArray[np.uint8]) -> str:
    """Square sheets of tiles (S, N, H, W, C), side by side in rows, as a data URL: the browser
    takes no picture that is much longer than it is wide."""
    count, tiles, height, width, channels = images.shape
    across, side = math.isqrt(count - 1) + 1, math.isqrt(tiles)
    padded = np.zeros((across * across, *images.shape[1:]), np.uint8)
    padded[:count] = images
    grid = padded.reshape(across, across, side, side, height, width, channels)
    pixels = grid.transpose(0, 2, 4, 1, 3, 5, 6)
    pixels = pixels.reshape(across * side * height, across * side * width, channels)
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def training_history(
    value: dict[str, Any], pictures: Callable[[Any], str], *, label: str, elem_id: str
) -> gr.HTML:
    """A component of `TrainingHistory.payload()`; `pictures` returns all as a sprite. The step that
    is shown stands in the address."""
    component = gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("training_history.html"),
        css_template=source("training_history.css"),
        js_on_load=source("training_history.js"),
        apply_default_css=False,
        server_functions=[pictures],
    )
    steps = {str(step): step for step in value["steps"]}

    def seek(text: str, held: dict[str, Any]) -> dict[str, Any]:
        if text not in steps:
            raise ValueError(text)
        return held | {"step": steps[text], "serial": serial()}

    return in_address(component, Setting("step", ("step",), seek))
