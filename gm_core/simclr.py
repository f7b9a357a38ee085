"""SimCLR: features that nobody labelled.

Two distorted copies of a picture should have codes that lie close together, and far from those of
all other pictures. What survives the distortions is what the picture shows:

    picture --distort--> x1 --> h1 --> z1 \\
           \\                                agree with each other, differ from all others
            --distort--> x2 --> h2 --> z2 /

    loss(1, 2) = -log  exp(z1 . z2 / t) / sum over all other z of the batch exp(z1 . z / t)

The features h are kept; the projection z is only for the loss. Chen et al. 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class SimCLRConfig:
    """The size of the network."""

    height: int = 28
    width: int = 28
    channels: int = 1
    features: tuple[int, ...] = (48, 96)  # of each stage, which halves the size
    code: int = 64  # features h that are kept
    projection: int = 64  # of z
    temperature: float = 0.5
    groups: int = 8  # of channels that are normalised together


class SimCLR(nn.Module):
    """Convolutions that halve the size, a dense layer to the code, and a projection of it."""

    def __init__(self, config: SimCLRConfig) -> None:
        super().__init__()
        self.config = config
        stages = len(config.features)
        size = (config.height >> stages, config.width >> stages)
        layers: list[nn.Module] = []
        for before, after in pairwise((config.channels, *config.features)):
            for channels, stride in ((before, 2), (after, 1)):
                layers += [
                    nn.Conv2d(channels, after, 3, stride, padding=1, bias=False),
                    nn.GroupNorm(config.groups, after), nn.ReLU(),
                ]  # fmt: skip
        self.body = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(config.features[-1] * math.prod(size), config.code)
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.Linear(config.code, config.code), nn.ReLU(),
            nn.Linear(config.code, config.projection),
        )  # fmt: skip

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def encode(self, images: Tensor) -> Tensor:
        """The features h, scaled to length one: images (B, C, H, W) in [0, 1] -> (B, code)."""
        return F.normalize(self.body(2 * images.to(self.device) - 1).float(), dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Projections z, scaled to length one: (B, C, H, W) in [0, 1] -> (B, projection)."""
        return F.normalize(self.head(self.body(2 * images - 1)).float(), dim=1)


def contrastive_loss(model: SimCLR, first: Tensor, second: Tensor) -> Tensor:
    """NT-Xent, nats: two distorted copies of each picture, (B, C, H, W) in [0, 1] each."""
    z = model(torch.cat([first, second]))  # (2B, projection)
    similarity = z @ z.T / model.config.temperature
    similarity.fill_diagonal_(-torch.inf)  # nothing is compared with itself
    count = len(first)
    partner = torch.arange(2 * count, device=z.device).roll(count)
    return F.cross_entropy(similarity, partner)


@torch.no_grad()
def golden(model: SimCLR) -> dict[str, Tensor]:
    """A seeded output that loaded weights must reproduce."""
    config = model.config
    noise = torch.Generator().manual_seed(0)
    images = torch.rand(3, config.channels, config.height, config.width, generator=noise)
    return {"codes": model.encode(images).cpu()}
