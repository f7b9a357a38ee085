"""Measure a checkpoint on the test set: `python -m gm_core.evaluate NAME` writes metrics.json.

What it makes of the shipped sample is written too: scores for ranks among them, or codes.

Nothing else in this repository measures anything on the test set.
"""

from __future__ import annotations

import argparse
import functools
import json
import platform
import subprocess
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gm_core import attributes, checkpoints, data, edit_success, separation
from gm_core.autoregressive import PixelModel
from gm_core.data import Images
from gm_core.families import FAMILIES
from gm_core.files import write_bytes
from gm_core.instruct_pix2pix import InstructPix2Pix
from gm_core.metrics import as_levels, log_probs
from gm_core.simclr import SimCLR
from gm_core.vae import VAE


def hardware(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else ())
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The repository's commit, where the package lies in one."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


@functools.cache
def test_set(dataset: str, root: str | None, limit: int | None) -> Images:
    """Test images, once for all checkpoints that are measured on them."""
    test = data.load(dataset, "test", root)
    return test[:limit] if limit else test


def evaluate(
    name: str, root: str | None = None, limit: int | None = None, *, fid: bool = True
) -> dict[str, Any]:
    """The held-out figures of a checkpoint, as metrics.json holds them."""
    info = checkpoints.describe(name)
    model = checkpoints.load(name)
    test = test_set(info.dataset, root, limit)
    started = time.perf_counter()
    options: dict[str, Any] = {} if fid else {"fid": False}
    figures = FAMILIES[info.family].measure(model, test, **options)
    if isinstance(model, VAE) and info.dataset == attributes.DATASET:
        figures += attributes.measure(model, test, data.load(info.dataset, "train", root))
    if isinstance(model, SimCLR):
        figures.append(separation.neighbours(model, test, data.load(info.dataset, "train", root)))
    curve = {}
    if isinstance(model, InstructPix2Pix):
        curve = {"tradeoff": edit_success.tradeoff(model, test)}
    return {
        "figures": [asdict(figure) for figure in figures],
        **curve,
        "weights": info.weights,  # sha256 of what was measured
        "command": f"python -m gm_core.evaluate {name}" + ("" if fid else " --without-fid"),
        "commit": commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "seed": info.training.get("seed"),
        "hardware": hardware(next(model.parameters()).device),
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }


def measure_sample(name: str) -> dict[str, Tensor]:
    """What `checkpoints.read_sample` gives, measured; nothing for most VAEs."""
    model, dataset = checkpoints.load(name), checkpoints.describe(name).dataset
    if data.DATASETS[dataset].sample_images == 0:
        return {}
    sample = data.load(dataset, "sample")
    if isinstance(model, PixelModel):
        return {"nats": -log_probs(model, as_levels(model, sample.images))}
    if isinstance(model, VAE) and dataset == attributes.DATASET:
        codes = attributes.mean_codes(model, sample.images)
        directions = attributes.directions(codes, sample.labels)
        return {"codes": codes, "directions": torch.stack(list(directions.values()))}
    return {}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gm_core.evaluate", description=__doc__)
    parser.add_argument("names", nargs="+", choices=checkpoints.available(), metavar="NAME")
    parser.add_argument("--data", help="folder of the full data (default: $GM_DATA_DIR)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only the first N test images; writes nothing"
    )
    parser.add_argument("--sample", action="store_true", help="score the shipped sample only")
    parser.add_argument("--without-fid", action="store_true", help="of GANs; it takes longest")
    arguments = parser.parse_args()
    for name in arguments.names:
        if not arguments.limit and (measured := measure_sample(name)):
            checkpoints.write_sample(name, measured)
        if not arguments.sample:
            report(name, arguments.data, arguments.limit, fid=not arguments.without_fid)


def report(name: str, root: str | None, limit: int | None, *, fid: bool) -> None:
    """Measure a checkpoint, print its figures, and keep them if they are of the whole test set."""
    metrics = evaluate(name, root, limit, fid=fid)
    for figure in metrics["figures"]:
        spread = f" +- {figure['spread']:.3f}" if figure["spread"] is not None else ""
        print(
            f"{figure['value']:.3f}{spread} {figure['unit']}: {figure['name']} "
            f"({figure['convention']}; {figure['split']})"
        )
    if not limit:
        path = checkpoints.root() / name / "metrics.json"
        write_bytes(path, (json.dumps(metrics, indent=2) + "\n").encode())
        print(f"{path} written in {metrics['minutes']} minutes", flush=True)


if __name__ == "__main__":
    main()
