"""Complete: hide a part of an image and let the model draw it, each time with other dice."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demo import engine, inputs, render
from demo.activities import (
    ANY,
    ModelTab,
    class_label,
    class_names,
    dataset_of,
    level_names,
    model_dropdown,
)
from demo.activities.generate import SECONDS_BETWEEN_UPDATES, randomise
from demo.components.maps import Heat, Maps, Picture, maps
from demo.components.pad import Drawing, pad, read
from demo.components.player import player
from demo.components.status import status
from gm_core import checkpoints, data
from gm_core.frames import PixelFrame
from gm_core.randomness import stream
from gm_core.surprise import entropy, nearest_levels

TITLE = "Complete"
MOST_COMPLETIONS = 16
MOST_EXAMPLES = 20
FIRST_COMPLETIONS = 4  # of the picture that the tab opens with, which must not take long
FIRST_EXAMPLE, FIRST_HIDDEN_ROW, FIRST_SEED = 3, 14, 7

QUESTION = """
<p class="gm-question">
How could the rest of an image look? Hide a part of it, and the model draws that part several
times, each time with other dice. Where do the completions agree, and where is everything open?</p>
<p class="gm-quiet">The model only looks back: it draws a hidden pixel from the pixels above it and
those to its left. So it continues well what lies below the part that is known. What is hidden above
known pixels it draws without having seen these, and the parts may not fit together.</p>
"""


# --- test images to pick from, for every activity that has a drawing pad -------------------------


@dataclass(frozen=True, slots=True)
class Examples:
    """Test images, as many of each data set as of the others, in the same order of classes."""

    pixels: NDArray[np.uint8]  # (N, H, W)
    names: tuple[str, ...]
    datasets: tuple[str, ...]  # of each image

    def find(self, pixels: NDArray[np.uint8]) -> int | None:
        """Which example a picture is."""
        same = (self.pixels == pixels).all(axis=(1, 2)).nonzero()[0]
        return int(same[0]) if len(same) else None

    def first(self, dataset: str) -> int:
        """The first example of a data set."""
        return self.datasets.index(dataset)


def grey_models(models: tuple[str, ...]) -> tuple[str, ...]:
    """The models of grey images, which can be drawn on a pad."""
    return tuple(
        name for name in models if data.load(dataset_of(name), "sample").images.shape[1] == 1
    )


def levels_of(model: str) -> int:
    """How many levels a model's pixels have."""
    return checkpoints.describe(model).config["levels"]


@functools.cache
def examples(models: tuple[str, ...]) -> Examples:
    """The first test images of every class, of all data sets that the models are of."""
    of_dataset = {dataset_of(name): levels_of(name) for name in models}
    pixels, names, datasets = [], [], []
    for dataset, levels in of_dataset.items():
        sample, info = data.load(dataset, "sample"), data.DATASETS[dataset]
        each = MOST_EXAMPLES // len(of_dataset) // len(info.class_names)
        # As the models of this data set are scored: two levels by the first frozen draw.
        images = sample.images
        if levels == 2:
            images = (255 * data.binarise(images, stream(0))).byte()
        of_class = [(sample.labels == label).nonzero()[:, 0] for label in range(10)]
        chosen = [int(found[turn]) for turn in range(each) for found in of_class]
        pixels.append(images[chosen, 0].numpy())
        for at in chosen:
            name = info.class_names[int(sample.labels[at])]
            names.append(f"a {name}" if dataset == "mnist" else name)
        datasets += [dataset] * len(chosen)
    return Examples(np.concatenate(pixels), tuple(names), tuple(datasets))


def fitting_example(
    drawing: Drawing, model: str, shelf: Examples
) -> tuple[Drawing, dict[str, Any] | Any]:
    """A picked test image of another data set becomes one of the model's own; and the pad's new
    value. What the student has drawn stays."""
    index = shelf.find(drawing.pixels)
    dataset = dataset_of(model)
    if index is None or shelf.datasets[index] == dataset:
        return drawing, gr.skip()
    offset = index - shelf.first(shelf.datasets[index])
    drawing = replace(drawing, pixels=shelf.pixels[shelf.first(dataset) + offset])
    return drawing, drawing.payload()


# --- completing ----------------------------------------------------------------------------------


def known_levels(drawing: Drawing, model: str) -> Tensor:
    """What a model may know of a drawing: int64 (1, H, W), -1 where it is hidden. Raises gr.Error
    where nothing can be completed."""
    levels = nearest_levels(torch.from_numpy(drawing.pixels), levels_of(model))
    hidden = torch.from_numpy(drawing.hidden)
    if not hidden.any():
        raise inputs.refusal(
            "Hide a part first: move “Hide rows from”, or choose Hide and paint over it."
        )
    if hidden.all():
        raise inputs.refusal(
            "Everything is hidden, so there is nothing to complete: show a part of the image, or "
            "let the model draw freely under Generate."
        )
    if not levels[~hidden].any():
        raise inputs.refusal(
            "All that is known is black: draw or pick something, and leave a part of it uncovered."
        )
    return levels.masked_fill(hidden, -1)[None]


def draw(settings: dict[str, Any], every: int | None = None) -> Iterator[PixelFrame]:
    """Frames of the completions."""
    model = settings["model"]
    yield from engine.stream(
        "sample",
        model=model,
        count=settings["count"],
        seed=settings["seed"],
        label=class_label(settings["class"], model),
        temperature=settings["temperature"],
        known=settings["known"].tolist(),
        every=every,
    )


def show_completions(
    frame: PixelFrame, settings: dict[str, Any], *, autoplay: bool
) -> dict[str, Any]:
    """The player's value: it begins where the first hidden pixel is drawn."""
    known = settings["known"]
    symbol = "x" if settings["class"] == ANY else f"x | {settings['class']}"
    # No dice was thrown for a known pixel.
    frame = replace(frame, noise=frame.noise.masked_fill(known >= 0, float("nan")))
    trajectory = render.pixel_trajectory(
        frame,
        level_names(frame.probabilities.shape[1]),
        symbol,
        settings["temperature"],
        autoplay=autoplay,
        start=int((known.flatten() < 0).nonzero()[0]),
    )
    captions = tuple(text.replace("Image", "Completion", 1) for text in trajectory.captions)
    return replace(trajectory, captions=captions).payload()


def open_bits(frame: PixelFrame, settings: dict[str, Any]) -> Tensor:
    """Entropy of what each hidden pixel was drawn from, its mean over the completions: (H, W)."""
    return (entropy(frame.probabilities) * (settings["known"] < 0)).mean(dim=0)[0]


def show_maps(frame: PixelFrame, settings: dict[str, Any]) -> dict[str, Any]:
    """What was known, the mean of the completions, and how open each pixel was."""
    known, levels = settings["known"], frame.probabilities.shape[1]
    hidden = (known[0] < 0).numpy()
    grey = (255 * known[0].clamp(min=0) // (levels - 1)).byte().numpy()
    mean = (255 * frame.images.mean(dim=0)).round().byte().permute(1, 2, 0).numpy()
    count = len(frame.levels)
    several = f"{count} completions" if count > 1 else "1 completion"
    most = "1 bit a fair coin" if levels == 2 else f"{np.log2(levels):.0f} bits all levels alike"
    cut = ": a grey of one half or more is white" if levels == 2 else ""
    differ = f"{'grey' if levels == 2 else 'blurred'} where they differ"
    return Maps(
        (
            Picture(
                "What is known", grey[..., None], f"what the model is given{cut}",
                levels=levels, unknown=hidden,
            ),
            Picture(
                f"Mean of {several}", mean, differ,
            ),
            Heat(
                "Entropy", open_bits(frame, settings).float().numpy(), "bits",
                "how open a hidden pixel was, given all pixels before it: 0 bits is a certainty, "
                f"{most}; mean over {several}",
                low=0, high=np.log2(levels), zero_is_special=True, below=grey,
            ),
        )
    ).payload()  # fmt: skip


def status_line(frame: PixelFrame, settings: dict[str, Any], seconds: float | None) -> str:
    """What came out, in numbers; without seconds, no times."""
    known, count = settings["known"], len(frame.levels)
    hidden = known < 0
    untouched = bool((frame.levels == known)[:, ~hidden].all())
    work = "drawn beforehand" if seconds is None else f"in {seconds:.2f} s"
    bits = float(open_bits(frame, settings).sum())
    warm = "" if settings["temperature"] == 1 else f" at temperature {settings['temperature']:g}"
    line = (
        f"{count} completion{'s' * (count > 1)} of {int(hidden.sum())} hidden pixels, {work}. "
        f"Known pixels untouched: {'yes' if untouched else 'no'}. "
        f"Entropy of the hidden part{warm}: "
        f"{bits:.1f} bits, as open as about {round(bits)} coin tosses."
    )
    last = int((known.flatten() > 0).nonzero()[-1])
    blind = int(hidden.flatten()[:last].sum())
    if blind:
        which = "All" if blind == int(hidden.sum()) else f"{blind} of the"
        line += (
            f" {which} hidden pixels come before known ones that are not black, and were drawn "
            "without looking at these."
        )
    return line


def run(settings: dict[str, Any]) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Complete with progress; at last the player's value, the maps, and the status line twice."""
    frames = draw(settings, every=28)
    working, told = 0.0, time.perf_counter()
    while True:
        started = time.perf_counter()
        frame = next(frames)
        now = time.perf_counter()
        working += now - started
        if frame.step == frame.total:
            break
        if now - told > SECONDS_BETWEEN_UPDATES:  # each update is also a chance to be stopped
            told = now
            yield gr.skip(), gr.skip(), f"Completing: {frame.note} ...", gr.skip()
    line = status_line(frame, settings, working)
    completions = show_completions(frame, settings, autoplay=True)
    yield completions, show_maps(frame, settings), line, line


def stopped(line: str) -> str:
    """What the status line says once the work was stopped."""
    return f"Stopped. These are still the completions before: {line}"


def build(tab: ModelTab) -> None:
    """The activity's contents, with a test image that the real model has completed."""
    models = grey_models(tab.models)
    shelf = examples(models)
    height, width = shelf.pixels.shape[1:]

    def complete(
        drawing: dict[str, Any],
        model: str,
        label: str,
        temperature: float,
        seed: float,
        count: float,
    ) -> Iterator[tuple[Any, Any, Any, Any, Any]]:
        """Draw what is hidden: the player's trajectory, the maps, a status line, the seed used."""
        model = inputs.choice(model, "Model", models)
        class_label(label, model)
        settings = {
            "model": model,
            "class": label,
            "temperature": inputs.number(temperature, "Temperature", 0.1, 2),
            "seed": inputs.seed(seed),
            "count": inputs.whole(count, "Completions", 1, MOST_COMPLETIONS),
            "known": known_levels(read(drawing, height, width), model),
        }
        for completions, pixel_maps, line, done in run(settings):
            yield completions, pixel_maps, line, settings["seed"], done

    def fit_model(model: str, drawing: dict[str, Any]) -> tuple[gr.Dropdown, Any]:
        """The classes that a model has, and a test image of its own for one of another's."""
        model = inputs.choice(model, "Model", models)
        _, value = fitting_example(read(drawing, height, width), model, shelf)
        return gr.Dropdown(list(class_names(model)), value=ANY), value

    hidden = np.zeros((height, width), np.bool_)
    hidden[FIRST_HIDDEN_ROW:] = True
    drawing = Drawing(shelf.pixels[FIRST_EXAMPLE], hidden)
    first = {
        "model": models[0], "class": ANY, "temperature": 1.0, "seed": FIRST_SEED,
        "count": FIRST_COMPLETIONS, "known": known_levels(drawing, models[0]),
    }  # fmt: skip
    *_, frame = draw(first)
    line = status_line(frame, first, None)
    last_line = gr.State(line)

    gr.HTML(QUESTION, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=345):
            with gr.Row():
                start = gr.Button("Complete", variant="primary", min_width=120)
                stop = gr.Button("Stop", min_width=90)
            image = pad(
                drawing.payload(), label="Your image", elem_id=f"{tab.id}-complete-pad",
                hideable=True, examples=shelf.pixels, example_names=shelf.names,
            )  # fmt: skip
            model = model_dropdown(models)
            label = gr.Dropdown(list(class_names(models[0])), value=ANY, label="Class")
            temperature = gr.Slider(
                0.1, 2, value=1, step=0.05, label="Temperature", info="low: sure, high: daring"
            )
            seed = gr.Number(FIRST_SEED, label="Seed", info="the same seed throws the same dice")
            dice = gr.Button("Randomise seed", size="sm")
            with gr.Accordion("More", open=False):
                count = gr.Slider(1, MOST_COMPLETIONS, value=8, step=1, label="Completions")
        with gr.Column(scale=5, min_width=336):
            completions = player(
                show_completions(frame, first, autoplay=False),
                label="The completions, pixel by pixel",
                elem_id=f"{tab.id}-complete-player",
            )
            told = status(line, elem_id=f"{tab.id}-complete-status")
            pixel_maps = maps(
                show_maps(frame, first), label="Where the completions differ",
                elem_id=f"{tab.id}-complete-maps",
            )  # fmt: skip

    running = start.click(
        complete,
        [image, model, label, temperature, seed, count],
        [completions, pixel_maps, told, seed, last_line],
        api_name=f"{tab.id}_complete",
        preprocess=False,  # the handler validates, whoever calls
        show_progress="hidden",
        **engine.event("sampling"),
    )
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running], api_visibility="private")
    stop.click(
        stopped, last_line, told, api_visibility="private", show_progress="hidden", queue=False
    )
    model.input(
        fit_model, [model, image], [label, image], api_visibility="private", preprocess=False,
        show_progress="hidden", queue=False,
    )  # fmt: skip
    dice.click(randomise, None, seed, api_visibility="private", show_progress="hidden", queue=False)
