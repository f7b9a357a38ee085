"""Inversion with a tiny generator: it finds what can be drawn, always the same, step by step."""

from __future__ import annotations

import math
import multiprocessing
from itertools import islice

import pytest
import torch

from gm_core.gan import GAN
from gm_core.inversion import InversionRecord, invert, look
from tests.gm_core.tiny import tiny


@pytest.fixture(scope="module")
def model() -> GAN:
    """A generator whose pictures depend on z."""
    model = tiny("gan")
    with torch.no_grad():
        model.generator.first[0].weight *= 2
    return model.requires_grad_(False)


def run(model: GAN, image: torch.Tensor, **changes) -> list[InversionRecord]:
    settings = {"label": 1, "starts": 4, "steps": 60, "seed": 5} | changes
    return list(invert(model, image, **settings))


def test_what_the_generator_drew_is_found_again(model: GAN):
    z = model.sample_latent(1, seed=99)
    z *= math.sqrt(3) / z.norm()  # of typical length
    image = model.generate(z, 1)[0]
    *_, last = run(model, image, steps=60, starts=8)
    assert last.error < 1e-5
    assert torch.allclose(last.image, image, atol=0.03)
    assert torch.allclose(last.image, model.generate(last.z[None], 1)[0], atol=1e-5)
    first = run(model, image)[0]
    assert first.error > 100 * last.error


def test_records_tell_the_whole_search(model: GAN):
    image = torch.rand(1, 8, 12, generator=torch.Generator().manual_seed(0))
    records = run(model, image, steps=25, every=10)
    assert [record.step for record in records] == [0, 10, 20, 25]
    start = model.sample_latent(4, seed=5)
    assert torch.allclose(records[0].images, model.generate(start, 1), atol=1e-6)
    for record in records:
        assert record.total == 25
        assert record.images.shape == (4, 1, 8, 12)
        errors = (record.images - image).square().mean(dim=(1, 2, 3))
        assert torch.allclose(record.errors, errors, atol=1e-6)
        assert record.error <= float(record.errors.min()) + 1e-6  # the best one is kept
        assert record.error == pytest.approx(
            float((record.image - image).square().mean()), rel=1e-4
        )
    best = [record.error for record in records]
    assert best == sorted(best, reverse=True)
    same = run(model, image, steps=25)
    assert torch.equal(same[-1].z, records[-1].z)
    queue = multiprocessing.Queue()
    queue.put(records[-1])
    assert torch.equal(queue.get(timeout=60).images, records[-1].images)


def test_a_seed_gives_a_search_and_a_start_its_own_way(model: GAN):
    image = torch.rand(1, 8, 12, generator=torch.Generator().manual_seed(1))
    one, again, other = (run(model, image, steps=8, seed=seed)[-1] for seed in (5, 5, 6))
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.images, other.images)
    fewer = run(model, image, steps=8, starts=2)[-1]
    assert torch.allclose(fewer.images, one.images[:2], atol=1e-4)
    labelled = run(model, image, steps=8, label=None)[-1]
    assert not torch.allclose(labelled.images, one.images)


def test_it_may_be_stopped_and_changes_no_weights(model: GAN):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    records = invert(model, torch.ones(1, 8, 12), label=None, starts=2, steps=1000, seed=0)
    assert [record.step for record in islice(records, 3)] == [0, 1, 2]
    records.close()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@torch.no_grad()
def test_the_slope_is_that_of_the_loss(model: GAN):
    z, target = model.sample_latent(1, seed=0).double(), torch.rand(1, 8, 12).double()
    model = tiny("gan").double()
    labels = model.labels(0, 1)

    def loss(z: torch.Tensor) -> float:
        apart = ((model.generator(z, labels) + 1) / 2 - target).square().mean()
        return float(apart + 0.01 * (z.norm() / math.sqrt(3) - 1).square())

    _, _, slope = look(model, z, labels, target)
    for axis in range(3):
        step = 1e-6 * torch.eye(3).double()[axis]
        assert float(slope[0, axis]) == pytest.approx(
            (loss(z + step) - loss(z - step)) / 2e-6, rel=1e-4
        )


@pytest.mark.parametrize("changes", [{"starts": 0}, {"steps": 0}, {"every": 0}, {"label": 7}])
def test_what_makes_no_search_is_refused(model: GAN, changes: dict):
    with pytest.raises(ValueError, match=r"At least 1 start|Labels go from"):
        run(model, torch.zeros(1, 8, 12), **changes)
    with pytest.raises(ValueError, match="is not the shape"):
        run(model, torch.zeros(1, 8, 8))
