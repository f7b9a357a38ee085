"""Surprise: how likely the model finds a picture, pixel by pixel, and how it compares."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray

from demo import engine, inputs, render
from demo.activities import (
    ANY,
    TITLES,
    ModelTab,
    class_label,
    class_names,
    dataset_of,
    level_names,
    model_dropdown,
)
from demo.activities.complete import Examples, examples, fitting_example, grey_models, levels_of
from demo.components import rank
from demo.components.maps import Heat, Maps, Picture, maps
from demo.components.pad import Drawing, pad, read
from demo.components.status import status
from gm_core import checkpoints
from gm_core.metrics import bits_per_dimension
from gm_core.randomness import stream
from gm_core.surprise import Surprise, nearest_levels

TITLE = "Surprise"
FIRST_EXAMPLE = 7
MOST_RESULTS = 8
MOST_BITS = {2: 6, 256: 12}  # a pixel, by levels: where the colours end
NOISE = 1 / 20  # of the pixels
DRAWING = "your drawing"
SAME_NATS = 1e-3  # two scores that differ by less are equal but for rounding
TEST_IMAGES = {"mnist": "test digits", "fashion": "test images of clothes"}

QUESTION = """
<p class="gm-question">
How likely does the model find a picture? Its network predicts every pixel from the pixels before
it: what it did not expect costs bits, and all bits together are −log p(x), exactly, in one pass.
Draw, or pick a test image. Then turn it upside down, or shuffle its pixels: what does it cost
now?</p>
"""

Pixels = NDArray[np.uint8]  # (H, W)


def upside_down(pixels: Pixels, _: torch.Generator) -> Pixels:
    return pixels[::-1, ::-1].copy()


def mirror(pixels: Pixels, _: torch.Generator) -> Pixels:
    return pixels[:, ::-1].copy()


def shuffle(pixels: Pixels, generator: torch.Generator) -> Pixels:
    order = torch.randperm(pixels.size, generator=generator).numpy()
    return pixels.flatten()[order].reshape(pixels.shape)


def invert(pixels: Pixels, _: torch.Generator) -> Pixels:
    return 255 - pixels


def noise(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """One pixel in twenty becomes black or white, as a coin decides."""
    hit = torch.rand(pixels.shape, generator=generator).numpy() < NOISE
    white = torch.rand(pixels.shape, generator=generator).numpy() < 0.5
    return np.where(hit, np.where(white, 255, 0), pixels).astype(np.uint8)


# What the buttons say -> what they do, and how the picture is called then.
TRANSFORMS: dict[str, tuple[Callable[[Pixels, torch.Generator], Pixels], str]] = {
    "Upside-down": (upside_down, "upside-down"),
    "Mirror": (mirror, "mirrored"),
    "Shuffle pixels": (shuffle, "shuffled"),
    "Invert": (invert, "inverted"),
    "Noise": (noise, "with noise"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """A picture that was scored, to compare others with."""

    pixels: bytes
    what: str
    model: str
    label: str
    row: rank.Row
    classes: str = ""  # the weighed classes, as they were shown


def name_picture(pixels: Pixels, results: tuple[Result, ...], shelf: Examples) -> str:
    """What lies on the pad, in words."""
    index = shelf.find(pixels)
    if index is not None:
        return f"test image: {shelf.names[index]}"
    if not pixels.any():
        return "nothing drawn"
    known = (result.what for result in results if result.pixels == pixels.tobytes())
    return next(known, DRAWING)


def name_transformed(what: str, words: str) -> str:
    """What a picture is called after one more change."""
    base, *changes = what.split(", ")
    changes = [*changes, words]
    return ", ".join([base, *(changes if len(changes) < 4 else ["…", *changes[-2:]])])


def symbol_of(label: str) -> str:
    return "−log p(x)" if label == ANY else f"−log p(x | {label})"


def more_surprising_than(model: str, nats: float) -> str:
    """A score's rank among those of the shipped test images."""
    sample = checkpoints.read_sample_nats(model)
    if sample is None:
        return "not measured"
    below = int((sample < nats - SAME_NATS).sum())
    return f"{below:,} of {len(sample):,} {TEST_IMAGES[dataset_of(model)]}"


def show_maps(record: Surprise, model: str) -> dict[str, Any]:
    """The picture as the model sees it, and what each of its pixels costs."""
    levels = levels_of(model)
    grey = (255 * record.levels[0] // (levels - 1)).byte().numpy()
    cut = "a grey of one half or more is white" if levels == 2 else ""
    bits = record.nats[0].numpy() / math.log(2)
    return Maps(
        (
            Heat(
                "Surprise", bits, "bits",
                f"−log₂ p of a pixel, given all pixels before it; together {bits.sum():.1f} bits",
                low=0, high=MOST_BITS[levels], below=grey,
            ),
            Picture("What the model is given", grey[..., None], cut, levels=levels),
        )
    ).payload()  # fmt: skip


def status_line(record: Surprise, what: str, model: str, label: str) -> str:
    """What the picture costs, and the pixel that costs most."""
    total, width = record.total, record.nats.shape[2]
    row, column = divmod(int(record.nats.argmax()), width)
    level, worst = int(record.levels[0, row, column]), float(record.nats.max())
    names = level_names(levels_of(model))
    called = names[level] if names else f"level {level}"
    empty = "" if record.levels.any() else "Even an empty picture has a probability. "
    return (
        f"{empty}{what[:1].upper()}{what[1:]}: {symbol_of(label)} = {total:.1f} nats = "
        f"{total / math.log(2):.1f} bits, {bits_per_dimension(total, record.nats.numel()):.3f} "
        f"bits/dim. Most surprising: row {row + 1}, column {column + 1} is {called}, which the "
        f"model gave {rank.percent(math.exp(-worst))}, {worst / math.log(2):.1f} bits."
    )


def show_rank(record: Surprise, model: str) -> str:
    """Where the picture lies among the test images, by what it costs without a label."""
    sample = checkpoints.read_sample_nats(model)
    if sample is None:
        return (
            '<p class="quiet">This model has not been measured on the test images yet, so this '
            "picture has no rank among them.</p>"
        )
    place = more_surprising_than(model, record.unlabelled)
    return rank.histogram(
        sample.numpy(), record.unlabelled, f"−log p(x): more surprising than {place}", "nats"
    )


def show_classes(record: Surprise, model: str) -> str:
    """The ten classes weighed against each other."""
    assert record.classes is not None
    assert record.posterior is not None
    names = class_names(model)[1:]
    best = int(record.classes.argmin())
    share = rank.percent(float(record.posterior[best]))
    return rank.classes(
        names,
        record.classes.tolist(),
        record.posterior.tolist(),
        f"The model would call it “{names[best]}” ({share})",
        "Bayes' rule turns p(x | class) around, each class being equally likely beforehand. It "
        "must choose one of these, even where none fits: then −log p(x) is high.",
    )


def show_results(results: tuple[Result, ...]) -> str:
    return rank.table([result.row for result in results], "The last pictures")


def add_result(
    record: Surprise,
    pixels: Pixels,
    what: str,
    model: str,
    label: str,
    results: tuple[Result, ...],
) -> tuple[Result, ...]:
    """The results with one more, the newest first; a drawing that goes on stays one result."""
    picture = render.png(pixels[None, :, :, None], 1)
    row = rank.Row(
        picture=render.data_url(picture, "image/png"),
        what=what,
        model=TITLES[model],
        symbol=symbol_of(label),
        nats=record.total,
        bits_a_dimension=bits_per_dimension(record.total, record.nats.numel()),
        rank=more_surprising_than(model, record.unlabelled),
    )
    new = Result(pixels.tobytes(), what, model, label, row)
    for last in results[:1]:
        is_alike = (last.model, last.label, last.what) == (model, label, what)
        if is_alike and (what == DRAWING or last.pixels == new.pixels):
            results = results[1:]
    return (new, *results)[:MOST_RESULTS]  # fmt: skip


def score(
    pixels: Pixels, what: str, model: str, label: str, results: tuple[Result, ...]
) -> Iterator[tuple[Any, Any, Any, Any, Any, Any]]:
    """Maps, status line, rank, classes, table and results; first with the classes of the picture
    before, since weighing them takes ten times as long as all the rest."""
    levels = nearest_levels(torch.from_numpy(pixels), levels_of(model))[None]
    records = engine.stream(
        "surprise", model=model, levels=levels.tolist(), label=class_label(label, model)
    )
    record = next(records)
    old = rank.outdated(results[0].classes) if results else ""
    results = add_result(record, pixels, what, model, label, results)
    shown = (
        show_maps(record, model), status_line(record, what, model, label), show_rank(record, model)
    )  # fmt: skip
    yield *shown, old, show_results(results), results
    classes = show_classes(next(records), model)
    results = (replace(results[0], classes=classes), *results[1:])
    yield *shown, classes, show_results(results), results


def build(tab: ModelTab) -> None:
    """The activity's contents, with a test image that the real model has scored."""
    models = grey_models(tab.models)
    shelf = examples(models)
    height, width = shelf.pixels.shape[1:]
    uncovered = np.zeros((height, width), np.bool_)

    def surprise(
        drawing: dict[str, Any], model: str, label: str, results: tuple[Result, ...]
    ) -> Iterator[tuple[Any, ...]]:
        """Score a picture: maps, a status line, its rank, its class, and the last pictures."""
        model = inputs.choice(model, "Model", models)
        class_label(label, model)
        pixels = read(drawing, height, width).pixels
        yield from score(pixels, name_picture(pixels, results, shelf), model, label, results)

    def transform(
        kind: str,
        drawing: dict[str, Any],
        model: str,
        label: str,
        seed: float,
        results: tuple[Result, ...],
    ) -> Iterator[tuple[Any, ...]]:
        """Change the picture (Upside-down, Mirror, Shuffle pixels, Invert, Noise) and score it."""
        change, words = TRANSFORMS[inputs.choice(kind, "Change", tuple(TRANSFORMS))]
        model = inputs.choice(model, "Model", models)
        class_label(label, model)
        pixels = read(drawing, height, width).pixels
        # Other pictures, other dice: noise on noise must not hit the same pixels.
        generator = stream(inputs.seed(seed), zlib.crc32(pixels.tobytes()))
        changed = change(pixels, generator)
        what = f"test image: {shelf.names[at]}" if (at := shelf.find(changed)) is not None else (
            name_transformed(name_picture(pixels, results, shelf), words)
        )  # fmt: skip
        value = Drawing(changed, uncovered).payload()
        for outputs in score(changed, what, model, label, results):
            yield value, *outputs

    def fit_model(
        model: str, drawing: dict[str, Any], results: tuple[Result, ...]
    ) -> Iterator[tuple[Any, ...]]:
        """The classes of another model, a test image of its own, and the score it gives."""
        model = inputs.choice(model, "Model", models)
        fitting, value = fitting_example(read(drawing, height, width), model, shelf)
        what = name_picture(fitting.pixels, results, shelf)
        for outputs in score(fitting.pixels, what, model, ANY, results):
            yield gr.Dropdown(list(class_names(model)), value=ANY), value, *outputs

    drawing = Drawing(shelf.pixels[FIRST_EXAMPLE], uncovered)
    *_, opening = score(drawing.pixels, name_picture(drawing.pixels, (), shelf), models[0], ANY, ())
    first_maps, first_line, first_rank, first_classes, first_table, first_results = opening
    results = gr.State(first_results)
    kind = gr.Dropdown(list(TRANSFORMS), label="Change", visible=False)

    gr.HTML(QUESTION, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=345):
            image = pad(
                drawing.payload(), label="Your image", elem_id=f"{tab.id}-surprise-pad",
                hideable=False, examples=shelf.pixels, example_names=shelf.names,
            )  # fmt: skip
            with gr.Row():
                buttons = [gr.Button(name, min_width=150) for name in TRANSFORMS]
            model = model_dropdown(models)
            label = gr.Dropdown(list(class_names(models[0])), value=ANY, label="Class")
            with gr.Accordion("More", open=False):
                seed = gr.Number(0, label="Seed", info="decides what Shuffle pixels and Noise do")
        with gr.Column(scale=5, min_width=336):
            pixel_maps = maps(
                first_maps, label="What each pixel costs", elem_id=f"{tab.id}-surprise-maps"
            )
            told = status(first_line, elem_id=f"{tab.id}-surprise-status")
            with gr.Row():
                with gr.Column(min_width=320):
                    ranking = rank.rank(first_rank, elem_id=f"{tab.id}-surprise-rank")
                with gr.Column(min_width=320):
                    weighed = rank.rank(first_classes, elem_id=f"{tab.id}-surprise-classes")
            table = rank.rank(first_table, elem_id=f"{tab.id}-surprise-results")

    scored = [pixel_maps, told, ranking, weighed, table, results]
    live: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a stroke would be lost
        **engine.event("quick"),
    }
    image.input(
        surprise, [image, model, label, results], scored, api_name=f"{tab.id}_surprise", **live
    )
    label.input(surprise, [image, model, label, results], scored, api_visibility="private", **live)
    model.input(
        fit_model, [model, image, results], [label, image, *scored],
        api_visibility="private", **live,
    )  # fmt: skip
    for button in buttons:  # what it does is its first input
        button.click(
            transform,
            [button, image, model, label, seed, results],
            [image, *scored],
            api_visibility="private",
            **live,
        )
    # A button is no input of an endpoint.
    kind.input(
        transform,
        [kind, image, model, label, seed, results],
        [image, *scored],
        api_name=f"{tab.id}_transform",
        **live,
    )
