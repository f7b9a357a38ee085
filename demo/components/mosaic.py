"""Pictures in a grid, redrawn in place as fast as new ones come; one of them can be chosen.

Its value is {"chosen": index}, in both directions; "input" is triggered by every choice. The
pictures come apart from it, by `pictures`, so that a choice does not send them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source
from demo.components.pictures import as_png


def payload(
    tiles: NDArray[np.uint8], names: Sequence[str], description: str, *, asked: int
) -> dict[str, Any]:
    """What is shown: tiles (N, H, W, 1 or 3), each with its name, and what the grid is.

    asked: a number of `serial`, taken when the pictures were asked for: of two answers, the one to
    the later question stays, in whatever order they come.
    """
    if tiles.ndim != 4 or tiles.shape[3] not in (1, 3):
        raise ValueError(f"Tiles are (N, H, W, 1 or 3), not {tiles.shape}.")
    if len(names) != len(tiles):
        raise ValueError(f"{len(tiles)} tiles can't have {len(names)} names.")
    count, height, width, channels = tiles.shape
    strip = tiles.reshape(count * height, width, channels)
    return {
        "serial": asked,
        "height": height,
        "width": width,
        "src": as_png(np.broadcast_to(strip, (count * height, width, 3))),
        "names": list(names),
        "description": description,
    }


def pictures(shown: dict[str, Any]) -> gr.HTML:
    """An event's output: other pictures, as many as before."""
    return gr.HTML(pictures=shown)


def mosaic(
    shown: dict[str, Any],
    *,
    columns: int,
    most: int,
    label: str,
    elem_id: str,
    title: str = "",
    chosen: int | None = None,
) -> gr.HTML:
    """A grid of `payload`, at most `most` CSS pixels wide; without `chosen`, nothing can be.

    title: stands over it; label: for a screen reader.
    """
    return gr.HTML(
        value={"chosen": chosen},
        label=label,
        elem_id=elem_id,
        html_template=source("mosaic.html"),
        css_template=source("mosaic.css"),
        js_on_load=source("mosaic.js"),
        apply_default_css=False,
        padding=False,
        pictures=shown,
        title=title,
        columns=columns,
        most=most,
        selectable=chosen is not None,
    )
