"""How the GANs that ship were trained."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gm_core.gan import (
    GAN,
    GANConfig,
    classic_discriminator_loss,
    classic_generator_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from gm_core.training.loop import Phase, Recipe, Schedule

NO_LABEL_SHARE = 0.1  # of the pairs, so that G and D also know what there is in all
OBSERVED = 64  # latents that are watched through training
PENALTY_EVERY = 4  # steps: it changes slowly and costs as much as a step


def pairs(
    images: Tensor, labels: Tensor, generator: torch.Generator, *, config: GANConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, labels of which some are left out, and latents."""
    left_out = torch.rand(len(images), generator=generator) < NO_LABEL_SHARE
    if config.classes == 0:
        left_out[:] = True
    labels = labels.masked_fill(left_out, config.classes)
    return images / 255, labels, torch.randn(len(images), config.latent, generator=generator)


@torch.no_grad()
def observe(model: GAN) -> dict[str, Tensor]:
    """The pictures of the same latents, and what D says of them: uint8 (N, C, H, W), (N,)."""
    labels = observed_labels(model.config.classes)
    images = model.generate(model.sample_latent(OBSERVED, seed=0), labels)
    return {
        "images": (images * 255).round().to(torch.uint8).cpu(),
        "scores": model.realness(images, labels).float().cpu(),
    }


def observed_labels(classes: int) -> Tensor | None:
    """The labels of the observed latents: every class in turn."""
    return torch.arange(OBSERVED) % classes if classes else None


def observed_at(steps: int, count: int = 32) -> frozenset[int]:
    """Steps that grow by the same factor, from 20 to the last: much happens early."""
    ratio = (steps / 20) ** (1 / (count - 1))
    return frozenset(round(20 * ratio**index) for index in range(count))


def relativistic(gamma: float) -> tuple[Phase, ...]:
    """The rounds of a game that converges."""
    return (
        Phase(discriminator_loss, "loss of D", "discriminator"),
        Phase(generator_loss, "loss of G", "generator"),
        Phase(gradient_penalty, "slope of D", "discriminator", gamma, PENALTY_EVERY),
    )


# Each network by itself, no penalty, and G learns four times while D learns once: it runs after
# whatever D likes best and forgets the rest.
SICK = (
    Phase(classic_discriminator_loss, "loss of D", "discriminator", every=4),
    Phase(classic_generator_loss, "loss of G", "generator"),
)
CPU = Schedule(
    steps=10_000, batch_size=64, learning_rate=1e-3, warmup_steps=100, weight_decay=0.0,
    ema_decay=0.998, max_gradient_norm=1e6,
)  # fmt: skip
GPU = replace(CPU, steps=60_000, batch_size=256, ema_decay=0.999)
SMALL, WIDE = GANConfig(), GANConfig(features=(64, 128), blocks=2)
LARGE = {"height": 64, "width": 64, "channels": 3, "classes": 0}
AVATARS = GANConfig(**LARGE, features=(24, 48, 96))
WIDE_AVATARS = GANConfig(**LARGE, features=(48, 96, 192), blocks=2)


def recipe(
    config: GANConfig, dataset: str, schedule: Schedule, phases: tuple[Phase, ...]
) -> Recipe:
    """What all GANs have in common."""
    return Recipe(
        config=config,
        dataset=dataset,
        schedule=schedule,
        prepare=partial(pairs, config=config),
        phases=phases,
        unit="",
        betas=(0.0, 0.99),
    )


def presets(
    cpu: GANConfig, gpu: GANConfig, dataset: str, gamma: float, **schedule: Any
) -> dict[str, Recipe]:
    """A network for each preset, and what the CPU's schedule has of its own."""
    return {
        "cpu": recipe(cpu, dataset, replace(CPU, **schedule), relativistic(gamma)),
        "gpu": recipe(gpu, dataset, GPU, relativistic(gamma)),
    }


def watched(recipe: Recipe) -> Recipe:
    """With a history of the same latents."""
    return replace(recipe, observe=observe, observed_at=observed_at(recipe.schedule.steps))


DIGITS = presets(SMALL, WIDE, "mnist", gamma=1.0)
COLLAPSED = recipe(SMALL, "mnist", replace(CPU, steps=1_500, ema_decay=0.9), SICK)
RECIPES = {
    "gan-mnist": {preset: watched(recipe) for preset, recipe in DIGITS.items()},
    "gan-mnist-collapsed": {"cpu": COLLAPSED, "gpu": COLLAPSED},
    "gan-fashion": presets(SMALL, WIDE, "fashion", gamma=1.0),
    "gan-avatars": presets(AVATARS, WIDE_AVATARS, "avatars", gamma=1.0, batch_size=32),
}
