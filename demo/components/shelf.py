"""A shelf: small pictures to take one from, which can be filled anew.

Its value is {"shelf": number, "chosen": place or None, "tiles": [{"src", "name"}]}, in both
directions; "input" is triggered by every click on a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source
from demo.components.pictures import as_png
from demo.components.setting import Setting, in_address, wholes


def payload(
    number: int, pictures: Sequence[NDArray[np.uint8]], names: Sequence[str], chosen: int | None
) -> dict[str, Any]:
    """A shelf of pictures (H, W, 3), each with what a screen reader says of it."""
    tiles = [
        {"src": as_png(picture), "name": name}
        for picture, name in zip(pictures, names, strict=True)
    ]
    return {"shelf": number, "chosen": chosen, "tiles": tiles}


def shelf(
    value: dict[str, Any],
    *,
    label: str,
    elem_id: str,
    take: Callable[[int], dict[str, Any]] | None = None,
) -> gr.HTML:
    """A `payload`, as a component's first value.

    take: the shelf with the picture taken that an address names; without, none does.
    """
    component = gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template='<div class="shelf" role="group"></div>',
        css_template=source("shelf.css"),
        js_on_load=source("shelf.js"),
        apply_default_css=False,
        padding=False,
    )
    if take is None:
        return component
    last = len(value["tiles"]) - 1

    def read(text: str, _: Any) -> dict[str, Any]:
        return take(*wholes(text, last))

    return in_address(component, Setting("picture", ("chosen",), read))
