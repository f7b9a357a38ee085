"""Canvases: what is said of them is what is seen on them."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from gm_core import canvas, data
from gm_core.canvas import Canvases


def drawn(count: int = 40, seed: int = 0) -> Canvases:
    sample = data.load("mnist", "sample")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(sample), generator=generator)[: canvas.MOST_DIGITS * count]
    return canvas.compose(sample.images[chosen], sample.labels[chosen], generator)


def test_shapes_and_ranges():
    made = drawn()
    assert made.images.shape == (40, 1, 64, 64)
    assert made.images.min() == 0
    assert 0.9 < made.images.max() <= 1
    assert made.boxes.shape == (40, 3, 4)
    assert made.masks.shape == (40, 64, 64)
    assert made.angles.abs().max() <= canvas.STEEPEST
    numbers = (made.classes >= 0).sum(1)
    assert set(numbers.tolist()) == {1, 2, 3}
    assert set(made.classes.unique().tolist()) == set(range(-1, 10))


def test_the_same_seed_draws_the_same():
    first, again, other = drawn(seed=1), drawn(seed=1), drawn(seed=2)
    assert torch.equal(first.images, again.images)
    assert first.captions == again.captions
    assert not torch.equal(first.images, other.images)


def test_boxes_hold_all_ink_of_their_digit_and_no_more():
    made = drawn()
    covered = torch.zeros_like(made.masks, dtype=torch.bool)
    for index, kinds in enumerate(made.classes.tolist()):
        for kind, box in zip(kinds, made.boxes[index].int().tolist(), strict=True):
            if kind < 0:
                assert box == [0, 0, 0, 0]
                continue
            x0, y0, x1, y1 = box
            inside = made.masks[index, y0:y1, x0:x1] == kind
            assert inside.any(0)[[0, -1]].all(), "ink in the first and the last column"
            assert inside.any(1)[[0, -1]].all(), "and in the first and the last row"
            covered[index, y0:y1, x0:x1] = True
    assert ((made.masks != canvas.BACKGROUND) <= covered).all()
    assert torch.equal(made.masks != canvas.BACKGROUND, made.images[:, 0] > canvas.INK)


def bar() -> Tensor:
    """A digit of one upright bar, thin and in the middle."""
    ink = torch.zeros(1, 1, 1, 28, 28)
    ink[..., 4:24, 13:15] = 1
    return ink


def test_an_angle_turns_anticlockwise():
    middle, one = torch.tensor([[[32.0, 32.0]]]), torch.ones(1, 1)
    upright = canvas.place(bar(), middle, one, 0 * one)[0, 0]
    turned = canvas.place(bar(), middle, one, 45 * one)[0, 0]
    top, left = upright.nonzero().amin(0).tolist()
    assert (top, left) == (22, 31)
    rows, columns = (turned > 0.5).nonzero(as_tuple=True)
    assert columns[rows == rows.min()].max() < 27, "what was above is on the left"
    assert columns[rows == rows.max()].min() > 36


def test_a_scale_and_a_place():
    half = torch.full((1, 1), 0.5)
    small = canvas.place(bar(), torch.tensor([[[20.0, 40.0]]]), half, 0 * half)[0, 0]
    box = canvas.bounds(small[None, None] > canvas.INK)[0, 0]
    assert box[3] - box[1] == 10
    torch.testing.assert_close((box[:2] + box[2:]) / 2, torch.tensor([20.0, 40.0]), atol=1, rtol=0)


def test_captions_name_the_order_along_the_wider_direction():
    assert canvas.caption([3], [[10, 10]]) == "a 3"
    assert canvas.caption([3, 7], [[40, 10], [10, 12]]) == "a 7 left of a 3"
    assert canvas.caption([3, 7], [[12, 40], [10, 12]]) == "a 7 above a 3"
    three = canvas.caption([1, 2, 3], [[50, 10], [30, 40], [12, 20]])
    assert three == "a 3 left of a 2 left of a 1"
    made = drawn()
    for kinds, words in zip(made.classes.tolist(), made.captions, strict=True):
        assert sorted(re.findall(r"\d", words)) == sorted(str(kind) for kind in kinds if kind >= 0)


def test_no_digits_touch_and_no_caption_is_doubtful():
    generator = torch.Generator().manual_seed(0)
    there = torch.arange(3) < torch.randint(1, 4, (500, 1), generator=generator)
    middles = canvas.places(there, generator)
    assert canvas.fits(middles, there).all()
    for kinds, places in zip(there.tolist(), middles.tolist(), strict=True):
        shown = [place for kind, place in zip(kinds, places, strict=True) if kind]
        for i, (x, y) in enumerate(shown):
            assert min(x, y) >= canvas.MARGIN
            assert max(x, y) <= canvas.SIZE - canvas.MARGIN
            for other_x, other_y in shown[:i]:
                assert (x - other_x) ** 2 + (y - other_y) ** 2 >= canvas.APART**2
        if len(shown) == 2:
            (x, y), (other_x, other_y) = shown
            assert abs(abs(x - other_x) - abs(y - other_y)) >= canvas.CLEAR - 1e-4


def test_where_nothing_fits_there_is_a_row(monkeypatch):
    monkeypatch.setattr(canvas, "TRIES", 0)
    there = torch.ones(4, 3, dtype=torch.bool)
    middles = canvas.places(there, torch.Generator().manual_seed(0))
    assert middles[:, :, 1].unique().tolist() == [32]
    assert middles[0, :, 0].tolist() == [11, 32, 53]
    assert canvas.fits(middles, there).all()
