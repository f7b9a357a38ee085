"""How well an editor does as it is told, on pairs whose true result is known to the pixel."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gm_core.data import Images
from gm_core.instruct_pix2pix import InstructPix2Pix
from gm_core.instructions import is_held_out, phrase
from gm_core.metrics import Figure
from gm_core.scenes import EDITS, Edit, Style, apply, change, random_scene

PAIRS = 1000
# Text guidance by image guidance, and the pairs of each.
TRADEOFF = ((1.0, 1.5, 3.0, 7.5), (1.0, 1.2, 1.5, 2.0))
TRADEOFF_PAIRS = 20
STRICTLY = 0.35  # of the source's error may remain
PHRASINGS = Path(__file__).parent / "samples" / "phrasings.json"


@dataclass(frozen=True, slots=True)
class Guidance:
    """How an edit is made where nobody chooses."""

    steps: int
    guidance_scale: float
    image_guidance_scale: float


BEST = Guidance(
    steps=10, guidance_scale=1.5, image_guidance_scale=1.1
)  # on training pairs kept out


@dataclass(frozen=True, slots=True)
class Success:
    """How near a result comes to the truth."""

    remaining: float  # mean absolute error within the change, as a share of the source's
    distance: float  # mean absolute difference from the source there, as a share of the same
    outside: float | None  # PSNR to the source where nothing should change, dB

    @property
    def is_carried_out(self) -> bool:
        """Whether the result is nearer to the truth than to the source, where they differ."""
        return self.remaining < self.distance

    @property
    def is_strict(self) -> bool:
        """Whether little of the source's error remains."""
        return self.remaining < STRICTLY


def success(result: Tensor, before: Tensor, after: Tensor) -> Success:
    """Compare a result (3, H, W) in [0, 1] with the true pair, uint8 (3, H, W) twice.

    Raises ValueError for a pair that does not differ.
    """
    changed = change(before, after)
    if not changed.any():
        raise ValueError("The pair does not differ, so there is nothing to carry out.")
    source, truth = before / 255, after / 255

    def error(one: Tensor, other: Tensor) -> float:
        return float((one - other).abs().mean(0)[changed].mean())

    to_do = error(source, truth)
    outside = None
    if not changed.all():
        squared = float((result - source).square().mean(0)[~changed].mean())
        outside = -10 * math.log10(squared + 1e-10)
    return Success(
        remaining=error(result, truth) / to_do,
        distance=error(result, source) / to_do,
        outside=outside,
    )


def carry_out(
    editor: InstructPix2Pix, image: Tensor, words: str, seed: int, how: Guidance = BEST
) -> Tensor:
    """The result of an edit: uint8 (3, H, W) -> float (3, H, W) in [0, 1]."""
    *_, last = editor.edit(
        image / 255,
        words,
        steps=how.steps,
        guidance_scale=how.guidance_scale,
        image_guidance_scale=how.image_guidance_scale,
        seed=seed,
        every=how.steps,
    )
    return last.image


def unseen_wording(edits: Sequence[Edit], seed: str) -> str:
    """A wording that training never uses."""
    draw = random.Random(seed)
    while not is_held_out(words := phrase(edits, draw)):
        pass
    return words


def free_phrasings() -> list[dict[str, Any]]:
    """Phrasings that people might use, with the edits they ask for; never trained on."""
    return json.loads(PHRASINGS.read_text("utf-8"))


def scene_for(edits: Sequence[Edit], seed: str) -> tuple[Tensor, Tensor]:
    """A random scene to which every edit does something, and the truth: uint8 (3, H, W) twice."""
    styles: list[Style] = ["avatars", "landscapes"]
    style: Style = next(style for style in styles if all(edit.sets(style) for edit in edits))
    for attempt in range(10_000):
        scene = random_scene(style, f"{seed} {attempt}")
        if all(apply(scene, edit).choices != scene.choices for edit in edits):
            before, after = scene.draw(), apply(scene, *edits).draw()
            if change(before, after).any():
                return before, after
    raise ValueError(f"No scene can show {', '.join(edit.name for edit in edits)}.")


def measure(editor: InstructPix2Pix, test: Images) -> list[Figure]:
    """On pairs (N, 6, H, W) never trained on and wordings never trained on, then on phrasings."""
    from gm_core.edit_pairs import edits_of

    found = []
    for index, (pictures, label) in enumerate(zip(test.images, test.labels.tolist(), strict=True)):
        before, after = pictures.split(3)
        if len(found) < PAIRS and change(before, after).any():
            words = unseen_wording(edits_of(label), f"test {index}")
            found.append(success(carry_out(editor, before, words, index), before, after))
    how = (
        f"{BEST.steps} steps, text guidance {BEST.guidance_scale}, image guidance "
        f"{BEST.image_guidance_scale}"
    )
    drawn = f"test, {len(found):,} pairs, wordings never trained on"
    outside = torch.tensor([one.outside for one in found if one.outside is not None])
    figures = [
        Figure("edits carried out", _share(one.is_carried_out for one in found), "%", how, drawn),
        Figure(
            "edits carried out strictly", _share(one.is_strict for one in found), "%",
            f"error within the change under {STRICTLY:.0%} of the source's; {how}", drawn,
        ),
        Figure("PSNR outside the change", float(outside.mean()), "dB", how, drawn),
    ]  # fmt: skip

    phrasings = free_phrasings()
    known = [one for one in phrasings if one["edits"]]
    free = []
    for index, one in enumerate(known):
        before, after = scene_for([EDITS[name] for name in one["edits"]], f"phrasing {index}")
        free.append(success(carry_out(editor, before, one["text"], index), before, after))
    split = f"{len(known)} free phrasings on new scenes"
    figures += [
        Figure(
            "free phrasings carried out", _share(one.is_carried_out for one in free), "%", how,
            split,
        ),
        Figure(
            "free phrasings carried out strictly", _share(one.is_strict for one in free), "%", how,
            split,
        ),
    ]  # fmt: skip
    understood, refused = [], []
    for one in phrasings:
        understanding = editor.understand(one["text"])
        assert understanding is not None
        if one["edits"]:
            understood.append(set(understanding.edits) == set(one["edits"]))
        else:
            refused.append(not understanding.edits)
    figures += [
        Figure(
            "free phrasings understood", _share(understood), "%",
            "exactly the edits that are meant are likelier than not", split,
        ),
        Figure(
            "unknown requests recognised", _share(refused), "%", "no edit is likelier than not",
            f"{len(refused)} requests for what it can't do",
        ),
    ]  # fmt: skip
    return figures


def tradeoff(editor: InstructPix2Pix, test: Images) -> list[dict[str, float]]:
    """What guidance buys and costs, as Brooks et al. 2023 draw it, on some of the pairs.

    One record a pair of scales: "guidance_scale", "image_guidance_scale", "strict" in per cent and
    "outside" in dB.
    """
    from gm_core.edit_pairs import edits_of

    rows = []
    for text, picture in itertools.product(*TRADEOFF):
        how = replace(BEST, guidance_scale=text, image_guidance_scale=picture)
        found = []
        for index, (pictures, label) in enumerate(
            zip(test.images, test.labels.tolist(), strict=True)
        ):
            before, after = pictures.split(3)
            if len(found) < TRADEOFF_PAIRS and change(before, after).any():
                words = unseen_wording(edits_of(label), f"test {index}")
                result = carry_out(editor, before, words, index, how)
                found.append(success(result, before, after))
        outside = [one.outside for one in found if one.outside is not None]
        rows.append(
            {
                "guidance_scale": text,
                "image_guidance_scale": picture,
                "strict": _share(one.is_strict for one in found),
                "outside": sum(outside) / len(outside),
            }
        )
    return rows


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return 100 * sum(values) / len(values)
