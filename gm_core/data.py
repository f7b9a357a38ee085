"""Data sets by name.

The full sets come through torchvision: from `root` or `$GM_DATA_DIR` where one is named, else from
`~/.cache/gm_core`, to where they are downloaded once. The split "sample" is a part of the test set
that ships with the package: 100 images a class, evenly spread over the set, so that nothing needs a
download.

    python -m gm_core.data mnist       writes the shipped sample anew from the full test set
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from torch import Tensor

from gm_core.files import write_safetensors

Split = Literal["train", "test", "sample"]
SPLITS: tuple[Split, ...] = ("train", "test", "sample")
SAMPLES = Path(__file__).parent / "samples"
SAMPLE_IMAGES_PER_CLASS = 100


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known about a data set, for its card and its tab."""

    title: str
    torchvision_name: str
    class_names: tuple[str, ...]
    licence: str
    attribution: str


DATASETS = {
    "mnist": Dataset(
        title="MNIST handwritten digits",
        torchvision_name="MNIST",
        class_names=tuple("0123456789"),
        licence="CC BY-SA 3.0",
        attribution="Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
    ),
    "fashion": Dataset(
        title="Fashion-MNIST clothing",
        torchvision_name="FashionMNIST",
        class_names=(
            "T-shirt", "trousers", "pullover", "dress", "coat",
            "sandal", "shirt", "sneaker", "bag", "ankle boot",
        ),
        licence="MIT",
        attribution="Zalando Research",
    ),
}  # fmt: skip


class MissingData(FileNotFoundError):
    """A data set is not where it was looked for and could not be downloaded."""


@dataclass(frozen=True, slots=True)
class Images:
    """images uint8 (N, C, H, W), labels int64 (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


def load(name: str, split: Split, root: str | Path | None = None) -> Images:
    """A split of a data set, in memory.

    Raises ValueError for an unknown name or split, MissingData if the full set can't be had.
    """
    if name not in DATASETS:
        raise ValueError(f"There is no data set {name!r}; there are {', '.join(DATASETS)}.")
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
    if split == "sample":
        with safe_open(SAMPLES / f"{name}.safetensors", framework="pt") as file:
            return Images(file.get_tensor("images"), file.get_tensor("labels").long())

    import torchvision.datasets

    named = root or os.environ.get("GM_DATA_DIR")
    folder = Path(named or Path.home() / ".cache" / "gm_core")
    dataset_class = getattr(torchvision.datasets, DATASETS[name].torchvision_name)
    try:
        dataset = dataset_class(folder, train=split == "train", download=not named)
    except (OSError, RuntimeError) as error:
        raise MissingData(
            f"{DATASETS[name].title} could not be had from {folder}: {error} "
            "Name a folder that holds it in torchvision's layout with GM_DATA_DIR, or none and be "
            "online once."
        ) from error
    return Images(dataset.data[:, None].contiguous(), dataset.targets.long())


def binarise(images: Tensor, generator: torch.Generator) -> Tensor:
    """One Bernoulli draw a pixel with its brightness as probability ("dynamic binarisation").

    uint8 (N, C, H, W) -> int64 levels in {0, 1} of the same shape, drawn on the CPU.
    """
    noise = torch.rand(images.shape, generator=generator)
    return (noise < images / 255).long()


def write_sample(name: str, root: str | Path | None = None, folder: Path = SAMPLES) -> Path:
    """Write the sample of the test set to a folder, the shipped one by default; its path."""
    test = load(name, "test", root)
    chosen = []
    for label in range(len(DATASETS[name].class_names)):
        of_class = torch.nonzero(test.labels == label)[:, 0]
        spread = torch.linspace(0, len(of_class) - 1, SAMPLE_IMAGES_PER_CLASS).long()
        chosen.append(of_class[spread])
    index = torch.cat(chosen).sort().values
    path = folder / f"{name}.safetensors"
    write_safetensors(
        path,
        {"images": test.images[index], "labels": test.labels[index].to(torch.uint8)},
        {"licence": DATASETS[name].licence, "attribution": DATASETS[name].attribution},
    )
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the shipped sample of a test set anew.")
    parser.add_argument("name", choices=sorted(DATASETS))
    parser.add_argument("--root", help="folder of the full set (default: $GM_DATA_DIR)")
    arguments = parser.parse_args()
    print(write_sample(arguments.name, arguments.root))


if __name__ == "__main__":
    main()
