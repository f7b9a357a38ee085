"""The one table of model families: what a checkpoint's name stands for.

A checkpoint is called `<family>-<dataset>`, with what sets it apart behind, if anything does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gm_core import metrics, pixelcnn


@dataclass(frozen=True, slots=True)
class Family:
    """What belongs to one kind of model."""

    title: str
    paper: str
    config: type[Any]
    model: type[Any]
    golden: Callable[[Any], dict[str, Tensor]]  # a seeded output that weights must reproduce
    measure: Callable[..., list[metrics.Figure]]  # (model, test images) -> held-out figures
    recipes: str  # the module whose RECIPES train this family


FAMILIES = {
    "pixelcnn": Family(
        title="Gated PixelCNN",
        paper="van den Oord et al. 2016",
        config=pixelcnn.PixelCNNConfig,
        model=pixelcnn.PixelCNN,
        golden=pixelcnn.golden,
        measure=metrics.binary_likelihood,
        recipes="gm_core.training.pixelcnn",
    ),
}


def split_name(name: str) -> tuple[str, str]:
    """A checkpoint's family and data set: "pixelcnn-mnist" -> ("pixelcnn", "mnist")."""
    family, _, rest = name.partition("-")
    return family, rest.partition("-")[0]
