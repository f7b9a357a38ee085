"""Pictures before and after an edit, drawn: what the editor learns from and is measured on.

Brooks et al. 2023 had a language model write their pairs and a diffusion model draw them; here both
pictures are drawn from known choices (`gm_core.scenes`), so the second is the true result.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from gm_core import scenes
from gm_core.scenes import EDITS, LEAST_CHANGE, Edit, Scene, Style, apply, change, random_scene

NAMES = tuple(EDITS)
# Of the kinds that are hard to learn: they change the form of something, or very little.
WEIGHTS = {
    **dict.fromkeys((name for name, edit in EDITS.items() if "hair" in edit.avatars), 2.0),
    **dict.fromkeys((name for name, edit in EDITS.items() if "orb" in edit.landscapes), 1.5),
}
SHARES = {"one": 0.68, "two": 0.24, "none": 0.08}  # of the pairs, by edits that do something
COUNTS = {"train": 30_000, "test": 1_200}
CHUNK = 250  # pairs that one process draws in one go


@dataclass(frozen=True, slots=True)
class Pair:
    """A scene, the edits that are asked for, and the scene after them."""

    before: Scene
    edits: tuple[Edit, ...]
    after: Scene


def label(edits: Sequence[Edit]) -> int:
    """None, one or two edits as one number."""
    first, second = ([NAMES.index(edit.name) + 1 for edit in edits] + [0, 0])[:2]
    return first * (len(NAMES) + 1) + second


def edits_of(label: int) -> tuple[Edit, ...]:
    """The edits that `label` was given."""
    places = divmod(label, len(NAMES) + 1)
    return tuple(EDITS[NAMES[place - 1]] for place in places if place)


def random_pair(seed: str) -> tuple[Pair, Tensor]:
    """A pair, and its two pictures: uint8 (6, H, W), before and after."""
    draw = random.Random(seed)
    kind = draw.choices(list(SHARES), list(SHARES.values()))[0]
    for attempt in range(10_000):
        edits = _one(draw) if kind != "two" else (*_one(draw), *_one(draw))
        style = draw.choice(_styles(None if kind == "none" else edits[0]))
        before = random_scene(style, f"{seed} {attempt}")
        after = apply(before, *edits)
        if kind == "none":
            if after.choices != before.choices:
                continue
            image = before.draw()
            return Pair(before, edits, before), torch.cat([image, image])
        if kind == "two" and not _independent(before, edits):
            continue
        if after.choices == before.choices:
            continue
        pictures = before.draw(), after.draw()
        if change(*pictures).float().mean() >= LEAST_CHANGE:
            return Pair(before, edits, after), torch.cat(pictures)
    raise AssertionError(f"No scene was found for {seed!r}.")


def recipe() -> str:
    """What the pairs follow from: the code that draws them."""
    sources = [Path(module).read_bytes() for module in (__file__, scenes.__file__)]
    return hashlib.sha256(b"".join(sources)).hexdigest()


def draw() -> dict[str, Tensor]:
    """All pairs, as the data set's file holds them; this takes some minutes."""
    from tqdm import tqdm

    tensors: dict[str, Tensor] = {}
    with tqdm(total=sum(COUNTS.values()), desc="drawing edits", unit="pair") as bar:
        for split, count in COUNTS.items():
            chunks = []
            for chunk in draw_pairs(split, count):
                chunks.append(chunk)
                bar.update(len(chunk[1]))
            images, labels = zip(*chunks, strict=True)
            tensors[f"{split}_images"] = torch.cat(images)
            tensors[f"{split}_labels"] = torch.cat(labels)
    return tensors


def draw_pairs(
    split: str, count: int, processes: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """`count` pairs in chunks: uint8 (n, 6, H, W), and int64 (n,), what `label` gives of each.

    Pair i of a split follows from its name and i.
    """
    starts = range(0, count, CHUNK)
    # A fork of a process whose threads have computed would wait for them for ever.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(
            _chunk, [split] * len(starts), starts, [min(CHUNK, count - start) for start in starts]
        )


def _chunk(split: str, start: int, count: int) -> tuple[Tensor, Tensor]:
    pairs = [random_pair(f"{split} {index}") for index in range(start, start + count)]
    labels = torch.tensor([label(pair.edits) for pair, _ in pairs])
    return torch.stack([pictures for _, pictures in pairs]), labels


def _one(draw: random.Random) -> tuple[Edit]:
    name = draw.choices(NAMES, [WEIGHTS.get(name, 1.0) for name in NAMES])[0]
    return (EDITS[name],)


def _styles(edit: Edit | None) -> list[Style]:
    """The styles that an edit means something to; without one, all."""
    styles: list[Style] = ["avatars", "landscapes"]
    return [style for style in styles if edit is None or edit.sets(style)]


def _independent(scene: Scene, edits: Sequence[Edit]) -> bool:
    """Whether each edit does something, and in either order the same."""
    first, second = edits
    both = apply(scene, first, second).choices
    alone = [apply(scene, edit).choices for edit in edits]
    return both == apply(scene, second, first).choices and both not in (*alone, scene.choices)
