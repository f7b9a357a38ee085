"""Critic: what D says of one's own drawing, and why it is no universal judge."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs, render
from demo.activities import (
    ANY,
    ModelTab,
    class_label,
    class_names,
    dataset_of,
    model_dropdown,
)
from demo.activities.complete import Examples, grey_models
from demo.activities.surprise import invert, noise
from demo.components import probes, score_axis
from demo.components.pad import Drawing, pad, read
from demo.components.rank import percent
from demo.components.score_axis import Kinds, signed
from demo.components.status import status
from demo.latent import test_images
from gm_core import checkpoints, data
from gm_core.randomness import stream

TITLE = "Critic"
FIRST_EXAMPLE = 7
REFERENCE = 200  # pictures of each kind that a drawing is compared with
PROBED = 25  # pictures of each kind of probe
SHIFT = 3  # pixels
OTHER = {"mnist": "fashion", "fashion": "mnist"}  # what a data set's judge never saw
CALLED = {"mnist": "a digit", "fashion": "a picture of clothes"}

QUESTION = """
<p class="gm-question">
Draw, and D says how real it finds your picture. A score has no unit and is no
probability: only differences mean something. So it stands among D's scores of real test images and
of pictures by its own G.</p>
"""
JUDGE = "<h3>Is D a judge of all pictures?</h3>"
READY = "Predict: of which of these kinds does D find pictures the most real, on average?"
AS_IT_IS = "real, as it is"
MEASURING = "D looks at 200 real and 200 generated pictures ..."
EMPTY = "Nothing is drawn yet. Of a black picture, too, D says a number: "

Pixels = NDArray[np.uint8]  # (H, W)


def shift(pixels: Pixels, _: torch.Generator) -> Pixels:
    """To the right and down; what comes in is black."""
    moved = np.zeros_like(pixels)
    moved[SHIFT:, SHIFT:] = pixels[:-SHIFT, :-SHIFT]
    return moved


def blank(pixels: Pixels, _: torch.Generator) -> Pixels:
    return np.zeros_like(pixels)


# What the buttons say -> what they do.
CHANGES: dict[str, Callable[[Pixels, torch.Generator], Pixels]] = {
    "Invert colours": invert,
    "Add noise": noise,
    f"Shift {SHIFT} px": shift,
    "Blank": blank,
}


# --- probes --------------------------------------------------------------------------------------


def thicker(images: Tensor) -> Tensor:
    """Every pixel becomes the brightest of four."""
    return F.max_pool2d(F.pad(images, (0, 1, 0, 1)), 2, stride=1)


def thinner(images: Tensor) -> Tensor:
    """Every pixel becomes the darkest of four."""
    return -F.max_pool2d(F.pad(-images, (0, 1, 0, 1)), 2, stride=1)


def blurred(images: Tensor) -> Tensor:
    """Every pixel becomes the mean of nine."""
    return F.avg_pool2d(F.pad(images, (1, 1, 1, 1)), 3, stride=1)


@functools.cache
def probe_images(dataset: str) -> dict[str, Tensor]:
    """What D is asked about, by name: each (PROBED, 1, H, W) in [0, 1]."""
    real = spread_images(dataset, None, 2 * PROBED)
    real, others = real[::2], real[1::2]
    width = real.shape[3]
    halves = torch.cat([real[..., : width // 2], others[..., width // 2 :]], dim=3)
    return {
        AS_IT_IS: real,
        f"shifted by {SHIFT} px": F.pad(real, (SHIFT, -SHIFT, SHIFT, -SHIFT)),
        "thinner": thinner(real),
        "bolder": thicker(real),
        "blurred": blurred(real),
        "halves of two": halves,
        "random pixels": torch.rand(real.shape, generator=stream(0)),
        CALLED[OTHER[dataset]]: spread_images(OTHER[dataset], None, PROBED),
    }


@functools.cache
def probe_scores(model: str, _: Path) -> dict[str, float]:
    """D's mean score of every kind of probe."""
    images = probe_images(dataset_of(model))
    scores = ask(model, torch.cat(list(images.values())), None).reshape(len(images), PROBED)
    return dict(zip(images, scores.mean(axis=1).tolist(), strict=True))


def show_probes(model: str, prediction: str | None, *, revealed: bool) -> str:
    """The first picture of every kind, and what D says on average of its kind."""
    images = probe_images(dataset_of(model))
    scores, kinds = ({}, None) if not revealed else (
        probe_scores(model, checkpoints.root()), reference(model, None)
    )  # fmt: skip
    row = []
    for name, pictures in images.items():
        score = scores.get(name)
        row.append(
            probes.Probe(
                name=name,
                url=address(pictures[0]),
                kind="real" if name == AS_IT_IS else "other",
                score="" if score is None else signed(score),
                note=f"above {100 * kinds.lower(score)[0]:.0f} % of real"
                if kinds and score
                else "",
                predicted=name == prediction,
                first=score is not None and score == max(scores.values()),
            )
        )
    return probes.show(row)


def verdict(model: str, prediction: str) -> str:
    """What D finds most real, and what that is worth."""
    scores = probe_scores(model, checkpoints.root())
    best = max(scores, key=lambda name: scores[name])
    if best == prediction:
        start = f"As you predicted, D finds “{best}” the most real"
    else:
        start = f"You predicted “{prediction}”, but D finds “{best}” the most real"
    real = scores[AS_IT_IS]
    above = [f"“{name}”" for name in scores if scores[name] > real]
    return (
        f"{start}: mean score {signed(scores[best])}, of real pictures as they are {signed(real)}. "
        + (f"More real than real, to D: {', '.join(above)}. " if above else "")
        + "D learned one thing: to tell its data from what its own G drew. Of anything else it has "
        "no idea, and still says a number."
    )


def address(image: Tensor) -> str:
    """A picture (1, H, W) in [0, 1] as a data URL."""
    pixels = (255 * image[0]).round().byte().numpy()
    return render.data_url(render.png(pixels[None, :, :, None], 1), "image/png")


# --- scores --------------------------------------------------------------------------------------


def ask(model: str, images: Tensor, label: int | None) -> NDArray[np.float32]:
    """What D says of pictures (B, 1, H, W) in [0, 1], all of one class, or none."""
    labels = None if label is None else [label] * len(images)
    [record] = engine.stream("judge", model=model, images=images.tolist(), labels=labels)
    return record.scores.numpy()


def spread_images(dataset: str, label: int | None, count: int) -> Tensor:
    """Shipped test images, evenly spread, of a class or of all: (N, 1, H, W) in [0, 1]."""
    sample = test_images(dataset, binary=False)
    images = sample.images if label is None else sample.images[sample.labels == label]
    return images[torch.linspace(0, len(images) - 1, min(count, len(images))).long()] / 255


def reference(model: str, label: int | None) -> Kinds:
    """What a score is compared with: as D scores real test images, and pictures of its G."""
    return _reference(model, label, checkpoints.root())


@functools.cache
def _reference(model: str, label: int | None, _: Path) -> Kinds:
    real = spread_images(dataset_of(model), label, REFERENCE)
    z = gm_core.load(model).sample_latent(REFERENCE, seed=0)
    labels = None if label is None else [label] * REFERENCE
    [drawn] = engine.stream("forge", model=model, z=z.tolist(), labels=labels)
    return Kinds(ask(model, real, label), ask(model, drawn.images, label))


def score_of(pixels: Pixels, model: str, label: int | None) -> float:
    return float(ask(model, torch.from_numpy(pixels)[None, None] / 255, label)[0])


def describe(pixels: Pixels, score: float, kinds: Kinds, chosen: str) -> str:
    """D's score, and how many pictures have a lower one."""
    real, generated = kinds.lower(score)
    asked = "" if chosen == ANY else f" as “{chosen}”"
    start = EMPTY if not pixels.any() else f"D's score of your picture{asked}: "
    return (
        f"{start}{signed(score)}. Lower scores: {percent(real)} of the real and "
        f"{percent(generated)} of the generated pictures."
    )


def names_of(kinds: Kinds, chosen: str) -> tuple[str, str]:
    """What the two halves of the axis are called."""
    of = "" if chosen == ANY else f" of “{chosen}”"
    return f"{len(kinds.real)} real{of}", f"{len(kinds.generated)} generated{of}"


def show(pixels: Pixels, model: str, chosen: str, before: Pixels | None = None) -> tuple[str, str]:
    """Axis and status line; `before` is the picture before the last change."""
    label = class_label(chosen, model)
    kinds, score = reference(model, label), score_of(pixels, model, label)
    told = describe(pixels, score, kinds, chosen)
    if before is not None:
        change = score - score_of(before, model, label)
        told += f" The change: {'+' if change >= 0 else ''}{signed(change)}."
    return score_axis.axis(kinds, score, names_of(kinds, chosen)), told


@functools.cache
def examples(of_data: tuple[str, ...]) -> Examples:
    """The first test image of every class, of some data sets."""
    pixels, names, datasets = [], [], []
    for dataset in of_data:
        sample, classes = test_images(dataset, binary=False), data.DATASETS[dataset].class_names
        of_class = [(sample.labels == label).nonzero()[:, 0] for label in range(len(classes))]
        chosen = [int(found[0]) for found in of_class]
        pixels.append(sample.images[chosen, 0].numpy())
        called = [classes[int(sample.labels[at])] for at in chosen]
        names += [f"a {name}" if dataset == "mnist" else name for name in called]
        datasets += [dataset] * len(chosen)
    return Examples(np.concatenate(pixels), tuple(names), tuple(datasets))


def build(tab: ModelTab) -> None:
    """The activity's contents, with a test image on the pad."""
    models = grey_models(tab.models)
    shelf = examples(tuple(dict.fromkeys(map(dataset_of, models))))
    height, width = shelf.pixels.shape[1:]
    uncovered = np.zeros((height, width), np.bool_)

    def critic(drawing: dict[str, Any], model: str, label: str) -> tuple[str, str]:
        """D's score of a drawing, among those of real and of generated pictures."""
        model = inputs.choice(model, "Model", models)
        class_label(label, model)
        return show(read(drawing, height, width).pixels, model, label)

    def change(
        kind: str, drawing: dict[str, Any], model: str, label: str
    ) -> tuple[dict[str, Any], str, str]:
        """Change the drawing (Invert colours, Add noise, Shift 3 px, Blank) and score it."""
        act = CHANGES[inputs.choice(kind, "Change", tuple(CHANGES))]
        model = inputs.choice(model, "Model", models)
        class_label(label, model)
        pixels = read(drawing, height, width).pixels
        # Other pictures, other dice: noise on noise must not hit the same pixels.
        changed = act(pixels, stream(0, zlib.crc32(pixels.tobytes())))
        return Drawing(changed, uncovered).payload(), *show(changed, model, label, pixels)

    def fit_model(model: str, drawing: dict[str, Any]) -> tuple[Any, ...]:
        """Another model: its classes, the drawing's score, and its own probes."""
        model = inputs.choice(model, "Model", models)
        pixels = read(drawing, height, width).pixels
        return (
            gr.Dropdown(list(class_names(model)), value=ANY), *show(pixels, model, ANY),
            gr.Radio(list(probe_images(dataset_of(model))), value=None),
            show_probes(model, None, revealed=False), READY,
        )  # fmt: skip

    def reveal(prediction: str | None, model: str) -> tuple[str, str]:
        """D's mean score of every kind of probe, and whether the prediction was right."""
        model = inputs.choice(model, "Model", models)
        if prediction is None:
            raise inputs.refusal("Predict first: choose one of the kinds of pictures.")
        names = tuple(probe_images(dataset_of(model)))
        prediction = inputs.choice(prediction, "Prediction", names)
        return show_probes(model, prediction, revealed=True), verdict(model, prediction)

    first = models[0]
    drawing = Drawing(shelf.pixels[FIRST_EXAMPLE], uncovered)
    kind = gr.Dropdown(list(CHANGES), label="Change", visible=False)
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=345):
            # Above the pad, so that on a phone it stays in sight.
            told = status(MEASURING, elem_id=f"{tab.id}-critic-status")
            image = pad(
                drawing.payload(), label="Your picture", elem_id=f"{tab.id}-critic-pad",
                hideable=False, examples=shelf.pixels, example_names=shelf.names,
            )  # fmt: skip
            with gr.Row():
                buttons = [gr.Button(name, min_width=84, size="sm") for name in CHANGES]
            with gr.Row():
                model = model_dropdown(models)
                label = gr.Dropdown(
                    list(class_names(first)), value=ANY, label="Class", min_width=100,
                    info="that D is told",
                )  # fmt: skip
        with gr.Column(scale=3, min_width=336):
            placed = score_axis.score_axis(
                score_axis.waiting("D looks ..."), elem_id=f"{tab.id}-critic-axis"
            )
            gr.HTML(JUDGE, padding=False)
            row = probes.probes(
                show_probes(first, None, revealed=False), elem_id=f"{tab.id}-critic-probes"
            )
            prediction = gr.Radio(
                list(probe_images(dataset_of(first))), label="Your prediction",
                elem_id=f"{tab.id}-critic-prediction",
            )  # fmt: skip
            ask_d = gr.Button("Reveal D's scores", variant="primary")
            answer = status(READY, elem_id=f"{tab.id}-critic-answer")

    live: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a stroke would be lost
        **engine.event("quick"),
    }
    private: dict[str, Any] = live | {"api_visibility": "private"}
    image.input(critic, [image, model, label], [placed, told], api_name=f"{tab.id}_critic", **live)
    gr.on([placed.select, label.input], critic, [image, model, label], [placed, told], **private)
    model.input(
        fit_model, [model, image], [label, placed, told, prediction, row, answer], **private
    )
    for button in buttons:  # what it does is its first input
        button.click(change, [button, image, model, label], [image, placed, told], **private)
    # A button is no input of an endpoint.
    kind.input(
        change, [kind, image, model, label], [image, placed, told],
        api_name=f"{tab.id}_critic_change", **live,
    )  # fmt: skip
    ask_d.click(
        reveal, [prediction, model], [row, answer], api_name=f"{tab.id}_critic_probes", **live
    )
