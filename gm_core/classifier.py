"""A small convolutional classifier: the referee that says what a generated picture shows.

    picture ----> features ----> p(class | picture)

Its classes tell how much of the data a generator covers; its features, the last layer's inputs,
lie close together for pictures that look alike, so they measure how near two sets of pictures are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.frames import finite


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """The size of the network."""

    height: int = 28
    width: int = 28
    channels: int = 1
    classes: int = 10
    features: tuple[int, ...] = (32, 64)  # of each stage, which halves the size
    hidden: int = 64  # features of the last layer


class Classifier(nn.Module):
    """Convolutions that halve the size, and two dense layers."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        stages = len(config.features)
        size = (config.height >> stages, config.width >> stages)
        layers: list[nn.Module] = []
        for before, after in pairwise((config.channels, *config.features)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1), nn.ReLU(),
                nn.Conv2d(after, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            ]  # fmt: skip
        self.body = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(config.features[-1] * math.prod(size), config.hidden),
        )
        self.head = nn.Linear(config.hidden, config.classes)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def features(self, images: Tensor) -> Tensor:
        """What the classes are told by: images (B, C, H, W) in [0, 1] -> (B, hidden)."""
        return self.body(2 * images.to(self.device) - 1).relu()

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> logits (B, classes)."""
        return self.head(self.features(images))

    def classify(self, images: Tensor) -> Tensor:
        """log p(class | picture): images (B, C, H, W) in [0, 1] -> nats (B, classes).

        Raises NotFinite, for whoever asks for the likeliest class alone would not notice.
        """
        return finite(self(images).log_softmax(dim=1), "log p(class | picture)")


def cross_entropy(model: Classifier, images: Tensor, labels: Tensor) -> Tensor:
    """Mean of -log p(label | picture), nats: (B, C, H, W) in [0, 1], (B,)."""
    return F.cross_entropy(model(images).float(), labels)


@torch.no_grad()
def golden(model: Classifier) -> dict[str, Tensor]:
    """A seeded output that loaded weights must reproduce."""
    config = model.config
    noise = torch.Generator().manual_seed(0)
    images = torch.rand(3, config.channels, config.height, config.width, generator=noise)
    return {"log_probabilities": model.classify(images).cpu()}
