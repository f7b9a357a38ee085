"""Codes: encodings, paths, surveys, bounds that tighten."""

from __future__ import annotations

import math

import pytest
import torch

from gm_core.latent import (
    decode,
    encode,
    groups_of,
    spherical,
    straight,
    survey,
    tighten,
)  # fmt: skip
from gm_core.vae import USED
from tests.gm_core.tiny import batch, tiny


def test_an_encoding_says_what_the_model_says():
    model, images = tiny("vae"), batch("vae", 4)[0]
    (record,) = encode(model, images, seed=3)
    mean, log_variance = model.encode(images)
    torch.testing.assert_close(record.mean, mean)
    torch.testing.assert_close(record.sigma, log_variance.exp().sqrt())
    torch.testing.assert_close(record.reconstruction, model.decode(mean))
    torch.testing.assert_close(record.elbo, model.elbo(images, seed=3).value)


def test_codes_are_decoded():
    model = tiny("vae")
    z = torch.randn(5, 3)
    (frame,) = decode(model, z)
    torch.testing.assert_close(frame.images, model.decode(z))
    assert frame.step == frame.total == 1


@pytest.mark.parametrize("path", [straight, spherical])
def test_paths_begin_and_end_at_their_ends(path):
    first, second = torch.randn(6), 3 * torch.randn(6)
    codes = path(first, second, 9)
    assert codes.shape == (9, 6)
    torch.testing.assert_close(codes[0], first)
    torch.testing.assert_close(codes[-1], second)


def test_the_spherical_path_keeps_its_length_and_turns_evenly():
    first, second = torch.tensor([3.0, 0, 0]), torch.tensor([0, 3.0, 0])
    codes = spherical(first, second, 4)
    torch.testing.assert_close(codes.norm(dim=1), torch.full((4,), 3.0))
    angles = torch.atan2(codes[:, 1], codes[:, 0])
    torch.testing.assert_close(angles, torch.linspace(0, math.pi / 2, 4))
    assert straight(first, second, 3)[1].norm() == pytest.approx(3 / math.sqrt(2))


@pytest.mark.parametrize("second", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_where_there_is_no_arc_the_path_is_straight(second: list[float]):
    first = torch.tensor([1.0, 0.0])
    ends = first, torch.tensor(second)
    torch.testing.assert_close(spherical(*ends, 5), straight(*ends, 5))


def test_the_bound_tightens_record_by_record():
    model, image = tiny("vae"), batch("vae", 1)[0][0]
    records = list(tighten(model, image, samples=60, seed=0))
    assert records[-1].samples == (1, 2, 5, 10, 20, 50, 60)
    assert [record.step for record in records] == list(range(1, 8))
    assert all(record.total == 7 for record in records)
    last = records[-1]
    assert last.nats[-1] == pytest.approx(
        model.log_prob(image[None], importance_samples=60, seed=0).item()
    )
    weights = model.log_weights(image[None], importance_samples=60, seed=0)[0]
    assert last.nats[0] == pytest.approx(weights.mean().item())
    assert last.nats[2] == pytest.approx(groups_of(weights, 5).mean().item())
    assert last.spread[0] == pytest.approx(weights.std(correction=0).item())
    assert last.nats[0] < last.nats[1] < last.nats[2]


@pytest.mark.parametrize(("samples", "expected"), [(1, (1,)), (10, (1, 2, 5, 10))])
def test_the_sizes_end_with_what_was_asked(samples: int, expected: tuple[int, ...]):
    *_, last = tighten(tiny("vae"), batch("vae", 1)[0][0], samples=samples, seed=0)
    assert last.samples == expected


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        list(tighten(tiny("vae"), batch("vae", 1)[0][0], samples=0, seed=0))


def test_a_survey_shows_where_codes_lie_beside_the_prior():
    images = batch("vae", 40)[0]
    models = [tiny("vae"), tiny("vae", beta=4.0)]
    first, second = survey(models, images, count=4, seed=1, reach=4.0, cells=10)
    assert first.from_prior.shape == first.from_images.shape == (4, *images.shape[1:])
    assert torch.equal(first.from_prior, second.from_prior)  # the same z, the same weights
    assert first.density.shape == (10, 10)
    assert first.density.sum().item() == pytest.approx(1)  # all within four sigma
    kl = next(encode(models[0], images)).kl.mean(0)
    assert first.dimensions == tuple(kl.argsort(descending=True)[:2].tolist())
    assert first.used == int((kl >= USED).sum())


def test_the_plane_of_a_survey_has_its_second_dimension_upwards():
    model = tiny("vae")
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([2.5, 1.5, 0.0, -20.0, -20.0, 0.0]))
    [record] = survey([model], batch("vae", 5)[0], count=1, seed=0, reach=4.0, cells=8)
    assert record.dimensions == (0, 1)
    assert record.density[2, 6] == 1  # third row from the top, seventh column
    assert record.inside == 0
