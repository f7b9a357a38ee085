"""One edit under many guidances: a grid of results that fills while they are computed.

Its value is what `Grid.payload` makes; of a choice the browser sends no more than {"chosen": the
cell's setting}. "input" is triggered by every choice of a cell, and "select" once, when an empty
grid is first seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Cell:
    """A result, or what is foreseen of it."""

    picture: str  # an address
    numbers: tuple[str, ...]  # what is known of it, each with what it is
    is_done: bool
    is_carried_out: bool  # nearer to the true result than to the source


@dataclass(frozen=True, slots=True)
class Grid:
    """What is shown: `cells` row by row, the highest image guidance first."""

    texts: tuple[float, ...]  # guidance, from left to right
    images: tuple[float, ...]  # from top to bottom
    cells: Sequence[Cell | None]
    setting: Mapping[str, Any]  # all that the cells have in common
    about: str  # the same in words
    source: str  # addresses of pictures
    truth: str | None

    def payload(self, *, asked: int) -> dict[str, Any]:
        """As the browser takes it. asked: a new number (`serial`) for another grid."""
        if len(self.cells) != len(self.texts) * len(self.images):
            raise ValueError(
                f"A grid of {len(self.texts)} by {len(self.images)} guidances has not "
                f"{len(self.cells)} cells."
            )
        return {
            "serial": asked,
            "chosen": None,
            "texts": list(self.texts),
            "images": list(self.images),
            "cells": [
                cell
                and {
                    "src": cell.picture,
                    "numbers": list(cell.numbers),
                    "done": cell.is_done,
                    "good": cell.is_carried_out,
                }
                for cell in self.cells
            ],
            "setting": dict(self.setting),
            "about": self.about,
            "source": self.source,
            "truth": self.truth,
        }


def guidance_grid(value: dict[str, Any], *, elem_id: str) -> gr.HTML:
    """What `Grid.payload` makes, as a first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=source("guidance_grid.html"),
        css_template=source("guidance_grid.css"),
        js_on_load=source("guidance_grid.js"),
        apply_default_css=False,
        padding=False,
    )
