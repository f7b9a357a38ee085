"""The mask laboratory: a fair comparison, honest drawings, and views that grow layer by layer."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from gm_core.autoregressive import PixelModel, draw, pixel_noise
from gm_core.mask_lab import (
    CONFIG,
    Drawings,
    MaskLabRecord,
    draw_over,
    make_networks,
    start_canvases,
    train_masks,
    views,
)
from gm_core.masked_pixelcnn import MaskedPixelCNN
from gm_core.randomness import stream
from tests.gm_core.tiny import PIXEL_FAMILIES, decided, tiny

STEPS = 60


def losses(records: list[MaskLabRecord]) -> list[tuple[float, float]]:
    return [(record.right_loss, record.broken_loss) for record in records]


def drawings_of(records: list[MaskLabRecord]) -> Drawings:
    drawings = records[-1].drawings
    assert drawings is not None
    return drawings


def few(seed: int, steps: int = 2) -> list[MaskLabRecord]:
    return list(train_masks(steps=steps, seed=seed, seconds=60))


@cache
def known(seed: int) -> list[MaskLabRecord]:
    """What others are compared with."""
    return few(seed)


@pytest.fixture(scope="module")
def records() -> list[MaskLabRecord]:
    """A run that is long enough for the broken network to learn to copy."""
    return list(train_masks(steps=STEPS, seed=0, seconds=600))


def test_a_record_a_step_and_the_last_has_the_drawings(records):
    assert [record.step for record in records] == [*range(1, STEPS + 1), STEPS]
    assert {record.total for record in records} == {STEPS}
    assert [record.drawings is None for record in records] == [True] * STEPS + [False]
    assert losses(records)[-1] == losses(records)[-2]
    drawings = drawings_of(records)
    for levels in (drawings.starts, drawings.right, drawings.broken):
        assert levels.shape == (2, 4, 1, 28, 28)
        assert levels.dtype == torch.int64
        assert levels.unique().tolist() == [0, 1]


def test_the_broken_mask_reaches_what_no_honest_model_can(records):
    first, last = records[0], records[-1]
    assert last.broken_loss < 10
    assert 80 < last.right_loss < first.right_loss / 2


def test_the_right_network_draws_the_same_whatever_is_ahead_and_the_broken_one_copies_it(records):
    drawings = drawings_of(records)
    assert torch.equal(drawings.right[0], drawings.right[1])
    assert not torch.equal(drawings.right[0, 0], drawings.right[0, 1])
    assert (drawings.broken[0] != drawings.broken[1]).double().mean() > 0.4
    assert (drawings.broken == drawings.starts).double().mean() > 0.8
    assert 0.02 < drawings.right.double().mean() < 0.4  # strokes on a dark ground
    assert torch.equal(drawings.starts, start_canvases(0))


def test_same_seed_same_run_and_another_seed_another():
    first, again, other = known(3), few(3), known(4)
    assert losses(first) == losses(again)
    assert torch.equal(drawings_of(first).broken, drawings_of(again).broken)
    assert losses(first)[0] != losses(other)[0]
    assert not torch.equal(drawings_of(first).starts, drawings_of(other).starts)


def test_both_networks_differ_in_one_tap_and_in_nothing_else():
    right, broken = make_networks(5)
    for (name, value), (_, other) in zip(
        right.state_dict().items(), broken.state_dict().items(), strict=True
    ):
        assert torch.equal(value, other), name
    differs = right.first.mask != broken.first.mask
    assert differs.nonzero().tolist() == [[3, 3]]
    assert all(
        torch.equal(one.around.mask, two.around.mask)
        for one, two in zip(right.blocks(), broken.blocks(), strict=True)
    )


def test_global_randomness_neither_decides_nor_changes():
    first = known(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert losses(few(3)) == losses(first)
    assert torch.equal(torch.get_rng_state(), before)


def test_two_runs_at_once_do_not_touch_each_other():
    one, two = (train_masks(steps=2, seed=seed, seconds=60) for seed in (3, 4))
    mixed = [record for pair in zip(one, two, strict=True) for record in pair]
    assert losses(mixed[::2]) == losses(known(3))
    assert losses(mixed[1::2]) == losses(known(4))


def test_it_trains_in_ever_other_threads_and_where_gradients_are_off():
    running = train_masks(steps=3, seed=3, seconds=60)
    records = []

    @torch.no_grad()
    def take() -> None:
        records.append(next(running))

    for _ in range(4):
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    # Threads may differ in how many threads of their own they compute with.
    for taken, expected in zip(losses(records), losses(few(3, steps=3)), strict=True):
        assert taken == pytest.approx(expected, rel=1e-4)


def test_time_that_is_up_ends_the_training_but_not_the_drawing():
    records = list(train_masks(steps=1000, seed=0, seconds=0))
    assert [record.step for record in records] == [1, 1]
    assert records[-1].total == 1000
    assert records[-1].drawings is not None


def test_closed_is_over():
    running = train_masks(steps=1000, seed=0, seconds=60)
    assert next(running).step == 1
    running.close()
    assert list(running) == []


def test_records_travel_between_processes():
    records = few(3, steps=1)
    queue = multiprocessing.Queue()
    queue.put(records)
    copied = queue.get(timeout=60)
    assert losses(copied) == losses(records)
    assert torch.equal(drawings_of(copied).right, drawings_of(records).right)


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        next(train_masks(steps=0, seed=0, seconds=1))


def drawn_by_whole_passes(model: PixelModel, starts: Tensor, seed: int) -> Tensor:
    """The textbook loop over canvases that are not empty: (S, B, 1, H, W)."""
    count, images, _, height, width = starts.shape
    canvas = starts.flatten(0, 1).clone()
    dice = pixel_noise(seed, list(range(images)) * count, (1, height, width))
    for at in range(height * width):
        row, column = divmod(at, width)
        logits = model(canvas)[:, :, 0, row, column]
        canvas[:, 0, row, column] = draw(logits, dice[:, 0, row, column, None])
    return canvas.view_as(starts)


@pytest.mark.parametrize("sees_centre", [False, True], ids=["right", "broken"])
@pytest.mark.parametrize(
    "kind", [{}, {"levels": 5, "level_features": 2}], ids=["2 levels", "5 levels"]
)
@torch.no_grad()
def test_drawing_over_a_canvas_is_the_textbook_loop(sees_centre: bool, kind: dict[str, Any]):
    model = decided("pixelcnn-masked", sees_centre=sees_centre, **kind).double()
    assert isinstance(model, MaskedPixelCNN)
    config = model.config
    size = (2, 3, 1, config.height, config.width)
    starts = torch.randint(config.levels, size, generator=stream(0))
    before = starts.clone()
    drawn = draw_over(model, starts, seed=9)
    assert torch.equal(starts, before)
    assert torch.equal(drawn, drawn_by_whole_passes(model, starts, seed=9))
    assert torch.equal(drawn[0], drawn[1]) != sees_centre
    if not sees_centre:
        *_, frame = model.sample(3, seed=9)
        assert torch.equal(drawn[0], frame.levels)


@pytest.mark.parametrize("family", PIXEL_FAMILIES)
def test_views_grow_layer_by_layer_to_the_receptive_field(family: str):
    model = tiny(family, width=21)
    row, column = 6, 8
    before = len(model.layers)
    grown = views(model, row, column)
    assert len(model.layers) == before
    assert grown.shape == (before + 1, 8, 21)
    assert torch.equal(grown[-1], model.receptive_field(row, column))
    steps = list(itertools.pairwise(grown))
    assert all((more | less).equal(more) for less, more in steps)
    assert any(not more.equal(less) for less, more in steps)
    earlier = torch.arange(8 * 21).view(8, 21) < row * 21 + column
    assert not (grown & ~earlier).any()


def test_the_first_view_is_the_first_mask():
    model = tiny("pixelcnn-masked", first_kernel=5)
    expected = torch.zeros(8, 9, dtype=torch.bool)
    expected[2:7, 2:7] = model.first.mask > 0
    assert torch.equal(views(model, 4, 4)[0], expected)
    assert CONFIG.sees_centre is False
