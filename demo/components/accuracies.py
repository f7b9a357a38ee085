"""Accuracy against labels, or against anything else: curves with bands that grow as they come.

A value holds everything so far and replaces the one before in place. The values at one place are
read out in a table, under the pointer or with the arrow keys.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import gradio as gr

from demo.components import serial, source
from gm_core.label_budget import Method, Point


@dataclass(frozen=True, slots=True)
class Line:
    """A method's curve."""

    name: str
    method: Method  # its colour and mark
    points: tuple[Point, ...]
    _: KW_ONLY
    level: float | None = None  # what holds everywhere; points then only mark where it was tried
    is_beforehand: bool = False  # measured once, with more pictures

    def payload(self) -> dict[str, Any]:
        numbers = [each for point in self.points for each in (point.x, point.mean)]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"The curve of {self.name!r} is not finite.")
        return {
            "name": self.name,
            "method": self.method,
            "level": self.level,
            "isBeforehand": self.is_beforehand,
            "points": [[point.x, point.mean, point.spread, point.runs] for point in self.points],
        }


@dataclass(frozen=True, slots=True)
class Accuracies:
    """What is shown."""

    lines: tuple[Line, ...]
    _: KW_ONLY
    x_name: str
    scale: Literal["log", "percent"]
    ends: tuple[float, float]  # of the x axis
    here: str  # what the curves are of, and those that were measured beforehand
    beforehand: str = ""
    chosen: float | None = None  # the place whose values are read out first
    invitation: str = ""

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        low, high = self.ends
        if not low < high or (self.scale == "log" and low <= 0):
            raise ValueError(f"An axis can't go from {low} to {high}.")
        return {
            "serial": serial(),
            "lines": [line.payload() for line in self.lines],
            "xName": self.x_name,
            "scale": self.scale,
            "ends": [low, high],
            "here": self.here,
            "beforehand": self.beforehand,
            "chosen": self.chosen,
            "invitation": self.invitation,
        }


def accuracies(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """Curves of `Accuracies.payload()`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("accuracies.html"),
        css_template=source("accuracies.css"),
        js_on_load=source("accuracies.js"),
        apply_default_css=False,
        padding=False,
    )
