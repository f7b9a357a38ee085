"""Teacher forcing beside free running: one digit drawn again in both ways, with the same dice.

    teacher forced    x_i ~ p(x_i | the true pixels before i)        all i in one pass
    free running      x_i ~ p(x_i | the model's own before i)        one i after another

A model is trained in the first way and draws in the second. Until a pixel comes out differently
from the truth both draw the same; from then on free running has a past of its own.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gm_core.autoregressive import PixelModel, as_known, as_labels, draw, log_likelihood
from gm_core.frames import PixelFrame
from gm_core.race import counting_passes


@dataclass(frozen=True, slots=True)
class ForcingFrame(PixelFrame):
    """Three finished images: the truth, teacher forced, free running. The truth's probabilities
    are what its pixels were predicted with."""

    given_rows: int  # that free running starts from
    forced_passes: int  # full forward passes, counted
    forced_seconds: float
    free_passes: int
    free_seconds: float

    @property
    def differs(self) -> Tensor:
        """Where each of the three images is not the truth: bool (3, H, W)."""
        return (self.levels != self.levels[:1]).any(dim=1)


@torch.no_grad()
def force(
    model: PixelModel,
    levels: Tensor,
    *,
    given_rows: int,
    seed: int,
    label: int | None = None,
    temperature: float = 1.0,
) -> Iterator[ForcingFrame]:
    """Draw levels int64 (C, H, W) again, teacher forced and freely; yields one frame.

    given_rows: free running starts from so many rows of the truth. The arithmetic is float64, and
    both times include getting ready for it. Raises ValueError.
    """
    config = model.config
    size = (config.channels, config.height, config.width)
    truth = as_known(levels, 1, size, config.levels)
    if (truth < 0).any():
        raise ValueError("Teacher forcing needs the whole image.")
    if not 0 <= given_rows <= config.height:
        raise ValueError(f"given_rows must be from 0 to {config.height}, not {given_rows}.")
    model, passes = counting_passes(model)

    known = truth.clone()
    known[:, :, given_rows:] = -1
    started = time.perf_counter()
    *_, free = model.sample(1, seed=seed, label=label, temperature=temperature, known=known)
    free_seconds, free_passes = time.perf_counter() - started, passes()

    started = time.perf_counter()
    labels = as_labels(label, 1, config.classes)
    logits = copy.deepcopy(model).double()(truth, labels).cpu()  # (1, levels, C, H, W)
    odds = logits.movedim(1, -1).flatten(0, -2) / temperature  # (C * H * W, levels)
    forced = draw(odds, free.noise.reshape(-1, 1)).view_as(truth)
    forced_seconds, forced_passes = time.perf_counter() - started, passes() - free_passes

    drawn = torch.cat([truth, forced, free.levels])
    probabilities = (logits / temperature).softmax(dim=1).float()
    yield ForcingFrame(
        images=(drawn / (config.levels - 1)).float(),
        step=free.total,
        total=free.total,
        note=free.note,
        levels=drawn,
        probabilities=torch.cat([probabilities, probabilities, free.probabilities]),
        log_prob=torch.cat(
            [log_likelihood(logits, truth), log_likelihood(logits, forced), free.log_prob]
        ),
        noise=free.noise.repeat(3, 1, 1, 1),
        given_rows=given_rows,
        forced_passes=forced_passes,
        forced_seconds=forced_seconds,
        free_passes=free_passes,
        free_seconds=free_seconds,
    )
