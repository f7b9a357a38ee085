"""The gated PixelCNN: causal, exact, and the same picture however it is sampled."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

import gm_core
from gm_core import data
from gm_core.pixelcnn import PixelCNN, horizontal_mask, redraw, vertical_mask
from gm_core.randomness import stream
from tests.gm_core.tiny import tiny_pixelcnn

PIXELS = [(0, 0), (0, 5), (3, 0), (4, 4), (5, 8), (7, 8)]


def last(frames):
    *_, frame = frames
    return frame


def random_levels(model: PixelCNN, count: int, seed: int = 0) -> Tensor:
    config = model.config
    size = (count, 1, config.height, config.width)
    return torch.randint(config.levels, size, generator=stream(seed))


@pytest.mark.parametrize(("row", "column"), PIXELS)
def test_a_pixel_depends_on_exactly_the_pixels_before_it(row: int, column: int):
    model = tiny_pixelcnn().double()
    config = model.config
    seen = torch.zeros(config.height, config.width)
    for seed in range(3):  # a gradient may vanish by chance once, not three times
        x = random_levels(model, 1, seed).double().requires_grad_()
        logits = model(x, torch.tensor([1]))[0, :, 0, row, column]
        (gradient,) = torch.autograd.grad((logits * torch.tensor([1.0, 0.3])).sum(), x)
        seen += gradient[0, 0].abs()
    before = torch.arange(config.height * config.width).view(config.height, config.width)
    before = before < row * config.width + column
    assert (seen[~before] == 0).all()
    assert (seen[before] > 0).all()


def test_masks_are_those_of_the_paper():
    assert vertical_mask(3, sees_own_row=False).tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert vertical_mask(3, sees_own_row=True).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert horizontal_mask(3, sees_centre=False).tolist() == [[1, 0, 0]]
    assert horizontal_mask(3, sees_centre=True).tolist() == [[1, 1, 0]]


@pytest.mark.parametrize("label", [None, 2])
def test_probabilities_of_all_images_sum_to_one(label: int | None):
    model = tiny_pixelcnn(height=2, width=3, levels=3)
    every = torch.tensor(list(itertools.product(range(3), repeat=6))).view(-1, 1, 2, 3)
    labels = None if label is None else torch.full((len(every),), label)
    total = model.log_prob(every, labels).double().exp().sum().item()
    assert total == pytest.approx(1, abs=1e-5)


def test_no_label_is_the_class_after_the_last():
    model = tiny_pixelcnn()
    levels = random_levels(model, 2)
    none = torch.full((2,), model.config.classes)
    torch.testing.assert_close(model(levels), model(levels, none))
    assert not torch.allclose(model(levels), model(levels, torch.zeros(2, dtype=torch.long)))


@pytest.mark.parametrize("levels", [2, 256])
@pytest.mark.parametrize("label", [None, 1])
@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_cached_and_naive_sampling_give_the_same_images(levels, label, temperature):
    model = tiny_pixelcnn(levels=levels) if levels == 2 else wide_choice(levels)
    settings = {"seed": 5, "label": label, "temperature": temperature}
    naive = last(model.sample(4, method="naive", **settings))
    cached = last(model.sample(4, method="cached", **settings))
    assert torch.equal(naive.levels, cached.levels)
    torch.testing.assert_close(naive.log_prob, cached.log_prob)
    torch.testing.assert_close(naive.probabilities, cached.probabilities)
    assert len(cached.levels.unique()) > 1


def wide_choice(levels: int) -> PixelCNN:
    """256 levels leave the draws many edges to fall off."""
    model = tiny_pixelcnn(levels=levels)
    with torch.no_grad():
        model.logits.weight.mul_(0.3)
    return model


@pytest.mark.parametrize("levels", [2, 256])
def test_hundreds_of_cached_images_are_what_the_whole_network_would_draw(levels: int):
    model = tiny_pixelcnn() if levels == 2 else wide_choice(levels)
    labels = torch.arange(400) % 3
    frame = last(model.sample(400, seed=1, label=labels, temperature=0.8))
    assert torch.equal(redraw(model, frame, labels, temperature=0.8), frame.levels)
    assert len(frame.levels.flatten(1).unique(dim=0)) > 390


def test_redraw_notices_a_wrong_pixel():
    model = tiny_pixelcnn()
    frame = last(model.sample(1, seed=1))
    frame.levels[0, 0, 4, 4] = 1 - frame.levels[0, 0, 4, 4]
    assert not torch.equal(redraw(model, frame, None, temperature=1.0), frame.levels)


def test_shipped_weights_draw_what_the_whole_network_would():
    model = gm_core.load("pixelcnn-mnist", "cpu")
    labels = torch.arange(20) % 10
    frame = last(model.sample(20, seed=11, label=labels))
    assert torch.equal(redraw(model, frame, labels, temperature=1.0), frame.levels)


@pytest.mark.parametrize("method", ["naive", "cached"])
def test_an_image_does_not_depend_on_its_batch(method):
    model = tiny_pixelcnn()
    many = last(model.sample(5, seed=3, method=method)).levels
    few = last(model.sample(2, seed=3, method=method)).levels
    assert torch.equal(many[:2], few)
    assert not torch.equal(many[0], many[1])


@pytest.mark.parametrize("method", ["naive", "cached"])
def test_known_pixels_come_back_untouched(method):
    model = tiny_pixelcnn()
    known = random_levels(model, 1)[0]
    known[:, 4:] = -1
    frame = last(model.sample(3, seed=0, known=known, method=method))
    assert torch.equal(frame.levels[:, :, :4], known[:, :4].expand(3, 1, 4, -1))
    assert (frame.levels >= 0).all()
    assert not torch.equal(frame.levels[0], frame.levels[1])


def test_one_label_may_stand_for_all():
    model = tiny_pixelcnn()
    levels = random_levels(model, 3)
    assert torch.equal(model.log_prob(levels, 2), model.log_prob(levels, torch.tensor([2, 2, 2])))
    with pytest.raises(ValueError, match="label"):
        model.log_prob(levels, 3)


def test_log_prob_adds_up_while_sampling():
    model = tiny_pixelcnn()
    labels = torch.tensor([0, 1, 2])
    frame = last(model.sample(3, seed=0, label=labels, temperature=0.7))
    expected = model.double().log_prob(frame.levels, labels)
    torch.testing.assert_close(frame.log_prob.sum(dim=(1, 2, 3)), expected)


def test_samples_follow_the_model():
    model = tiny_pixelcnn(height=1, width=2)
    frame = last(model.sample(4000, seed=0))
    code = frame.levels.flatten(1) @ torch.tensor([2, 1])
    every = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).view(4, 1, 1, 2)
    expected = model.log_prob(every).exp()
    found = torch.bincount(code, minlength=4) / 4000
    assert (found - expected).abs().max() < 5 * math.sqrt(0.25 / 4000)


def test_frames_show_what_is_drawn_so_far():
    model = tiny_pixelcnn()
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


def test_a_low_temperature_is_likelier():
    model = tiny_pixelcnn()
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
        ({"method": "fast"}, "method"),
        ({"every": 0}, "every"),
    ],
)
def test_sampling_refuses_what_makes_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        next(tiny_pixelcnn().sample(**({"count": 1, "seed": 0} | arguments)))


def test_shipped_weights_know_digits_from_noise():
    model = gm_core.load("pixelcnn-mnist", "cpu")
    sample = data.load("mnist", "sample")
    digits = data.binarise(sample.images[:50], stream(0))
    shuffled = digits.flatten(2)[:, :, torch.randperm(784, generator=stream(1))].view_as(digits)
    right, wrong = model.log_prob(digits), model.log_prob(shuffled)
    assert (right > wrong).all()
    assert float(-right.mean()) < 100
