"""Randomness as an argument: one independent stream for every (seed, index...)."""

from __future__ import annotations

import numpy as np
import torch


def stream(seed: int, *index: int) -> torch.Generator:
    """A generator that depends on these non-negative integers alone.

    Streams of different arguments are independent: NumPy's SeedSequence mixes them.
    """
    state = np.random.SeedSequence(seed, spawn_key=index).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
