"""The measures of real and various, on points whose answer is known."""

from __future__ import annotations

import pytest
import torch

from gm_core.data import Images
from gm_core.realism import (
    accuracy,
    among,
    coverage,
    frechet_distance,
    generate,
    precision_and_recall,
    separation,
    shown_classes,
    surroundings,
)
from tests.gm_core.tiny import batch, tiny


@pytest.fixture
def noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_frechet_distance_of_two_known_gaussians(noise: torch.Generator):
    first = torch.randn(40_000, 3, generator=noise)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    # Of independent features: the means' squared distance plus that of the deviations.
    second = torch.tensor([1.0, 2.0, 0.5]) * torch.randn(40_000, 3, generator=noise)
    second += torch.tensor([1.0, 0.0, 2.0])
    assert frechet_distance(first, second) == pytest.approx(1 + 4 + 1 + 0.25, rel=0.03)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))


def test_surroundings_reach_to_the_neighbour_that_is_asked_for():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert surroundings(points, 1).tolist() == [1, 1, 2, 4]
    assert surroundings(points, 2).tolist() == [3, 2, 3, 6]
    inside = among(torch.tensor([[1.5], [-1.5], [10.0], [12.0]]), points, surroundings(points, 1))
    assert inside.tolist() == [True, False, True, False]


def test_one_perfect_picture_is_precise_and_nothing_else(noise: torch.Generator):
    real = torch.randn(300, 2, generator=noise)
    again = torch.randn(300, 2, generator=noise)
    precision, recall = precision_and_recall(real, again)
    assert min(precision, recall) > 0.9
    collapsed = torch.zeros(300, 2) + 1e-4 * torch.randn(300, 2, generator=noise)
    precision, recall = precision_and_recall(real, collapsed)
    assert precision > 0.9
    assert recall < 0.05
    wild = 20 * torch.randn(300, 2, generator=noise)
    precision, recall = precision_and_recall(real, wild)
    assert precision < 0.2
    assert recall > 0.5


def test_coverage_counts_classes_with_a_hundredth_of_the_pictures():
    labels = torch.tensor([0] * 195 + [1] * 3 + [2] * 2)
    assert coverage(labels, 4) == 3
    assert coverage(torch.tensor([0] * 199 + [1] + [2]), 4) == 1


def test_generated_pictures_have_256_levels_whatever_the_batch():
    model = tiny("gan")
    labels = torch.arange(700) % 3
    pictures = generate(model, labels, 700, seed=1)
    assert torch.equal(pictures, (pictures * 255).round() / 255)
    torch.testing.assert_close(generate(model, labels[:4], 4, seed=1), pictures[:4])
    assert not torch.equal(generate(model, None, 4, seed=1), pictures[:4])


def test_separation_is_the_share_of_pairs_in_the_right_order():
    model = tiny("gan")
    images, labels, _ = batch("gan", 12)
    other = images.flip(3) ** 2
    scores = [model.realness(pictures, labels) for pictures in (images, other)]
    right = (scores[0][:, None] > scores[1]).double().mean()
    assert separation(model, images, other, labels) == pytest.approx(100 * float(right))
    for parameter in model.discriminator.parameters():
        torch.nn.init.zeros_(parameter)
    assert separation(model, images, other, labels) == 50  # D says nothing


def test_the_accuracy_of_a_classifier_that_is_always_right_and_half_right():
    model = tiny("classifier")
    pictures = (batch("classifier", 20)[0] * 255).byte()
    shown = shown_classes(model, pictures / 255)
    (figure,) = accuracy(model, Images(pictures, shown))
    assert figure.value == 100
    half = torch.where(torch.arange(20) % 2 == 0, shown, (shown + 1) % 3)
    (figure,) = accuracy(model, Images(pictures, half))
    assert figure.value == 50
