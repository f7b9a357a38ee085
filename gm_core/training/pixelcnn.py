"""How the PixelCNNs that ship were trained."""

from __future__ import annotations

import torch
from torch import Tensor

from gm_core.data import binarise
from gm_core.pixelcnn import PixelCNNConfig, negative_log_likelihood
from gm_core.training.loop import Recipe, Schedule

NO_LABEL = PixelCNNConfig().classes
NO_LABEL_SHARE = 0.5  # so that p(x) and p(x | label) are learnt alike


def prepare(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fresh binary levels and, half of the time, no label."""
    hidden = torch.rand(len(labels), generator=generator) < NO_LABEL_SHARE
    return binarise(images, generator), torch.where(hidden, NO_LABEL, labels)


RECIPES = {
    "pixelcnn-mnist": {
        "cpu": Recipe(
            config=PixelCNNConfig(),
            dataset="mnist",
            schedule=Schedule(
                steps=9_000, batch_size=32, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=prepare,
            loss=negative_log_likelihood,
            unit="nats",
        ),
        "gpu": Recipe(
            config=PixelCNNConfig(features=128, dilations=(1, 2, 1, 4, 1, 2, 1, 4, 1, 2, 1, 2)),
            dataset="mnist",
            schedule=Schedule(
                steps=30_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=prepare,
            loss=negative_log_likelihood,
            unit="nats",
        ),
    },
}
