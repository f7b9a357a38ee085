"""SimCLR: its loss by hand, and its distortions."""

from __future__ import annotations

import math

import torch

from gm_core import data
from gm_core.simclr import SimCLR, contrastive_loss
from gm_core.training.simclr import two_copies
from tests.gm_core.tiny import batch, tiny


def test_the_loss_is_that_of_the_paper():
    model: SimCLR = tiny("simclr")
    first, second = batch("simclr", 4)
    z = model(torch.cat([first, second])).detach()
    total = 0.0
    for i in range(8):
        partner = (i + 4) % 8
        alike = [math.exp(float(z[i] @ z[k]) / model.config.temperature) for k in range(8)]
        total -= math.log(alike[partner] / (sum(alike) - alike[i]))
    assert math.isclose(
        float(contrastive_loss(model, first, second).detach()), total / 8, rel_tol=1e-4
    )


def test_codes_and_projections_have_length_one():
    model: SimCLR = tiny("simclr")
    images, _ = batch("simclr", 5)
    torch.testing.assert_close(model.encode(images).norm(dim=1), torch.ones(5))
    torch.testing.assert_close(model(images).norm(dim=1), torch.ones(5))
    torch.testing.assert_close(model.encode(images[:2]), model.encode(images)[:2])


def test_copies_differ_and_show_the_same():
    sample = data.load("mnist", "sample")[:200]

    def copies(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return two_copies(sample.images, sample.labels, generator)

    first, second = copies(0)
    assert first.shape == second.shape == sample.images.shape
    assert 0 <= first.min() <= first.max() <= 1
    assert torch.equal(first, copies(0)[0])
    assert not torch.equal(first, copies(1)[0])
    assert not torch.equal(first, second)
    flat, other = (part.flatten(1) - part.flatten(1).mean(0) for part in (first, second))
    alike = torch.cosine_similarity(flat[:, None], other[None], dim=2)
    assert alike.diag().mean() > alike.mean() + 0.1


def test_labels_are_not_looked_at():
    sample = data.load("mnist", "sample")[:10]
    with_labels, without = (
        two_copies(sample.images, labels, torch.Generator().manual_seed(0))
        for labels in (sample.labels, torch.zeros_like(sample.labels))
    )
    assert torch.equal(with_labels[0], without[0])
