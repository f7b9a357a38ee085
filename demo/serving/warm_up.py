"""What the first students of a class would wait for, done as soon as the app is open.

The page is made at its first visit, weights are read at their first use, and the editor's first use
imports Transformers: ten seconds together, in which thirty students would wait in line.
"""

from __future__ import annotations

import threading
from contextlib import suppress

import httpx
import torch

import gm_core
from demo import engine
from gm_core import checkpoints

# The address names a page for browsers, which can read it compressed.
BROWSER = {"accept-encoding": "br"}
EDITOR = "instruct-pix2pix-mini"
SIZE = 64
FAULTS = (checkpoints.MissingWeights, checkpoints.BadCheckpoint)  # their tabs say so


def warm_up(address: str) -> threading.Thread:
    """Begin, in a thread that ends with the app."""
    thread = threading.Thread(target=_warm_up, args=(address,), daemon=True)
    thread.start()
    return thread


def _warm_up(address: str) -> None:
    with suppress(httpx.HTTPError):
        httpx.get(address, headers=BROWSER, timeout=60)
    read_weights()
    with suppress(*FAULTS):
        edit()


def read_weights() -> None:
    """Of all models but the editor."""
    for name in checkpoints.available():
        with suppress(*FAULTS):
            if name != EDITOR:
                gm_core.load(name)


def edit() -> None:
    """A first edit: its first pass through each part takes longer than the others."""
    gm_core.load(EDITOR).understand("make it night")
    for _ in engine.stream(
        "edit", model=EDITOR, image=torch.zeros(3, SIZE, SIZE).tolist(),
        instruction="make it night", steps=2, guidance_scale=1.5, image_guidance_scale=1.1, seed=0,
    ):  # fmt: skip
        pass
