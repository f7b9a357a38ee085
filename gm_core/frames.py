"""The frozen records that samplers and trainers yield."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Frame:
    """What there is to see after `step` of `total` steps; the tensors are the reader's own."""

    images: Tensor  # float32 (B, C, H, W) in [0, 1], on the CPU
    step: int
    total: int
    note: str


@dataclass(frozen=True, slots=True)
class PixelFrame(Frame):
    """A frame of a model that draws pixel after pixel, in raster order; on the CPU."""

    levels: Tensor  # int64 (B, C, H, W), -1 where nothing is drawn yet
    probabilities: Tensor  # float32 (B, levels, C, H, W): what each pixel was drawn from; else 0
    log_prob: Tensor  # float64 (B, C, H, W): log p(x_i | x_<i) at temperature 1, nats; else 0
    noise: Tensor  # float64 (B, C, H, W): the uniform number that decided each pixel


@dataclass(frozen=True, slots=True)
class Scores:
    """How real a discriminator finds pictures; only differences mean anything."""

    scores: Tensor  # float32 (B,), on the CPU


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """Where a training run stands after `step` of `total` steps."""

    step: int
    total: int
    losses: dict[str, float]  # of each phase: mean over the steps since the last record, in `unit`
    unit: str
    learning_rate: float
    images_per_second: float
    validation_loss: float | None = None  # of the averaged weights, where it was measured
    observed: dict[str, Tensor] | None = None  # what the recipe keeps of the averaged model

    @property
    def loss(self) -> float:
        """The first of the losses."""
        return next(iter(self.losses.values()))
