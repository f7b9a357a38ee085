"""How the classifiers that ship were trained."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core.classifier import ClassifierConfig, cross_entropy
from gm_core.training.loop import Phase, Recipe, Schedule

SHIFT = 2  # pixels, at most, in both directions


def shifted(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures moved by a few pixels, all of a batch alike."""
    down, right = torch.randint(2 * SHIFT + 1, (2,), generator=generator).tolist()
    padded = F.pad(images / 255, (SHIFT, SHIFT, SHIFT, SHIFT))
    height, width = images.shape[2:]
    return padded[:, :, down : down + height, right : right + width], labels


def recipe(config: ClassifierConfig, dataset: str, steps: int) -> Recipe:
    """What all classifiers have in common."""
    return Recipe(
        config=config,
        dataset=dataset,
        schedule=Schedule(
            steps=steps, batch_size=128, learning_rate=2e-3, warmup_steps=100, ema_decay=0.99
        ),
        prepare=shifted,
        phases=(Phase(cross_entropy, "cross-entropy"),),
        unit="nats",
    )


def presets(config: ClassifierConfig, dataset: str, steps: int) -> dict[str, Recipe]:
    """The GPU has time for more steps."""
    cpu = recipe(config, dataset, steps)
    longer = replace(cpu.schedule, steps=4 * steps)
    return {"cpu": cpu, "gpu": replace(cpu, schedule=longer)}


RECIPES = {
    "classifier-mnist": presets(ClassifierConfig(features=(16, 32)), "mnist", steps=1_500),
    "classifier-fashion": presets(ClassifierConfig(), "fashion", steps=2_500),
}
