"""The shelf as a component, instructions, and what is known of an edit of a picture from it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import inputs
from demo.components.shelf import payload
from demo.components.shelf import shelf as shelf_of
from demo.editor import FULL_SIZE, LONGEST_INSTRUCTION, SINGULAR, STYLES, shelf
from demo.render import UNKNOWN_GREY
from gm_core.edit_success import Success, success
from gm_core.hub import HubError
from gm_core.instruct_pix2pix import Flagged, Understanding
from gm_core.scenes import EDITS, Scene, Style, apply, change

SHELF, COUNT, TILE = 0, len(STYLES), 64  # its number, pictures, their pixels a side
CHIPS: dict[Style, tuple[str, ...]] = {  # instructions that mean something to a style
    "avatars": ("give her sunglasses", "dye the hair pink", "make it night"),
    "landscapes": ("add a lake", "let it snow", "make it night"),
}
EXAMPLES = tuple(dict.fromkeys(itertools.chain(*CHIPS.values())))


# --- the shelf -----------------------------------------------------------------------------------


@functools.cache
def scene(place: int) -> Scene:
    """The picture of the shelf that a tile stands for, as its choices."""
    return shelf(SHELF)[place]


@functools.cache
def picture(place: int, size: int) -> Tensor:
    """The same, drawn: uint8 (3, size, size)."""
    return scene(place).draw(size)


def names() -> list[str]:
    """What a screen reader says of the tiles."""
    counts = dict.fromkeys(CHIPS, 0)
    found = []
    for style in STYLES:
        counts[style] += 1
        found.append(f"{SINGULAR[style]} {counts[style]}")
    return found


def shelf_value(chosen: int) -> dict[str, Any]:
    """The shelf with one picture taken."""
    drawn = [as_pixels(picture(place, TILE)) for place in range(COUNT)]
    return payload(SHELF, drawn, names(), chosen)


def shelf_view(chosen: int, elem_id: str) -> gr.HTML:
    """The shelf in grey: what draws its pictures takes too long for the start of the app."""
    grey = np.full((1, 1, 3), UNKNOWN_GREY, np.uint8)
    value = payload(SHELF, [grey] * COUNT, names(), chosen)
    return shelf_of(value, label="Picture", elem_id=elem_id, take=shelf_value)


def read_place(value: Any) -> int:
    """Which picture the shelf says is chosen."""
    place = value.get("chosen") if isinstance(value, dict) else None
    return inputs.whole(place, "Picture", 0, COUNT - 1)


# --- instructions --------------------------------------------------------------------------------


def instruction(value: Any) -> str:
    """An instruction in words, without spaces around it."""
    words = value.strip() if isinstance(value, str) else ""
    if not words:
        raise inputs.refusal("Write an instruction first: what is to be changed?")
    if len(words) > LONGEST_INSTRUCTION:
        raise inputs.refusal(
            f"The instruction is {len(words):,} characters long; at most {LONGEST_INSTRUCTION} "
            "are read."
        )
    if not words.isprintable():
        raise inputs.refusal("The instruction must be one line of ordinary characters.")
    return words


def understanding(model: str, words: str) -> Understanding | None:
    """What a model takes an instruction for; None if it has no list of edits."""
    return None if model == FULL_SIZE else gm_core.load(model).understand(words)


def understood(model: str, words: str) -> tuple[str, ...] | None:
    """The edits that a model takes an instruction for; None if it has no list of edits."""
    heard = understanding(model, words)
    return None if heard is None else heard.edits


def fitting(words: Any, style: Style) -> Any:
    """The words, or in place of an example that means nothing to a style one that does."""
    means_nothing = words in EXAMPLES and words not in CHIPS[style]
    return CHIPS[style][0] if means_nothing else words


@contextmanager
def refusing() -> Iterator[None]:
    """What goes wrong in an edit, as a sentence for the student."""
    try:
        yield
    except (FloatingPointError, Flagged, HubError) as error:
        raise inputs.refusal(str(error)) from None


# --- what is known -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth:
    """What an instruction should make of a picture; without an image it is not known."""

    image: Tensor | None  # uint8 (3, H, W)
    says: str  # how the instruction is understood, or why the truth is not known


def truth(before: Scene, words: str, model: str, size: int) -> Truth:
    """The true result of an instruction, where the model knows what is asked."""
    edits = understood(model, words)
    if edits is None:
        return Truth(None, "This model has no list of edits, so the true result is not known.")
    if not edits:
        return Truth(None, "Not understood: the true result is not known.")
    after = apply(before, *(EDITS[name] for name in edits))
    says = f"Understood: {', '.join(edits)}."
    if after.choices == before.choices:
        says += " In this picture that changes nothing."
    return Truth(after.draw(size), says)


def compared(result: Tensor, before: Tensor, after: Tensor | None) -> Success | None:
    """A result (3, H, W) in [0, 1] against the true pair, uint8; None where nothing is to do."""
    if after is None or not change(before, after).any():
        return None
    return success(result, before, after)


def levels_apart(one: Tensor, other: Tensor) -> float:
    """Root mean square over pixels and channels, of 255 levels: uint8 (3, H, W) twice."""
    return float((one.float() - other.float()).square().mean().sqrt())


def share_changed(one: Tensor, other: Tensor) -> float:
    """Of the pixels, those that differ visibly."""
    return float(change(one, other).float().mean())


def in_words(result: Tensor, before: Tensor, after: Tensor | None) -> list[str]:
    """How far a result (3, H, W) in [0, 1] comes, each number with what it is."""
    found = compared(result, before, after)
    if found is None:
        apart = levels_apart(as_levels(result), before)
        return [f"differs from the source by {apart:.1f} of 255 levels (root mean square)"]
    words = [f"error that remains where it should change: {found.remaining:.0%}"]
    if found.outside is not None:
        words.append(f"likeness where it should not: {found.outside:.1f} dB (PSNR)")
    return words


def as_levels(image: Tensor) -> Tensor:
    """(..., H, W) in [0, 1] -> uint8."""
    return (255 * image).round().to(torch.uint8)


def as_pixels(image: Tensor) -> NDArray[np.uint8]:
    """uint8 (3, H, W) -> (H, W, 3)."""
    return image.permute(1, 2, 0).contiguous().numpy()
