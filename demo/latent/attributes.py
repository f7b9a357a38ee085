"""Attributes: directions of the code that give an avatar glasses, or whatever examples have."""

from __future__ import annotations

import functools
import html
import math
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.events import api
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import ModelTab
from demo.components.pictures import Shown, payload, pictures
from demo.components.sheet import sheet
from demo.components.status import status
from gm_core import checkpoints, data
from gm_core.attributes import ATTRIBUTES, DATASET, directions, mean_codes

TITLE = "Attributes"
MODEL = "vae-avatars"
LARGEST = 1.5  # times a direction
STEP = 0.05
FIRST = {"glasses": 1.0}  # where the sliders stand as the app starts
FIRST_PAIRS = 5  # avatars with glasses, and as many without

QUESTION = """
<p class="gm-question">
No one told this VAE what glasses are. Yet from the mean code of avatars without glasses to the
mean code of those with them leads a direction, and adding it to any code puts glasses on. Choose an
avatar and move the sliders: +1 goes as far as from the average avatar without to the average with.
Which attributes mix? Where does the picture break?</p>
"""
OWN = """
<h3>Your own direction</h3>
<p>Show by examples what you mean: click avatars into “with” and “without”, and again to take them
out. Your direction is the difference of the two groups' mean codes. What if everyone “with” also
has a beard? How many examples does it take?</p>
<p class="gm-equation">z′ = z + t · (mean z of “with” − mean z of “without”)</p>
"""
EMPTY = "Pick at least one avatar for “with” and one for “without”."

Pixels = NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True, slots=True)
class Survey:
    """The shipped test avatars and their codes."""

    images: NDArray[np.uint8]  # (N, H, W, 3)
    names: tuple[str, ...]
    classes: tuple[int, ...]
    codes: Tensor  # (N, latent): means of q(z | x)
    directions: dict[str, Tensor]  # attribute: (latent,)
    apart: float  # mean distance between the codes of two avatars

    def like(self, label: int, turn: int) -> int:
        """The avatar of a class that comes in turn."""
        return [at for at, other in enumerate(self.classes) if other == label][turn]


def survey() -> Survey:
    """All avatars of the shipped sample, encoded."""
    sample = data.load(DATASET, "sample")
    measured = checkpoints.read_sample(MODEL)
    if measured:  # encoding takes most of a second
        codes = measured["codes"]
        known = dict(zip(ATTRIBUTES, measured["directions"], strict=True))
    else:
        codes = mean_codes(gm_core.load(MODEL), sample.images)
        known = directions(codes, sample.labels)
    class_names = data.DATASETS[DATASET].class_names
    return Survey(
        images=sample.images.permute(0, 2, 3, 1).numpy(),
        names=tuple(class_names[label] for label in sample.labels.tolist()),
        classes=tuple(sample.labels.tolist()),
        codes=codes,
        directions=known,
        apart=float(torch.pdist(codes).mean()),
    )


def shelf(known: Survey, turn: int) -> list[int]:
    """24 avatars, half of them with any attribute: of each class the avatar that comes in turn,
    and the next one of the classes with an even number of attributes."""
    classes = range(2 ** len(ATTRIBUTES))
    even = [label for label in classes if label.bit_count() % 2 == 0]
    return sorted(
        [known.like(label, turn) for label in classes]
        + [known.like(label, turn + 1) for label in even]
    )


def first_groups(known: Survey, ids: list[int]) -> dict[str, list[int]]:
    """Pairs of a sheet's avatars that differ in glasses, and are alike in the other attributes."""
    glasses = 1 << (len(ATTRIBUTES) - 1 - ATTRIBUTES.index("glasses"))
    of_class = {known.classes[at]: at for at in reversed(ids)}
    lacking = [label for label in sorted(of_class) if not label & glasses][:FIRST_PAIRS]
    return {
        "with": [of_class[label | glasses] for label in lacking],
        "without": [of_class[label] for label in lacking],
    }


def decode(codes: Tensor) -> NDArray[np.uint8]:
    """The pictures of codes (B, latent): (B, H, W, 3)."""
    [frame] = engine.stream("decode", model=MODEL, z=codes.tolist())
    return (255 * frame.images).round().byte().permute(0, 2, 3, 1).numpy()


def psnr(pixels: Pixels, reconstruction: Pixels) -> float:
    """Peak signal to noise, dB; infinite for equal pictures."""
    error = np.square(pixels / 255 - reconstruction / 255).mean()
    return -10 * math.log10(error) if error else math.inf


def signed(number: float, digits: int = 2) -> str:
    return f"{number:.{digits}f}".replace("-", "−")


def group_of(value: Any, name: str, count: int) -> list[int]:
    """A list of different avatars; it may be empty."""
    if not isinstance(value, list) or len(value) > count:
        raise inputs.refusal(f"“{name}” must be a list of avatars' numbers.")
    found = [inputs.whole(each, f"Each number of “{name}”", 0, count - 1) for each in value]
    if len(set(found)) != len(found):
        raise inputs.refusal(f"“{name}” must have no avatar twice.")
    return found


def figures() -> str:
    """How well the directions work on many test avatars, where the checkpoint was measured."""
    measured = (checkpoints.describe(MODEL).metrics or {}).get("figures", [])
    by_name = {figure["name"]: figure["value"] for figure in measured if figure["unit"] == "%"}
    given = [
        f"{name} <b>{by_name[figure]:.0f} %</b>"
        for name in ATTRIBUTES
        if (figure := f"{name}: judged with it after its direction was added") in by_name
    ]
    unchanged = by_name.get("other attributes unchanged by a direction")
    if not given or unchanged is None:
        return ""
    return (
        "<br>How many test avatars without an attribute show it after +1, as judged by a "
        f"classifier of pictures: {', '.join(given)}. Of their other attributes, "
        f"<b>{unchanged:.0f} %</b> stay as they were."
    )


def build(tab: ModelTab) -> None:
    """The activity's contents, with glasses on an avatar, and examples of glasses sorted."""
    known = survey()
    count = len(known.images)
    choices, examples = shelf(known, 0), shelf(known, 2)
    groups = first_groups(known, examples)
    plainest = known.like(0, 0)

    @functools.cache
    def reconstruction(avatar: int) -> Pixels:
        return decode(known.codes[avatar][None])[0]

    def edit(avatar: int, amounts: dict[str, float]) -> tuple[dict[str, Any], str]:
        """The pictures of an avatar with some of each direction, and their numbers."""
        shift = sum(
            (amount * known.directions[name] for name, amount in amounts.items()),
            start=torch.zeros_like(known.codes[avatar]),
        )
        pixels, own = known.images[avatar], reconstruction(avatar)
        edited = decode((known.codes[avatar] + shift)[None])[0]
        words = ", ".join(f"{name} {signed(amount)}" for name, amount in amounts.items())
        row = (
            Shown("The avatar", "real", pixels, f"A test avatar: {known.names[avatar]}"),
            Shown("Reconstruction", "reconstructed", own, "Its code, decoded"),
            Shown("Edited", "generated", edited, f"Its code plus directions, decoded: {words}"),
        )
        told = (
            f"The code moved by {float(shift.norm()):.2f} standard deviations of the prior; the "
            f"codes of two avatars lie {known.apart:.1f} apart on average. "
            f"Reconstruction: PSNR {psnr(pixels, own):.1f} dB."
        )
        return payload(row), told

    def attributes(
        avatar: float, dark_hair: float, glasses: float, smile: float, beard: float
    ) -> tuple[dict[str, Any], str]:
        """Add attributes to a test avatar: its pictures before and after, and their numbers."""
        index = inputs.whole(avatar, "Avatar", 0, count - 1)
        amounts = zip(ATTRIBUTES, (dark_hair, glasses, smile, beard), strict=True)
        checked = {
            name: inputs.number(amount, name.capitalize(), -LARGEST, LARGEST)
            for name, amount in amounts
        }
        return edit(index, checked)

    def own_direction(
        avatar: float, with_avatars: list[int], without_avatars: list[int], amount: float
    ) -> tuple[dict[str, Any], str]:
        """Add to a test avatar what one group of avatars has and another has not."""
        index = inputs.whole(avatar, "Avatar", 0, count - 1)
        having = group_of(with_avatars, "with", count)
        lacking = group_of(without_avatars, "without", count)
        t = inputs.number(amount, "t", -LARGEST, LARGEST)
        if not (having and lacking):
            raise inputs.refusal(EMPTY)
        if set(having) & set(lacking):
            raise inputs.refusal("An avatar must be “with” or “without”, not both.")
        means = [known.codes[group].mean(dim=0) for group in (having, lacking)]
        shift = t * (means[0] - means[1])
        images = decode(torch.stack(means))
        edited = decode((known.codes[index] + shift)[None])[0]
        row = (
            Shown("z, decoded", "reconstructed", reconstruction(index), "The avatar's code"),
            Shown(
                "Mean of “with”", "with", images[0],
                f"The mean code of {len(having)} avatars with it, decoded",
                f"+ {signed(t)} × (",
            ),
            Shown(
                "Mean of “without”", "without", images[1],
                f"The mean code of {len(lacking)} avatars without it, decoded", "−",
            ),
            Shown(
                "Edited", "generated", edited, f"z plus {signed(t)} times your direction, decoded",
                ") =",
            ),
        )  # fmt: skip
        told = (
            f"{len(having)} with, {len(lacking)} without. The code moved by "
            f"{float(shift.norm()):.2f} standard deviations of the prior."
        )
        return payload(row), told

    def chosen(value: Any) -> Any:
        """What a sheet to choose from says was chosen."""
        return value.get("chosen") if isinstance(value, dict) else None

    def follow(
        value: dict[str, Any], dark_hair: float, glasses: float, smile: float, beard: float
    ) -> tuple[dict[str, Any], str]:
        """`attributes`, of the avatar that was clicked."""
        return attributes(chosen(value), dark_hair, glasses, smile, beard)

    def reset(value: dict[str, Any]) -> tuple[Any, ...]:
        """All sliders at zero, and the pictures."""
        zeros = [0.0] * len(ATTRIBUTES)
        return *zeros, *attributes(chosen(value), *zeros)

    def follow_own(value: dict[str, Any], sorted_: dict[str, Any], t: float) -> tuple[Any, str]:
        """`own_direction`, of what was clicked; an empty group is no mistake but a beginning."""
        if not isinstance(sorted_, dict):
            raise inputs.refusal("The groups must be lists of avatars, as the sheet sends them.")
        having, lacking = sorted_.get("with"), sorted_.get("without")
        if having == [] or lacking == []:
            return gr.skip(), EMPTY
        return own_direction(chosen(value), having, lacking, t)  # pyright: ignore[reportArgumentType]

    first = [FIRST.get(name, 0.0) for name in ATTRIBUTES]
    first_row, first_line = attributes(plainest, *first)
    own_row, own_line = own_direction(plainest, groups["with"], groups["without"], 1.0)
    info = data.DATASETS[DATASET]

    gr.HTML(QUESTION, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=330):
            avatars = sheet(
                {"chosen": plainest}, known.images[choices], choices,
                [known.names[at] for at in choices],
                label="Choose an avatar", elem_id=f"{tab.id}-attributes-sheet",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=345):
            shown = pictures(first_row, layout="beside", elem_id=f"{tab.id}-attributes-pictures")
            with gr.Row():
                sliders = [
                    gr.Slider(
                        -LARGEST, LARGEST, value=amount, step=STEP, label=name.capitalize(),
                        min_width=200, buttons=[],
                    )
                    for name, amount in zip(ATTRIBUTES, first, strict=True)
                ]  # fmt: skip
            with gr.Row():
                line = status(first_line, elem_id=f"{tab.id}-attributes-status")
                zero = gr.Button("Reset", scale=0, min_width=110)
    gr.HTML(OWN, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=330):
            sorter = sheet(
                groups, known.images[examples], examples, [known.names[at] for at in examples],
                label="Your examples", elem_id=f"{tab.id}-own-sheet",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=345):
            own = pictures(own_row, layout="sum", elem_id=f"{tab.id}-own-pictures")
            amount = gr.Slider(
                -LARGEST, LARGEST, value=1.0, step=STEP, label="t", buttons=[],
                info="how much of your direction the chosen avatar gets",
            )  # fmt: skip
            own_status = status(own_line, elem_id=f"{tab.id}-own-status")
    gr.HTML(
        f'<p class="gm-quiet">{count} test avatars, which the VAE was not trained on; the '
        f"directions are made of their codes. {html.escape(info.attribution)}, {info.licence}."
        f"{figures()}</p>",
        padding=False,
    )

    live: dict[str, Any] = {
        "api_visibility": "private",
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a movement would be lost
        "queue": False,  # each takes a few milliseconds
    }
    gr.on(
        [avatars.input, *(slider.input for slider in sliders)],
        follow, [avatars, *sliders], [shown, line], **live,
    )  # fmt: skip
    zero.click(reset, [avatars], [*sliders, shown, line], **live)
    gr.on(
        [avatars.input, sorter.input, amount.input],
        follow_own, [avatars, sorter, amount], [own, own_status], **live,
    )  # fmt: skip
    api(attributes, api_name=f"{tab.id}_attributes")
    api(own_direction, api_name=f"{tab.id}_own_direction")
