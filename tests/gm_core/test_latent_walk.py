"""Tours, patches of the shell, and directions: what is promised of each, on codes alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gm_core.latent import spherical, straight
from gm_core.latent_walk import (
    Finder,
    agreement,
    difference,
    patch,
    regression,
    right_when_left_out,
    separate,
    shorter,
    tour,
)

LATENT = 16


def codes(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, LATENT, generator=torch.Generator().manual_seed(seed))


def planted(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, whether they lie on the far side of a plane through zero, and its normal."""
    z, normal = codes(count), torch.nn.functional.normalize(codes(1, seed=9)[0], dim=0)
    return z, z @ normal > 0, normal


@pytest.mark.parametrize("way", [straight, spherical])
def test_a_tour_passes_every_code_in_its_turn(way):
    stops = codes(4)
    path = tour(stops, 12, way)
    assert path.shape == (13, LATENT)
    assert torch.allclose(path[::4], stops, atol=1e-5)
    assert torch.allclose(path[4:9], way(stops[1], stops[2], 5), atol=1e-5)


@pytest.mark.parametrize(("count", "steps"), [(1, 4), (4, 13), (4, 0), (3, 1)])
def test_a_tour_that_cannot_be_shared_is_refused(count: int, steps: int):
    with pytest.raises(ValueError, match="can't be shared"):
        tour(codes(count), steps, straight)


def test_the_share_of_shorter_codes_is_that_of_samples():
    lengths = codes(50_000).norm(dim=1)
    for length in (2.5, 4.0, 5.5):
        share = float((lengths < length).double().mean())
        assert shorter(length, LATENT) == pytest.approx(share, abs=0.006)
    assert shorter(0.0, 64) == 0


def test_a_patch_keeps_lengths_distances_and_angles():
    three = codes(3)
    around = patch(three)
    x, y = torch.tensor([0.0, 1.0, 0.0, -3.0]), torch.tensor([0.0, 0.0, 2.0, 4.0])
    z = around.at(x, y)
    length = three[0].norm()
    assert torch.allclose(z[0], three[0])
    assert torch.allclose(z.norm(dim=1), length.expand(4), atol=1e-4)
    angles = torch.arccos((z @ three[0] / length**2).clamp(-1, 1))
    assert torch.allclose(angles, around.angle(x, y), atol=1e-3)
    assert torch.allclose(angles * length, torch.tensor([0.0, 1.0, 2.0, 5.0]), atol=5e-3)
    moved = z[1:3] - angles[1:3].cos()[:, None] * three[0]
    assert abs(float(torch.dot(moved[0], moved[1]))) < 1e-4
    assert float(torch.dot(z[1], three[1])) > float(torch.dot(z[0], three[1]))  # to the second


def test_a_patch_needs_three_codes_of_three_dimensions():
    for wrong in (codes(2), codes(3)[:, :2]):
        with pytest.raises(ValueError, match="three codes"):
            patch(wrong)


@pytest.mark.parametrize("find", [difference, regression])
def test_a_direction_is_found_and_grows_surer(find: Finder):
    cosines = []
    for count in (12, 400):
        z, has, normal = planted(count)
        direction = find(z, has)
        assert float(direction.norm()) == pytest.approx(1, abs=1e-5)
        cosines.append(float(torch.dot(direction, normal)))
    assert cosines[0] < 0.85 < 0.95 < cosines[1]


def test_the_difference_is_that_of_the_means():
    z, has, _ = planted(30)
    between = z[has].mean(dim=0) - z[~has].mean(dim=0)
    assert torch.allclose(difference(z, has), between / between.norm(), atol=1e-6)


def test_the_regression_is_the_one_of_the_textbook():
    z, has, _ = planted(40)
    x, y = (z - z.mean(dim=0)).double(), 2 * has.double() - 1
    inverse = torch.linalg.inv(x.T @ x + 5 * torch.eye(LATENT, dtype=torch.float64))
    weights = inverse @ x.T @ (y - y.mean())
    for part in (slice(0, 40), slice(0, 10)):  # more examples than features, and fewer
        z_, has_ = z[part], has[part]
        found = separate(z_, has_[:, None], penalty=5.0)
        if part.stop == 40:
            assert torch.allclose(found.weights[:, 0].double(), weights, atol=1e-5)
        assert ((found(z_)[:, 0] == has_).double().mean()) > 0.85
        assert found.weights.shape == (LATENT, 1)


def test_left_out_examples_fall_on_the_right_side_when_there_is_one():
    z, has, normal = planted(60)
    apart = z + 6 * (2 * has.float() - 1)[:, None] * normal
    assert right_when_left_out(apart, has, difference) == 60
    generator = torch.Generator().manual_seed(1)
    guessed = torch.rand(60, generator=generator) > 0.5  # nothing to be found
    assert 15 <= right_when_left_out(z, guessed, difference) <= 42


def test_halves_agree_when_there_is_something_to_agree_on():
    z, has, normal = planted(60)
    apart = z + 6 * (2 * has.float() - 1)[:, None] * normal
    assert agreement(apart, has, difference) > 0.9
    guessed = torch.rand(60, generator=torch.Generator().manual_seed(1)) > 0.5
    assert abs(agreement(z, guessed, difference)) < 0.3
    assert agreement(z, has, difference, seed=1) == agreement(z, has, difference, seed=1)


@pytest.mark.parametrize("has", [[True, True, True, False], [False] * 4, [True] * 4])
def test_too_few_examples_are_refused(has: list[bool]):
    for how in (right_when_left_out, agreement):
        with pytest.raises(ValueError, match="At least 2 examples of each"):
            how(codes(4), torch.tensor(has), difference)


def test_all_shares_are_finite():
    assert all(math.isfinite(shorter(length, 64)) for length in (0.1, 8.0, 1e3))
