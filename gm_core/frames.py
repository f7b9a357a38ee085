"""The frozen records that samplers and trainers yield, and the check that they hold numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")


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


class NotFinite(FloatingPointError):
    """A model computed NaN or infinity; the message names the field that holds it."""


def finite(record: T, name: str = "") -> T:
    """The record itself, or whatever else holds numbers: a tensor, a tuple, a float.

    Raises NotFinite if any of its numbers is NaN or infinite: images would show that as black, and
    what is decided by comparison would come out as if nothing had happened. No record has such a
    number on purpose: what is not measured yet is None.

    name: what the message calls it, if not by its class.
    """
    for where, value in _numbers(record, name or type(record).__name__):
        is_finite = value.isfinite().all() if isinstance(value, Tensor) else math.isfinite(value)
        if not is_finite:
            raise NotFinite(
                f"The model's numbers went astray, so there is nothing to show ({where} is not "
                "finite): try other settings, or another model."
            )
    return record


def _numbers(value: Any, name: str) -> Iterator[tuple[str, Tensor | float]]:
    """Every number and tensor of numbers that a value holds, by its name there."""
    if isinstance(value, Tensor | float):
        yield name, value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _numbers(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{name}.{key}")
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _numbers(item, name)
