"""A contact sheet: small pictures to choose one of, or to sort into two groups.

Its value is what was chosen, in both directions: {"chosen": id}, or {"with": [ids], "without":
[ids]} of a sheet with groups. "input" is triggered by every click.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source
from demo.components.pictures import as_png
from demo.components.setting import Setting, in_address


def sheet(
    value: dict[str, Any],
    pictures: NDArray[np.uint8],
    ids: Sequence[int],
    names: Sequence[str],
    *,
    label: str,
    elem_id: str,
) -> gr.HTML:
    """A sheet of pictures (N, H, W, 3), each with its id and what a screen reader says of it."""
    if not len(pictures) == len(ids) == len(names):
        raise ValueError(
            f"A sheet of {len(pictures)} pictures has {len(ids)} ids and {len(names)} names."
        )
    component = gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("sheet.html"),
        css_template=source("sheet.css"),
        js_on_load=source("sheet.js"),
        apply_default_css=False,
        # Sent once with the page, not with each value.
        tiles=[
            {"id": id, "name": name, "src": as_png(picture)}
            for id, name, picture in zip(ids, names, pictures, strict=True)
        ],
        grouped="with" in value,
    )
    if "with" in value:
        return component
    places = {str(id): id for id in ids}

    def choose(text: str, _: Any) -> dict[str, int]:
        if text not in places:
            raise ValueError(text)
        return {"chosen": places[text]}

    return in_address(component, Setting("picture", ("chosen",), choose))
