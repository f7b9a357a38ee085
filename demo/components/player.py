"""The player: a trajectory sent once, played in the browser.

Its value is a plain dictionary (see `Trajectory`). Play, pause, step, scrub and speed happen in a
canvas with no server in the loop; buttons, keys and touch do the same things.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source


@dataclass(frozen=True, slots=True)
class Series:
    """A number a step, drawn as a curve with a cursor; the value after step s adds up s of them."""

    name: str
    unit: str
    values: NDArray[np.float32]  # (images, steps)


@dataclass(frozen=True, slots=True)
class Draws:
    """The distribution that each step drew from, and the number that decided."""

    title: str
    edges: NDArray[np.floating]  # (images, steps, levels - 1): cumulative shares of [0, 1]
    noise: NDArray[np.floating]  # (images, steps), uniform in [0, 1)
    chosen: NDArray[np.uint8]  # (images, steps)
    names: tuple[str, ...]  # of the levels


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What the player plays.

    frames uint8 (F, images, H, W, C): either one frame a step, the start included (F = steps + 1),
    or, with order="raster", the last frame alone, whose pixels appear one a step.
    """

    frames: NDArray[np.uint8]
    steps: int
    order: Literal["frames", "raster"]
    step_name: str  # what a step is: "pixel", "epoch", ...
    jump: int  # steps of a long jump
    jump_name: str  # "row", ...
    captions: tuple[str, ...]  # one an image
    series: Series | None = None
    draws: Draws | None = None
    autoplay: bool = True

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: small numbers as they are, arrays as base64."""
        count, images, height, width, channels = self.frames.shape
        wanted = 1 if self.order == "raster" else self.steps + 1
        if count != wanted:
            raise ValueError(f"A {self.order!r} trajectory has {wanted} frames, not {count}.")
        return {
            "serial": serial(),
            "frames": encode(self.frames),
            "images": images,
            "height": height,
            "width": width,
            "channels": channels,
            "steps": self.steps,
            "order": self.order,
            "stepName": self.step_name,
            "jump": self.jump,
            "jumpName": self.jump_name,
            "captions": list(self.captions),
            "autoplay": self.autoplay,
            "series": self.series
            and {
                "name": self.series.name,
                "unit": self.series.unit,
                "values": encode(self.series.values.astype("<f4")),
            },
            "draws": self.draws
            and {
                "title": self.draws.title,
                "edges": encode(self.draws.edges.astype("<f4")),
                "noise": encode(self.draws.noise.astype("<f4")),
                "chosen": encode(self.draws.chosen),
                "names": list(self.draws.names),
            },
        }


def encode(array: NDArray[Any]) -> str:
    """Raw little-endian bytes in C order, as base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def player(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """A player of `Trajectory.payload()`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("player.html"),
        css_template=source("player.css"),
        js_on_load=source("player.js"),
        apply_default_css=False,
    )
