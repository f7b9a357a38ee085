"""A race is fair, counts what it says it counts, and draws what the samplers draw."""

from __future__ import annotations

import copy
import time
from collections.abc import Generator
from itertools import islice, pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gm_core.autoregressive import Method, PixelModel
from gm_core.race import Contestant, RaceFrame, counting_passes, multiply_adds, race
from tests.gm_core.tiny import PIXEL_FAMILIES, decided

SIZE = {"height": 4, "width": 5}
COLOUR = {"levels": 5, "channels": 3, "level_features": 2}
families = pytest.mark.parametrize("family", PIXEL_FAMILIES)


def four() -> list[Contestant]:
    """The lanes of the demo, with tiny models."""
    pixelcnn = decided("pixelcnn", **SIZE)
    return [
        Contestant("naive", pixelcnn, "naive"),
        Contestant("cached", pixelcnn, "cached"),
        Contestant("row", decided("pixelrnn-row", **SIZE), "cached"),
        Contestant("diagonal", decided("pixelrnn-diagonal", **SIZE), "cached"),
    ]


def last(contestants: list[Contestant], seed: int = 0, label: int | None = 1) -> RaceFrame:
    *_, frame = race(contestants, seed=seed, label=label)
    return frame


@families
@pytest.mark.parametrize("changes", [{}, COLOUR], ids=["2 levels", "colour"])
def test_naive_and_cached_draw_the_same_with_as_many_passes_as_values_and_none(family, changes):
    model = decided(family, **SIZE, **changes)
    naive, cached = last(
        [Contestant("naive", model, "naive"), Contestant("cached", model, "cached")], seed=3
    ).lanes
    *_, frame = model.sample(1, seed=3, label=1)
    assert torch.equal(naive.image, frame.images[0])
    assert torch.equal(cached.image, frame.images[0])
    values = 4 * 5 * model.config.channels
    assert (naive.passes, cached.passes) == (values, 0)
    assert naive.drawn == cached.drawn == naive.total == cached.total == values
    assert 0 < cached.multiply_adds < naive.multiply_adds


def test_all_start_together_and_the_race_is_over_when_the_last_has_arrived():
    frames = list(race(four(), seed=0, label=None))
    start, end = frames[0], frames[-1]
    assert [lane.name for lane in start.lanes] == ["naive", "cached", "row", "diagonal"]
    for lane in start.lanes:
        assert (lane.seconds, lane.drawn, lane.passes, lane.multiply_adds) == (0, 0, 0, 0)
        assert lane.total == 20
        assert lane.image.shape == (1, 4, 5)
        assert not lane.image.any()
    assert end.is_over
    assert not any(frame.is_over for frame in frames[:-2])
    assert len(frames) == 1 + 20 + 3 * 4 + 1  # the start, pixels, rows, and training's pass
    assert all(lane.forced_seconds is None for frame in frames[:-1] for lane in frame.lanes)
    assert all(lane.forced_seconds and lane.forced_seconds > 0 for lane in end.lanes)


def test_whose_clock_is_furthest_behind_goes_on():
    frames = list(race(four(), seed=0, label=1))[:-1]
    for before, after in pairwise(frames):
        moved = [
            index
            for index, (old, new) in enumerate(zip(before.lanes, after.lanes, strict=True))
            if new.drawn > old.drawn
        ]
        waiting = [lane.seconds for lane in before.lanes if lane.drawn < lane.total]
        assert len(moved) == 1
        assert before.lanes[moved[0]].seconds == min(waiting)


def test_a_clock_runs_only_while_its_own_lane_works():
    frames = race(four(), seed=0, label=1)
    before = next(frames)
    while not before.is_over:
        started = time.perf_counter()
        after = next(frames)
        passed = time.perf_counter() - started
        gained = [
            new.seconds - old.seconds for old, new in zip(before.lanes, after.lanes, strict=True)
        ]
        assert sum(each > 0 for each in gained) == 1
        assert sum(gained) <= passed
        before = after


def test_frames_show_what_is_drawn_so_far():
    contestants = four()[:2]
    *_, whole = contestants[0].model.sample(1, seed=0, label=1)
    seen = set()
    for frame in race(contestants, seed=0, label=1):
        for lane in frame.lanes:
            drawn = torch.arange(20).view(1, 4, 5) < lane.drawn
            assert torch.equal(lane.image, whole.images[0] * drawn)
            seen.add((lane.name, lane.drawn))
            assert lane.passes == (lane.drawn if lane.name == "naive" else 0)
    assert {("naive", 7), ("cached", 10), ("naive", 20), ("cached", 20)} <= seen


def test_passes_of_a_copy_are_counted_and_those_of_the_model_itself_are_not():
    model = decided("pixelcnn", **SIZE)
    levels = torch.zeros(1, 1, 4, 5, dtype=torch.long)
    counted, passes = counting_passes(model)
    model(levels)
    assert passes() == 0
    assert not model._forward_hooks
    counted(levels)
    assert passes() == 1
    list(counted.sample(1, seed=0, method="naive"))  # works on a copy of its own
    assert passes() == 21
    list(counted.sample(1, seed=0))
    assert passes() == 21


@families
@pytest.mark.parametrize("changes", [{}, COLOUR], ids=["2 levels", "colour"])
def test_the_arithmetic_of_a_whole_image_is_what_its_first_rows_say(family, changes):
    model = decided(family, **changes)
    with FlopCounterMode(display=False) as counter:
        list(model.sample(1, seed=5, label=2))
    frame = last([Contestant("cached", model, "cached")])
    assert frame.lanes[0].multiply_adds * 2 == counter.get_total_flops()


@pytest.mark.parametrize("family", ["pixelcnn", "pixelcnn-masked"])
def test_a_full_pass_takes_every_weight_of_a_convolution_at_every_pixel(family: str):
    model = decided(family, **SIZE)
    kernels = [each for each in model.parameters() if each.ndim == 4]  # (outputs, inputs, h, w)
    a_pass = sum(kernel.numel() for kernel in kernels) * 4 * 5
    frames = list(race([Contestant("naive", model, "naive")], seed=0, label=0))
    assert [frame.lanes[0].multiply_adds for frame in frames[:4]] == [0, *(
        count * a_pass for count in (1, 2, 3)
    )]  # fmt: skip
    assert frames[-1].lanes[0].multiply_adds == 20 * a_pass


@pytest.mark.parametrize("method", ["naive", "cached"])
def test_measuring_leaves_the_dice_of_others_alone(method: Method):
    model: PixelModel = decided("pixelcnn", features=7, **SIZE)  # a size not measured before
    before = torch.random.get_rng_state()
    assert min(multiply_adds(type(model), model.config, method)) > 0
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_race_can_be_left_at_any_moment():
    frames = race(four(), seed=0, label=1)
    assert isinstance(frames, Generator)
    *_, frame = islice(frames, 9)
    frames.close()
    assert next(frames, None) is None
    assert not frame.is_over


def test_frames_can_be_carried_elsewhere():
    frame = last(four())
    again = copy.deepcopy(frame)  # as pickle would carry it: by __reduce_ex__
    assert [lane.seconds for lane in again.lanes] == [lane.seconds for lane in frame.lanes]
    assert all(torch.equal(a.image, b.image) for a, b in zip(again.lanes, frame.lanes, strict=True))


def test_a_label_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="label"):
        list(race(four(), seed=0, label=3))
