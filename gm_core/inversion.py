"""Inversion: which z does a generator draw a given picture from?

    min over z   mean (G(z) - x)^2 + weight * (|z| / sqrt(d) - 1)^2

Nothing but z is changed, downhill from several random starts at once, since one start alone is
often caught. The second term keeps |z| near sqrt(d), where nearly all of the prior's z lie. What G
never learned to draw it can't be made to draw: then the error stays, whatever the start.

Source: Creswell and Bharath, "Inverting the Generator of a Generative Adversarial Network", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from gm_core.gan import GAN

LEARNING_RATE = 0.2
LEAST_RATE = 0.1  # share of it that is left at the end
TYPICAL_WEIGHT = 0.01


@dataclass(frozen=True, slots=True)
class InversionRecord:
    """Where all starts stand after `step` of `total` steps; on the CPU."""

    step: int
    total: int
    image: Tensor  # (C, H, W) in [0, 1]: the nearest picture so far, of any start
    error: float  # its mean squared error
    z: Tensor  # (latent,): what it was drawn from
    images: Tensor  # (starts, C, H, W) in [0, 1]: every start's picture now
    errors: Tensor  # (starts,): their mean squared errors


def invert(
    model: GAN,
    image: Tensor,
    *,
    label: int | None,
    starts: int,
    steps: int,
    seed: int,
    every: int = 1,
) -> Generator[InversionRecord]:
    """Search for the z of a picture (C, H, W) in [0, 1]; a record before the first step, then one
    every few steps and one after the last. Start i has the stream (seed, i).

    Raises ValueError.
    """
    if min(starts, steps, every) < 1:
        raise ValueError(f"At least 1 start, step and record, not {starts}, {steps} and {every}.")
    config = model.config
    if image.shape != (config.channels, config.height, config.width):
        raise ValueError(f"{tuple(image.shape)} is not the shape of this model's pictures.")
    target = image.to(model.device)
    labels = model.labels(label, starts)
    z = model.sample_latent(starts, seed=seed).to(model.device)
    optimiser = torch.optim.Adam([z], lr=LEARNING_RATE)
    best: tuple[float, Tensor, Tensor] = (math.inf, target, z[0])
    for step in range(steps + 1):
        before = z.clone()
        drawn, errors, slope = look(model, z, labels, target)
        nearest = int(errors.argmin())
        if float(errors[nearest]) < best[0]:
            best = float(errors[nearest]), drawn[nearest], before[nearest]
        if step % every == 0 or step == steps:
            error, picture, code = best
            yield InversionRecord(
                step, steps, picture.cpu().clone(), error, code.cpu().clone(), drawn.cpu().clone(),
                errors.cpu().clone(),
            )  # fmt: skip
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * (1 - (1 - LEAST_RATE) * step / steps)
        z.grad = slope
        optimiser.step()


@torch.enable_grad()  # whoever asks, in whatever thread
def look(model: GAN, z: Tensor, labels: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (B, C, H, W) in [0, 1], errors (B,), and the slope of the loss at z, like z.

    A clamped pixel has no slope. So a pixel beyond black or white is taken as it is, unless black
    or white is what the target has there: then it is right and has no say.
    """
    z = z.detach().requires_grad_()
    drawn = (model.generator(z, labels) + 1) / 2
    shown = drawn.detach().clamp(0, 1)
    apart = ((drawn - target) * (shown != target)).square().flatten(1).mean(dim=1)
    typical = (z.norm(dim=1) / math.sqrt(z.shape[1]) - 1).square()
    (slope,) = torch.autograd.grad((apart + TYPICAL_WEIGHT * typical).sum(), z)
    return shown, (shown - target).square().flatten(1).mean(dim=1), slope
