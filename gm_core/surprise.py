"""Surprise: what an image costs a model, pixel by pixel, and how open each pixel was.

    -log2 p(x_i | x_<i)                            surprise of the value that is there, in bits
    H_i = sum_v p(v | x_<i) (-log2 p(v | x_<i))    its mean over all values v: the entropy

Summed over all pixels the first is -log2 p(x). With a class y given, Bayes' rule turns the sums for
all classes around: p(y | x) is proportional to p(x | y) p(y).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gm_core.autoregressive import PixelModel, log_likelihood


@dataclass(frozen=True, slots=True)
class Surprise:
    """What an image costs a model; on the CPU."""

    levels: Tensor  # int64 (C, H, W)
    nats: Tensor  # float64 (C, H, W): -log p(x_i | x_<i), or with the label that was given
    unlabelled: float  # -log p(x), nats: without a label
    classes: Tensor | None = None  # float64 (classes,): -log p(x | y), nats; in the last record

    @property
    def total(self) -> float:
        """-log p(x), or -log p(x | y) with the label that was given, nats."""
        return float(self.nats.sum())

    @property
    def posterior(self) -> Tensor | None:
        """p(y | x) if every class is equally likely beforehand: float64 (classes,)."""
        return None if self.classes is None else (-self.classes).softmax(dim=0)


@torch.no_grad()
def surprise(model: PixelModel, levels: Tensor, label: int | None = None) -> Iterator[Surprise]:
    """Score an image int64 (C, H, W): at once by itself, and then given each class.

    The second record is the first with `classes`, which cost as many passes as there are classes.
    """
    unlabelled = model.config.classes
    first = [unlabelled] if label is None else [label, unlabelled]
    nats = _score(model, levels, torch.tensor(first))
    record = Surprise(levels.clone(), nats[0], float(nats[-1].sum()))
    yield record
    of_classes = _score(model, levels, torch.arange(unlabelled)).sum(dim=(1, 2, 3))
    yield replace(record, classes=of_classes)


def _score(model: PixelModel, levels: Tensor, labels: Tensor) -> Tensor:
    """-log p(x_i | x_<i, label) of one image with several labels: (labels, C, H, W)."""
    images = levels.expand(len(labels), *levels.shape)
    logits = model(images, labels)
    return -log_likelihood(logits, images.to(logits.device)).double().cpu()


def entropy(probabilities: Tensor) -> Tensor:
    """Bits that drawing a value yields on average: (B, levels, C, H, W) -> (B, C, H, W)."""
    return torch.special.entr(probabilities.double()).sum(dim=1) / math.log(2)


def nearest_levels(pixels: Tensor, levels: int) -> Tensor:
    """Brightness uint8 as the nearest of so many levels: for two, a threshold at one half."""
    return (pixels.double() * (levels - 1) / 255).round().long()
