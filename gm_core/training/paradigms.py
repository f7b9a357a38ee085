"""How the network that reads canvases was trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gm_core.canvas import MOST_DIGITS, compose
from gm_core.paradigms import ParadigmsConfig, loss, targets
from gm_core.training.loop import Phase, Recipe, Schedule

CANVASES = 32  # a step


def canvases(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Digits (3B, 1, 28, 28) and their labels -> B canvases and the truth about them."""
    made = compose(images, labels, generator)
    return (made.images, *targets(made))


RECIPE = Recipe(
    config=ParadigmsConfig(),
    dataset="canvas",
    schedule=Schedule(
        steps=6_000, batch_size=MOST_DIGITS * CANVASES, learning_rate=2e-3, warmup_steps=200
    ),
    prepare=canvases,
    phases=(Phase(loss, "five losses"),),
    unit="",
)
LONGER = replace(RECIPE, schedule=replace(RECIPE.schedule, steps=30_000))
RECIPES = {"paradigms-canvas": {"cpu": RECIPE, "gpu": LONGER}}
