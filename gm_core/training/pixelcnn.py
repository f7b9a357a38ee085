"""How the PixelCNNs that ship were trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gm_core.autoregressive import negative_log_likelihood
from gm_core.data import binarise
from gm_core.masked_pixelcnn import MaskedPixelCNNConfig
from gm_core.pixelcnn import PixelCNNConfig
from gm_core.training.loop import Phase, Recipe, Schedule

NO_LABEL_SHARE = 0.5  # so that p(x) and p(x | label) are learnt alike
DEEP = (1, 2, 1, 4, 1, 2, 1, 4, 1, 2, 1, 2)


def hide_labels(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Half of the labels become "no label"."""
    hidden = torch.rand(len(labels), generator=generator) < NO_LABEL_SHARE
    return torch.where(hidden, classes, labels)


def binary_digits(
    images: Tensor, labels: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Fresh binary levels."""
    labels = hide_labels(labels, 10, generator)
    return binarise(images, generator), labels


def clothes(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """All 256 levels."""
    return images.long(), hide_labels(labels, 10, generator)


def characters(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """All 256 levels of red, green and blue."""
    return images.long(), hide_labels(labels, 8, generator)


CHARACTERS = PixelCNNConfig(
    height=16, width=16, channels=3, levels=256, level_features=8, classes=8, head_features=128,
    dilations=(1, 2, 1, 2, 1, 2),
)  # fmt: skip


RECIPES = {
    "pixelcnn-mnist": {
        "cpu": Recipe(
            config=PixelCNNConfig(),
            dataset="mnist",
            schedule=Schedule(
                steps=9_000, batch_size=32, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
        "gpu": Recipe(
            config=PixelCNNConfig(features=128, dilations=DEEP),
            dataset="mnist",
            schedule=Schedule(
                steps=30_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
    },
    "pixelcnn-masked-mnist": {
        "cpu": Recipe(
            config=MaskedPixelCNNConfig(),
            dataset="mnist",
            schedule=Schedule(
                steps=9_800, batch_size=32, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
        "gpu": Recipe(
            config=MaskedPixelCNNConfig(features=192, bottleneck=96, layers=15),
            dataset="mnist",
            schedule=Schedule(
                steps=30_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
    },
    "pixelcnn-fashion": {
        "cpu": Recipe(
            config=PixelCNNConfig(levels=256, level_features=8),
            dataset="fashion",
            schedule=Schedule(
                steps=2_000, batch_size=32, learning_rate=2e-3, max_gradient_norm=1000.0
            ),
            prepare=clothes,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
        "gpu": Recipe(
            config=PixelCNNConfig(levels=256, level_features=8, features=128, dilations=DEEP),
            dataset="fashion",
            schedule=Schedule(
                steps=20_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=1000.0
            ),
            prepare=clothes,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
    },
    "pixelcnn-pixelart": {
        "cpu": Recipe(
            config=CHARACTERS,
            dataset="pixelart",
            schedule=Schedule(
                steps=1_200, batch_size=32, learning_rate=2e-3, max_gradient_norm=300.0
            ),
            prepare=characters,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
        "gpu": Recipe(
            config=replace(CHARACTERS, features=96, dilations=(1, 2, 1, 2, 1, 2, 1, 2)),
            dataset="pixelart",
            schedule=Schedule(
                steps=20_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=300.0
            ),
            prepare=characters,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
        ),
    },
}
