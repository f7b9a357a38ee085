"""Canvases of several digits, with everything that could be asked about them.

Up to three digits of MNIST, turned, scaled and placed where they do not touch:

    +----------------+     classes   3, 7
    |          __    |     boxes     x0 y0 x1 y1, pixels
    |  --        /   |     angles    +12, -30 degrees, anticlockwise
    |  --)      /    |     mask      which class each pixel belongs to
    |  --)           |     caption   "a 3 left of a 7"
    +----------------+

Canvases that a caption would describe badly, with digits diagonal to each other, are not made.

What was drawn by hand is cut apart without any truth: into pieces of ink, each as MNIST has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = 64  # pixels a side
MOST_DIGITS = 3
DIGIT = 28  # pixels a side of what is placed
STEEPEST = 45.0  # degrees
SCALES = (0.7, 1.0)
MARGIN = 11.0  # pixels from a digit's middle to the edge
APART = 21.0  # pixels between two middles
CLEAR = 4.0  # pixels by which one direction must outdo the other, and a place the next
INK = 0.3  # a pixel brighter than this belongs to a digit
BACKGROUND = 10  # the class of all other pixels
TRIES = 200
SPECK = 12  # pixels of ink: less of it is no piece
BOX = 20  # pixels a side, into which MNIST's digits were scaled
MIDDLE = 14.5  # pixels from the edge to their centre of mass
CONTRAST = 1.6  # around one half: makes edges that were scaled twice as sharp as MNIST's again


@dataclass(frozen=True, slots=True)
class Canvases:
    """Drawn canvases and the truth about them; where a canvas has fewer digits, class is -1."""

    images: Tensor  # float (B, 1, 64, 64) in [0, 1]
    classes: Tensor  # int64 (B, 3)
    middles: Tensor  # float (B, 3, 2): x, y in pixels
    boxes: Tensor  # float (B, 3, 4): x0, y0, x1, y1 in pixels, around the ink
    angles: Tensor  # float (B, 3): degrees, anticlockwise
    masks: Tensor  # int64 (B, 64, 64)

    @property
    def captions(self) -> list[str]:
        rows = zip(self.classes.tolist(), self.middles.tolist(), strict=True)
        return [
            caption([kind for kind in kinds if kind >= 0], places[: sum(k >= 0 for k in kinds)])
            for kinds, places in rows
        ]


def caption(classes: list[int], middles: list[list[float]]) -> str:
    """What there is and where, along the direction in which the digits are spread more."""
    across, down = (
        max(place[axis] for place in middles) - min(place[axis] for place in middles)
        for axis in (0, 1)
    )
    axis, relation = (0, " left of ") if across >= down else (1, " above ")
    ordered = sorted(zip(middles, classes, strict=True), key=lambda each: each[0][axis])
    return relation.join(f"a {kind}" for _, kind in ordered)


def compose(
    digits: Tensor, labels: Tensor, generator: torch.Generator, *, number: int | None = None
) -> Canvases:
    """Digits uint8 (3B, 1, 28, 28) and their labels (3B,) -> B canvases of one to three of them, or
    of so many."""
    count = len(digits) // MOST_DIGITS
    fewest, most = (1, MOST_DIGITS) if number is None else (number, number)
    numbers = torch.randint(fewest, most + 1, (count,), generator=generator)
    there = torch.arange(MOST_DIGITS) < numbers[:, None]  # (B, 3)
    middles = places(there, generator)
    low, high = SCALES
    scales = low + (high - low) * torch.rand(count, MOST_DIGITS, generator=generator)
    angles = STEEPEST * (2 * torch.rand(count, MOST_DIGITS, generator=generator) - 1)
    ink = digits[: count * MOST_DIGITS].unflatten(0, (count, MOST_DIGITS))
    layers = place(ink / 255, middles, scales, angles) * there[..., None, None]  # (B, 3, 64, 64)
    classes = labels[: count * MOST_DIGITS].view(count, MOST_DIGITS).where(there, -1)
    brightest, which = layers.max(1)
    masks = classes.gather(1, which.flatten(1)).view_as(which).where(brightest > INK, BACKGROUND)
    return Canvases(brightest[:, None], classes, middles, bounds(layers > INK), angles, masks)


def places(there: Tensor, generator: torch.Generator) -> Tensor:
    """Middles (B, 3, 2) of the digits that are there, bool (B, 3), redrawn until all fit."""
    count = len(there)
    middles = torch.full((count, MOST_DIGITS, 2), SIZE / 2)
    open_ = torch.ones(count, dtype=torch.bool)
    for _ in range(TRIES):
        drawn = MARGIN + (SIZE - 2 * MARGIN) * torch.rand(
            count, MOST_DIGITS, 2, generator=generator
        )
        middles = torch.where(open_[:, None, None], drawn, middles)
        open_ = ~fits(middles, there)
        if not open_.any():
            return middles
    # A row always fits.
    row = torch.linspace(MARGIN, SIZE - MARGIN, MOST_DIGITS)
    row = torch.stack([row, torch.full_like(row, SIZE / 2)], 1)
    return torch.where(open_[:, None, None], row, middles)


def fits(middles: Tensor, there: Tensor) -> Tensor:
    """Whether no digits touch and a caption is clear: (B, 3, 2), (B, 3) -> bool (B,)."""
    both = (there[:, :, None] & there[:, None]).triu(1)
    offsets = (middles[:, :, None] - middles[:, None]).abs()  # (B, 3, 3, 2)
    touch = (offsets.norm(dim=-1) < APART) & both
    far = torch.finfo(middles.dtype).max
    spread = torch.where(there[..., None], middles, -far).amax(1)
    spread = spread - torch.where(there[..., None], middles, far).amin(1)  # (B, 2)
    along = spread.argmax(1)
    steps = offsets.gather(3, along.view(-1, 1, 1, 1).expand(-1, 3, 3, 1))[..., 0]
    unclear = ((steps < CLEAR) & both).flatten(1).any(1)
    unclear |= (there.sum(1) > 1) & ((spread[:, 0] - spread[:, 1]).abs() < CLEAR)
    return ~(touch.flatten(1).any(1) | unclear)


def place(ink: Tensor, middles: Tensor, scales: Tensor, angles: Tensor) -> Tensor:
    """Digits (B, 3, 1, 28, 28) in [0, 1], each on a canvas of its own: (B, 3, 64, 64)."""
    turn = torch.deg2rad(angles)
    cosine, sine = turn.cos(), turn.sin()
    pixel = torch.arange(SIZE) + 0.5
    x = pixel.view(1, 1, 1, -1) - middles[..., 0, None, None]
    y = pixel.view(1, 1, -1, 1) - middles[..., 1, None, None]
    cosine, sine, scales = (each[..., None, None] for each in (cosine, sine, scales))
    # Where a pixel of the canvas comes from; y points down, so anticlockwise is this way round.
    from_x = (cosine * x - sine * y) / scales
    from_y = (sine * x + cosine * y) / scales
    grid = torch.stack([from_x, from_y], -1) * 2 / DIGIT
    flat = F.grid_sample(ink.flatten(0, 1), grid.flatten(0, 1), align_corners=False)
    return flat[:, 0].unflatten(0, ink.shape[:2])


def bounds(ink: Tensor) -> Tensor:
    """The box around each layer's ink: bool (..., H, W) -> float (..., 4); zeros where there is
    none."""
    found = []
    for axis in (-2, -1):  # columns first: x0 and x1
        line = ink.any(axis)
        size = line.shape[-1]
        first = line.float().argmax(-1)
        last = size - line.flip(-1).float().argmax(-1)
        found.append(torch.stack([first, last], -1) * line.any(-1, keepdim=True))
    (x0, x1), (y0, y1) = (each.unbind(-1) for each in found)
    return torch.stack([x0, y0, x1, y1], -1).float()


def pieces(image: Tensor) -> list[Tensor]:
    """The ink that hangs together, from left to right: (H, W) in [0, 1] -> (H, W) each.

    Gaps of two pixels are bridged, and specks left out. No label and no network has a say in it.
    """
    from scipy import ndimage

    around = np.ones((3, 3), np.bool_)
    ink = (image > INK).numpy()
    numbers = np.zeros(ink.shape, np.int32)
    ndimage.label(ndimage.binary_dilation(ink, around), around, output=numbers)
    where = torch.from_numpy(numbers)
    layers = [torch.where(where == number, image, 0.0) for number in range(1, numbers.max() + 1)]
    found = [layer for layer in layers if int((layer > INK).sum()) >= SPECK]
    return sorted(found, key=lambda layer: float(bounds(layer > INK)[[0, 2]].sum()))


def crop(ink: Tensor) -> Tensor:
    """A piece of ink (H, W) in [0, 1] as MNIST has its digits (LeCun et al. 1998): scaled into a
    box of 20 by 20 pixels, and put with its centre of mass where theirs is: uint8 (28, 28)."""
    x0, y0, x1, y1 = bounds(ink > 0).int().tolist()
    scale = BOX / max(x1 - x0, y1 - y0)
    height, width = (max(1, round(scale * side)) for side in (y1 - y0, x1 - x0))
    scaled = F.interpolate(
        ink[None, None, y0:y1, x0:x1], (height, width), mode="bilinear", antialias=True
    )[0, 0]
    scaled = (CONTRAST * (scaled / scaled.max() - 0.5) + 0.5).clamp(0, 1)
    digit = torch.zeros(DIGIT, DIGIT)
    mass = scaled.sum()
    top, left = (
        min(max(round(MIDDLE - float((along * (torch.arange(size) + 0.5)).sum() / mass)), 0),
            DIGIT - size)
        for size, along in ((height, scaled.sum(1)), (width, scaled.sum(0)))
    )  # fmt: skip
    digit[top : top + height, left : left + width] = scaled
    return (255 * digit).round().byte()
