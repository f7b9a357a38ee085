"""A curve over a log axis, with a band around it; it may grow while it is computed.

A value holds everything so far and replaces the one before in place. The points are read out one
by one, under the pointer or with the arrow keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.components import serial, source


@dataclass(frozen=True, slots=True)
class Curve:
    """What is shown: y at rising x, from 1 to `end`, which need not be reached yet."""

    x: tuple[int, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...]  # half the band's height; NaN where there is no band
    end: int
    x_name: str  # "samples K"
    y_name: str  # "bound on −log p(x)"
    band_name: str
    unit: str

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        if not len(self.x) == len(self.y) == len(self.spread):
            raise ValueError(
                f"{len(self.x)} places, {len(self.y)} values and {len(self.spread)} spreads are "
                "not those of one curve."
            )
        if any(after <= before for before, after in zip((0, *self.x), self.x, strict=False)):
            raise ValueError(f"A curve's places rise from 1 on, unlike {self.x}.")
        if self.end < 2 or any(place > self.end for place in self.x):
            raise ValueError(f"A curve over {self.x} can't end at {self.end}.")
        if not all(map(math.isfinite, self.y)) or any(map(math.isinf, self.spread)):
            raise ValueError("A curve is not finite.")
        return {
            "serial": serial(),
            "x": list(self.x),
            "y": list(self.y),
            "spread": [None if math.isnan(half) else half for half in self.spread],
            "end": self.end,
            "xName": self.x_name,
            "yName": self.y_name,
            "bandName": self.band_name,
            "unit": self.unit,
        }


def curve(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """A curve of `Curve.payload()`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("curve.html"),
        css_template=source("curve.css"),
        js_on_load=source("curve.js"),
        apply_default_css=False,
    )
