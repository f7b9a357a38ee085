"""A map of pictures that can be coloured in several ways, and the names that a student gives to the
clusters on it.

Its value is {"dataset", "grouping", "clusters", "names", "checked"}: the map that the names are of,
a name for each cluster ("" where there is none yet), and whether they are to be compared with the
truth. Every other name triggers "input", and so does the button that checks them. The map itself,
`board`, and the sheet of its pictures come apart from it: a map can change while the pictures stay.
Colouring, highlighting and choosing a picture happen in the browser; the truth stays hidden until
all clusters are named or the student asks for it.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.latent_map import MOST_CLASSES, SPRITE_COLUMNS, sprite

LETTERS = string.ascii_uppercase  # what clusters are called as long as they have no name
MOST_CLUSTERS = 20
CANT_SAY = "can't say"


@dataclass(frozen=True, slots=True)
class Board:
    """What lies on the map: pictures as points."""

    dataset: str
    grouping: str  # what made the clusters
    places: NDArray[np.floating]  # (N, 2) in [-1, 1]; y points up
    assigned: NDArray[np.integer]  # (N,): the cluster of each
    typical: Sequence[Sequence[int]]  # a cluster: the pictures that stand for it
    predicted: NDArray[np.integer]  # (N,): a class
    truth: NDArray[np.integer]  # (N,): a class
    class_names: tuple[str, ...]

    def payload(self) -> dict[str, Any]:
        """As the browser takes it, and as a client can read it."""
        count, clusters, classes = len(self.places), len(self.typical), len(self.class_names)
        if self.places.shape != (count, 2) or not (np.abs(self.places) <= 1).all():
            raise ValueError(f"Places {self.places.shape} are not (N, 2) within [-1, 1].")
        if not 0 < clusters <= MOST_CLUSTERS:
            raise ValueError(f"{clusters} clusters, not 1 to {MOST_CLUSTERS}.")
        if not 0 < classes <= MOST_CLASSES:
            raise ValueError(f"{classes} classes, not 1 to {MOST_CLASSES}.")
        numbers = {"assigned": clusters, "predicted": classes, "truth": classes}
        for name, end in numbers.items():
            array = getattr(self, name)
            if array.shape != (count,) or array.min() < 0 or array.max() >= end:
                raise ValueError(f"{name} must be {count} numbers from 0 to {end - 1}.")
        if any(not 0 <= index < count for row in self.typical for index in row):
            raise ValueError(f"Typical pictures must be numbers from 0 to {count - 1}.")
        return {
            "serial": serial(),
            "dataset": self.dataset,
            "grouping": self.grouping,
            "clusters": clusters,
            "classNames": list(self.class_names),
            "places": np.round(self.places.astype(float), 3).tolist(),
            "typical": [list(row) for row in self.typical],
            **{name: getattr(self, name).tolist() for name in numbers},
        }


def sheet(dataset: str, images: NDArray[np.uint8]) -> dict[str, Any]:
    """The pictures (N, H, W) of a map, in one."""
    count, height, width = images.shape
    rows = -(-count // SPRITE_COLUMNS)
    filled = np.zeros((rows * SPRITE_COLUMNS, height, width), np.uint8)
    filled[:count] = images
    return {
        "dataset": dataset,
        "height": height,
        "width": width,
        "columns": SPRITE_COLUMNS,
        "src": sprite(filled.reshape(rows, SPRITE_COLUMNS, height, width)),
    }


def cluster_map(
    board: dict[str, Any], pictures: dict[str, Any], *, label: str, elem_id: str
) -> gr.HTML:
    """A map of `Board.payload()` with the pictures of `sheet`; no cluster has a name."""
    return gr.HTML(
        value={
            "dataset": board["dataset"],
            "grouping": board["grouping"],
            "clusters": board["clusters"],
            "names": [""] * board["clusters"],
            "checked": False,
        },
        label=label,
        elem_id=elem_id,
        html_template=source("cluster_map.html"),
        css_template=source("cluster_map.css"),
        js_on_load=source("cluster_map.js"),
        apply_default_css=False,
        board=board,
        sheet=pictures,
        letters=LETTERS,
        cantSay=CANT_SAY,
    )


def redrawn(board: dict[str, Any], pictures: dict[str, Any] | None = None) -> gr.HTML:
    """An event's output: another map, of the same pictures or others. Names stay as long as the
    clusters do."""
    return gr.HTML(board=board) if pictures is None else gr.HTML(board=board, sheet=pictures)
