"""The mask laboratory: what masks let a pixel see, and what a network learns if one is broken.

    right mask        broken mask
    1 1 1             1 1 1
    1 0 0             1 1 0        the centre is the pixel that is to be predicted
    0 0 0             0 0 0

A network that sees the pixel it predicts copies it: its loss falls towards 0, far below that of
any honest model. When it draws, the pixel is not there yet, and it copies what is there instead.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gm_core import data
from gm_core.autoregressive import (
    CachedPredictor,
    as_labels,
    draw,
    in_order,
    negative_log_likelihood,
    pixel_noise,
)
from gm_core.masked_pixelcnn import MaskedPixelCNN, MaskedPixelCNNConfig
from gm_core.pixelcnn import PixelCNN
from gm_core.pixelrnn import PixelRNN
from gm_core.randomness import stream

# Learns strokes in 200 steps, for both networks 6 s of a slow core; it knows no labels.
CONFIG = MaskedPixelCNNConfig(features=24, bottleneck=12, layers=3, head_features=32, classes=0)
BATCH_SIZE = 8
LEARNING_RATE = 1e-2
WARMUP_STEPS = 10
DECAY_SHARE = 0.4  # of the steps, at the end
IMAGES = 4  # that each network draws from each start
STARTS = 2
WEIGHTS, BATCHES, CANVASES = range(3)  # random streams (seed, which, ...); (seed, i) are i's dice


@dataclass(frozen=True, slots=True)
class Drawings:
    """What both networks drew, with the same dice, over canvases of random noise.

    All int64 levels (STARTS, IMAGES, 1, H, W).
    """

    starts: Tensor  # the noise
    right: Tensor
    broken: Tensor


@dataclass(frozen=True, slots=True)
class MaskLabRecord:
    """Where both networks stand after `step` of `total` steps; the last record has the drawings."""

    step: int
    total: int
    right_loss: float  # of this step's batch, nats an image
    broken_loss: float
    drawings: Drawings | None = None


def train_masks(*, steps: int, seed: int, seconds: float) -> Generator[MaskLabRecord]:
    """Train two networks on the shipped sample of digits that differ in one tap of one mask.

    They start from the same weights and see the same batches. A record a step; after all steps, or
    the first step that ends after `seconds`, both draw. Raises ValueError.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}.")
    until = time.perf_counter() + seconds
    digits = data.load("mnist", "sample").images
    right, broken = map(Learner, make_networks(seed))
    step, losses = 0, (0.0, 0.0)
    while step < steps and (step == 0 or time.perf_counter() < until):
        batch = take_batch(digits, seed, step)
        rate = learning_rate(step, steps)
        losses = right.learn(batch, rate), broken.learn(batch, rate)
        step += 1
        yield MaskLabRecord(step, steps, *losses)
    starts = start_canvases(seed)
    drawings = Drawings(
        starts, draw_over(right.model, starts, seed), draw_over(broken.model, starts, seed)
    )
    yield MaskLabRecord(step, steps, *losses, drawings)


def make_networks(seed: int) -> tuple[MaskedPixelCNN, MaskedPixelCNN]:
    """One with the right mask, one with the broken mask, and the same first weights."""
    # Modules draw their weights from the global generator, which must be left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(stream(seed, WEIGHTS, 0).get_state())
        right = MaskedPixelCNN(CONFIG)
        broken = MaskedPixelCNN(replace(CONFIG, sees_centre=True))
    broken.load_state_dict(right.state_dict())
    return right, broken


class Learner:
    """A network and its optimiser."""

    def __init__(self, model: MaskedPixelCNN) -> None:
        self.model = model
        self.optimiser = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), fused=True)

    @torch.enable_grad()  # whoever asks, in whatever thread
    def learn(self, levels: Tensor, rate: float) -> float:
        """One step on levels int64 (B, 1, H, W); the loss before it, nats an image."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        labels = as_labels(None, len(levels), CONFIG.classes)
        loss = negative_log_likelihood(self.model, levels, labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()


def learning_rate(step: int, steps: int) -> float:
    """Warm up, hold, then fall linearly to zero."""
    warmup = min(1.0, (step + 1) / WARMUP_STEPS)
    decay = min(1.0, (steps - step) / (DECAY_SHARE * steps))
    return LEARNING_RATE * warmup * decay


def take_batch(digits: Tensor, seed: int, step: int) -> Tensor:
    """The batch of a step, freshly binarised: uint8 (N, 1, H, W) -> int64 (B, 1, H, W)."""
    random = stream(seed, BATCHES, step)
    index = torch.randint(len(digits), (BATCH_SIZE,), generator=random)
    return data.binarise(digits[index], random)


def start_canvases(seed: int) -> Tensor:
    """Pixels that are black or white by the toss of a coin: int64 (STARTS, IMAGES, 1, H, W)."""
    size = (STARTS, IMAGES, 1, CONFIG.height, CONFIG.width)
    return torch.randint(2, size, generator=stream(seed, CANVASES, 0))


@torch.no_grad()
def draw_over(model: MaskedPixelCNN, starts: Tensor, seed: int) -> Tensor:
    """Draw as `PixelModel.sample` does, over canvases that are not empty.

    starts int64 (S, B, 1, H, W) -> the drawn levels in the same shape. Image i has the same dice
    on every start, so that the images of a causal model do not depend on where they start.
    """
    count, images, _, height, width = starts.shape
    labels = as_labels(None, count * images, model.config.classes)
    dice = in_order(pixel_noise(seed, [*range(images)] * count, (1, height, width)))
    canvas = starts.clone().view(count * images, height, width, 1)  # (S * B, H, W, C)
    predict = CachedPredictor(copy.deepcopy(model).double(), labels, canvas)
    values = canvas.flatten(1).unbind(1)  # (S * B,) each
    for cell, value in zip(predict.inputs, values, strict=True):
        cell.copy_(predict.codes[value])
    for step, value in enumerate(values):
        value.copy_(draw(predict(step), dice[:, step : step + 1]))
        # Features that saw the pixel as it was must see what it has become.
        predict.inputs[step].copy_(predict.codes[value])
        predict.memory.step(*divmod(step, width))
    return canvas.view_as(starts)


def views(model: PixelCNN | MaskedPixelCNN | PixelRNN, row: int, column: int) -> Tensor:
    """What a pixel sees by the masks alone after the first convolution and 0, 1, ... layers.

    bool (layers + 1, H, W); the last is `model.receptive_field(row, column)`.
    """
    shorter = copy.deepcopy(model)
    seen = [shorter.receptive_field(row, column)]
    while len(shorter.layers):
        del shorter.layers[-1]
        seen.append(shorter.receptive_field(row, column))
    return torch.stack(seen[::-1])
