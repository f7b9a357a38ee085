"""Measure a checkpoint on the test set: `python -m gm_core.evaluate NAME` writes metrics.json.

How a model of pixels scores each image of the shipped sample is written too, for ranks among them.

Nothing else in this repository measures anything on the test set.
"""

from __future__ import annotations

import argparse
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

from gm_core import attributes, checkpoints, data
from gm_core.autoregressive import PixelModel
from gm_core.families import FAMILIES
from gm_core.files import write_bytes
from gm_core.metrics import as_levels, log_probs
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


def evaluate(name: str, root: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """The held-out figures of a checkpoint, as metrics.json holds them."""
    info = checkpoints.describe(name)
    model = checkpoints.load(name)
    test = data.load(info.dataset, "test", root)
    if limit:
        test = data.Images(test.images[:limit], test.labels[:limit])
    started = time.perf_counter()
    figures = FAMILIES[info.family].measure(model, test)
    if isinstance(model, VAE) and info.dataset == attributes.DATASET:
        figures += attributes.measure(model, test, data.load(info.dataset, "train", root))
    return {
        "figures": [asdict(figure) for figure in figures],
        "weights": info.weights,  # sha256 of what was measured
        "command": f"python -m gm_core.evaluate {name}",
        "commit": commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "seed": info.training.get("seed"),
        "hardware": hardware(next(model.parameters()).device),
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }


def sample_nats(name: str) -> Tensor:
    """-log p(x) of each image of the shipped sample, by a checkpoint: nats (N,)."""
    model = checkpoints.load(name)
    images = data.load(checkpoints.describe(name).dataset, "sample").images
    return -log_probs(model, as_levels(model, images))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gm_core.evaluate", description=__doc__)
    parser.add_argument("name", choices=checkpoints.available())
    parser.add_argument("--data", help="folder of the full data (default: $GM_DATA_DIR)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only the first N test images; writes nothing"
    )
    parser.add_argument("--sample", action="store_true", help="score the shipped sample only")
    arguments = parser.parse_args()
    is_exact = isinstance(checkpoints.load(arguments.name), PixelModel)
    if is_exact and not arguments.limit:
        checkpoints.write_sample_nats(arguments.name, sample_nats(arguments.name))
    if arguments.sample:
        return
    metrics = evaluate(arguments.name, arguments.data, arguments.limit)
    for figure in metrics["figures"]:
        spread = f" +- {figure['spread']:.3f}" if figure["spread"] is not None else ""
        print(
            f"{figure['value']:.3f}{spread} {figure['unit']}: {figure['name']} "
            f"({figure['convention']}; {figure['split']})"
        )
    if not arguments.limit:
        path = checkpoints.root() / arguments.name / "metrics.json"
        write_bytes(path, (json.dumps(metrics, indent=2) + "\n").encode())
        print(f"{path} written in {metrics['minutes']} minutes")


if __name__ == "__main__":
    main()
