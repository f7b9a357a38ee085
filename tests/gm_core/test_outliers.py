"""Off the distribution: pictures that are no digits, two judges, the rule, and how good it is."""

from __future__ import annotations

import math

import pytest
import torch

from gm_core import data, outliers
from gm_core.metrics import as_levels
from gm_core.outliers import Answer
from tests.gm_core.tiny import decided, tiny

COUNT = 5


def test_doubt_is_exact_where_it_is_tiny():
    shares = torch.tensor([[1e-30, 1, 2e-30], [0.2, 0.5, 0.3]], dtype=torch.float64)
    doubt = Answer(shares.log()).doubt
    assert doubt.tolist() == pytest.approx([3e-30, 0.5], rel=1e-9)


@pytest.mark.parametrize("kind", outliers.KINDS)
def test_pictures_are_always_the_same_and_no_test_digits(kind: str):
    pictures = outliers.pictures(kind, COUNT)
    assert pictures.shape == (COUNT, 1, 28, 28)
    assert pictures.dtype == torch.uint8
    assert torch.equal(pictures, outliers.pictures(kind, COUNT))
    assert len(pictures.unique(dim=0)) == COUNT
    digits = outliers.spread(outliers.test_digits()[1].images, COUNT)
    assert not (pictures == digits).flatten(1).all(dim=1).any()


def test_kinds_are_what_they_are_called():
    digits = outliers.spread(outliers.test_digits()[1].images, COUNT)
    made = {kind: outliers.pictures(kind, COUNT) for kind in outliers.KINDS}
    assert torch.equal(made["upside down"].rot90(2, (2, 3)), digits)
    assert torch.equal(made["mirrored"].flip(3), digits)
    assert torch.equal(made["shifted"][:, :, 5:, 5:], digits[:, :, :-5, :-5])
    assert not made["shifted"][:, :, :5].any()
    assert torch.equal(255 - made["inverted"], digits)
    assert (made["two digits"] >= digits).all()
    assert (made["letters"].flatten(1).amax(dim=1) == 255).all()
    lit = (made["nearly blank"] > 0).flatten(1).sum(dim=1)
    assert ((lit >= 1) & (lit <= outliers.DOTS)).all()
    assert 100 < made["noise"].float().mean() < 155
    clothes = data.load("fashion", "sample").images
    assert torch.equal(made["clothes"][[0, -1]], clothes[[0, -1]])


def test_thresholds_are_tried_on_other_digits():
    first, second = outliers.test_digits()
    assert len(first) == len(second) == 1000
    both = torch.cat([first.images, second.images])
    assert torch.equal(both, data.load("mnist", "sample").images)


def test_judges_say_what_the_models_say():
    density = decided("pixelcnn", height=28, width=28)
    classifier = tiny("classifier", height=28, width=28, classes=10)
    [judged] = outliers.judge(density, classifier, "clothes", COUNT)
    levels = as_levels(density, judged.images)
    with torch.no_grad():
        nats = -density.log_prob(levels).double()
        shares = classifier(judged.images / 255).double().softmax(dim=1)
    assert torch.allclose(judged.nats, nats)
    assert torch.allclose(judged.doubt, 1 - shares.amax(dim=1), atol=1e-6)


@pytest.mark.parametrize("passing", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("two_sided", [False, True])
def test_as_many_pass_as_should(passing: float, two_sided: bool):
    nats = torch.randperm(1000, generator=torch.Generator().manual_seed(0)).double()
    rule = outliers.rule(nats, nats / 1000, passing, two_sided=two_sided)
    refused = rule.refuses(nats)
    assert float(refused.double().mean()) == pytest.approx(1 - passing, abs=0.002)
    assert float(rule.doubts(nats / 1000).double().mean()) == pytest.approx(1 - passing, abs=0.001)
    assert math.isinf(rule.least) == (not two_sided)
    strange = rule.refuses(torch.tensor([-1.0, 1000.0]))
    assert strange.tolist() == [two_sided, True]


def test_a_two_sided_rule_goes_by_the_distance_from_the_middle():
    reference = torch.arange(1000).double()
    far = outliers.extremeness(
        torch.tensor([-5.0, 249.0, 499.0, 749.0, 2000.0]).double(), reference
    )
    assert far.tolist() == pytest.approx([1, 0.5, 0, 0.5, 1], abs=1e-9)


def test_auroc_is_the_probability_of_the_right_order():
    usual, unusual = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([2.5, 5.0])
    pairs = [(low, high) for low in usual for high in unusual]
    wanted = sum(float(high > low) for low, high in pairs) / len(pairs)
    assert outliers.auroc(usual, unusual) == pytest.approx(wanted)
    assert outliers.auroc(usual, usual + 10) == 1
    assert outliers.auroc(usual, usual) == 0.5
