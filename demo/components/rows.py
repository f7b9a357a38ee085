"""Rows of small pictures under each other, redrawn in place as fast as new ones come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.player import encode


@dataclass(frozen=True, slots=True)
class Row:
    """Equally large pictures and what stands over them."""

    title: str
    pictures: NDArray[np.uint8]  # (N, H, W, 3)
    names: tuple[str, ...] = ()  # one a picture, written under it; none for no writing


def payload(rows: Sequence[Row]) -> dict[str, Any]:
    """What `rows` shows: always as many rows, with as many pictures."""
    for row in rows:
        if row.pictures.dtype != np.uint8 or row.pictures.ndim != 4 or row.pictures.shape[3] != 3:
            raise ValueError(
                f"A row is of uint8 pictures (N, H, W, 3), not {row.pictures.dtype} "
                f"{row.pictures.shape}."
            )
        if len(row.names) not in (0, len(row.pictures)):
            raise ValueError(f"{len(row.pictures)} pictures have {len(row.names)} names.")
    return {
        "serial": serial(),
        "rows": [
            {
                "title": row.title,
                "names": list(row.names),
                "count": row.pictures.shape[0],
                "height": row.pictures.shape[1],
                "width": row.pictures.shape[2],
                "pixels": encode(row.pictures),
            }
            for row in rows
        ],
    }


def rows(value: dict[str, Any], *, elem_id: str) -> gr.HTML:
    """A `payload`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template='<div class="rows"></div>',
        css_template=source("rows.css"),
        js_on_load=source("rows.js"),
        apply_default_css=False,
    )
