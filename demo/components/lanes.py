"""Several models' answers to one prompt, side by side: a grid of pictures each, filled in as they
are drawn, with what a picture is taken for written under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.pictures import as_png

COLUMNS = 4  # pictures side by side in a lane


@dataclass(frozen=True, slots=True)
class Tag:
    """What a picture is taken for."""

    name: str
    label: int  # the class's colour


@dataclass(frozen=True, slots=True)
class Lane:
    """A model and its pictures so far."""

    title: str
    line: str  # which model it is
    state: Literal["waiting", "drawing", "done", "absent"]
    caption: str  # where it stands; of an absent one, why
    pictures: NDArray[np.uint8] | None = None  # (N, H, W, 1 or 3)
    rows: int = 0  # of pixels that are drawn; the others are grey
    tags: tuple[Tag | None, ...] = ()  # one a picture, or none yet


def payload(lanes: Sequence[Lane], count: int) -> dict[str, Any]:
    """What `lanes` shows; count: how many pictures a lane will have."""
    return {"serial": serial(), "count": count, "lanes": [_lane(lane, count) for lane in lanes]}


def _lane(lane: Lane, count: int) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "title": lane.title, "line": lane.line, "state": lane.state, "caption": lane.caption,
        "src": "", "shown": 0, "height": 1, "width": 1, "rows": lane.rows,
        "tags": [tag and {"name": tag.name, "label": tag.label} for tag in lane.tags],
    }  # fmt: skip
    if lane.pictures is None or len(lane.pictures) == 0:
        return shown
    number, height, width, channels = lane.pictures.shape
    if number > count or channels not in (1, 3):
        raise ValueError(
            f"{lane.title!r} has pictures {lane.pictures.shape}, not up to {count} of one or three "
            "channels."
        )
    if len(lane.tags) not in (0, number):
        raise ValueError(f"{number} pictures can't have {len(lane.tags)} tags.")
    strip = lane.pictures.reshape(number * height, width, channels)
    src = as_png(np.broadcast_to(strip, (number * height, width, 3)))
    return shown | {"src": src, "shown": number, "height": height, "width": width}


def lanes(value: dict[str, Any], *, elem_id: str) -> gr.HTML:
    """A `payload`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template='<div class="lanes"></div>',
        css_template=f".board {{ --columns: {COLUMNS}; }}\n{source('lanes.css')}",
        js_on_load=source("lanes.js"),
        apply_default_css=False,
        padding=False,
    )
