"""Tiny real models: one for every family of the table."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from gm_core import canvas, data
from gm_core.autoregressive import PixelModel
from gm_core.classifier import ClassifierConfig
from gm_core.families import FAMILIES
from gm_core.gan import GANConfig
from gm_core.instruct_pix2pix import InstructPix2PixConfig
from gm_core.masked_pixelcnn import MaskedPixelCNNConfig
from gm_core.paradigms import ParadigmsConfig, targets
from gm_core.pixelcnn import PixelCNNConfig
from gm_core.pixelrnn import PixelRNNConfig
from gm_core.simclr import SimCLRConfig
from gm_core.vae import VAEConfig

SIZE: dict[str, Any] = {"height": 8, "width": 9, "classes": 3, "head_features": 8}
CONFIGS: dict[str, Any] = {
    "pixelcnn": PixelCNNConfig(features=6, dilations=(1, 2, 1, 2), **SIZE),
    "pixelcnn-masked": MaskedPixelCNNConfig(
        features=12, bottleneck=10, layers=2, first_kernel=3, **SIZE
    ),
    "pixelrnn-row": PixelRNNConfig("row", states=8, layers=2, first_kernel=3, **SIZE),
    "pixelrnn-diagonal": PixelRNNConfig("diagonal", states=5, layers=2, first_kernel=3, **SIZE),
    "vae": VAEConfig(height=8, width=12, latent=3, features=(4, 6), hidden=24),
    "gan": GANConfig(height=8, width=12, classes=3, latent=3, label_features=2, features=(4, 6)),
    "classifier": ClassifierConfig(height=8, width=12, classes=3, features=(4, 6), hidden=5),
    "paradigms": ParadigmsConfig(features=(8, 10, 12), words=12, heads=2, layers=1, groups=2),
    "simclr": SimCLRConfig(
        height=8, width=12, features=(4, 8), code=6, projection=6, temperature=0.1, groups=2
    ),
    "instruct-pix2pix": InstructPix2PixConfig(
        size=32,
        channels=(8, 16),
        heads=2,
        encoder_channels=8,
        decoder_channels=8,
        text_width=16,
        text_layers=1,
        tokens=24,
        vocabulary=400,
        sentences=1_000,
    ),
}
PIXEL_FAMILIES = tuple(name for name in CONFIGS if name.startswith("pixel"))


def tiny(family: str, **changes: Any) -> Any:
    """A tiny model with random weights, always the same."""
    config = CONFIGS[family]
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    torch.manual_seed(0)
    model = FAMILIES[family].model(type(config)(**(values | changes)))
    if family == "gan":  # what starts at zero would have no say
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def decided(family: str, **changes: Any) -> PixelModel:
    """A tiny model whose pixels and labels matter: as initialised, they hardly would."""
    model: PixelModel = tiny(family, **changes)
    for name, parameter in model.named_parameters():
        if "label" in name:
            torch.nn.init.normal_(parameter)
    spread = 1.0 if model.config.levels == 2 else 0.3  # many levels, many edges to fall off
    weight = torch.nn.init.normal_(model.logits.weight, std=spread)
    with torch.no_grad():  # or a level would be favoured at every pixel alike
        weight -= weight.mean(dim=1, keepdim=True)
    return model


def batch(family: str, count: int) -> tuple[Tensor, ...]:
    """What the family's loss takes besides the model: random images, always the same."""
    config = CONFIGS[family]
    generator = torch.Generator().manual_seed(0)
    if family == "paradigms":
        digits = data.load("mnist", "sample")[: canvas.MOST_DIGITS * count]
        made = canvas.compose(digits.images, digits.labels, generator)
        return (made.images, *targets(made))
    size = (count, config.channels, config.height, config.width)
    if family == "vae":
        noise = torch.randn(count, config.latent, generator=generator)
        return torch.randint(2, size, generator=generator).float(), noise
    if family in ("gan", "classifier"):
        images, labels = torch.rand(size, generator=generator), torch.arange(count) % config.classes
        noise = torch.randn(count, 3, generator=generator)
        return (images, labels, noise) if family == "gan" else (images, labels)
    if family == "simclr":
        return torch.rand(size, generator=generator), torch.rand(size, generator=generator)
    levels = torch.randint(config.levels, size, generator=generator)
    return levels, torch.arange(count) % (config.classes + 1)
