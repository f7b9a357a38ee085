"""Generate: pictures that follow the truncation, what they gain and lose, and whether they are
copies."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.events import api
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs, render
from demo.activities import ANY, TITLES, ModelTab, dataset_of
from demo.activities.generate import randomise
from demo.components import mosaic, serial
from demo.components.download import download
from demo.components.nearest import nearest
from demo.components.pictures import Shown
from demo.components.pictures import payload as row_payload
from demo.components.rank import histogram, percent, rank
from demo.components.status import status
from demo.components.tradeoff import Point, Tradeoff, tradeoff
from gm_core import checkpoints, data
from gm_core.neighbours import Measured, Nearest, classifier_of

TITLE = "Generate"
COLUMNS = 6
COUNT = COLUMNS**2  # pictures that are shown
MEASURED = 100  # that are measured, those shown among them
NEIGHBOURS = 4
JUDGED = 200  # test images whose scores say what is usual for D
FIRST_SEED = 1
ALSO_MEASURED = (0.25, 0.5, 0.75)  # truncations whose points the plot opens with
BY = ("pixels", "features")

QUESTION = """
<div class="gm-question">Truncation multiplies every z before G draws: below 1, z lies nearer to the
middle of the prior, where it is densest and where G had most practice. Drag it down and watch both
gauges. What does quality cost?</div>
"""
MEMORISED = """
<div class="gm-quiet"><b>Memorised?</b> Click a picture above. Is it new, or a copy of a real one?
</div>
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked for, validated."""

    model: str
    label: int | None  # None: all classes in turn, or none where there are none
    truncation: float
    seed: int
    weights: str  # the model's, so that what is kept of one is not shown for another

    def labels(self, count: int) -> list[int] | None:
        """What each picture is to show."""
        classes = checkpoints.describe(self.model).config["classes"]
        if not classes:
            return None
        return [index % classes if self.label is None else self.label for index in range(count)]

    def latents(self, count: int) -> list[list[float]]:
        model = gm_core.load(self.model)
        z: Tensor = model.sample_latent(count, seed=self.seed, truncation=self.truncation)
        return z.tolist()

    @property
    def class_name(self) -> str:
        return classes_of(self.model)[0 if self.label is None else self.label + 1]


def classes_of(model: str) -> tuple[str, ...]:
    """What the class of a picture can be."""
    names = data.DATASETS[dataset_of(model)].class_names
    return (ANY, *names) if checkpoints.describe(model).config["classes"] else (ANY,)


def check(model: Any, label: Any, truncation: Any, seed: Any, models: tuple[str, ...]) -> Settings:
    model = inputs.choice(model, "Model", models)
    names = classes_of(model)
    place = names.index(inputs.choice(label, "Class", names))
    return Settings(
        model,
        place - 1 if place else None,
        round(inputs.number(truncation, "Truncation", 0, 1), 4),
        inputs.seed(seed),
        checkpoints.describe(model).weights,
    )


# --- pictures ------------------------------------------------------------------------------------


def draw(settings: Settings) -> Tensor:
    """The pictures that are shown: (COUNT, C, H, W) in [0, 1]."""
    [frame] = engine.stream(
        "forge", model=settings.model, z=settings.latents(COUNT), labels=settings.labels(COUNT)
    )
    return frame.images


def as_bytes(images: Tensor) -> NDArray[np.uint8]:
    """(N, C, H, W) in [0, 1] -> uint8 (N, H, W, C)."""
    return (255 * images).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def tile_names(settings: Settings) -> list[str]:
    """What a screen reader says of the pictures."""
    labels = settings.labels(COUNT)
    if labels is None:
        return [f"picture {index + 1}" for index in range(COUNT)]
    names = data.DATASETS[dataset_of(settings.model)].class_names
    return [f"picture {index + 1}, class {names[label]}" for index, label in enumerate(labels)]


def show_tiles(images: Tensor, settings: Settings, asked: int) -> dict[str, Any]:
    described = (
        f"{COUNT} pictures, class {settings.class_name}, truncation {settings.truncation:.2f}, "
        f"seed {settings.seed}"
    )
    return mosaic.payload(as_bytes(images), tile_names(settings), described, asked=asked)


# --- quality and diversity -----------------------------------------------------------------------


@functools.lru_cache(maxsize=2_000)
def measured(settings: Settings) -> Measured:
    """The pictures of a setting, compared with real ones."""
    [record] = engine.stream(
        "measure",
        model=settings.model,
        z=settings.latents(MEASURED),
        labels=settings.labels(MEASURED),
        label=settings.label,
    )
    # The classes shown are not needed, and would be kept.
    return replace(
        record,
        generated=replace(record.generated, shown=None),
        real=replace(record.real, shown=None),
    )


def show_tradeoff(settings: Settings, asked: int, others: tuple[float, ...] = ()) -> dict[str, Any]:
    """The gauges' and the plot's value."""

    def point(truncation: float) -> Point:
        generated = measured(replace(settings, truncation=truncation)).generated
        return Point(generated.precision, generated.recall)

    record = measured(settings)
    return Tradeoff(
        setting=settings.truncation,
        now=point(settings.truncation),
        real=Point(record.real.precision, record.real.recall),
        count=record.count,
        among=record.among,
        of=f"{settings.model}, class {settings.class_name}, seed {settings.seed}",
        others=tuple((at, point(at)) for at in others),
    ).payload(asked=asked)


def how_measured(model: str) -> str:
    """What the numbers are."""
    dataset = dataset_of(model)
    total = len(data.load(dataset, "sample"))
    features = (
        f"the features by which a classifier of {data.DATASETS[dataset].title} decides"
        if classifier_of(dataset)
        else "the mean colours of 8×8 squares, because no classifier of these pictures ships"
    )
    return (
        '<details class="gm-quiet"><summary>How is this measured?</summary>'
        f"Real pictures: the {total:,} test images that ship. Features: {features}. A picture lies "
        "among others if, by features, it is no farther from one of them than that one's third "
        f"nearest neighbour. With {MEASURED} pictures, ±4 % is chance. Distance by pixels: root "
        "mean square; 100 % is white in place of black everywhere.</details>"
    )


# --- nearest real images -------------------------------------------------------------------------


@functools.cache
def usual_scores(model: str, _weights: str) -> tuple[float, float, float]:
    """What D says of test images: the score of the lowest tenth, the middle, the highest tenth."""
    sample = data.load(dataset_of(model), "sample")[:JUDGED]
    has_classes = checkpoints.describe(model).config["classes"]
    labels = sample.labels.tolist() if has_classes else None
    [record] = engine.stream(
        "judge", model=model, images=(sample.images / 255).tolist(), labels=labels
    )
    low, middle, high = record.scores.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    return low, middle, high


def distance(value: float, by: str) -> str:
    return f"{100 * value:.1f} %" if by == "pixels" else f"{value:.1f}"


def signed(number: float) -> str:
    return f"{number:.2f}".replace("-", "−")


def show_row(image: Tensor, record: Nearest, settings: Settings, by: str) -> dict[str, Any]:
    """The picture and its nearest real images."""
    names = data.DATASETS[dataset_of(settings.model)].class_names

    def rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))

    row = [Shown("Generated", "generated", rgb(as_bytes(image[None])[0]), "The picture chosen")]
    found = record.images.permute(0, 2, 3, 1).numpy()
    for pixels, label, far in zip(
        found, record.labels.tolist(), record.distance.tolist(), strict=True
    ):
        title = distance(far, by)
        row.append(Shown(title, "real", rgb(pixels), f"{names[label]}, {title} away"))
    return row_payload(row)


def show_usual(record: Nearest, by: str) -> str:
    """Where the picture's nearest distance lies among those of real pictures."""
    scale = 100 if by == "pixels" else 1
    return histogram(
        scale * record.usual.double().numpy(),
        scale * float(record.distance[0]),
        "Distance to the nearest real image",
        "%" if by == "pixels" else "",
    )


def judge(image: Tensor, index: int, settings: Settings) -> str:
    """D's score of the picture, and what is usual."""
    labels = settings.labels(COUNT)
    [record] = engine.stream(
        "judge",
        model=settings.model,
        images=image[None].tolist(),
        labels=None if labels is None else [labels[index]],
    )
    low, middle, high = map(signed, usual_scores(settings.model, settings.weights))
    return (
        f"D's score of this picture: {signed(float(record.scores[0]))}. Of test images: "
        f"{middle} (median), eight in ten from {low} to {high}."
    )


def verdict(record: Nearest, by: str) -> str:
    """Where was searched, what was found, and what is usual."""
    far, usual = float(record.distance[0]), float(record.usual.median())
    nearer = float((record.usual < far).double().mean())
    whose = "training images" if record.trained_on else "test images"
    return (
        f"Nearest of {record.searched:,} {whose}: {distance(far, by)} away (green). Test images "
        f"(blue) are {distance(usual, by)} from their own nearest one (median); {percent(nearer)} "
        "of them are nearer than this picture."
    )


def caveat(record: Nearest) -> str:
    """What the search can show."""
    if record.trained_on:
        told = "G has learnt from these images: a memorised one would lie near 0."
    else:
        told = (
            "G was never shown test images, so a copy of a training image would not stand out "
            "here. Where the training images are on this machine (GM_DATA_DIR), they are searched "
            "instead."
        )
    return f'<div class="gm-quiet">{told}</div>'


def build(tab: ModelTab) -> None:
    """The activity's contents, with pictures of the real model."""
    shipped = gm_core.available()
    models = tuple(
        name for name in tab.models if name in shipped and not name.endswith("-collapsed")
    )

    def generate(model: str, label: str, truncation: float, seed: float) -> dict[str, Any]:
        """Draw 36 pictures: one PNG of all, one below the other, and what each one is."""
        settings = check(model, label, truncation, seed, models)
        return show_tiles(draw(settings), settings, serial())

    def quality(model: str, label: str, truncation: float, seed: float) -> dict[str, Any]:
        """Measure 100 pictures: [truncation, quality, diversity], and what real ones reach."""
        asked = serial()
        return show_tradeoff(check(model, label, truncation, seed, models), asked)

    def look(
        model: str, label: str, truncation: float, seed: float, picture: float, by: str
    ) -> tuple[dict[str, Any], str, str, str]:
        """A picture's nearest real images: the images, a histogram, what was found, D's score."""
        settings = check(model, label, truncation, seed, models)
        index = inputs.whole(picture, "Picture", 0, COUNT - 1)
        by = inputs.choice(by, "Nearest by", BY)
        return find(draw(settings)[index], index, settings, by)

    def find(image: Tensor, index: int, settings: Settings, by: str) -> tuple[Any, str, str, str]:
        [record] = engine.stream(
            "nearest", dataset=dataset_of(settings.model), image=image.tolist(), by=by,
            count=NEIGHBOURS,
        )  # fmt: skip
        told = f"{verdict(record, by)} {judge(image, index, settings)}"
        return (
            show_row(image, record, settings, by),
            show_usual(record, by),
            told,
            caveat(record),
        )

    def follow(
        model: str, label: str, truncation: float, seed: float, chosen: Any, by: str
    ) -> tuple[Any, ...]:
        """The pictures, and the chosen one's nearest real images."""
        if seed is None:  # an empty field is no mistake but a beginning
            return (gr.skip(),) * 5
        asked = serial()
        settings = check(model, label, truncation, seed, models)
        place = chosen.get("chosen") if isinstance(chosen, dict) else None
        index = inputs.whole(place, "Picture", 0, COUNT - 1)
        by = inputs.choice(by, "Nearest by", BY)
        images = draw(settings)
        shown = show_tiles(images, settings, asked)
        return mosaic.pictures(shown), *find(images[index], index, settings, by)

    def follow_quality(model: str, label: str, truncation: float, seed: float) -> Any:
        """Their quality and diversity."""
        return gr.skip() if seed is None else quality(model, label, truncation, seed)

    def switch(model: str, truncation: float, seed: float, chosen: Any, by: str) -> tuple[Any, ...]:
        """Another model's classes, how it is measured, and pictures of all classes."""
        names = classes_of(inputs.choice(model, "Model", models))
        label = gr.Dropdown(list(names), value=ANY, interactive=len(names) > 1)
        return label, how_measured(model), *follow(model, ANY, truncation, seed, chosen, by)

    def switch_quality(model: str, truncation: float, seed: float) -> Any:
        """Their quality and diversity."""
        return follow_quality(model, ANY, truncation, seed)

    def opening() -> tuple[Any, ...]:
        """What takes too long for the start of the app."""
        return show_tradeoff(first, serial(), ALSO_MEASURED), *find(images[0], 0, first, BY[0])

    def export(model: str, label: str, truncation: float, seed: float) -> dict[str, Any]:
        """The pictures as a PNG file."""
        settings = check(model, label, truncation, seed, models)
        tiles = as_bytes(draw(settings))
        content = render.png(tiles, render.export_scale(tiles))
        name = (
            f"{settings.model}-{settings.class_name}-seed{settings.seed}"
            f"-truncation{settings.truncation:.2f}.png"
        )
        url = render.data_url(content, "image/png")
        return {"name": name.replace(" ", "-"), "url": url, "serial": serial()}

    first = check(models[0], ANY, 1.0, FIRST_SEED, models)
    images = draw(first)

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=310):
            with gr.Row():
                model = gr.Dropdown(
                    [(TITLES.get(name, name), name) for name in models], value=models[0],
                    label="Model", min_width=120,
                )  # fmt: skip
                label = gr.Dropdown(
                    list(classes_of(models[0])), value=ANY, label="Class", min_width=120,
                    interactive=len(classes_of(models[0])) > 1,
                )  # fmt: skip
            seed = gr.Number(FIRST_SEED, label="Seed")
            with gr.Row():
                dice = gr.Button("Randomise", variant="primary", min_width=120)
                save = gr.Button("Download", min_width=120)
            truncation = gr.Slider(
                0, 1, value=1, step=0.02, label="Truncation", info="z is multiplied by it",
                buttons=[],
            )  # fmt: skip
            saved = download(elem_id=f"{tab.id}-generate-download")
        with gr.Column(scale=0, min_width=412):
            tiles = mosaic.mosaic(
                show_tiles(images, first, serial()), columns=COLUMNS, most=404, chosen=0,
                label="Generated by G", elem_id=f"{tab.id}-generate-pictures",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=336):
            plot = tradeoff(None, name="truncation", elem_id=f"{tab.id}-generate-tradeoff")
    with gr.Row():
        with gr.Column(scale=0, min_width=552):
            gr.HTML(MEMORISED, padding=False)
            row = nearest(None, elem_id=f"{tab.id}-generate-nearest")
        with gr.Column(scale=1, min_width=280):
            usual = rank("", elem_id=f"{tab.id}-generate-usual")
        with gr.Column(scale=1, min_width=300):
            by = gr.Radio(
                list(BY), value=BY[0], label="Nearest by", elem_id=f"{tab.id}-generate-by"
            )
            told = status("", elem_id=f"{tab.id}-generate-status")
            note = gr.HTML(padding=False, elem_id=f"{tab.id}-generate-caveat")
    how = gr.HTML(how_measured(models[0]), padding=False)

    found = [row, usual, told, note]
    live: dict[str, Any] = {
        "api_visibility": "private",
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a movement would be lost
    }
    at_once: dict[str, Any] = live | {"queue": False}  # for what takes a few milliseconds
    measuring = live | engine.event("quick")  # pictures don't wait for it
    moves = [truncation.input, label.input, seed.change]
    settings = [model, label, truncation, seed]
    gr.on(
        [*moves, tiles.input, by.input], follow, [*settings, tiles, by], [tiles, *found], **at_once
    )
    gr.on(moves, follow_quality, settings, plot, **measuring)
    model.input(
        switch, [model, truncation, seed, tiles, by], [label, how, tiles, *found], **at_once
    )
    model.input(switch_quality, [model, truncation, seed], plot, **measuring)
    dice.click(randomise, None, seed, api_visibility="private", show_progress="hidden", queue=False)
    gr.on(None, opening, None, [plot, *found], **measuring)
    save.click(
        export, settings, saved, api_name=f"{tab.id}_generate_export", preprocess=False,
        show_progress="hidden", **engine.event("quick"),
    )  # fmt: skip
    api(generate, api_name=f"{tab.id}_generate")
    api(quality, api_name=f"{tab.id}_generate_quality")
    api(look, api_name=f"{tab.id}_generate_nearest")
