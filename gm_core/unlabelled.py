"""Features of pictures that were learnt without any label: of SimCLR, or the codes of a VAE.

Nobody told these networks what is what; how well their features separate the classes all the same
is what clustering, a probe and semi-supervised learning show.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gm_core import checkpoints
from gm_core.frames import finite
from gm_core.metrics import as_pictures
from gm_core.simclr import SimCLR
from gm_core.vae import VAE

ENCODERS = {"mnist": "simclr-mnist", "fashion": "vae-fashion"}  # data set -> checkpoint
BATCH = 250


@torch.no_grad()
def features(dataset: str, images: Tensor) -> Tensor:
    """Pictures of a data set, uint8 (N, C, H, W) -> what its encoder makes of each, (N, D).

    Raises NotFinite.
    """
    model: SimCLR | VAE = checkpoints.load(ENCODERS[dataset])
    codes = torch.cat([encode(model, part).cpu() for part in images.split(BATCH)])
    return finite(codes, "features")


def encode(model: SimCLR | VAE, images: Tensor) -> Tensor:
    """SimCLR's features, or the means of a VAE's codes: uint8 (B, C, H, W) -> (B, D)."""
    if isinstance(model, SimCLR):
        return model.encode(images / 255)
    return model.encode(as_pictures(model, images))[0]
