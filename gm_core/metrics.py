"""Held-out figures, each with the convention it was measured by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gm_core.data import Images, binarise
from gm_core.randomness import stream

DRAWS = 5


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
def mean_log_prob(
    log_prob: Callable[[Tensor, Tensor | None], Tensor],
    levels: Tensor,
    labels: Tensor | None,
    device: torch.device,
    batch_size: int = 32,  # larger ones are slower on a CPU
) -> float:
    """Mean log-likelihood in nats of levels (N, C, H, W), summed in float64."""
    total = 0.0
    for start in range(0, len(levels), batch_size):
        part = slice(start, start + batch_size)
        label = None if labels is None else labels[part].to(device)
        total += float(log_prob(levels[part].to(device), label).double().sum())
    return total / len(levels)


def binary_likelihood(model: nn.Module, test: Images) -> list[Figure]:
    """Negative log-likelihood of digits binarised at random, without and with their label.

    The draws are frozen: draw k comes from the random stream (k,). Figures with "dynamic" and
    "static" binarisation, or with a threshold at 0.5, are not comparable.
    """
    log_prob: Callable[[Tensor, Tensor | None], Tensor] = model.log_prob  # pyright: ignore[reportAssignmentType]
    device = next(model.parameters()).device
    draws = [binarise(test.images, stream(k)) for k in range(DRAWS)]
    nats = torch.tensor([-mean_log_prob(log_prob, draw, None, device) for draw in draws])
    given_label = -mean_log_prob(log_prob, draws[0], test.labels, device)
    split = f"test, {len(test):,} digits"
    mean = float(nats.mean())
    return [
        Figure(
            name="negative log-likelihood, -log p(x)",
            value=mean,
            unit="nats",
            convention=f"exact; dynamic Bernoulli binarisation, mean of {DRAWS} frozen draws",
            split=split,
            draws=DRAWS,
            spread=float(nats.std()),
        ),
        Figure(
            name="negative log-likelihood, -log p(x)",
            value=bits_per_dimension(mean, test.images[0].numel()),
            unit="bits/dim",
            convention=f"exact; dynamic Bernoulli binarisation, mean of {DRAWS} frozen draws",
            split=split,
            draws=DRAWS,
        ),
        Figure(
            name="negative log-likelihood given the label, -log p(x | y)",
            value=given_label,
            unit="nats",
            convention="exact; dynamic Bernoulli binarisation, the first frozen draw",
            split=split,
        ),
    ]
