"""Training: the same latents through the training of both networks, and their losses."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from demo.activities import ModelTab, dataset_of
from demo.components.training_history import Stage, TrainingHistory, sprite, training_history
from gm_core import checkpoints, data

TITLE = "Training"
MOST_LOSSES = 400  # of each network in the plot

QUESTION = """
<p class="gm-question">The same 64 latents z, drawn by G again and again while it learned. Play, or
drag the cursor. Watch one tile: when does it become a digit, and does it stay the same one?</p>
"""
NO_HISTORY = """
<p>This copy of {model} holds no snapshots of its training, so there is nothing to play here. They
are written while it is trained: <code>python -m gm_core.training {model}</code>.</p>
"""
STAGES = (
    Stage(
        0, "One pattern for every z: G does not use z yet, and D needs no more than that to win."
    ),
    Stage(50, "A bright blob in the middle: where ink mostly lies is the first thing to copy."),
    Stage(140, "Strokes: now tiles differ, since G begins to listen to z and to its label."),
    Stage(380, "Digits in a cloud of dust. Watch one tile: its dust goes, its stroke stays."),
    Stage(1500, "Clean digits. From here on a tile only changes its slant, thickness or ends."),
    Stage(4000, "Both still learn, and neither wins: pictures hardly change, nor do the losses."),
)
TRY_THIS = """
<details class="gm-history-question"><summary>Why do the losses not fall to 0?</summary>
<p>Think first: what would a loss of 0 for D mean for G? Then go to the end and read the plot.</p>
<p>Each loss measures one network against the other, which learns as well: no picture has to become
better for a loss to fall. If D finds real and generated pictures equally real, both losses are
ln 2 = 0.693, as for a coin: D can't tell. The loss of G minus the loss of D is how much more real,
on average, D finds a real picture than a generated one. So a loss does not say how good the
pictures are; only the gap says who is ahead.</p></details>
"""


@dataclass(frozen=True, slots=True)
class History:
    """What a checkpoint keeps of its training."""

    images: NDArray[np.uint8]  # (S, N, H, W, C): N latents at S steps
    scores: NDArray[np.float32]  # (S, N): what D said of them at that step
    steps: tuple[int, ...]  # (S,), rising
    losses: NDArray[np.float32]  # (R, 2): of D and of G
    loss_steps: tuple[int, ...]  # (R,), rising


def read_history(model: str) -> History | None:
    """The history of a checkpoint; None where it has none that can be read."""
    return _read(checkpoints.root() / model / checkpoints.HISTORY)


@functools.cache
def _read(path: Path) -> History | None:
    try:
        kept = load_file(path)
        count, tiles = kept["scores"].shape
        images = data.from_png(kept["png"], count * tiles)
        steps, loss_steps = kept["steps"].tolist(), kept["loss_steps"].tolist()
        losses = kept["losses"].numpy()
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError):
        return None
    if len(steps) != count or losses.shape != (len(loss_steps), 2):
        return None
    if not torch.isfinite(kept["scores"]).all() or not np.isfinite(losses).all():
        return None
    return History(
        images=images.unflatten(0, (count, tiles)).permute(0, 1, 3, 4, 2).numpy(),
        scores=kept["scores"].numpy(),
        steps=tuple(steps),
        losses=losses,
        loss_steps=tuple(loss_steps),
    )


def show(model: str, kept: History) -> dict[str, Any]:
    """What the page opens with: all numbers, and the pictures of the last step."""
    # Every few losses are one point, their mean, so that long trainings are as small as short ones.
    every = -(-len(kept.loss_steps) // MOST_LOSSES)
    groups = range(0, len(kept.loss_steps), every)
    losses = np.stack([kept.losses[at : at + every].mean(axis=0) for at in groups])
    steps = tuple(kept.loss_steps[min(at + every, len(kept.loss_steps)) - 1] for at in groups)
    classes = data.DATASETS[dataset_of(model)].class_names
    labelled = checkpoints.describe(model).config["classes"] > 0
    tiles = kept.scores.shape[1]
    return TrainingHistory(
        last=kept.images[-1],
        scores=kept.scores,
        steps=kept.steps,
        losses=losses,
        loss_steps=steps,
        names=tuple(classes[at % len(classes)] if labelled else "" for at in range(tiles)),
        stages=STAGES,
    ).payload()


@functools.cache
def all_pictures(path: Path) -> str:
    """Every snapshot in one picture, as the browser fetches it once."""
    kept = _read(path)
    return "" if kept is None else sprite(kept.images)


def build(tab: ModelTab) -> None:
    """The activity's contents, with the last snapshot drawn."""
    model = tab.models[0]
    kept = read_history(model)
    if kept is None:
        gr.HTML(NO_HISTORY.format(model=model), elem_id=f"{tab.id}-training")
        return
    path = checkpoints.root() / model / checkpoints.HISTORY

    def pictures(_: Any) -> str:
        return all_pictures(path)

    gr.HTML(QUESTION, padding=False)
    training_history(
        show(model, kept), pictures, label="Training", elem_id=f"{tab.id}-training"
    )  # fmt: skip
    gr.HTML(TRY_THIS, padding=False)
