"""How the VAEs that ship were trained."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gm_core.data import binarise
from gm_core.training.loop import Phase, Recipe, Schedule
from gm_core.vae import VAEConfig, negative_elbo


def binary(
    images: Tensor, labels: Tensor, generator: torch.Generator, *, latent: int
) -> tuple[Tensor, Tensor]:
    """Fresh black and white, and the noise of the codes."""
    del labels  # nothing here is told what it sees
    pictures = binarise(images, generator).float()
    return pictures, torch.randn(len(images), latent, generator=generator)


def all_levels(
    images: Tensor, labels: Tensor, generator: torch.Generator, *, latent: int
) -> tuple[Tensor, Tensor]:
    """All 256 levels, and the noise of the codes."""
    del labels
    return images / 255, torch.randn(len(images), latent, generator=generator)


def recipe(config: VAEConfig, dataset: str, schedule: Schedule) -> Recipe:
    """What all VAEs have in common."""
    prepare = binary if config.likelihood == "bernoulli" else all_levels
    return Recipe(
        config=config,
        dataset=dataset,
        schedule=schedule,
        prepare=partial(prepare, latent=config.latent),
        phases=(Phase(negative_elbo),),
        unit="nats",
    )


CONVOLUTIONAL = VAEConfig(features=(16, 32), blocks=2, hidden=256)
WIDE = VAEConfig(features=(64, 128), blocks=2, hidden=256)
DENSE = VAEConfig(features=(), hidden=256)
CPU = Schedule(steps=20_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=200.0)
GPU = replace(CPU, steps=60_000, learning_rate=1e-3)


def presets(cpu: VAEConfig, gpu: VAEConfig, dataset: str, **schedule: Any) -> dict[str, Recipe]:
    """A network for each preset, and what the CPU's schedule has of its own."""
    return {
        "cpu": recipe(cpu, dataset, replace(CPU, **schedule)),
        "gpu": recipe(gpu, dataset, GPU),
    }


def dense(**changes: Any) -> dict[str, Recipe]:
    """Small, for both presets: what these weights show does not need a large network."""
    config = replace(DENSE, **changes)
    return presets(config, config, "mnist", learning_rate=1e-3)


FASHION = {"latent": 16, "likelihood": "logistic"}
AVATARS = {"height": 64, "width": 64, "channels": 3, "latent": 64, "likelihood": "logistic"}
RECIPES = {
    "vae-mnist": presets(CONVOLUTIONAL, WIDE, "mnist"),
    "vae-mnist-2d": dense(latent=2),
    # One architecture of ten dimensions, with ever larger weights of the KL.
    **{f"vae-mnist-beta{beta}": dense(latent=10, beta=float(beta)) for beta in (0, 1, 4, 10)},
    "vae-fashion": presets(
        replace(CONVOLUTIONAL, **FASHION), replace(WIDE, **FASHION), "fashion",
        steps=4_000, learning_rate=1e-3, max_gradient_norm=5000.0,
    ),
    "vae-avatars": presets(
        replace(CONVOLUTIONAL, **AVATARS, features=(24, 48, 96, 96), blocks=1),
        replace(WIDE, **AVATARS, features=(48, 96, 192, 192), blocks=1),
        "avatars", steps=14_000, batch_size=32, learning_rate=1e-3, max_gradient_norm=100_000.0,
    ),
}  # fmt: skip
