"""Data sets by name.

MNIST and Fashion-MNIST come through torchvision: from `root` or `$GM_DATA_DIR` where one is named,
else from `~/.cache/gm_core`, to where they are downloaded once. Pixelart and avatars are drawn
once, in a few minutes, and kept there too. The split "sample" is a part of the test set that ships
with the package, so that nothing needs a download: equally many images of each class, evenly spread
over the set.

    python -m gm_core.data mnist       writes the shipped sample anew from the full test set
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from gm_core import dicebear
from gm_core.files import write_safetensors
from gm_core.scenes import EDITS

FullSplit = Literal["train", "test"]
Split = Literal["train", "test", "sample"]
SPLITS: tuple[Split, ...] = ("train", "test", "sample")
SAMPLES = Path(__file__).parent / "samples"
CACHE = Path("~/.cache/gm_core")


class MissingData(FileNotFoundError):
    """A data set is not where it was looked for and could not be downloaded or drawn."""


@dataclass(frozen=True, slots=True)
class Images:
    """images uint8 (N, C, H, W), labels int64 (N,)."""

    images: Tensor
    labels: Tensor
    dataset: str = ""  # what they are of, where it is a data set of the table

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> Images:
        """Some of them."""
        return Images(self.images[part], self.labels[part], self.dataset)


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


@dataclass(frozen=True, slots=True)
class Drawn:
    """A data set that DiceBear draws: yes-or-no questions, each decided by a fair coin, and more
    choices that are left open. The answers make the class, the first question counting most."""

    style: str
    size: int
    options: Mapping[str, Any]  # DiceBear's, with weights that make the coins fair
    # What is asked -> whether it is so, of the options that a picture was drawn from.
    questions: Mapping[str, Callable[[Mapping[str, Any]], bool]]
    counts: Mapping[FullSplit, int]

    def label(self, options: Mapping[str, Any]) -> int:
        """The class of a drawing: its answers as a binary number."""
        answers = [question(options) for question in self.questions.values()]
        return sum(answer << place for place, answer in enumerate(reversed(answers)))

    @property
    def recipe(self) -> str:
        """What the pictures follow from."""
        return json.dumps([self.style, self.size, self.options, self.counts])


def attributes(name: str, labels: Tensor) -> dict[str, Tensor]:
    """The answers behind the classes of a drawn data set: int64 (N,) -> question: bool (N,)."""
    questions = list(DRAWN[name].questions)
    places = range(len(questions) - 1, -1, -1)
    return {
        question: (labels >> place) % 2 == 1
        for question, place in zip(questions, places, strict=True)
    }


# Hair that is neither long nor short (a bun, curls, a bob) and rimless glasses are left out, so
# that the answers can be seen in 16x16 pixels.
LONG_HAIR = tuple(f"long{i:02d}" for i in (*range(1, 5), *range(6, 10), 12, 13, *range(17, 22)))
SHORT_HAIR = tuple(f"short{i:02d}" for i in (*range(1, 11), *range(12, 25)))
RIMMED = tuple(f"dark{i:02d}" for i in range(1, 8)) + tuple(
    f"light{i:02d}" for i in (1, 2, 3, 5, 6, 7)
)
# Bald heads and hats, which hide the hair, faint stubble and pacifiers are left out.
HAIR = (
    "bobBangs", "bobCut", "bunUndercut", "curly", "curlyBun", "curlyHighTop", "extraLong", "fade",
    "long", "mohawk", "pigtails", "shortCombover", "shortComboverChops", "sideShave", "straightBun",
)  # fmt: skip
DARK_HAIR, BRIGHT_HAIR = ("#362c47", "#6c4545"), ("#f29c65", "#e16381")

DRAWN = {
    "pixelart": Drawn(
        style="pixel-art",
        size=16,
        options={
            "backgroundColor": "#b6e3f4",
            "hairVariant": {  # weights: the two lengths share equally
                **dict.fromkeys(LONG_HAIR, len(SHORT_HAIR)),
                **dict.fromkeys(SHORT_HAIR, len(LONG_HAIR)),
            },
            "hatProbability": 50,
            "glassesVariant": list(RIMMED),
            "glassesProbability": 50,
        },
        questions={
            "long hair": lambda options: options["hairVariant"] in LONG_HAIR,
            "hat": lambda options: options["hatProbability"] == 100,
            "glasses": lambda options: options["glassesProbability"] == 100,
        },
        counts={"train": 40_000, "test": 5_000},
    ),
    "avatars": Drawn(
        style="personas",
        size=64,
        options={
            "backgroundColor": "#b6e3f4",
            "hairVariant": list(HAIR),
            "hairColor": [*DARK_HAIR, *BRIGHT_HAIR],
            "eyesVariant": {
                "glasses": 2, "sunglasses": 2, "happy": 1, "open": 1, "sleep": 1, "wink": 1
            },
            "mouthVariant": ["bigSmile", "smile", "smirk", "frown", "lips", "surprise"],
            "facialHairVariant": ["beardMustache", "goatee", "pyramid", "walrus"],
            "facialHairProbability": 50,
        },
        questions={
            "dark hair": lambda options: options["hairColor"][0] in DARK_HAIR,
            "glasses": lambda options: options["eyesVariant"] in ("glasses", "sunglasses"),
            "smile": lambda options: options["mouthVariant"] in ("bigSmile", "smile", "smirk"),
            "beard": lambda options: options["facialHairProbability"] == 100,
        },
        counts={"train": 30_000, "test": 5_000},
    ),
}  # fmt: skip


def draw(name: str) -> dict[str, Tensor]:
    """Draw a data set: images and labels of both splits, no picture twice, in either or both."""
    from tqdm import tqdm

    drawn = DRAWN[name]
    tensors: dict[str, Tensor] = {}
    seen: set[bytes] = set()
    with tqdm(total=sum(drawn.counts.values()), desc=f"drawing {name}", unit="image") as bar:
        for split, count in drawn.counts.items():
            images, labels, number = [], [], 0
            while len(images) < count:
                options = {"seed": f"{split}-{number}", **drawn.options}
                picture = dicebear.render(drawn.style, options, drawn.size)
                number += 1
                pixels = hashlib.sha256(picture.image.numpy().tobytes()).digest()
                if pixels in seen:
                    continue
                seen.add(pixels)
                images.append(picture.image)
                labels.append(drawn.label(picture.options))
                bar.update()
            tensors[f"{split}_images"] = torch.stack(images)
            tensors[f"{split}_labels"] = torch.tensor(labels, dtype=torch.uint8)
    return tensors


def from_dicebear(name: str, split: FullSplit, root: str | Path | None) -> Images:
    """A split of a data set of single drawings."""
    path = drawn_file(name, DRAWN[name].recipe, partial(draw, name), root)
    with safe_open(path, framework="pt") as file:
        return Images(file.get_tensor(f"{split}_images"), file.get_tensor(f"{split}_labels").long())


def from_scenes(split: FullSplit, root: str | Path | None) -> Images:
    """A split of the pairs before and after an edit: images (N, 6, H, W), one after the other."""
    from gm_core import edit_pairs

    path = drawn_file("edits", edit_pairs.recipe(), edit_pairs.draw, root)
    with safe_open(path, framework="pt") as file:
        return Images(file.get_tensor(f"{split}_images"), file.get_tensor(f"{split}_labels"))


def drawn_file(
    name: str, recipe: str, draw: Callable[[], Mapping[str, Tensor]], root: str | Path | None
) -> Path:
    """The file of a drawn data set, drawn when it is asked for first: all splits, into one file.

    It lies in `root`; if none is named, in `$GM_DATA_DIR` if that holds it or can be written, else
    in `~/.cache/gm_core`. A file that follows from another recipe is drawn anew.
    """

    def is_current(path: Path) -> bool:
        if not path.exists():
            return False
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("recipe") == recipe

    shared = os.environ.get("GM_DATA_DIR")
    folders = [Path(root)] if root else [*([Path(shared)] if shared else []), CACHE.expanduser()]
    paths = [folder / name / f"{name}.safetensors" for folder in folders]
    path = next(filter(is_current, paths), None)
    if path is None:
        path = next((path for path in paths if _is_writable(path.parent)), None)
        if path is None:
            raise MissingData(
                f"{name} could not be written to {folders[-1]}. Name a folder that can be "
                "written with GM_DATA_DIR."
            )
        try:
            tensors = draw()
            versions = dicebear.versions()
        except ImportError as error:
            raise MissingData(
                f"{name} could not be drawn: {error}. "
                f"pip install {' '.join(dicebear.PACKAGES)} pillow tqdm"
            ) from error
        write_safetensors(path, tensors, {"recipe": recipe, **versions})
    return path


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
    sample_images: int = 1000  # that ship


DATASETS = {
    "mnist": Dataset(
        title="MNIST handwritten digits",
        class_names=tuple("0123456789"),
        licence="CC BY-SA 3.0",
        attribution="Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
        full=partial(from_torchvision, "MNIST"),
        sample_images=2000,
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
        sample_images=2000,
    ),
    "canvas": Dataset(  # digits, of which `gm_core.canvas` composes canvases
        title="Canvases of MNIST digits",
        class_names=tuple("0123456789"),
        licence="CC BY-SA 3.0",
        attribution="Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
        full=partial(from_torchvision, "MNIST"),
        sample_images=0,  # that of mnist serves
    ),
    "pixelart": Dataset(
        title="Pixel-art characters",
        class_names=(
            "short hair", "short hair, glasses", "short hair, hat", "short hair, hat, glasses",
            "long hair", "long hair, glasses", "long hair, hat", "long hair, hat, glasses",
        ),
        licence="CC0 1.0",
        attribution="DiceBear, style Pixel Art",
        full=partial(from_dicebear, "pixelart"),
    ),
    "avatars": Dataset(
        title="Avatars",
        class_names=tuple(
            f"{hair} hair{glasses}{smile}{beard}"
            for hair in ("bright", "dark")
            for glasses in ("", ", glasses")
            for smile in ("", ", smile")
            for beard in ("", ", beard")
        ),
        licence="CC BY 4.0",
        attribution="Personas by Draftbit, drawn by DiceBear",
        full=partial(from_dicebear, "avatars"),
        sample_images=480,
    ),
    "edits": Dataset(
        title="Avatars and landscapes before and after an edit",
        class_names=tuple(EDITS),
        licence="CC BY 4.0 and CC0 1.0",
        attribution="Personas by Draftbit and Landscape by DiceBear, drawn by DiceBear",
        full=from_scenes,
        sample_images=0,  # they are drawn when they are needed
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
        if DATASETS[name].sample_images == 0:
            raise ValueError(f"No sample of {name} ships.")
        with safe_open(SAMPLES / f"{name}.safetensors", framework="pt") as file:
            labels = file.get_tensor("labels").long()
            return Images(from_png(file.get_tensor("png"), len(labels)), labels, name)
    return replace(DATASETS[name].full(split, root), dataset=name)


def binarise(images: Tensor, generator: torch.Generator) -> Tensor:
    """One Bernoulli draw a pixel with its brightness as probability ("dynamic binarisation").

    uint8 (N, C, H, W) -> int64 levels in {0, 1} of the same shape, drawn on the CPU.
    """
    noise = torch.rand(images.shape, generator=generator)
    return (noise < images / 255).long()


def as_png(images: Tensor) -> Tensor:
    """Images uint8 (N, 1 or 3, H, W), one below the other, as a PNG: uint8 (bytes,)."""
    from PIL import Image

    strip = images.permute(0, 2, 3, 1).flatten(0, 1).numpy()  # (N * H, W, C)
    file = io.BytesIO()
    Image.fromarray(strip[:, :, 0] if strip.shape[2] == 1 else strip).save(
        file, "PNG", optimize=True
    )
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def from_png(png: Tensor, count: int) -> Tensor:
    """The images that `as_png` was given: uint8 (N, C, H, W)."""
    from PIL import Image

    strip = torch.from_numpy(np.array(Image.open(io.BytesIO(png.numpy().tobytes()))))
    return (
        strip.reshape(count, len(strip) // count, strip.shape[1], -1)
        .permute(0, 3, 1, 2)
        .contiguous()
    )


def write_sample(name: str, root: str | Path | None = None, folder: Path = SAMPLES) -> Path:
    """Write the sample of the test set to a folder, the shipped one by default; its path."""
    test = load(name, "test", root)
    classes = len(DATASETS[name].class_names)
    chosen = []
    for label in range(classes):
        of_class = torch.nonzero(test.labels == label)[:, 0]
        spread = torch.linspace(
            0, len(of_class) - 1, DATASETS[name].sample_images // classes
        ).long()
        chosen.append(of_class[spread])
    index = torch.cat(chosen).sort().values
    path = folder / f"{name}.safetensors"
    write_safetensors(
        path,
        {"png": as_png(test.images[index]), "labels": test.labels[index].to(torch.uint8)},
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
