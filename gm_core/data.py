"""Data sets by name.

MNIST and Fashion-MNIST come through torchvision: from `root` or `$GM_DATA_DIR` where one is named,
else from `~/.cache/gm_core`, to where they are downloaded once. The characters of pixelart are
drawn once, in two or three minutes, and kept there too. The split "sample" is a part of the test
set that ships with the package, so that nothing needs a download: 1000 images, equally many of each
class, evenly spread over the set.

    python -m gm_core.data mnist       writes the shipped sample anew from the full test set
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor

from gm_core import dicebear
from gm_core.files import write_safetensors

FullSplit = Literal["train", "test"]
Split = Literal["train", "test", "sample"]
SPLITS: tuple[Split, ...] = ("train", "test", "sample")
SAMPLES = Path(__file__).parent / "samples"
SAMPLE_IMAGES = 1000
CACHE = Path("~/.cache/gm_core")


class MissingData(FileNotFoundError):
    """A data set is not where it was looked for and could not be downloaded or drawn."""


@dataclass(frozen=True, slots=True)
class Images:
    """images uint8 (N, C, H, W), labels int64 (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


def from_torchvision(class_name: str, split: FullSplit, root: str | Path | None) -> Images:
    """A split of one of torchvision's data sets, downloaded if no folder is named."""
    import torchvision.datasets

    named = root or os.environ.get("GM_DATA_DIR")
    folder = Path(named or CACHE.expanduser())
    try:
        dataset = getattr(torchvision.datasets, class_name)(
            folder, train=split == "train", download=not named
        )
    except (OSError, RuntimeError) as error:
        raise MissingData(
            f"{class_name} could not be had from {folder}: {error} "
            "Name a folder that holds it in torchvision's layout with GM_DATA_DIR, or none and be "
            "online once."
        ) from error
    return Images(dataset.data[:, None].contiguous(), dataset.targets.long())


# Three questions, each decided by a fair coin, make the eight classes of pixelart. Hair that is
# neither long nor short (a bun, curls, a bob) and rimless glasses are left out, so that the answers
# can be seen in 16x16 pixels.
LONG_HAIR = tuple(f"long{i:02d}" for i in (*range(1, 5), *range(6, 10), 12, 13, *range(17, 22)))
SHORT_HAIR = tuple(f"short{i:02d}" for i in (*range(1, 11), *range(12, 25)))
GLASSES = tuple(f"dark{i:02d}" for i in range(1, 8)) + tuple(
    f"light{i:02d}" for i in (1, 2, 3, 5, 6, 7)
)
PIXELART_STYLE, PIXELART_SIZE = "pixel-art", 16
PIXELART_OPTIONS = {
    "backgroundColor": "#b6e3f4",
    "hairVariant": {  # weights: the two lengths share equally
        **dict.fromkeys(LONG_HAIR, len(SHORT_HAIR)),
        **dict.fromkeys(SHORT_HAIR, len(LONG_HAIR)),
    },
    "hatProbability": 50,
    "glassesVariant": list(GLASSES),
    "glassesProbability": 50,
}
PIXELART_COUNTS: dict[FullSplit, int] = {"train": 40_000, "test": 5_000}


def character_label(options: Mapping[str, Any]) -> int:
    """The class of a drawn character: an index of the class names of pixelart."""
    long_hair = options["hairVariant"] in LONG_HAIR
    hat = options["hatProbability"] == 100
    glasses = options["glassesProbability"] == 100
    return 4 * long_hair + 2 * hat + glasses


def draw_characters(counts: Mapping[FullSplit, int]) -> dict[str, Tensor]:
    """Draw pixelart: images and labels of both splits, no picture twice, in either or both."""
    from tqdm import tqdm

    drawn: dict[str, Tensor] = {}
    seen: set[bytes] = set()
    with tqdm(total=sum(counts.values()), desc="drawing pixelart", unit="image") as bar:
        for split, count in counts.items():
            images, labels, number = [], [], 0
            while len(images) < count:
                options = {"seed": f"{split}-{number}", **PIXELART_OPTIONS}
                character = dicebear.render(PIXELART_STYLE, options, PIXELART_SIZE)
                number += 1
                pixels = character.image.numpy().tobytes()
                if pixels in seen:
                    continue
                seen.add(pixels)
                images.append(character.image)
                labels.append(character_label(character.options))
                bar.update()
            drawn[f"{split}_images"] = torch.stack(images)
            drawn[f"{split}_labels"] = torch.tensor(labels, dtype=torch.uint8)
    return drawn


def pixelart(split: FullSplit, root: str | Path | None) -> Images:
    """A split of pixelart, drawn when it is asked for first: both splits, into one file.

    The file lies in `root`; if none is named, in `$GM_DATA_DIR` if that holds it or can be written,
    else in `~/.cache/gm_core`.
    """
    recipe = json.dumps([PIXELART_STYLE, PIXELART_SIZE, PIXELART_OPTIONS, PIXELART_COUNTS])

    def is_current(path: Path) -> bool:
        if not path.exists():
            return False
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("recipe") == recipe

    shared = os.environ.get("GM_DATA_DIR")
    folders = [Path(root)] if root else [*([Path(shared)] if shared else []), CACHE.expanduser()]
    paths = [folder / "pixelart" / "pixelart.safetensors" for folder in folders]
    path = next(filter(is_current, paths), None)
    if path is None:
        path = next((path for path in paths if _is_writable(path.parent)), None)
        if path is None:
            raise MissingData(
                f"pixelart could not be written to {folders[-1]}. Name a folder that can be "
                "written with GM_DATA_DIR."
            )
        try:
            drawn = draw_characters(PIXELART_COUNTS)
            versions = dicebear.versions()
        except ImportError as error:
            raise MissingData(
                f"pixelart could not be drawn: {error}. "
                f"pip install {' '.join(dicebear.PACKAGES)} pillow tqdm"
            ) from error
        write_safetensors(path, drawn, {"recipe": recipe, **versions})
    with safe_open(path, framework="pt") as file:
        return Images(file.get_tensor(f"{split}_images"), file.get_tensor(f"{split}_labels").long())


def _is_writable(folder: Path) -> bool:
    """Whether files can be put in a folder, which may have to be made first."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known about a data set, for its card and its tab, and where the full set is from."""

    title: str
    class_names: tuple[str, ...]
    licence: str
    attribution: str
    full: Callable[[FullSplit, str | Path | None], Images]


DATASETS = {
    "mnist": Dataset(
        title="MNIST handwritten digits",
        class_names=tuple("0123456789"),
        licence="CC BY-SA 3.0",
        attribution="Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
        full=partial(from_torchvision, "MNIST"),
    ),
    "fashion": Dataset(
        title="Fashion-MNIST clothing",
        class_names=(
            "T-shirt", "trousers", "pullover", "dress", "coat",
            "sandal", "shirt", "sneaker", "bag", "ankle boot",
        ),
        licence="MIT",
        attribution="Zalando Research",
        full=partial(from_torchvision, "FashionMNIST"),
    ),
    "pixelart": Dataset(
        title="Pixel-art characters",
        class_names=(
            "short hair", "short hair, glasses", "short hair, hat", "short hair, hat, glasses",
            "long hair", "long hair, glasses", "long hair, hat", "long hair, hat, glasses",
        ),
        licence="CC0 1.0",
        attribution="DiceBear, style Pixel Art",
        full=pixelart,
    ),
}  # fmt: skip


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
    return DATASETS[name].full(split, root)


def binarise(images: Tensor, generator: torch.Generator) -> Tensor:
    """One Bernoulli draw a pixel with its brightness as probability ("dynamic binarisation").

    uint8 (N, C, H, W) -> int64 levels in {0, 1} of the same shape, drawn on the CPU.
    """
    noise = torch.rand(images.shape, generator=generator)
    return (noise < images / 255).long()


def write_sample(name: str, root: str | Path | None = None, folder: Path = SAMPLES) -> Path:
    """Write the sample of the test set to a folder, the shipped one by default; its path."""
    test = load(name, "test", root)
    classes = len(DATASETS[name].class_names)
    chosen = []
    for label in range(classes):
        of_class = torch.nonzero(test.labels == label)[:, 0]
        spread = torch.linspace(0, len(of_class) - 1, SAMPLE_IMAGES // classes).long()
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
