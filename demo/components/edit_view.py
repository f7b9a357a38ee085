"""An edit: source and result under a slider, every step, the change as a heat map, the truth.

Its value is a plain dictionary (see `View`). The steps are sent once; to scrub them, to play them
and to slide between before and after happens in the browser with no server in the loop. Where its
value has no result yet, it triggers "load" as soon as it is on the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.pictures import as_png


@dataclass(frozen=True, slots=True)
class Amount:
    """A number about a result."""

    name: str
    value: str  # with its unit
    means: str  # a few words


@dataclass(frozen=True, slots=True)
class Lane:
    """What one wording leads to."""

    title: str
    frames: tuple[str, ...]  # data URLs: the result as it is foreseen, the last is the result
    truth: NDArray[np.uint8] | None  # (size, size, 3)
    missing: str  # why there is no truth
    amounts: tuple[Amount, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What is shown. While it `runs`, each lane has the last of its frames so far alone."""

    source: NDArray[np.uint8]  # (size, size, 3)
    lanes: tuple[Lane, ...]
    steps: tuple[int, ...]  # after which the frames come, in every lane
    total: int  # steps in all
    runs: bool = False

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        count = 1 if self.runs else len(self.steps)
        for lane in self.lanes:
            if len(lane.frames) not in (0, count):
                raise ValueError(f"{len(lane.frames)} frames were made in {count} steps.")
        return {
            "serial": serial(),
            "size": len(self.source),
            "source": as_png(self.source),
            "steps": list(self.steps),
            "total": self.total,
            "runs": self.runs,
            "lanes": [
                {
                    "title": lane.title,
                    "frames": list(lane.frames),
                    "truth": None if lane.truth is None else as_png(lane.truth),
                    "missing": lane.missing,
                    "amounts": [[each.name, each.value, each.means] for each in lane.amounts],
                }
                for lane in self.lanes
            ],
        }


def waiting(pixels: NDArray[np.uint8], titles: Sequence[str]) -> dict[str, Any]:
    """The source alone: the results are still to be made."""
    return View(pixels, tuple(Lane(title, (), None, "") for title in titles), (), 1).payload()


def edit_view(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """A view of `View.payload()`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("edit_view.html"),
        css_template=source("edit_view.css"),
        js_on_load=source("edit_view.js"),
        apply_default_css=False,
        padding=False,
    )
