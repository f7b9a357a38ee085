"""Speed and memory: `python -m gm_core.benchmark`.

Naive and cached sampling draw the same images; the table says what caching saves. Both are measured
in one run, on the same weights and noise, in the same precision (float64), which the ratio is of.
The naive loop is one forward pass a value, all alike, so by default a few are timed and multiplied;
`--full` runs them all and compares the images. The naive loop's time in float32 is given beside it.
A second table says how long a student waits for what is asked for by hand.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

import gm_core
from gm_core import data
from gm_core.autoregressive import PixelModel, redraw
from gm_core.dependency import dependencies
from gm_core.edit_success import BEST
from gm_core.evaluate import hardware
from gm_core.latent import decode, encode
from gm_core.metrics import as_levels
from gm_core.pixelcnn import PixelCNN, PixelCNNConfig
from gm_core.scenes import random_scene
from gm_core.surprise import surprise

# The network whose figures are quoted for comparison: 64 features, 10 layers, 256 levels.
REFERENCE = PixelCNNConfig(levels=256, classes=10, dilations=(1,) * 10)
SEEN_SIDE_BY_SIDE = (
    "pixelcnn-masked-mnist", "pixelcnn-mnist", "pixelrnn-row-mnist", "pixelrnn-diagonal-mnist"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """Naive against cached sampling of some images, all together."""

    network: str
    images: int
    naive_seconds: float
    naive_float32_seconds: float  # PyTorch's float32 convolutions are faster than its float64 ones
    cached_seconds: float
    pixels: int  # times channels
    same: bool  # every pixel of the cached images is what the whole network would draw
    peak_megabytes: float  # of the process, since its start

    @property
    def ratio(self) -> float:
        return self.naive_seconds / self.cached_seconds


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long a call takes, until the device has finished it."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def passes_seconds(model: PixelModel, levels: Tensor, passes: int, device: torch.device) -> float:
    """Median time of one full forward pass."""
    with torch.inference_mode():
        model(levels)  # warm-up
        return statistics.median(seconds(lambda: model(levels), device) for _ in range(passes))


def measure(
    network: str, model: PixelModel, images: int, *, repeats: int, passes: int, full: bool
) -> Timing:
    """Medians for one network and number of images; the naive loop in `full` or by its passes."""
    device = model.coordinates.device
    *_, frame = model.sample(images, seed=0)  # warm-up
    pixels = frame.total
    cached = statistics.median(
        seconds(lambda: list(model.sample(images, seed=0)), device) for _ in range(repeats)
    )
    canvas = torch.zeros_like(frame.levels, device=device)
    naive_float32 = pixels * passes_seconds(model, canvas, passes, device)
    if full:
        naive_frames = []
        naive = seconds(
            lambda: naive_frames.extend(model.sample(images, seed=0, method="naive")), device
        )
        same = torch.equal(naive_frames[-1].levels, frame.levels)
    else:
        double = copy.deepcopy(model).double()
        naive = pixels * passes_seconds(double, canvas, passes, device)
        same = torch.equal(redraw(model, frame, None, temperature=1.0), frame.levels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Timing(network, images, naive, naive_float32, cached, pixels, same, peak)


def table(timings: Iterable[Timing]) -> str:
    """A Markdown table."""
    lines = [
        "| network | images | naive | naive, float32 | cached | ms a value, cached "
        "| ratio | same images | peak memory so far |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {t.network} | {t.images} | {t.naive_seconds:.1f} s | {t.naive_float32_seconds:.1f} s "
        f"| {t.cached_seconds:.3f} s | {1000 * t.cached_seconds / t.pixels:.3f} "
        f"| {t.ratio:.0f}x | {'yes' if t.same else 'NO'} | {t.peak_megabytes:.0f} MB |"
        for t in timings
    ]
    return "\n".join(lines)


def waits(repeats: int, device: str | None) -> Iterator[tuple[str, float]]:
    """What is asked for by hand, and the median time until it is there, in seconds."""
    digits = data.load("mnist", "sample").images[:1]
    gated, vae = gm_core.load("pixelcnn-mnist", device), gm_core.load("vae-mnist-beta1", device)
    levels = as_levels(gated, digits)
    known = levels[0].clone()
    known[:, levels.shape[2] // 2 :] = -1
    editor = gm_core.load("instruct-pix2pix-mini", device)
    how = dataclasses.asdict(BEST)  # steps and guidances
    picture = random_scene("avatars", "anna").draw() / 255
    words = "give her sunglasses and make it night"
    four = [gm_core.load(name, "cpu") for name in SEEN_SIDE_BY_SIDE]
    actions = {
        "one image, pixelcnn-mnist": lambda: list(gated.sample(1, seed=0)),
        "16 images, pixelcnn-mnist": lambda: list(gated.sample(16, seed=0)),
        "16 completions of a lower half, pixelcnn-mnist": (
            lambda: list(gated.sample(16, seed=0, known=known))
        ),
        "bits of every pixel, pixelcnn-mnist": lambda: next(surprise(gated, levels[0])),
        "what a pixel depends on, four models": lambda: list(dependencies(four, levels, 14, 14)),
        "code of an image, vae-mnist-beta1": lambda: list(encode(vae, levels.float())),
        "image of a code, vae-mnist-beta1": lambda: list(decode(vae, torch.zeros(1, 10))),
        f"an edit of {BEST.steps} steps, instruct-pix2pix-mini": (
            lambda: list(editor.edit(picture, words, seed=0, **how))
        ),
    }
    for name, action in actions.items():
        action()  # warm-up
        yield name, statistics.median(seconds(action, vae.device) for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gm_core.benchmark", description=__doc__)
    parser.add_argument("--device", help="default: the GPU where there is one")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--passes", type=int, default=3, help="forward passes of the naive loop")
    parser.add_argument("--full", action="store_true", help="run the naive loop to its end")
    parser.add_argument("--waits", action="store_true", help="the second table alone")
    arguments = parser.parse_args()
    if not arguments.waits:
        print_sampling(arguments)
    print("\n| asked for | until it is there |\n|---|---|")
    for name, wait in waits(arguments.repeats, arguments.device):
        print(f"| {name} | {wait:.4f} s |")
    if torch.cuda.is_available():
        print(f"Peak memory on the GPU: {torch.cuda.max_memory_allocated() / 2**20:.0f} MB")


def print_sampling(arguments: argparse.Namespace) -> None:
    """The first table."""
    networks: dict[str, PixelModel] = {
        name: gm_core.load(name, arguments.device)
        for name in gm_core.available()
        if name.startswith("pixel")
    }
    device = next(iter(networks.values())).coordinates.device
    torch.manual_seed(0)
    reference = PixelCNN(REFERENCE).eval().requires_grad_(False).to(device)
    networks["gated, random weights, 10 layers, 256 levels"] = reference
    timings = [
        measure(
            name,
            model,
            images,
            repeats=arguments.repeats,
            passes=arguments.passes,
            full=arguments.full,
        )
        for name, model in networks.items()
        for images in arguments.images
    ]
    method = "all passes" if arguments.full else "a pass a value times the median pass"
    print(f"{hardware(device)}; float64; naive: {method}\n")
    print(table(timings))


if __name__ == "__main__":
    main()
