"""Variational autoencoder: a code z for every image x, and a picture for every code.

    p(x) = integral of p(x | z) p(z) dz,    p(z) = N(0, 1)        cannot be summed up exactly
    log p(x) >= E_q(z|x) [log p(x | z)] - KL(q(z | x) || p(z))    so this bound is raised instead

             encoder                            decoder
    x ----> mean, variance ----> z = mean + sigma * noise ----> p(x | z)

The encoder's q(z | x) is a Gaussian with a diagonal covariance. With `beta` times the KL in the
loss, a code is made cheaper or more exact; beta = 0 leaves an autoencoder, which has no prior.

Sources: Kingma and Welling, "Auto-Encoding Variational Bayes", 2014; Higgins et al., "beta-VAE",
2017; Burda et al., "Importance Weighted Autoencoders", 2016 (the bound of many samples); Salimans
et al., "PixelCNN++", 2017 (the discretised logistic likelihood).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.randomness import stream

Likelihood = Literal["bernoulli", "logistic"]
USED = 0.01  # nats of KL, on average, from which a dimension says something
MOST_AT_ONCE = 500  # codes that are decoded together


@dataclass(frozen=True, slots=True)
class VAEConfig:
    """The size of the network and what it was trained for."""

    height: int = 28
    width: int = 28
    channels: int = 1
    latent: int = 32  # dimensions of z
    # "bernoulli": black and white, where grey x stands for white with probability x.
    # "logistic": all 256 levels, a logistic distribution with one width a channel.
    likelihood: Likelihood = "bernoulli"
    features: tuple[int, ...] = (32, 64)  # of each stage, which halves the size; () is all dense
    blocks: int = 1  # residual, a stage
    hidden: int = 512  # features of the dense layers
    beta: float = 1.0  # weight of the KL in the loss


@dataclass(frozen=True, slots=True)
class Elbo:
    """The bound on log p(x), taken apart; nats."""

    reconstruction: Tensor  # (B,): log p(x | z) with one z from q(z | x)
    kl: Tensor  # (B, latent): KL(q(z_d | x) || p(z_d))

    @property
    def value(self) -> Tensor:
        """reconstruction - KL: (B,)."""
        return self.reconstruction - self.kl.sum(dim=1)


class ResidualBlock(nn.Module):
    """x + two convolutions of it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        return x + self.second(F.elu(self.first(F.elu(x))))


class VAE(nn.Module):
    """Encoder, decoder, and the bounds that they are trained and measured by."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        stages = len(config.features)
        if config.height % 2**stages or config.width % 2**stages:
            raise ValueError(f"{config.height} by {config.width} can't be halved {stages} times.")
        widths = (config.channels, *config.features)
        self.bottom = (widths[-1], config.height >> stages, config.width >> stages)
        flat = math.prod(self.bottom)

        down: list[nn.Module] = []
        for before, after in pairwise(widths):
            down.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            down += [ResidualBlock(after) for _ in range(config.blocks)]
        self.encoder = nn.Sequential(
            *down,
            nn.Flatten(),  # (B, flat)
            nn.Linear(flat, config.hidden), nn.ELU(),
            nn.Linear(config.hidden, config.hidden), nn.ELU(),
            nn.Linear(config.hidden, 2 * config.latent),
        )  # fmt: skip

        up: list[nn.Module] = []
        for before, after in zip(widths[:0:-1], widths[-2::-1], strict=True):
            up += [ResidualBlock(before) for _ in range(config.blocks)]
            up += [nn.ELU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        self.decoder = nn.Sequential(
            nn.Linear(config.latent, config.hidden), nn.ELU(),
            nn.Linear(config.hidden, config.hidden), nn.ELU(),
            nn.Linear(config.hidden, flat),
            nn.Unflatten(1, self.bottom),  # (B, F, H / 2**stages, W / 2**stages)
            *up,
        )  # fmt: skip
        if config.likelihood == "logistic":
            self.log_width = nn.Parameter(torch.full((config.channels, 1, 1), -3.5))

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The Gaussian q(z | x): images (B, C, H, W) in [0, 1] -> mean and log-variance, both
        (B, latent)."""
        mean, log_variance = self.encoder(2 * images.to(self.device) - 1).chunk(2, dim=1)
        return mean, log_variance

    def parameters_of(self, z: Tensor) -> Tensor:
        """What p(x | z) is made of, before it is a brightness: (B, latent) -> (B, C, H, W)."""
        return self.decoder(z.to(self.device))

    def decode(self, z: Tensor) -> Tensor:
        """The mean image of p(x | z): (B, latent) -> (B, C, H, W) in [0, 1]."""
        raw = self.parameters_of(z)
        return raw.sigmoid() if self.config.likelihood == "bernoulli" else (raw + 0.5).clamp(0, 1)

    @torch.no_grad()
    def draw(self, z: Tensor, *, seed: int) -> Tensor:
        """Images of p(x | z), each pixel drawn by itself: (B, latent) -> (B, C, H, W) in [0, 1]."""
        raw = self.parameters_of(z).cpu()
        noise = torch.stack(
            [torch.rand(raw.shape[1:], generator=stream(seed, index)) for index in range(len(raw))]
        )
        if self.config.likelihood == "bernoulli":
            return (noise < raw.sigmoid()).float()
        # Never 0 or 1, where the logistic distribution has no value.
        logistic = noise.clamp(1e-6, 1 - 1e-6).logit()
        levels = raw + 0.5 + self.log_width.cpu().exp() * logistic
        return (levels.clamp(0, 1) * 255).round() / 255

    def log_likelihood(self, raw: Tensor, images: Tensor) -> Tensor:
        """log p(x | z), nats: the decoder's (B, C, H, W), images alike in [0, 1] -> (B,)."""
        if self.config.likelihood == "bernoulli":
            # log p = x log s(raw) + (1 - x) log s(-raw)
            nats = images * raw - F.softplus(raw)
        else:
            nats = logistic_log_prob(raw + 0.5, self.log_width, images)
        return nats.flatten(1).sum(dim=1)

    def forward(self, images: Tensor, noise: Tensor) -> Elbo:
        """The bound with given noise: (B, C, H, W) in [0, 1], (B, latent) -> (B,), (B, latent)."""
        mean, log_variance = (part.float() for part in self.encode(images))
        z = mean + (log_variance / 2).exp() * noise
        raw = self.parameters_of(z).float()
        return Elbo(self.log_likelihood(raw, images), kl_divergence(mean, log_variance))

    def elbo(self, images: Tensor, *, seed: int) -> Elbo:
        """The bound with one z an image: images (B, C, H, W) in [0, 1] -> nats."""
        noise = latent_noise(seed, len(images), self.config.latent).to(self.device)
        return self(images.to(self.device), noise)

    @torch.no_grad()
    def log_weights(self, images: Tensor, *, importance_samples: int, seed: int) -> Tensor:
        """log p(x, z_k) - log q(z_k | x) of samples z_k of q(z | x): images (B, C, H, W) in [0, 1]
        -> nats (B, importance_samples), float64.

        The first k weights are the same however many follow.
        """
        images = images.to(self.device)
        mean, log_variance = self.encode(images)
        weights = torch.empty(len(images), importance_samples, dtype=torch.float64)
        for index, (image, mu, log_var) in enumerate(zip(images, mean, log_variance, strict=True)):
            generator = stream(seed, index)
            for start in range(0, importance_samples, MOST_AT_ONCE):
                count = min(MOST_AT_ONCE, importance_samples - start)
                # All at once and cut: fewer numbers would be other numbers.
                noise = torch.randn(MOST_AT_ONCE, self.config.latent, generator=generator)[:count]
                noise = noise.to(self.device)
                z = mu + (log_var / 2).exp() * noise  # (count, latent)
                likelihood = self.log_likelihood(
                    self.parameters_of(z), image.expand(count, *image.shape)
                )
                # The two Gaussians' constants cancel.
                prior, posterior = -(z**2) / 2, -(noise**2 + log_var) / 2
                weight = likelihood + (prior - posterior).sum(dim=1)
                weights[index, start : start + count] = weight.double().cpu()
        return weights

    def log_prob(self, images: Tensor, *, importance_samples: int, seed: int) -> Tensor:
        """A lower bound on log p(x), the tighter the more samples: images (B, C, H, W) in [0, 1] ->
        nats (B,), float64.

        Source: Burda et al. 2016, equation 8. Raises ValueError for less than one sample.
        """
        if importance_samples < 1:
            raise ValueError(f"There must be at least one sample, not {importance_samples}.")
        weights = self.log_weights(images, importance_samples=importance_samples, seed=seed)
        return weights.logsumexp(dim=1) - math.log(importance_samples)

    def sample_latent(self, count: int, *, seed: int) -> Tensor:
        """Codes from the prior: (count, latent), on the CPU."""
        return latent_noise(seed, count, self.config.latent)


def latent_noise(seed: int, count: int, latent: int, *, start: int = 0) -> Tensor:
    """Standard normal numbers, those of row i from the stream (seed, start + i):
    (count, latent)."""
    places = range(start, start + count)
    return torch.stack([torch.randn(latent, generator=stream(seed, index)) for index in places])


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of each dimension, nats: any shape -> the same.

    Source: Kingma and Welling 2014, appendix B.
    """
    return (mean**2 + log_variance.exp() - 1 - log_variance) / 2


def logistic_log_prob(mean: Tensor, log_width: Tensor, images: Tensor) -> Tensor:
    """log P(level) of a logistic distribution cut into 256 levels; what lies beyond 0 and 1 counts
    for black and white. mean, images (B, C, H, W) in [0, 1], log_width (C, 1, 1) -> nats, alike."""
    half = 1 / 510
    centred = images - mean
    inverse = torch.exp(-log_width)
    upper, lower = inverse * (centred + half), inverse * (centred - half)
    inside = (torch.sigmoid(upper) - torch.sigmoid(lower)).clamp(min=1e-12).log()
    nats = torch.where(images < half, F.logsigmoid(upper), inside)
    nats = torch.where(images > 1 - half, F.logsigmoid(-lower), nats)
    # Far out both sigmoids are equal to all digits; there the density is as good.
    density = -inverse * centred.abs() - log_width - math.log(255)
    return torch.where((inside < -20) & (images >= half) & (images <= 1 - half), density, nats)


def negative_elbo(model: VAE, images: Tensor, noise: Tensor) -> Tensor:
    """Mean loss: beta * KL - log p(x | z), nats."""
    elbo: Elbo = model(images, noise)
    return (model.config.beta * elbo.kl.sum(dim=1) - elbo.reconstruction).mean()


@torch.no_grad()
def golden(model: VAE) -> dict[str, Tensor]:
    """A seeded output that loaded weights must reproduce."""
    z = model.sample_latent(3, seed=0)
    images = model.decode(z)
    mean, log_variance = model.encode(images)
    elbo = model.elbo(images, seed=0)
    return {
        "images": images.cpu(),
        "mean": mean.cpu(),
        "log_variance": log_variance.cpu(),
        "elbo": elbo.value.cpu(),
    }
