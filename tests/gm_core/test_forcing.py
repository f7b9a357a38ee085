"""Teacher forcing and free running: the same dice, another past."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from gm_core.autoregressive import PixelModel, in_order
from gm_core.forcing import ForcingFrame, force
from gm_core.randomness import stream
from tests.gm_core.tiny import PIXEL_FAMILIES, decided

COLOUR = {"levels": 5, "channels": 3, "level_features": 2}
families = pytest.mark.parametrize("family", PIXEL_FAMILIES)
kinds = pytest.mark.parametrize("changes", [{}, COLOUR], ids=["2 levels", "colour"])
TRUTH, FORCED, FREE = range(3)


def an_image(model: PixelModel, seed: int = 0) -> Tensor:
    config = model.config
    size = (config.channels, config.height, config.width)
    return torch.randint(config.levels, size, generator=stream(seed))


def forced(model: PixelModel, levels: Tensor, **arguments: Any) -> ForcingFrame:
    (frame,) = force(model, levels, **({"given_rows": 3, "seed": 1, "label": 2} | arguments))
    return frame


@families
@kinds
def test_both_draw_alike_until_a_pixel_differs(family, changes):
    model = decided(family, **changes)
    given = 3 * 9 * model.config.channels
    part = 0
    for seed in range(4):
        frame = forced(model, an_image(model), seed=seed)
        draws, differs = in_order(frame.levels), in_order(frame.levels != frame.levels[:1])
        first = int(differs[FREE].int().argmax())
        assert first >= given
        assert torch.equal(draws[FORCED, given : first + 1], draws[FREE, given : first + 1])
        part += not torch.equal(draws[FORCED, first + 1 :], draws[FREE, first + 1 :])
    assert part > 0


@families
@kinds
def test_what_the_model_drew_with_these_dice_is_drawn_again(family, changes):
    model = decided(family, **changes)
    *_, own = model.sample(1, seed=1, label=2, temperature=0.8)
    frame = forced(model, own.levels[0], given_rows=0, temperature=0.8)
    assert not frame.differs.any()
    assert torch.equal(frame.levels[FREE], own.levels[0])
    torch.testing.assert_close(frame.log_prob, own.log_prob.expand(3, -1, -1, -1))
    torch.testing.assert_close(frame.probabilities, own.probabilities.expand(3, -1, -1, -1, -1))
    assert torch.equal(frame.images, own.images.expand(3, -1, -1, -1))
    assert torch.equal(frame.noise, own.noise.expand(3, -1, -1, -1))


def test_free_running_is_sampling_from_the_given_rows():
    model = decided("pixelcnn")
    levels = an_image(model)
    known = levels.clone()
    known[:, 3:] = -1
    *_, sampled = model.sample(1, seed=1, label=2, temperature=1.3, known=known)
    frame = forced(model, levels, temperature=1.3)
    assert torch.equal(frame.levels[FREE], sampled.levels[0])
    assert torch.equal(frame.log_prob[FREE], sampled.log_prob[0])
    assert torch.equal(frame.levels[FREE, :, :3], levels[:, :3])
    assert torch.equal(frame.levels[TRUTH], levels)
    assert frame.given_rows == 3


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_likelihoods_are_those_of_the_true_past(temperature: float):
    model = decided("pixelrnn-row")
    levels = an_image(model)
    frame = forced(model, levels, temperature=temperature)
    truth = model.double().log_prob_map(levels[None], 2)
    torch.testing.assert_close(frame.log_prob[:1], truth)
    one = frame.levels[:2] == 1
    odds = (model(levels[None], torch.tensor([2])) / temperature).softmax(dim=1).float()
    torch.testing.assert_close(frame.probabilities[:2], odds.expand(2, -1, -1, -1, -1))
    # Inverse-transform sampling of two levels: the upper one where the dice fall above the lower's.
    assert torch.equal(one[FORCED], frame.noise[FORCED] >= frame.probabilities[FORCED, 0].double())
    colder = forced(model, levels, temperature=temperature / 2)
    torch.testing.assert_close(colder.log_prob[TRUTH], frame.log_prob[TRUTH])


def test_one_pass_against_none_in_as_many_steps_as_there_are_pixels():
    model = decided("pixelcnn")
    frame = forced(model, an_image(model))
    assert (frame.forced_passes, frame.free_passes) == (1, 0)
    assert frame.step == frame.total == 72
    assert min(frame.forced_seconds, frame.free_seconds) > 0


@pytest.mark.parametrize("rows", [0, 8])
def test_nothing_or_everything_may_be_given(rows: int):
    model = decided("pixelcnn")
    levels = an_image(model)
    frame = forced(model, levels, given_rows=rows)
    assert torch.equal(frame.levels[FREE], levels) == (rows == 8)
    assert bool(frame.differs[FORCED].any())
    assert not frame.differs[TRUTH].any()


def test_another_seed_throws_other_dice():
    model = decided("pixelcnn")
    levels = an_image(model)
    one, other = forced(model, levels), forced(model, levels, seed=2)
    assert not torch.equal(one.levels[FORCED], other.levels[FORCED])
    assert not torch.equal(one.levels[FREE], other.levels[FREE])
    assert torch.equal(one.levels, forced(model, levels).levels)


@pytest.mark.parametrize(
    ("levels", "arguments", "message"),
    [
        (torch.zeros(1, 3, 3, dtype=torch.long), {}, "shape"),
        (torch.full((1, 8, 9), 2), {}, "Known pixels"),
        (torch.full((1, 8, 9), -1), {}, "whole image"),
        (torch.zeros(1, 8, 9, dtype=torch.long), {"given_rows": -1}, "given_rows"),
        (torch.zeros(1, 8, 9, dtype=torch.long), {"given_rows": 9}, "given_rows"),
        (torch.zeros(1, 8, 9, dtype=torch.long), {"label": 3}, "label"),
        (torch.zeros(1, 8, 9, dtype=torch.long), {"temperature": 0.0}, "temperature"),
    ],
)
def test_what_makes_no_sense_is_refused(levels: Tensor, arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        forced(decided("pixelcnn"), levels, **arguments)


def test_frames_can_be_carried_elsewhere():
    model = decided("pixelcnn")
    frame = forced(model, an_image(model))
    again = copy.deepcopy(frame)  # as pickle would carry it: by __reduce_ex__
    assert torch.equal(again.levels, frame.levels)
    assert again.free_seconds == frame.free_seconds
