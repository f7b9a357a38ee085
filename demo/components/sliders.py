"""Sliders on an image's code: a row a dimension, and the picture that the code is decoded to.

Its value is a plain dictionary that `Sliders.payload` makes. What the student moves goes out as the
same value with another `z`, by "input"; `picture` says what to show then. "select" asks for a z
from the prior, which `picture` answers too. An answer to a code that is gone is dropped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo import inputs
from demo.components import serial, source
from demo.components.player import encode
from demo.components.setting import Setting, in_address

FROM_ADDRESS = "z of the address"
MOST_SHOWN = 10  # dimensions, as long as all of them are not asked for


@dataclass(frozen=True, slots=True)
class Number:
    """A number that the code means, and what stands before it in the sum."""

    name: str
    text: str  # with its unit
    sign: str = ""


@dataclass(frozen=True, slots=True)
class Sliders:
    """An image, its code q(z | x) = N(mean, sigma), and where the sliders stand."""

    model: str  # sent back with z
    image: NDArray[np.uint8]  # (H, W)
    reconstruction: NDArray[np.uint8]  # (H, W): the decoded mean
    decoded: NDArray[np.uint8]  # (H, W): the decoded z
    mean: NDArray[np.floating]  # (dimensions,)
    sigma: NDArray[np.floating]  # (dimensions,)
    kl: NDArray[np.floating]  # (dimensions,): nats
    usage: NDArray[np.floating]  # (dimensions,): mean KL of many images, which sorts the rows
    used: NDArray[np.bool_]  # (dimensions,)
    kl_end: float  # nats at which a bar ends
    limit: float  # the largest |z|
    numbers: tuple[Number, ...]
    z: NDArray[np.floating]  # (dimensions,)
    moved: bool = False  # z was chosen by the student
    words: str = ""  # where z is from

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: small numbers as they are, pictures as base64."""
        pictures = (self.image, self.reconstruction, self.decoded)
        if {picture.shape for picture in pictures} != {self.image.shape} or self.image.ndim != 2:
            raise ValueError(f"The pictures have {[picture.shape for picture in pictures]}.")
        if any(picture.dtype != np.uint8 for picture in pictures):
            raise ValueError("The pictures must be uint8.")
        planes = (self.mean, self.sigma, self.kl, self.usage, self.used, self.z)
        if {plane.shape for plane in planes} != {(len(self.z),)}:
            raise ValueError(f"The dimensions' numbers have {[plane.shape for plane in planes]}.")
        if not all(np.isfinite(plane).all() for plane in planes) or not self.kl_end > 0:
            raise ValueError("A number of a dimension is not finite, or the bars have no end.")
        height, width = self.image.shape
        # The used ones first, those that say most first.
        order = np.lexsort((-self.usage, ~self.used))
        return {
            "serial": serial(),
            "model": self.model,
            "height": height,
            "width": width,
            "image": encode(self.image),
            "reconstruction": encode(self.reconstruction),
            "decoded": encode(self.decoded),
            "mean": self.mean.tolist(),
            "sigma": self.sigma.tolist(),
            "kl": self.kl.tolist(),
            "used": self.used.tolist(),
            "order": order.tolist(),
            "klEnd": float(self.kl_end),
            "limit": float(self.limit),
            "numbers": [[item.name, item.text, item.sign] for item in self.numbers],
            "z": self.z.tolist(),
            "moved": self.moved,
            "code": self.z.tolist() if self.moved else None,  # in the address
            "words": self.words,
        }


def read_code(value: Any, dimensions: int, limit: float) -> list[float]:
    """A list of as many finite numbers from -limit to limit; whatever else it may be is refused."""
    refusal = inputs.refusal(
        f"z must be a list of {dimensions} numbers from {-limit:g} to {limit:g}."
    )
    if not isinstance(value, list) or len(value) != dimensions:
        raise refusal
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise refusal
        if not -limit <= number <= limit:  # NaN compares false
            raise refusal
    return [float(number) for number in value]


def nice_end(largest: float) -> float:
    """1, 2 or 5 times a power of ten, not below `largest`."""
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest)


def picture(
    pixels: NDArray[np.uint8], of: Any, z: list[float] | None = None, words: str = ""
) -> gr.HTML:
    """An event's output: the picture (H, W) of the sliders' code, and a z to move them to.

    of: the serial number of the value that was sent.
    """
    answer = {"serial": serial(), "of": of, "picture": encode(pixels), "z": z, "words": words}
    return gr.HTML(answer=answer)


def sliders(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """Sliders and pictures of `Sliders.payload()`, as a first value or an event's output. A code
    that was moved stands in the address."""
    component = gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("sliders.html"),
        css_template=source("sliders.css"),
        js_on_load=source("sliders.js"),
        apply_default_css=False,
        most_shown=MOST_SHOWN,
        answer=None,
    )

    def move(text: str, held: dict[str, Any]) -> dict[str, Any]:
        z = read_code([float(part) for part in text.split(",")], len(held["z"]), held["limit"])
        moved = {"z": z, "code": z, "moved": True, "words": FROM_ADDRESS}
        return held | moved | {"serial": serial()}

    return in_address(component, Setting("code", ("code",), move))
