"""Masks drawn as small grids, and how the views of networks made of them grow layer upon layer.

The slider "after k layers" moves in the browser: all views come with the value. Below its grids
each network shows one picture, in which the pixels before the chosen one are seen, not seen yet, or
in the blind spot: never seen, however many of the layers there are.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.player import encode

# open: is looked at; closed: is silenced; plain: is only there; gap: no cell
Kind = Literal["open", "closed", "plain", "gap"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is written in a cell of a grid, and what it means."""

    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Grid:
    """A mask, or a small picture like one."""

    title: str
    cells: tuple[tuple[Cell, ...], ...]  # row by row
    words: str  # what it lets a pixel see
    _: KW_ONLY
    centre: tuple[int, int]  # row and column of the pixel that looks, outlined

    def payload(self) -> dict[str, Any]:
        widths = {len(row) for row in self.cells}
        if len(widths) != 1 or widths == {0}:
            raise ValueError(f"The rows of {self.title!r} have the lengths {sorted(widths)}.")
        row, column = self.centre
        if not (0 <= row < len(self.cells) and 0 <= column < len(self.cells[0])):
            raise ValueError(f"The centre {self.centre} of {self.title!r} is outside its cells.")
        return {
            "title": self.title,
            "cells": [[[cell.text, cell.kind] for cell in line] for line in self.cells],
            "words": self.words,
            "centre": [row, column],
        }


@dataclass(frozen=True, slots=True)
class Network:
    """A network: its masks, and what the chosen pixel sees after 0, 1, ... of its layers."""

    title: str
    grids: tuple[Grid, ...]
    views: NDArray[np.bool_]  # (layers + 1, H, W)


@dataclass(frozen=True, slots=True)
class MaskView:
    """What is shown. The row and column of the chosen pixel count from 0."""

    networks: tuple[Network, ...]
    row: int
    column: int

    def payload(self) -> dict[str, Any]:
        """As the browser takes it: small numbers as they are, arrays as base64."""
        sizes = {network.views.shape[1:] for network in self.networks}
        if len(sizes) != 1:
            raise ValueError(f"Views side by side must have one size, not {sorted(sizes)}.")
        height, width = sizes.pop()
        if not (0 <= self.row < height and 0 <= self.column < width):
            raise ValueError(f"There is no pixel {self.row, self.column} in {height} by {width}.")
        return {
            "serial": serial(),
            "height": height,
            "width": width,
            "row": self.row,
            "column": self.column,
            "networks": [
                {
                    "title": network.title,
                    "grids": [grid.payload() for grid in network.grids],
                    "layers": len(network.views) - 1,
                    "views": encode(network.views.astype(np.uint8)),
                }
                for network in self.networks
            ],
        }


def mask_view(value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """Masks and views of `MaskView.payload()`."""
    return gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("mask_view.html"),
        css_template=source("mask_view.css"),
        js_on_load=source("mask_view.js"),
        apply_default_css=False,
    )
