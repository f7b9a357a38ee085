"""A gallery: small pictures with their names under them, to click on.

Its value is {"chosen": place or None}; "input" is triggered by every click, on the same picture as
well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source
from demo.components.pictures import as_png
from demo.components.setting import Setting, in_address, wholes


def gallery(
    pictures: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    *,
    label: str,
    elem_id: str,
    chosen: int | None = None,
) -> gr.HTML:
    """Pictures (H, W, 3), each with its name."""
    tiles = [
        {"src": as_png(picture), "name": name}
        for picture, name in zip(pictures, names, strict=True)
    ]
    component = gr.HTML(
        value={"chosen": chosen},
        label=label,
        elem_id=elem_id,
        html_template='<div class="heading"></div><div class="gallery" role="group"></div>',
        css_template=source("gallery.css"),
        js_on_load=source("gallery.js"),
        apply_default_css=False,
        tiles=tiles,  # sent once with the page, not with each value
    )

    def choose(text: str, _: Any) -> dict[str, int]:
        [number] = wholes(text, len(tiles) - 1)
        return {"chosen": number}

    return in_address(component, Setting("picture", ("chosen",), choose))
