"""The player: a trajectory sent once, played in the browser.

Its value is a plain dictionary (see `Trajectory`). Play, pause, step, scrub and speed happen in a
canvas with no server in the loop; buttons, keys and touch do the same things.

It triggers "select" wherever playback comes to rest by hand or at its end (paused, stepped, sought,
another image chosen; a drag or a held key counts once, when it is let go): {image, step}. A click
on a pixel of a raster picture seeks to the step after that pixel and adds {row, column, level};
`level` lists one number a channel. Images, rows and columns count from 0. A new value triggers
nothing.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source

MOST_BARS = 32  # of a histogram; more levels than this share bars


@dataclass(frozen=True, slots=True)
class Jump:
    """A button that goes several steps at once."""

    steps: int
    name: str  # "row", ...


@dataclass(frozen=True, slots=True)
class Series:
    """A number a step, drawn as a curve with a cursor; the value after step s adds up s of them."""

    name: str
    unit: str
    values: NDArray[np.float32]  # (images, steps)


@dataclass(frozen=True, slots=True)
class Draws:
    """The distribution that each step drew from, and the number that decided.

    The level drawn is not here: it follows from the brightness, round(255 * level / (levels - 1)).
    """

    title: str
    levels: int  # at most 256; beyond MOST_BARS, a multiple of it
    names: tuple[str, ...] | None  # of the levels; None: "level 0", "level 1", ...
    noise: NDArray[np.floating]  # (images, steps), uniform in [0, 1)
    edges: NDArray[np.floating]  # (images, steps, bars - 1): cumulative shares of [0, 1]
    # (images, steps, 2): where the drawn level's own share begins and ends; None when a bar is a
    # level, for then the edges say so.
    bounds: NDArray[np.floating] | None

    @property
    def bars(self) -> int:
        """How many bars the distribution is drawn with, each of equally many levels."""
        return min(self.levels, MOST_BARS)

    def payload(self, images: int, steps: int) -> dict[str, Any]:
        if not 2 <= self.levels <= 256 or self.levels % self.bars:
            raise ValueError(f"{self.levels} levels cannot be drawn as {self.bars} bars.")
        shape = (images, steps, self.bars - 1)
        if self.edges.shape != shape:
            raise ValueError(f"The edges must have the shape {shape}, not {self.edges.shape}.")
        if (self.bounds is None) != (self.bars == self.levels):
            raise ValueError("Bounds are for levels that share bars, and for them alone.")
        return {
            "title": self.title,
            "levels": self.levels,
            "bars": self.bars,
            "names": self.names and list(self.names),
            "noise": encode(self.noise.astype("<f4")),
            # Bars that many levels share are only looked at: 1 / 65535 is far below a screen pixel.
            "edges": encode(
                self.edges.astype("<f4")
                if self.bounds is None
                else np.rint(self.edges * 65535).astype("<u2")
            ),
            "bounds": None if self.bounds is None else encode(self.bounds.astype("<f4")),
        }


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What the player plays.

    frames uint8 (F, images, H, W, C): either one frame a step, the start included (F = steps + 1),
    or, with order="raster", the last frame alone, whose values appear one a step: pixel after
    pixel, and within a pixel channel after channel (steps = H * W * C).
    """

    frames: NDArray[np.uint8]
    steps: int
    order: Literal["frames", "raster"]
    step_name: str  # what a step is: "pixel", "epoch", ...
    jumps: tuple[Jump, ...]  # one or two, the shorter first
    captions: tuple[str, ...]  # one an image
    names: tuple[str, ...] | None = None  # one an image, written under its tile
    marks: NDArray[np.bool_] | None = None  # (images, H, W): pixels to outline once drawn
    series: Series | None = None
    draws: Draws | None = None
    autoplay: bool = True
    start: int = 0  # the step from which it plays by itself
    chosen: int | None = None  # the image that is shown large; None leaves the reader's choice

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: small numbers as they are, arrays as base64."""
        count, images, height, width, channels = self.frames.shape
        wanted = 1 if self.order == "raster" else self.steps + 1
        if count != wanted:
            raise ValueError(f"A {self.order!r} trajectory has {wanted} frames, not {count}.")
        if self.order == "raster" and self.steps != height * width * channels:
            raise ValueError(
                f"Frames of {height}x{width}x{channels} have {height * width * channels} steps, "
                f"not {self.steps}."
            )
        if self.draws and self.order != "raster":
            raise ValueError("Only a 'raster' trajectory has one draw a step.")
        if len(self.jumps) not in (1, 2):
            raise ValueError(f"There must be one or two jumps, not {len(self.jumps)}.")
        for what, texts in (("captions", self.captions), ("names", self.names)):
            if texts is not None and len(texts) != images:
                raise ValueError(f"{images} images need {images} {what}, not {len(texts)}.")
        if self.marks is not None and self.marks.shape != (images, height, width):
            raise ValueError(
                f"The marks must have the shape {(images, height, width)}, not {self.marks.shape}."
            )
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
            "jumps": [{"steps": jump.steps, "name": jump.name} for jump in self.jumps],
            "captions": list(self.captions),
            "names": self.names and list(self.names),
            "marks": None if self.marks is None else encode(self.marks.astype(np.uint8)),
            "autoplay": self.autoplay,
            "start": self.start,
            "chosen": self.chosen,
            "series": self.series
            and {
                "name": self.series.name,
                "unit": self.series.unit,
                "values": encode(self.series.values.astype("<f4")),
            },
            "draws": self.draws and self.draws.payload(images, self.steps),
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
