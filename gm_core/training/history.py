"""What is kept of a run while it goes on: its losses, and what its recipe observes."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from gm_core.data import as_png
from gm_core.files import room_for, write_safetensors
from gm_core.frames import TrainingRecord

LOSSES, OBSERVED = "losses.jsonl", "observed"


def keep(folder: Path, record: TrainingRecord) -> None:
    """Add a record to those of the run in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOSSES
    with room_for(path), path.open("a") as file:
        # Begins a line of its own, even after one that a full disk has cut off.
        file.write("\n" + json.dumps({"step": record.step, **record.losses}))
    if record.observed:
        write_safetensors(folder / OBSERVED / f"{record.step:08d}.safetensors", record.observed)


def gather(folder: Path, last: int) -> dict[str, Tensor] | None:
    """The run in `folder` up to step `last`, as checkpoints hold it; None if nothing was observed.

    "png": a sprite of uint8 images (S * N, C, H, W), "scores" (S, N), "steps" (S,), and the losses
    of both networks in between: "losses" (R, 2), "loss_steps" (R,).
    """
    paths = sorted((folder / OBSERVED).glob("*.safetensors"))
    seen = {int(path.stem): load_file(path) for path in paths if int(path.stem) <= last}
    if not seen:
        return None
    # A step that was done twice, since the run was resumed before it, counts as it was last.
    written = (folder / LOSSES).read_text().splitlines()
    lines = [json.loads(line) for line in written if line.endswith("}")]  # whole ones
    losses = {line.pop("step"): list(line.values())[:2] for line in lines}
    steps = sorted(step for step in losses if step <= last)
    return {
        "png": as_png(torch.cat([snapshot["images"] for snapshot in seen.values()])),
        "scores": torch.stack([snapshot["scores"] for snapshot in seen.values()]),
        "steps": torch.tensor(list(seen)),
        "losses": torch.tensor([losses[step] for step in steps]),
        "loss_steps": torch.tensor(steps),
    }
