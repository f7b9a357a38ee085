"""Collapse: a healthy generator and a sick one: which is which, and by which number?"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import gradio as gr
import torch
from gradio.events import api
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import ModelTab, dataset_of
from demo.activities.generate import randomise
from demo.components import census, mosaic, serial
from demo.components.census import Group
from demo.components.status import status
from demo.gan.generate import as_bytes
from gm_core import checkpoints, data
from gm_core.neighbours import Comparison, Measured
from gm_core.randomness import stream
from gm_core.realism import RARE, coverage

TITLE = "Collapse"
HEALTHY, SICK = MODELS = ("gan-mnist", "gan-mnist-collapsed")
COLUMNS = 5
COUNT = COLUMNS**2  # pictures of each that are shown
MEASURED = 500  # of each that are counted, those shown among them
FIRST_SEED = 1
LETTERS = ("A", "B")
ROWS = ("Classes covered", "Diversity (recall)", "Quality (precision)", "Two pictures differ by")

QUESTION = """
<div class="gm-question">
Two generators with the same network, trained on the same digits; nobody tells
them which digit to draw. One of them has <b>collapsed</b>: whatever z it is given, it draws one of
a few things. Which one? Predict, then reveal the numbers.</div>
"""
EMPTY = """
<div class="gm-quiet">Here will stand what a classifier counts in {count} pictures of each.</div>
"""
WAITING = "Predict first: which one has collapsed, A or B?"
WHY = (
    "It was made sick on purpose: the same network and digits, but with the loss of 2014, without "
    "gradient penalty, and with G learning several times for each step of D. So G runs after "
    "whatever D finds most real at the moment, and forgets the rest."
)


def order(seed: int) -> tuple[str, str]:
    """Which model is A and which is B: by the seed, and yet not to be guessed from it."""
    is_swapped = torch.randint(2, (), generator=stream(seed, 2 * MEASURED))
    return (SICK, HEALTHY) if is_swapped else (HEALTHY, SICK)


def latents(model: str, seed: int, *, same: bool) -> Tensor:
    """(MEASURED, latent): of both models the same, or of each its own."""
    z = gm_core.load(model).sample_latent(2 * MEASURED, seed=seed)
    return z[MEASURED:] if model == SICK and not same else z[:MEASURED]


def draw(model: str, seed: int, *, same: bool) -> Tensor:
    """Without labels: (COUNT, C, H, W) in [0, 1]."""
    z = latents(model, seed, same=same)[:COUNT]
    [frame] = engine.stream("forge", model=model, z=z.tolist())
    return frame.images


def measure(model: str, seed: int, *, same: bool) -> Measured:
    """Many pictures without labels, compared with real ones."""
    return _measure(model, seed, same, checkpoints.describe(model).weights)


@functools.lru_cache(maxsize=100)
def _measure(model: str, seed: int, same: bool, _weights: str) -> Measured:
    z = latents(model, seed, same=same).tolist()
    [record] = engine.stream("measure", model=model, z=z)
    return record


def show_pictures(seed: int, *, same: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What A and B draw."""
    asked = serial()
    first, second = (
        mosaic.payload(
            as_bytes(draw(model, seed, same=same)),
            [f"picture {index + 1}" for index in range(COUNT)],
            f"{COUNT} pictures, seed {seed}",
            asked=asked,
        )
        for model in order(seed)
    )
    return first, second


def group(title: str, letter: str, kind: Any, pictures: Comparison, classes: int) -> Group:
    """What is told of a set of pictures."""
    shown = pictures.shown
    if shown is None:
        raise LookupError("Collapse counts by a classifier, and there is none.")
    return Group(
        title,
        letter,
        kind,
        counts=torch.bincount(shown, minlength=classes).tolist(),
        numbers=(
            f"{coverage(shown, classes)} of {classes}",
            f"{100 * pictures.recall:.0f} %",
            f"{100 * pictures.precision:.0f} %",
            f"{100 * pictures.apart:.0f} %",
        ),
    )


def show_numbers(seed: int, *, same: bool) -> str:
    """A, B and real images in numbers."""
    dataset = data.DATASETS[dataset_of(HEALTHY)]
    classes, models = len(dataset.class_names), order(seed)
    records = [measure(model, seed, same=same) for model in models]
    groups = [
        group(
            f"{letter}: {'collapsed' if model == SICK else 'healthy'}", letter, "generated",
            record.generated, classes,
        )
        for letter, model, record in zip(LETTERS, models, records, strict=True)
    ]  # fmt: skip
    first = records[0]
    groups.append(
        group(f"Real: {first.count} test images", "real", "real", first.real, classes)
    )  # fmt: skip
    note = (
        f"{first.count} pictures of each, drawn without a label; a classifier of {dataset.title} "
        "names the digit in each, whatever it sees. Covered: a class with at least "
        f"{100 * RARE:.0f} % of them. "
        f"Diversity: the share of {first.among:,} other test images that lie among these pictures, "
        "by the classifier's features (recall). Quality: the share of these pictures that lie "
        "among those test images (precision). Difference: root mean square over the pixels, mean "
        "of all pairs; 100 % is white in place of black everywhere."
    )
    return census.show(groups, ROWS, dataset.class_names, note)


def answer(seed: int, prediction: str) -> str:
    """Whether the prediction was right, and how the sick one came about."""
    sick = LETTERS[order(seed).index(SICK)]
    start = "As you predicted, " if prediction == sick else f"You predicted {prediction}, but "
    return f"{start}{sick} has collapsed. {WHY}"


def build(tab: ModelTab) -> None:
    """The activity's contents, with pictures of both real models."""
    empty = EMPTY.format(count=MEASURED)

    def collapse(seed: float, same_z: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draw 25 pictures with each of two generators, A and B, one of which has collapsed."""
        return show_pictures(inputs.seed(seed), same=inputs.flag(same_z, "The same z"))

    def numbers(seed: float, same_z: bool, prediction: str) -> tuple[str, str]:
        """Whether the prediction, A or B, was right, and what a classifier counts."""
        number, same = inputs.seed(seed), inputs.flag(same_z, "The same z")
        if prediction is None:
            raise inputs.refusal(WAITING)
        inputs.choice(prediction, "Prediction", LETTERS)
        return answer(number, prediction), show_numbers(number, same=same)

    def reveal(seed: float, same_z: bool, prediction: str | None) -> Iterator[tuple[Any, Any]]:
        """`numbers`, told while it is counted."""
        if prediction is None:
            yield WAITING, gr.skip()
            return
        yield f"Counting {MEASURED} pictures of each ...", gr.skip()
        yield numbers(seed, same_z, prediction)

    def begin(seed: float | None, same_z: bool) -> tuple[Any, ...]:
        """Other pictures; the prediction starts over."""
        if seed is None:  # an empty field is no mistake but a beginning
            return (gr.skip(),) * 5
        first, second = collapse(seed, same_z)
        return mosaic.pictures(first), mosaic.pictures(second), None, WAITING, empty

    def deal(same_z: bool) -> tuple[Any, ...]:
        """Pictures of a seed that nobody chose."""
        number = randomise()
        return number, *begin(number, same_z)

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=300):
            prediction = gr.Radio(
                list(LETTERS), label="Which one has collapsed?",
                elem_id=f"{tab.id}-collapse-prediction",
            )  # fmt: skip
            show = gr.Button("Reveal the numbers", variant="primary")
            seed = gr.Number(FIRST_SEED, label="Seed", info="also decides which one is A")
            dice = gr.Button("Randomise")
            same_z = gr.Checkbox(True, label="The same z for both")
        sides = []
        for letter, shown in zip(LETTERS, show_pictures(FIRST_SEED, same=True), strict=True):
            with gr.Column(scale=1, min_width=320):
                sides.append(
                    mosaic.mosaic(
                        shown, columns=COLUMNS, most=304, title=letter,
                        label=f"Generated by {letter}",
                        elem_id=f"{tab.id}-collapse-{letter.lower()}",
                    )
                )  # fmt: skip
    told = status(WAITING, elem_id=f"{tab.id}-collapse-status")
    table = census.census(empty, elem_id=f"{tab.id}-collapse-numbers")

    live: dict[str, Any] = {
        "api_visibility": "private", "preprocess": False, "show_progress": "hidden", "queue": False
    }  # fmt: skip
    everything = [*sides, prediction, told, table]
    # No "change": a number's first one comes late, and would take an early prediction back.
    gr.on(
        [seed.input, same_z.input], begin, [seed, same_z], everything,
        trigger_mode="always_last", **live,
    )  # fmt: skip
    dice.click(deal, same_z, [seed, *everything], **live)
    show.click(
        reveal, [seed, same_z, prediction], [told, table], api_visibility="private",
        preprocess=False, show_progress="hidden", **engine.event("quick"),
    )  # fmt: skip
    api(collapse, api_name=f"{tab.id}_collapse")
    api(numbers, api_name=f"{tab.id}_collapse_numbers")
