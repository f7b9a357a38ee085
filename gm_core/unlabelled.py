"""Features of pictures that were learnt without any label: the codes of a VAE.

Nobody told these networks what is what; how well their codes separate the classes all the same is
what clustering, a probe and semi-supervised learning show.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gm_core import checkpoints
from gm_core.metrics import as_pictures

ENCODERS = {"mnist": "vae-mnist", "fashion": "vae-fashion"}  # data set -> checkpoint
BATCH = 250


@torch.no_grad()
def features(dataset: str, images: Tensor) -> Tensor:
    """Pictures of a data set, uint8 (N, C, H, W) -> what its encoder makes of each, (N, D)."""
    model = checkpoints.load(ENCODERS[dataset])
    parts = [model.encode(as_pictures(model, part))[0] for part in images.split(BATCH)]
    return torch.cat(parts).cpu()
