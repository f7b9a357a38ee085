"""Figures are what their convention says."""

from __future__ import annotations

import math

import pytest
import torch

from gm_core import data, metrics
from gm_core.data import Images
from gm_core.randomness import stream
from tests.gm_core.tiny import tiny_pixelcnn


@pytest.fixture
def digits() -> Images:
    sample = data.load("mnist", "sample")
    return Images(sample.images[:40, :, 9:17, 9:18].contiguous(), sample.labels[:40] % 3)


def test_binary_likelihood_is_the_mean_over_frozen_draws(digits: Images):
    model = tiny_pixelcnn().requires_grad_(False)
    nats, bits, given_label = metrics.binary_likelihood(model, digits)
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
    assert "40 digits" in nats.split


def test_the_mean_does_not_depend_on_the_batch(digits: Images):
    model = tiny_pixelcnn().requires_grad_(False)
    levels = data.binarise(digits.images, stream(0))
    cpu = torch.device("cpu")
    small = metrics.mean_log_prob(model.log_prob, levels, digits.labels, cpu, batch_size=7)
    large = metrics.mean_log_prob(model.log_prob, levels, digits.labels, cpu, batch_size=40)
    assert small == pytest.approx(large, rel=1e-6)


def test_streams_differ_by_every_index():
    draws = {
        torch.rand(1, generator=stream(*path)).item()
        for path in [(0,), (1,), (0, 0), (0, 1), (1, 0), (2**63, 1), (0, 0, 1)]
    }
    assert len(draws) == 7
