"""Codes: what the code of an image says, where codes lie, and paths between them.

    straight     (1 - t) a + t b
    spherical    along the arc from a to b, since almost all codes of a Gaussian in many dimensions
                 lie on a shell of radius sqrt(dimensions), which a straight line leaves

Sources: White, "Sampling Generative Networks", 2016 (spherical interpolation);
Burda et al., "Importance Weighted Autoencoders", 2016 (the bound of K samples).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gm_core.frames import Frame
from gm_core.randomness import stream
from gm_core.vae import USED, VAE, kl_divergence, latent_noise


@dataclass(frozen=True, slots=True)
class Encoding:
    """What q(z | x) says of images, and what comes back; on the CPU."""

    mean: Tensor  # float32 (B, latent)
    sigma: Tensor  # float32 (B, latent): standard deviation
    kl: Tensor  # float32 (B, latent): KL(q(z_d | x) || p(z_d)), nats
    reconstruction: Tensor  # float32 (B, C, H, W) in [0, 1]: the decoded mean
    log_likelihood: Tensor  # float32 (B,): log p(x | z) with one z of q(z | x), nats

    @property
    def elbo(self) -> Tensor:
        """The bound on log p(x), nats: (B,)."""
        return self.log_likelihood - self.kl.sum(dim=1)


@dataclass(frozen=True, slots=True)
class Bound:
    """The bounds on log p(x) of one image by K samples, for several K."""

    step: int
    total: int
    samples: tuple[int, ...]  # K, rising
    nats: tuple[float, ...]  # mean over the groups of K among all samples drawn
    spread: tuple[float, ...]  # standard deviation over these groups


@dataclass(frozen=True, slots=True)
class Survey:
    """Where the codes of many images lie, beside the prior, and what is decoded from either."""

    from_prior: Tensor  # float32 (N, C, H, W) in [0, 1]: z from p(z)
    from_images: Tensor  # float32 (N, C, H, W) in [0, 1]: z from q(z | x) of images x
    density: Tensor  # float64 (cells, cells): share of the codes in each cell of a plane
    dimensions: tuple[int, int]  # the two most used ones, the plane's x and y (upwards)
    inside: float  # share of the codes, and of all in that plane, within two sigma of the prior
    used: int  # dimensions with at least USED nats of KL on average


@torch.no_grad()
def encode(model: VAE, images: Tensor, *, seed: int = 0) -> Iterator[Encoding]:
    """The code of images (B, C, H, W) in [0, 1], and what the model makes of it: one record."""
    mean, log_variance = model.encode(images)
    yield Encoding(
        mean=mean.cpu(),
        sigma=(log_variance / 2).exp().cpu(),
        kl=kl_divergence(mean, log_variance).cpu(),
        reconstruction=model.decode(mean).cpu(),
        log_likelihood=model.elbo(images, seed=seed).reconstruction.cpu(),
    )


@torch.no_grad()
def decode(model: VAE, z: Tensor) -> Iterator[Frame]:
    """The mean images of codes (B, latent): one frame."""
    yield Frame(model.decode(z).cpu(), 1, 1, "decoded")


@torch.no_grad()
def survey(
    models: Iterable[VAE], images: Tensor, *, count: int, seed: int, reach: float, cells: int
) -> Iterator[Survey]:
    """A record a model: images (B, C, H, W) in [0, 1], of which `count` are decoded again.

    Models with equally many dimensions decode the same z from the prior. The plane goes from
    -reach to reach; codes beyond it are in no cell.
    """
    for model in models:
        mean, log_variance = model.encode(images)
        latent = mean.shape[1]
        noise = latent_noise(seed, len(images) + count, latent).to(mean.device)
        codes = mean + (log_variance / 2).exp() * noise[count:]
        kl = kl_divergence(mean, log_variance).mean(dim=0)
        order = kl.argsort(descending=True)
        x, y = int(order[0]), int(order[min(1, latent - 1)])
        plane = codes[:, [x, y]].double().cpu()
        chosen = torch.randperm(len(images), generator=stream(seed, latent))[:count]
        counts = torch.histogramdd(plane, bins=[cells, cells], range=[-reach, reach] * 2).hist
        yield Survey(
            from_prior=model.decode(noise[:count]).cpu(),
            from_images=model.decode(codes[chosen.to(codes.device)]).cpu(),
            density=counts.T.flip(0) / len(images),
            dimensions=(x, y),
            inside=float((plane.norm(dim=1) <= 2).double().mean()),
            used=int((kl >= USED).sum()),
        )


@torch.no_grad()
def tighten(model: VAE, image: Tensor, *, samples: int, seed: int) -> Iterator[Bound]:
    """The bound on log p(x) of an image (C, H, W) in [0, 1] by K = 1, 2, 5, 10, ... samples of z.

    A record whenever enough samples are drawn for the next K, with all K so far; the last one has
    all `samples`. Raises ValueError for less than one sample.
    """
    if samples < 1:
        raise ValueError(f"There must be at least one sample, not {samples}.")
    sizes = [
        digit * 10**power
        for power in range(math.ceil(math.log10(samples)) + 1)
        for digit in (1, 2, 5)
        if digit * 10**power < samples
    ] + [samples]
    weights = torch.empty(0, dtype=torch.float64)
    for step, size in enumerate(sizes, start=1):
        more = model.log_weights(image[None], importance_samples=size, seed=seed)[0, len(weights) :]
        weights = torch.cat([weights, more])
        bounds = [groups_of(weights, done) for done in sizes[:step]]
        yield Bound(
            step=step,
            total=len(sizes),
            samples=tuple(sizes[:step]),
            nats=tuple(float(bound.mean()) for bound in bounds),
            spread=tuple(float(bound.std(correction=0)) for bound in bounds),
        )


def groups_of(weights: Tensor, size: int) -> Tensor:
    """The bound by each group of so many log-weights (K,): nats (K // size,)."""
    groups = weights[: len(weights) // size * size].view(-1, size)
    return groups.logsumexp(dim=1) - math.log(size)


def straight(first: Tensor, second: Tensor, steps: int) -> Tensor:
    """Codes on the line between two (latent,), both ends included: (steps, latent)."""
    shares = torch.linspace(0, 1, steps)[:, None]
    return torch.lerp(first, second, shares)


def spherical(first: Tensor, second: Tensor, steps: int) -> Tensor:
    """Codes on the arc between two (latent,), both ends included: (steps, latent).

    The length changes evenly on the way. Codes in line, or of length zero, have no arc: then it is
    the straight line.
    """
    lengths = first.norm(), second.norm()
    if not (lengths[0] and lengths[1]):
        return straight(first, second, steps)
    cosine = torch.dot(first, second) / (lengths[0] * lengths[1])
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:
        return straight(first, second, steps)
    shares = torch.linspace(0, 1, steps)[:, None]
    units = first / lengths[0], second / lengths[1]
    arc = (
        ((1 - shares) * angle).sin() * units[0] + (shares * angle).sin() * units[1]
    ) / angle.sin()
    return arc * torch.lerp(lengths[0], lengths[1], shares)
