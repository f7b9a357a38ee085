"""Tiny real models: one for every family of the table."""

from __future__ import annotations

from typing import Any

import torch

from gm_core.families import FAMILIES
from gm_core.pixelcnn import PixelCNN, PixelCNNConfig

CONFIGS: dict[str, Any] = {
    "pixelcnn": PixelCNNConfig(
        height=8, width=9, classes=3, features=6, head_features=8, dilations=(1, 2, 1, 2)
    ),
}


def tiny(family: str, **changes: Any) -> Any:
    """A tiny model with random weights, always the same."""
    fields = {name: getattr(CONFIGS[family], name) for name in CONFIGS[family].__slots__}
    torch.manual_seed(0)
    return FAMILIES[family].model(type(CONFIGS[family])(**(fields | changes))).eval()


def tiny_pixelcnn(**changes: Any) -> PixelCNN:
    """A tiny PixelCNN whose labels matter: as initialised, they would not."""
    model = tiny("pixelcnn", **changes)
    for layer in model.gated_layers():
        torch.nn.init.normal_(layer.horizontal_label.weight)
        if layer.vertical_label is not None:
            torch.nn.init.normal_(layer.vertical_label.weight)
    torch.nn.init.normal_(model.logits.weight)  # decided enough for pixels to depend on pixels
    return model
