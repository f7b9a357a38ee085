"""Generative adversarial network: a forger G and a critic D that learn from each other.

    z ~ N(0, 1) ----> G ----> picture ----> D ----> how real it looks, a number without a unit
                               data x  ----> D

    D:  min  E softplus(-(D(x) - D(G(z)))) + gamma / 2 * (R1 + R2)
    G:  min  E softplus(-(D(G(z)) - D(x)))

Only the difference of two scores counts: a real picture should look more real than a forged one
beside it. So every real picture pulls at some forgery, and G can't rest on a few good ones. R1 and
R2 are the squared slopes of D at real and at forged pictures; they keep D from judging ever more
steeply, which is what makes such a game converge.

Sources: Goodfellow et al., "Generative Adversarial Nets", 2014; Huang et al., "The GAN is dead;
long live the GAN! A Modern Baseline GAN" (R3GAN), 2024: the loss and networks without
normalisation; Miyato and Koyama, "cGANs with Projection Discriminator", 2018: how D hears
the label.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.frames import Frame, Scores
from gm_core.vae import latent_noise

Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
SLOPE = 0.2  # of the leaky ReLU's negative side


@dataclass(frozen=True, slots=True)
class GANConfig:
    """The size of both networks."""

    height: int = 28
    width: int = 28
    channels: int = 1
    classes: int = 10  # 0: nobody is told what is shown
    latent: int = 64  # dimensions of z
    label_features: int = 32
    features: tuple[int, ...] = (40, 80)  # of each stage, which halves the size, finest first
    blocks: int = 1  # residual, a stage


@dataclass(frozen=True, slots=True)
class Game:
    """One round: what D says of real and of forged pictures, each pair of one label."""

    real: Tensor  # (B,): D(x)
    generated: Tensor  # (B,): D(G(z))
    images: Tensor  # (B, C, H, W): x, black at -1 and white at 1
    forgeries: Tensor  # (B, C, H, W): G(z), alike


class ResidualBlock(nn.Module):
    """x + two convolutions of it; nothing but x at first, so that depth costs no stability."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = convolution(features, features, 3)
        self.second = convolution(features, features, 3)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        return x + self.second(leaky(self.first(leaky(x))))


class Generator(nn.Module):
    """z and a label -> a picture: a small map of features, doubled in size stage after stage."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        stages = len(config.features)
        bottom = (config.features[-1], config.height >> stages, config.width >> stages)
        self.label = nn.Embedding(config.classes + 1, config.label_features)  # the last: none
        first = nn.Linear(config.latent + config.label_features, math.prod(bottom))
        self.first = nn.Sequential(initialised(first), nn.Unflatten(1, bottom))
        up: list[nn.Module] = []
        for before, after in pairwise((*config.features[::-1], config.channels)):
            up += [ResidualBlock(before) for _ in range(config.blocks)]
            grow = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
            up += [nn.LeakyReLU(SLOPE), initialised(grow)]
        self.up = nn.Sequential(*up)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """(B, latent), (B,) -> (B, C, H, W), black at -1 and white at 1, or beyond."""
        return self.up(self.first(torch.cat([z, self.label(label)], dim=1)))


class Discriminator(nn.Module):
    """A picture and a label -> how real it looks: the generator's stages, backwards."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        stages, last = len(config.features), config.features[-1]
        down: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise((config.channels, *config.features))):
            down += [nn.LeakyReLU(SLOPE)] * (index > 0)
            down.append(initialised(nn.Conv2d(before, after, 4, stride=2, padding=1)))
            down += [ResidualBlock(after) for _ in range(config.blocks)]
        self.down = nn.Sequential(*down)
        size = (config.height >> stages, config.width >> stages)
        # A weighted mean of each feature over the picture, its own weights for each feature.
        self.pool = nn.Parameter(torch.empty(last, *size))
        nn.init.normal_(self.pool, std=math.prod(size) ** -0.5)
        self.score = nn.Linear(last, 1)
        self.label = nn.Embedding(config.classes + 1, last)  # the last: none
        nn.init.zeros_(self.label.weight)

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """(B, C, H, W), black at -1 and white at 1, (B,) -> (B,)."""
        features = (leaky(self.down(images)) * self.pool).sum(dim=(2, 3))  # (B, F)
        # However the label is spread over a batch, it only shifts what the picture itself says.
        return self.score(features)[:, 0] + (self.label(label) * features).sum(dim=1)


class GAN(nn.Module):
    """Both networks; each checkpoint holds both."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        stages = len(config.features)
        if config.height % 2**stages or config.width % 2**stages:
            raise ValueError(f"{config.height} by {config.width} can't be halved {stages} times.")
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def labels(self, label: int | Tensor | None, count: int) -> Tensor:
        """A label for every picture: one for all, one for each (B,), or none -> (count,).

        Raises ValueError for a class that there is not.
        """
        if label is None:
            return torch.full((count,), self.config.classes, device=self.device)
        labels = torch.as_tensor(label, device=self.device).expand(count)
        if labels.min() < 0 or labels.max() > self.config.classes:
            raise ValueError(f"Labels go from 0 to {self.config.classes - 1}.")
        return labels

    def sample_latent(self, count: int, *, seed: int, truncation: float = 1.0) -> Tensor:
        """Codes from the prior, multiplied by `truncation`: (count, latent), on the CPU.

        Below 1 they lie nearer to zero, where the prior is densest: pictures become more typical
        and more alike. Image i has the stream (seed, i), whatever the truncation.
        """
        return truncation * latent_noise(seed, count, self.config.latent)

    def generate(self, z: Tensor, label: int | Tensor | None = None) -> Tensor:
        """Pictures: (B, latent) -> (B, C, H, W) in [0, 1]. label: one for all, one
        for each (B,), or None."""
        drawn = self.generator(z.to(self.device), self.labels(label, len(z)))
        return ((drawn + 1) / 2).clamp(0, 1)

    def realness(self, images: Tensor, label: int | Tensor | None = None) -> Tensor:
        """D's score, the higher the more real; only differences mean anything: images
        (B, C, H, W) in [0, 1] -> (B,)."""
        return self.discriminator(2 * images.to(self.device) - 1, self.labels(label, len(images)))

    def forward(self, images: Tensor, label: Tensor, z: Tensor) -> Game:
        """A round with given latents: (B, C, H, W) in [0, 1], (B,), (B, latent)."""
        images, forgeries = 2 * images - 1, self.generator(z, label).float()
        if not forgeries.requires_grad:  # G rests: its pictures are data, whose slope can be asked
            images, forgeries = (pictures.requires_grad_() for pictures in (images, forgeries))
        real, generated = (
            self.discriminator(pictures, label).float() for pictures in (images, forgeries)
        )
        return Game(real, generated, images, forgeries)


@torch.no_grad()
def forge(model: GAN, z: Tensor, label: int | Tensor | None = None) -> Iterator[Frame]:
    """The pictures of latents (B, latent), as one frame."""
    yield Frame(model.generate(z, label).float().cpu(), step=1, total=1, note="generated")


@torch.no_grad()
def judge(model: GAN, images: Tensor, label: int | Tensor | None = None) -> Iterator[Scores]:
    """What D says of pictures (B, C, H, W) in [0, 1], as one record."""
    yield Scores(model.realness(images, label).float().cpu())


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


def initialised(module: Layer) -> Layer:
    """Weights that keep the size of what passes, biases of zero."""
    fan_in = module.weight[0].numel()
    if isinstance(module, nn.ConvTranspose2d):
        fan_in = module.weight[:, 0].numel() // math.prod(module.stride)  # taps that meet a pixel
    nn.init.normal_(module.weight, std=fan_in**-0.5)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """A convolution that keeps height and width."""
    return initialised(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))


def discriminator_loss(model: GAN, images: Tensor, label: Tensor, z: Tensor) -> Tensor:
    """Relativistic: how far real pictures are from looking more real than forged ones; mean."""
    game: Game = model(images, label, z)
    return F.softplus(game.generated - game.real).mean()


def generator_loss(model: GAN, images: Tensor, label: Tensor, z: Tensor) -> Tensor:
    """Relativistic: how far forged pictures are from looking more real than real ones; mean."""
    game: Game = model(images, label, z)
    return F.softplus(game.real - game.generated).mean()


def gradient_penalty(model: GAN, images: Tensor, label: Tensor, z: Tensor) -> Tensor:
    """(R1 + R2) / 2: half the squared slope of D at real and at forged pictures; mean.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018.
    """
    game: Game = model(images, label, z)
    penalty = torch.zeros((), device=game.real.device)
    for score, pictures in ((game.real, game.images), (game.generated, game.forgeries)):
        (slope,) = torch.autograd.grad(score.sum(), pictures, create_graph=True)
        penalty = penalty + slope.square().flatten(1).sum(dim=1).mean() / 2
    return penalty


def classic_discriminator_loss(model: GAN, images: Tensor, label: Tensor, z: Tensor) -> Tensor:
    """Of 2014: tell real from forged, each by itself; mean of both."""
    game: Game = model(images, label, z)
    return (F.softplus(-game.real) + F.softplus(game.generated)).mean()


def classic_generator_loss(model: GAN, images: Tensor, label: Tensor, z: Tensor) -> Tensor:
    """Of 2014: make D take forgeries for real, whatever else there is; mean."""
    game: Game = model(images, label, z)
    return F.softplus(-game.generated).mean()


@torch.no_grad()
def golden(model: GAN) -> dict[str, Tensor]:
    """A seeded output that loaded weights must reproduce."""
    z = model.sample_latent(3, seed=0)
    label = None if model.config.classes == 0 else torch.arange(3) % model.config.classes
    images = model.generate(z, label)
    return {"images": images.cpu(), "realness": model.realness(images, label).cpu()}
