"""What a student does with a model that edits pictures: the models, the shelf, what is asked.

A shelf is twelve pictures with known truth: six avatars and six landscapes, which follow from the
shelf's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gm_core import hub
from gm_core.edit_success import BEST, Guidance
from gm_core.scenes import Scene, Style, random_scene

LICENCES = (
    "Avatars: Personas by Draftbit, CC BY 4.0; landscapes: DiceBear, CC0 1.0. Drawn by DiceBear."
)
STYLES: tuple[Style, ...] = ("avatars",) * 6 + ("landscapes",) * 6  # of a shelf's pictures
SINGULAR: Mapping[Style, str] = {"avatars": "avatar", "landscapes": "landscape"}
LONGEST_INSTRUCTION = 200  # characters
EXAMPLES = (
    "give her sunglasses and make it night",
    "dye the hair pink",
    "put on a beanie",
    "let it snow",
    "add a lake",
)


@dataclass(frozen=True, slots=True)
class Knob:
    """A guidance that can be turned."""

    low: float
    high: float
    notch: float  # what one complaint turns it by
    dice: tuple[float, float]  # from where to where it is drawn at random


@dataclass(frozen=True, slots=True)
class Editor:
    """A model of the menu."""

    title: str
    size: int  # of its pictures, pixels
    best: Guidance  # where nobody chooses
    most_steps: int
    text: Knob
    image: Knob


FULL_SIZE = hub.FULL_SIZE.repo
EDITORS: Mapping[str, Editor] = {
    "instruct-pix2pix-mini": Editor(
        "Miniature, 64x64, offline", 64, BEST, 50,
        Knob(0, 6, 0.5, (1.0, 3.0)), Knob(0, 3, 0.2, (0.8, 1.6)),
    ),
    # What its authors advise: https://github.com/timothybrooks/instruct-pix2pix
    FULL_SIZE: Editor(
        "Full size, 512x512", 512, Guidance(20, 7.5, 1.5), 100,
        Knob(0, 20, 1.0, (6.0, 9.0)), Knob(0, 4, 0.1, (1.2, 1.8)),
    ),
}  # fmt: skip


def shelf(number: int) -> tuple[Scene, ...]:
    """The pictures of a shelf."""
    return tuple(
        random_scene(style, f"shelf {number} {place}") for place, style in enumerate(STYLES)
    )


def draw(scene: Scene, size: int) -> NDArray[np.uint8]:
    """(size, size, 3)."""
    return scene.draw(size).permute(1, 2, 0).contiguous().numpy()
