"""A sheet of small pictures, each of which the student marks: has it, has it not, or no mark.

Its value is {"sheet": number, "with": [ids], "without": [ids]}, in both directions; ids count over
all sheets, so that marks on another sheet are kept. "input" is triggered by every mark, "select"
when another sheet is asked for; then `turned` brings its pictures. "submit" asks for the marks of a
preset, which the value then names: {"preset": name} besides the rest. "mounted" is triggered once,
when the sheet is first seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import source
from demo.components.pictures import as_png


@dataclass(frozen=True, slots=True)
class Sheet:
    """The pictures in sight."""

    number: int  # counted from 0
    pictures: NDArray[np.uint8]  # (N, H, W, 3); the ids go on from the sheets before

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        first = self.number * len(self.pictures)
        return {
            "number": self.number,
            "tiles": [
                {"id": first + index, "src": as_png(picture)}
                for index, picture in enumerate(self.pictures)
            ],
        }


def marks(
    value: dict[str, Any],
    page: dict[str, Any],
    sheets: int,
    presets: Sequence[str],
    *,
    label: str,
    elem_id: str,
) -> gr.HTML:
    """A sheet of `Sheet.payload()`, one of `sheets`, with marks on it."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("marks.html"),
        css_template=source("marks.css"),
        js_on_load=source("marks.js"),
        apply_default_css=False,
        page=page,
        sheets=sheets,
        presets=list(presets),
    )


def turned(page: dict[str, Any]) -> gr.HTML:
    """An event's output: another sheet's pictures, the marks stay."""
    return gr.HTML(page=page)
