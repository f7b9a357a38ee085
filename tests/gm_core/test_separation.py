"""Figures of features: of pictures whose features are sure to tell the classes apart, or not to."""

from __future__ import annotations

import pytest
import torch

from gm_core import separation
from gm_core.data import Images
from gm_core.separation import CLASSES, VOTES
from tests.gm_core.tiny import tiny

EACH = 25  # pictures of a class


def patterns(seed: int) -> Images:
    """Ten pictures (8, 12), each of them many times, a little noisy."""
    labels = torch.arange(CLASSES).repeat(EACH)
    pure = torch.randint(240, (CLASSES, 1, 8, 12), generator=torch.Generator().manual_seed(9))
    noise = torch.Generator().manual_seed(seed)
    noisy = pure[labels] + torch.randint(6, (len(labels), 1, 8, 12), generator=noise)
    return Images(noisy.byte(), labels)


def shuffled(images: Images) -> Images:
    """With labels that have nothing to do with them."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return Images(images.images, images.labels[order])


def test_clusters_are_right_where_features_tell_classes_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(separation, "SEEDS", 2)
    model, test = tiny("simclr"), patterns(0)
    linkage, means = separation.measure(model, test)
    assert (linkage.value, linkage.spread, linkage.draws) == (100, 0, 2)
    assert linkage.split == "test, 250 images"
    assert 70 < means.value <= 100


def test_training_pictures_vote():
    model, test, train = tiny("simclr"), patterns(0), patterns(1)
    assert separation.neighbours(model, test, train).value == 100
    assert separation.neighbours(model, shuffled(test), train).value < 30
    one_class = Images(test.images[:VOTES], torch.full((VOTES,), 3))
    assert separation.neighbours(model, test, one_class).value == 100 / CLASSES
