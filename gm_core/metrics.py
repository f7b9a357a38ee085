"""Held-out figures, each with the convention it was measured by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gm_core.autoregressive import PixelModel
from gm_core.data import Images, binarise
from gm_core.randomness import stream
from gm_core.vae import USED, VAE

DRAWS = 5
IMPORTANCE_SAMPLES = 500


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and how it came about."""

    name: str
    value: float
    unit: str
    convention: str
    split: str
    draws: int = 1
    spread: float | None = None  # standard deviation over the draws


def bits_per_dimension(nats: float, dimensions: int) -> float:
    """Nats an image -> bits a pixel and channel."""
    return nats / (dimensions * math.log(2))


@torch.no_grad()
def log_probs(
    model: PixelModel,
    levels: Tensor,
    labels: Tensor | None = None,
    batch_size: int = 32,  # larger ones are slower on a CPU
) -> Tensor:
    """Log-likelihoods of many images: levels (N, C, H, W), labels (N,) -> nats (N,), float64."""
    parts = [slice(start, start + batch_size) for start in range(0, len(levels), batch_size)]
    return torch.cat(
        [
            model.log_prob(levels[part], None if labels is None else labels[part]).double().cpu()
            for part in parts
        ]
    )


def likelihood(model: PixelModel, test: Images) -> list[Figure]:
    """Negative log-likelihood of a data set, without and with labels.

    For a model of two levels the images are binarised at random; the draws are frozen: draw k comes
    from the random stream (k,). Figures with "dynamic" and "static" binarisation, or with a
    threshold at 0.5, are not comparable.
    """
    binary = model.config.levels == 2
    draws = [as_levels(model, test.images, draw) for draw in range(DRAWS if binary else 1)]
    nats = torch.stack([-log_probs(model, draw).mean() for draw in draws])
    given_label = -float(log_probs(model, draws[0], test.labels).mean())
    mean = float(nats.mean())
    convention, one_draw = "exact; all 256 levels", "exact; all 256 levels"
    if binary:
        convention = f"exact; dynamic Bernoulli binarisation, mean of {DRAWS} frozen draws"
        one_draw = "exact; dynamic Bernoulli binarisation, the first frozen draw"
    in_nats = Figure(
        name="negative log-likelihood, -log p(x)",
        value=mean,
        unit="nats",
        convention=convention,
        split=f"test, {len(test):,} images",
        draws=len(draws),
        spread=float(nats.std()) if binary else None,
    )
    in_bits = replace(
        in_nats,
        value=bits_per_dimension(mean, test.images[0].numel()),
        unit="bits/dim",
        spread=None,
    )
    labelled = replace(
        in_nats,
        name="negative log-likelihood given the label, -log p(x | y)",
        value=given_label,
        convention=one_draw,
        draws=1,
        spread=None,
    )
    # The headline is in the unit in which others state theirs.
    return [in_nats, in_bits, labelled] if binary else [in_bits, in_nats, labelled]


@torch.no_grad()
def bound(model: VAE, test: Images, batch_size: int = 250) -> list[Figure]:
    """The bounds on the negative log-likelihood of a data set, and what they are made of.

    Black and white images are binarised at random, draw k by the random stream (k,); the bound of
    many samples is of the first draw.
    """
    binary = model.config.likelihood == "bernoulli"
    totals, reconstructions, kls, errors = [], [], [], []
    for draw in range(DRAWS if binary else 1):
        pictures = as_pictures(model, test.images, draw)
        parts = [model.elbo(part, seed=draw) for part in pictures.split(batch_size)]
        totals.append(-torch.cat([part.value for part in parts]).double().mean())
        reconstructions.append(-torch.cat([part.reconstruction for part in parts]).double().mean())
        kls.append(torch.cat([part.kl for part in parts]).double().mean(dim=0))
        for part in pictures.split(batch_size):
            decoded = model.decode(model.encode(part)[0]).cpu()
            errors.append((decoded - part).square().flatten(1).mean(dim=1))
    split = f"test, {len(test):,} images"
    kl = torch.stack(kls).mean(dim=0)
    many = f"dynamic Bernoulli binarisation, mean of {DRAWS} frozen draws"
    levels = "discretised logistic likelihood of all 256 levels"
    elbo = Figure(
        name="negative ELBO, a bound on -log p(x)",
        value=float(torch.stack(totals).mean()),
        unit="nats",
        convention=f"one z an image; {many if binary else levels}",
        split=split,
        draws=len(totals),
        spread=float(torch.stack(totals).std()) if binary else None,
    )
    reconstruction = replace(
        elbo, name="reconstruction, -E log p(x | z)",
        value=float(torch.stack(reconstructions).mean()), spread=None,
    )  # fmt: skip
    figures = [
        elbo,
        reconstruction,
        replace(reconstruction, name="KL(q(z | x) || p(z))", value=float(kl.sum())),
        replace(
            reconstruction, name="used latent dimensions", value=float((kl >= USED).sum()),
            unit=f"of {model.config.latent}", convention=f"KL of at least {USED} nats on average",
        ),
    ]  # fmt: skip
    if not binary:
        mean_psnr = float((-10 * torch.cat(errors).log10()).mean())
        in_bits = bits_per_dimension(elbo.value, test.images[0].numel())
        return [
            *figures,
            replace(elbo, value=in_bits, unit="bits/dim"),
            replace(
                elbo, name="PSNR of the reconstruction", value=mean_psnr, unit="dB",
                convention="decoded mean of q(z | x); mean over images",
            ),
        ]  # fmt: skip
    pictures = as_pictures(model, test.images)
    tighter = -model.log_prob(pictures, importance_samples=IMPORTANCE_SAMPLES, seed=0).mean()
    return [
        *figures,
        replace(
            elbo, name=f"bound of {IMPORTANCE_SAMPLES} samples on -log p(x)", value=float(tighter),
            convention="importance-weighted; dynamic Bernoulli binarisation, the first frozen draw",
            draws=1, spread=None,
        ),
    ]  # fmt: skip


def as_pictures(model: VAE, images: Tensor, draw: int = 0) -> Tensor:
    """Images uint8 (N, C, H, W) as a VAE sees them: float32 in [0, 1], binarised by a draw."""
    binary = model.config.likelihood == "bernoulli"
    return binarise(images, stream(draw)).float() if binary else images / 255


def as_levels(model: PixelModel, images: Tensor, draw: int = 0) -> Tensor:
    """Images uint8 (N, C, H, W) as the levels that a model is of; binarised by a frozen draw."""
    return binarise(images, stream(draw)) if model.config.levels == 2 else images.long()
