"""PixelRNN and PixelCNN: causal, exact, and the same picture however it is sampled."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

import gm_core
from gm_core import data
from gm_core.autoregressive import PixelModel, redraw
from gm_core.layers import horizontal_mask, raster_mask
from gm_core.pixelcnn import vertical_mask
from gm_core.randomness import stream
from tests.gm_core.tiny import PIXEL_FAMILIES, decided

PIXELS = [(0, 0), (0, 5), (3, 0), (4, 4), (5, 8), (7, 8)]
families = pytest.mark.parametrize("family", PIXEL_FAMILIES)
SHIPPED = [name for name in gm_core.available() if name.startswith("pixel")]
shipped = pytest.mark.parametrize("name", SHIPPED)
KINDS = {
    "2 levels": {},
    "256 levels": {"levels": 256, "level_features": 4},
    "colour": {"levels": 5, "channels": 3, "level_features": 2},
    "colour by brightness": {"levels": 3, "channels": 3},
}
kinds = pytest.mark.parametrize("kind", KINDS)


def last(frames):
    *_, frame = frames
    return frame


def random_levels(model: PixelModel, count: int, seed: int = 0) -> Tensor:
    config = model.config
    size = (count, config.channels, config.height, config.width)
    return torch.randint(config.levels, size, generator=stream(seed))


def pixels_before(model: PixelModel, row: int, column: int) -> Tensor:
    height, width = model.config.height, model.config.width
    return torch.arange(height * width).view(height, width) < row * width + column


def pixels_seen(model: PixelModel, row: int, column: int) -> Tensor:
    """Measured: which pixels move the prediction at a pixel."""
    model = model.double()
    tries = random_levels(model, 16)  # a gradient may vanish by chance now and then
    return model.dependency(tries, row, column, 1).any(dim=0)


@families
@kinds
@pytest.mark.parametrize(("row", "column"), PIXELS)
def test_a_pixel_depends_on_exactly_its_receptive_field(family, kind, row, column):
    model = decided(family, **KINDS[kind])
    field = model.receptive_field(row, column)
    assert torch.equal(pixels_seen(model, row, column), field)
    assert not (field & ~pixels_before(model, row, column)).any()


@pytest.mark.parametrize("family", ["pixelcnn", "pixelrnn-diagonal"])
@pytest.mark.parametrize(("row", "column"), PIXELS)
def test_the_gated_stacks_and_the_diagonals_see_all_pixels_before(family, row, column):
    model = decided(family)
    assert torch.equal(pixels_seen(model, row, column), pixels_before(model, row, column))


@pytest.mark.parametrize("layers", [2, 30])
def test_the_masked_stack_is_blind_to_the_upper_right_however_deep(layers: int):
    model = decided("pixelcnn-masked", layers=layers)
    before = pixels_before(model, 5, 2)
    rows, columns = torch.arange(8)[:, None], torch.arange(9)
    wedge = before & (columns > 2 + 5 - rows)  # the view widens by one column a row
    blind = before & ~model.receptive_field(5, 2)
    assert torch.equal(blind & wedge, wedge)
    assert torch.equal(blind, wedge) == (layers == 30)
    assert not (pixels_seen(model, 5, 2) & wedge).any()


def test_the_row_lstm_sees_a_triangle():
    model = decided("pixelrnn-row", layers=1)
    field = model.receptive_field(6, 4).int().tolist()
    assert field[6] == [0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert field[5] == [0, 1, 1, 1, 1, 1, 0, 0, 0]
    assert field[4] == [1, 1, 1, 1, 1, 1, 1, 0, 0]
    assert field[3] == [1, 1, 1, 1, 1, 1, 1, 1, 0]


@families
def test_a_channel_depends_on_the_channels_before_it(family: str):
    model = decided(family, **KINDS["colour"]).double()
    levels = random_levels(model, 1)
    before = model(levels)[0, :, :, 4, 4]  # (levels, C)
    for channel in range(3):
        other = levels.clone()
        other[0, channel, 4, 4] = (levels[0, channel, 4, 4] + 1) % 5
        changed = (model(other)[0, :, :, 4, 4] != before).any(dim=0)
        assert changed.tolist() == [later > channel for later in range(3)]


def test_masks_are_those_of_the_papers():
    assert vertical_mask(3, sees_own_row=False).tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert vertical_mask(3, sees_own_row=True).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert horizontal_mask(3, sees_centre=False).tolist() == [[1, 0, 0]]
    assert horizontal_mask(3, sees_centre=True).tolist() == [[1, 1, 0]]
    assert raster_mask(3, sees_centre=False).tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert raster_mask(3, sees_centre=True).tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]


@families
@pytest.mark.parametrize("label", [None, 2])
@pytest.mark.parametrize("size", [(1, 2, 3, 3), (3, 1, 2, 3)])
def test_probabilities_of_all_images_sum_to_one(family, label, size):
    channels, height, width, levels = size
    model = decided(family, height=height, width=width, levels=levels, channels=channels)
    every = torch.tensor(list(itertools.product(range(levels), repeat=channels * height * width)))
    every = every.view(-1, channels, height, width)
    labels = None if label is None else torch.full((len(every),), label)
    total = model.log_prob(every, labels).double().exp().sum().item()
    assert total == pytest.approx(1, abs=1e-5)


@families
def test_no_label_is_the_class_after_the_last(family: str):
    model = decided(family)
    levels = random_levels(model, 2)
    none = torch.full((2,), model.config.classes)
    torch.testing.assert_close(model(levels), model(levels, none))
    assert not torch.allclose(model(levels), model(levels, torch.zeros(2, dtype=torch.long)))


@families
@kinds
@pytest.mark.parametrize(("label", "temperature"), [(None, 0.7), (1, 1.0)])
def test_cached_and_naive_sampling_give_the_same_images(family, kind, label, temperature):
    model = decided(family, **KINDS[kind])
    settings = {"seed": 5, "label": label, "temperature": temperature}
    naive = last(model.sample(4, method="naive", **settings))
    cached = last(model.sample(4, method="cached", **settings))
    assert torch.equal(naive.levels, cached.levels)
    torch.testing.assert_close(naive.log_prob, cached.log_prob)
    torch.testing.assert_close(naive.probabilities, cached.probabilities)
    assert len(cached.levels.unique()) > 1


@families
@kinds
def test_hundreds_of_cached_images_are_what_the_whole_network_would_draw(family, kind):
    model = decided(family, **KINDS[kind])
    labels = torch.arange(400) % 3
    frame = last(model.sample(400, seed=1, label=labels, temperature=0.8))
    assert torch.equal(redraw(model, frame, labels, temperature=0.8), frame.levels)
    assert len(frame.levels.flatten(1).unique(dim=0)) > 390


@families
def test_redraw_notices_a_wrong_pixel(family: str):
    model = decided(family)
    frame = last(model.sample(1, seed=1))
    frame.levels[0, 0, 4, 4] = 1 - frame.levels[0, 0, 4, 4]
    assert not torch.equal(redraw(model, frame, None, temperature=1.0), frame.levels)


@shipped
def test_shipped_weights_draw_what_the_whole_network_would(name: str):
    model = gm_core.load(name, "cpu")
    labels = torch.arange(8) % model.config.classes
    frame = last(model.sample(8, seed=11, label=labels))
    assert torch.equal(redraw(model, frame, labels, temperature=1.0), frame.levels)


@families
@pytest.mark.parametrize("method", ["naive", "cached"])
def test_an_image_does_not_depend_on_its_batch(family, method):
    model = decided(family)
    many = last(model.sample(5, seed=3, method=method)).levels
    few = last(model.sample(2, seed=3, method=method)).levels
    assert torch.equal(many[:2], few)
    assert not torch.equal(many[0], many[1])


def test_the_same_dice_can_be_thrown_again():
    model = decided("pixelcnn")
    third = last(model.sample(3, seed=3)).levels[2]
    known = torch.full((2, 1, 8, 9), -1)
    known[1, 0, 3, 4] = 1 - third[0, 3, 4]
    frame = last(model.sample(2, seed=3, streams=(2, 2), known=known))
    untouched, changed = frame.levels
    assert torch.equal(untouched, third)
    assert torch.equal(frame.noise[0], frame.noise[1])
    before = pixels_before(model, 3, 4)
    assert torch.equal(changed[0, before], third[0, before])
    assert not torch.equal(changed[0, ~before], third[0, ~before])


@families
@kinds
@pytest.mark.parametrize("method", ["naive", "cached"])
def test_known_pixels_come_back_untouched(family, kind, method):
    model = decided(family, **KINDS[kind])
    known = random_levels(model, 1)[0]
    known[:, 4:] = -1
    frame = last(model.sample(3, seed=0, known=known, method=method))
    assert torch.equal(frame.levels[:, :, :4], known[:, :4].expand(3, -1, 4, -1))
    assert (frame.levels >= 0).all()
    assert not torch.equal(frame.levels[0], frame.levels[1])


@families
def test_one_label_may_stand_for_all(family: str):
    model = decided(family)
    levels = random_levels(model, 3)
    assert torch.equal(model.log_prob(levels, 2), model.log_prob(levels, torch.tensor([2, 2, 2])))
    with pytest.raises(ValueError, match="label"):
        model.log_prob(levels, 3)


@families
@kinds
def test_log_prob_adds_up_while_sampling(family, kind):
    model = decided(family, **KINDS[kind])
    labels = torch.tensor([0, 1, 2])
    frame = last(model.sample(3, seed=0, label=labels, temperature=0.7))
    expected = model.double().log_prob_map(frame.levels, labels)
    torch.testing.assert_close(frame.log_prob, expected)


@families
def test_samples_follow_the_model(family: str):
    model = decided(family, height=1, width=2)
    frame = last(model.sample(4000, seed=0))
    code = frame.levels.flatten(1) @ torch.tensor([2, 1])
    every = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).view(4, 1, 1, 2)
    expected = model.log_prob(every).exp()
    found = torch.bincount(code, minlength=4) / 4000
    assert (found - expected).abs().max() < 5 * math.sqrt(0.25 / 4000)


def test_frames_show_what_is_drawn_so_far():
    model = decided("pixelcnn")
    frames = list(model.sample(2, seed=0, every=20))
    assert [frame.step for frame in frames] == [20, 40, 60, 72]
    for frame in frames:
        drawn = frame.levels.flatten(1) >= 0
        assert drawn.sum(dim=1).tolist() == [frame.step, frame.step]
        assert drawn[:, : frame.step].all()
        sums = frame.probabilities.flatten(2).sum(dim=1)
        torch.testing.assert_close(sums, drawn.float())
        assert frame.total == 72
    assert torch.equal(frames[0].levels.flatten(1)[:, :20], frames[-1].levels.flatten(1)[:, :20])


def test_colours_are_drawn_channel_after_channel():
    model = decided("pixelcnn", **KINDS["colour"])
    first, second, *_ = model.sample(1, seed=0, every=4)
    drawn = first.levels[0] >= 0
    assert torch.nonzero(drawn).tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 0], [2, 0, 0]]
    assert (second.levels >= 0).sum() == 8
    assert (first.step, first.total, first.note) == (4, 216, "pixel 2 of 72")


def test_a_low_temperature_is_likelier():
    model = decided("pixelcnn")
    cold, hot = (last(model.sample(32, seed=0, temperature=t)).log_prob.sum() for t in (0.2, 2.0))
    assert cold > hot


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"label": 3}, "label"),
        ({"label": -1}, "label"),
        ({"label": torch.tensor([0, 1, 2])}, "label"),
        ({"label": torch.tensor(0.5)}, "label"),
        ({"known": torch.zeros(1, 3, 3, dtype=torch.long)}, "shape"),
        ({"known": torch.full((1, 8, 9), 2)}, "Known pixels"),
        ({"known": torch.zeros(1, 8, 9)}, "Known pixels"),
        ({"streams": (1, 2)}, "streams"),
        ({"method": "fast"}, "method"),
        ({"every": 0}, "every"),
    ],
)
def test_sampling_refuses_what_makes_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        next(decided("pixelcnn").sample(**({"count": 1, "seed": 0} | arguments)))


@pytest.mark.parametrize("name", [name for name in SHIPPED if "mnist" in name])
def test_shipped_weights_know_digits_from_noise(name: str):
    model = gm_core.load(name, "cpu")
    sample = data.load("mnist", "sample")
    digits = data.binarise(sample.images[:50], stream(0))
    shuffled = digits.flatten(2)[:, :, torch.randperm(784, generator=stream(1))].view_as(digits)
    right, wrong = model.log_prob(digits), model.log_prob(shuffled)
    assert (right > wrong).all()
    assert float(-right.mean()) < 100
