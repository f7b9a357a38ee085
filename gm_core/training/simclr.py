"""How the features without labels were trained."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core.simclr import SimCLRConfig, contrastive_loss
from gm_core.training.loop import Phase, Recipe, Schedule

TURN, SHEAR = 0.4, 0.3  # radians and share, at most, in both directions
SCALE = (0.8, 1.25)
SHIFT = 3.0  # pixels
HOLE = 8  # pixels a side of what is cut out
HOLES = 0.5  # of the pictures have one


def distorted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turned, sheared, stretched, moved and holed: (B, C, H, W) in [0, 1] -> the same."""
    count, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    turn, shear = uniform(-TURN, TURN), uniform(-SHEAR, SHEAR)
    across, down = uniform(*SCALE), uniform(*SCALE)
    cosine, sine = turn.cos(), turn.sin()
    right, below = uniform(-SHIFT, SHIFT) * 2 / width, uniform(-SHIFT, SHIFT) * 2 / height
    grid = torch.stack(
        [
            torch.stack([cosine / across, (shear - sine) / across, right], 1),
            torch.stack([sine / down, cosine / down, below], 1),
        ],
        1,
    )
    places = F.affine_grid(grid, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, places, align_corners=False)
    corner = torch.stack([uniform(0, height - HOLE), uniform(0, width - HOLE)], 1).floor()
    rows = torch.arange(height) - corner[:, :1]  # (B, H)
    columns = torch.arange(width) - corner[:, 1:]
    rows, columns = ((side >= 0) & (side < HOLE) for side in (rows, columns))
    holed = uniform(0, 1) < HOLES
    hole = rows[:, :, None] & columns[:, None] & holed[:, None, None]
    return moved.masked_fill(hole[:, None], 0)


def two_copies(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two distorted copies of each picture; nobody looks at the labels."""
    del labels
    pictures = images / 255
    return distorted(pictures, generator), distorted(pictures, generator)


def recipe(config: SimCLRConfig, dataset: str, steps: int) -> Recipe:
    """What both data sets have in common."""
    return Recipe(
        config=config,
        dataset=dataset,
        schedule=Schedule(
            steps=steps, batch_size=256, learning_rate=2e-3, warmup_steps=200, ema_decay=0.995
        ),
        prepare=two_copies,
        phases=(Phase(contrastive_loss, "contrast"),),
        unit="nats",
    )


def presets(config: SimCLRConfig, dataset: str, steps: int) -> dict[str, Recipe]:
    """The GPU has time for more steps."""
    cpu = recipe(config, dataset, steps)
    return {"cpu": cpu, "gpu": replace(cpu, schedule=replace(cpu.schedule, steps=4 * steps))}


RECIPES = {"simclr-mnist": presets(SimCLRConfig(), "mnist", steps=6_000)}
