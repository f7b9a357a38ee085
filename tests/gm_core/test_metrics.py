"""Figures are what their convention says."""

from __future__ import annotations

import math

import pytest
import torch

from gm_core import data, metrics
from gm_core.data import Images
from gm_core.randomness import stream
from tests.gm_core.tiny import decided


@pytest.fixture
def digits() -> Images:
    sample = data.load("mnist", "sample")
    return Images(sample.images[:40, :, 9:17, 9:18].contiguous(), sample.labels[:40] % 3)


def test_binary_likelihood_is_the_mean_over_frozen_draws(digits: Images):
    model = decided("pixelcnn").requires_grad_(False)
    nats, bits, given_label = metrics.likelihood(model, digits)
    draws = [
        -model.log_prob(data.binarise(digits.images, stream(k))).double().mean().item()
        for k in range(5)
    ]
    assert nats.value == pytest.approx(sum(draws) / 5, rel=1e-6)
    assert nats.spread == pytest.approx(torch.tensor(draws).std().item(), rel=1e-4)
    assert nats.draws == 5
    assert bits.value == pytest.approx(nats.value / (72 * math.log(2)))
    first = data.binarise(digits.images, stream(0))
    assert given_label.value == pytest.approx(
        -model.log_prob(first, digits.labels).double().mean().item(), rel=1e-6
    )
    assert "40 images" in nats.split


def test_many_levels_are_measured_as_they_are_and_in_bits_first(digits: Images):
    model = decided("pixelcnn", levels=256).requires_grad_(False)
    bits, nats, given_label = metrics.likelihood(model, digits)
    expected = -model.log_prob(digits.images.long()).double().mean().item()
    assert nats.value == pytest.approx(expected, rel=1e-6)
    assert (bits.unit, bits.draws, bits.spread) == ("bits/dim", 1, None)
    assert bits.value == pytest.approx(expected / (72 * math.log(2)), rel=1e-6)
    assert given_label.value != nats.value


def test_scores_do_not_depend_on_the_batch(digits: Images):
    model = decided("pixelcnn").requires_grad_(False)
    levels = metrics.as_levels(model, digits.images)
    assert torch.equal(levels, data.binarise(digits.images, stream(0)))
    small = metrics.log_probs(model, levels, digits.labels, batch_size=7)
    large = metrics.log_probs(model, levels, digits.labels, batch_size=40)
    torch.testing.assert_close(small, large, rtol=1e-5, atol=0)


def test_streams_differ_by_every_index():
    draws = {
        torch.rand(1, generator=stream(*path)).item()
        for path in [(0,), (1,), (0, 0), (0, 1), (1, 0), (2**63, 1), (0, 0, 1)]
    }
    assert len(draws) == 7
