"""Generative models to read and to run: models, samplers, small weights that ship.

import gm_core

model = gm_core.load("pixelcnn-mnist")
*_, frame = model.sample(4, seed=0, label=7)    # frame.images: (4, 1, 28, 28) in [0, 1]
nats = -model.log_prob(frame.levels)            # (4,)
"""

from gm_core.checkpoints import BadCheckpoint, MissingWeights, available, load

__all__ = ["BadCheckpoint", "MissingWeights", "available", "load"]
