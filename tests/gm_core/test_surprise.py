"""What an image costs a model, and how open its pixels were."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest
import torch

from gm_core.surprise import Surprise, entropy, nearest_levels, surprise
from tests.gm_core.tiny import PIXEL_FAMILIES, decided


def image_for(model) -> torch.Tensor:
    config = model.config
    generator = torch.Generator().manual_seed(3)
    size = (config.channels, config.height, config.width)
    return torch.randint(config.levels, size, generator=generator)


@pytest.mark.parametrize("family", PIXEL_FAMILIES)
@pytest.mark.parametrize("label", [None, 2])
def test_the_bits_are_those_of_the_exact_likelihood(family: str, label: int | None):
    model = decided(family)
    levels = image_for(model)
    first, last = surprise(model, levels, label)
    with torch.no_grad():
        wanted = -model.log_prob_map(levels[None], label)[0].double()
        total = -float(model.log_prob(levels[None]))
    assert torch.allclose(first.nats, wanted, atol=1e-5)
    assert first.total == pytest.approx(float(wanted.sum()), abs=1e-4)
    assert first.unlabelled == pytest.approx(total, abs=1e-4)
    assert first.classes is None
    assert first.posterior is None
    assert torch.equal(last.nats, first.nats)
    assert torch.equal(last.levels, levels)


@pytest.mark.parametrize("family", PIXEL_FAMILIES)
def test_classes_are_weighed_by_bayes_rule(family: str):
    model = decided(family)
    levels = image_for(model)
    *_, record = surprise(model, levels)
    with torch.no_grad():
        likelihoods = torch.stack([model.log_prob(levels[None], label)[0] for label in range(3)])
    assert record.classes is not None
    assert record.posterior is not None
    assert torch.allclose(record.classes, -likelihoods.double(), atol=1e-4)
    weights = (likelihoods - likelihoods.max()).double().exp()
    assert torch.allclose(record.posterior, weights / weights.sum(), atol=1e-4)
    assert record.posterior.std() > 0.01  # or any order of the classes would pass


def test_colour_and_many_levels_are_scored_too():
    model = decided("pixelcnn", channels=3, levels=8)
    levels = image_for(model)
    first = next(surprise(model, levels))
    with torch.no_grad():
        assert first.total == pytest.approx(-float(model.log_prob(levels[None])), abs=1e-3)
    assert first.nats.shape == (3, 8, 9)


def test_a_record_is_frozen_and_the_readers_own():
    model = decided("pixelcnn")
    levels = image_for(model)
    record = next(surprise(model, levels))
    levels.zero_()
    assert record.levels.any()
    with pytest.raises(FrozenInstanceError):
        record.unlabelled = 0.0  # pyright: ignore[reportAttributeAccessIssue]
    assert Surprise(levels, torch.full((1, 2, 2), 0.5), 2.0).total == 2.0


def test_entropy_is_in_bits():
    for levels in (2, 4, 256):
        even = torch.full((3, levels, 1, 2, 2), 1 / levels)
        assert torch.allclose(entropy(even), torch.full((3, 1, 2, 2), math.log2(levels)).double())
    certain = torch.zeros(1, 4, 1, 1, 1)
    certain[:, 2] = 1
    assert entropy(certain).item() == 0  # not NaN
    tilted = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1, 1)
    assert entropy(tilted).item() == pytest.approx(0.8112781)


def test_entropy_is_the_mean_surprise():
    model = decided("pixelcnn-masked")
    *_, frame = model.sample(2000, seed=0)
    costs = -frame.log_prob / math.log(2)
    difference = entropy(frame.probabilities) - costs
    error = difference.sum(dim=(1, 2, 3)).std() / math.sqrt(2000)
    assert abs(float(difference.sum(dim=(1, 2, 3)).mean())) < 4 * float(error)
    assert float(costs.sum(dim=(1, 2, 3)).mean()) > 20 * float(error)


def test_brightness_becomes_the_nearest_level():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(nearest_levels(every, 2), (every >= 128).long())
    assert torch.equal(nearest_levels(every, 256), every.long())
    four = nearest_levels(every, 4)
    assert [int(four[at]) for at in (0, 42, 43, 127, 128, 212, 213, 255)] == [
        0, 0, 1, 1, 2, 2, 3, 3
    ]  # fmt: skip
