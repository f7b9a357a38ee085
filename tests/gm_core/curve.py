"""The losses of a tiny run, as one JSON line: `accelerate launch ... -m tests.gm_core.curve`."""

from __future__ import annotations

import json
from dataclasses import replace

import torch
from accelerate import PartialState

from gm_core import data
from gm_core.data import Images
from gm_core.pixelcnn import PixelCNN, PixelCNNConfig
from gm_core.training.loop import Schedule, train
from gm_core.training.pixelcnn import RECIPES


def losses() -> list[float]:
    """Of every step, in nats; they fall by a third."""
    sample = data.load("mnist", "sample")
    images = Images(sample.images[:96, :, 9:19, 9:19].contiguous(), sample.labels[:96])
    config = PixelCNNConfig(height=10, width=10, features=4, head_features=4, dilations=(1, 2))
    schedule = Schedule(steps=20, batch_size=32, learning_rate=0.02, warmup_steps=2)
    recipe = replace(RECIPES["pixelcnn-mnist"]["cpu"], config=config, schedule=schedule)
    torch.manual_seed(0)
    return [record.loss for record in train(PixelCNN(config), recipe, images, record_every=1)]


if __name__ == "__main__":
    found = losses()
    if PartialState().is_main_process:
        print(json.dumps(found))
