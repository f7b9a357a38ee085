"""Generate: watch an image being drawn, value by value; pause, change one, and see what follows."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import torch

import gm_core
from demo import engine, inputs, render
from demo.activities import (
    ANY,
    ModelTab,
    class_label,
    class_names,
    level_names,
    model_dropdown,
)
from demo.components import serial
from demo.components.download import download
from demo.components.player import player
from demo.components.setting import not_in_address
from demo.components.status import status
from gm_core.autoregressive import PixelConfig
from gm_core.frames import PixelFrame
from gm_core.metrics import bits_per_dimension

TITLE = "Generate"
MOST_IMAGES = {2: 64, 256: 16}  # by levels: many levels make a heavy trajectory
SECONDS_BETWEEN_UPDATES = 0.1
FILE_TYPES = ("gif", "webp", "png", "json")
CHANNELS = ("red", "green", "blue")
WHAT_IF = (
    "What if one pixel had come out differently? Pause, or click a pixel, and set it: the model "
    "goes on from there with the same dice."
)


def config_of(model: str) -> PixelConfig:
    """The size of a checkpoint's images."""
    return gm_core.load(model).config


def draw(settings: dict[str, Any], every: int | None = None) -> Iterator[PixelFrame]:
    """Frames for validated settings; the same settings always give the same images.

    With changes, the frames hold two images under the same dice: untouched, and changed.
    """
    model, arguments = settings["model"], {}
    changes = settings.get("changes")
    if changes:
        config = config_of(model)
        size = (config.height, config.width, config.channels)
        known = torch.full((2, *size), -1)
        for step, level in changes:
            known[1].view(-1)[step] = level
        arguments = {
            "known": known.permute(0, 3, 1, 2).tolist(),
            "streams": (settings["image"], settings["image"]),
        }
    yield from engine.stream(
        "sample",
        model=model,
        count=2 if changes else settings["images"],
        seed=settings["seed"],
        label=class_label(settings["class"], model),
        temperature=settings["temperature"],
        every=every,
        **arguments,
    )


def show(frame: PixelFrame, settings: dict[str, Any], *, autoplay: bool) -> dict[str, Any]:
    """The player's value."""
    symbol = "x" if settings["class"] == ANY else f"x | {settings['class']}"
    changes = settings.get("changes")
    names, marks, start = None, None, 0
    if changes:
        names = ("untouched", "changed")
        differs = (frame.levels[0] != frame.levels[1]).any(dim=0)  # (H, W)
        marks = torch.stack([torch.zeros_like(differs), differs]).numpy()
        start = max(step for step, _ in changes)
    trajectory = render.pixel_trajectory(
        frame,
        level_names(frame.probabilities.shape[1]),
        symbol,
        settings["temperature"],
        autoplay=autoplay,
        names=names,
        marks=marks,
        start=start,
        chosen=1 if changes else None,
    )
    return trajectory.payload()


def status_line(frame: PixelFrame, settings: dict[str, Any], seconds: float | None) -> str:
    """The numbers that the picture means, each with its unit; without seconds, no times."""
    nats = -frame.log_prob.sum(dim=(1, 2, 3))
    of = "" if settings["class"] == ANY else f" | {settings['class']}"
    pixels = frame.levels.shape[2] * frame.levels.shape[3]
    work = "drawn beforehand."
    if seconds is not None:
        work = f"in {seconds:.2f} s: {1000 * seconds / pixels:.2f} ms a pixel, all images together."
    if settings.get("changes"):
        count = int((frame.levels[0] != frame.levels[1]).any(dim=0).sum())
        before, after = nats.tolist()
        return (
            f"Image {settings['image'] + 1} drawn twice {work} Same dice, and yet {count} of "
            f"{pixels} pixels differ. −log p(x{of}): {before:.1f} nats untouched, "
            f"{after:.1f} changed."
        )
    count = len(nats)
    spread = f" ± {float(nats.std()):.1f}" if count > 1 else ""
    bits = bits_per_dimension(float(nats.mean()), frame.total)
    return (
        f"{count} image{'s' * (count > 1)} {work} "
        f"−log p(x{of}) = {float(nats.mean()):.1f}{spread} nats an image, {bits:.3f} bits/dim."
    )


def run(settings: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Draw with progress; at last the player's value, the status line and what is shown."""
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
            yield gr.skip(), f"Drawing: {frame.note} ...", gr.skip()
    line = status_line(frame, settings, working)
    yield show(frame, settings, autoplay=True), line, {"settings": settings, "status": line}


def randomise() -> int:
    """A seed that nobody chose."""
    return random.SystemRandom().randint(0, inputs.LARGEST_SEED)


def stopped(shown: dict[str, Any]) -> str:
    """What the status line says once the work was stopped."""
    return f"Stopped. This is still the picture before: {shown['status']}"


def intervene(
    image: float, step: float, level: float, shown: dict[str, Any]
) -> Iterator[tuple[Any, Any, Any]]:
    """Set one value of an image last generated, and draw what follows with the same dice."""
    settings = dict(shown["settings"])
    config = config_of(settings["model"])
    changes = settings.get("changes", [])
    image = inputs.whole(image, "Image", 0, 1 if changes else settings["images"] - 1)
    last = config.height * config.width * config.channels - 1
    step = inputs.whole(step, "Step", 0, last)
    level = inputs.whole(level, "Level", 0, config.levels - 1)
    if changes and image == 0:  # begin again from the untouched image
        changes = []
    elif not changes:
        settings["image"] = image
    # What is changed late goes, if something earlier is: its past is another one now.
    settings["changes"] = [*(each for each in changes if each[0] < step), [step, level]]
    yield from run(settings)


def export(file_type: str, shown: dict[str, Any]) -> dict[str, Any]:
    """The pictures last generated, as a file: gif, webp, png, or their settings as json."""
    inputs.choice(file_type, "File type", FILE_TYPES)
    settings = shown["settings"]
    if file_type == "json":
        content, mime = json.dumps(settings, indent=2).encode(), "application/json"
    else:
        *_, frame = draw(settings)
        images = render.as_bytes(frame)
        scale = render.export_scale(images)
        if file_type == "png":
            content = render.png(images, scale)
        else:
            content = render.raster_animation(images, scale, file_type.upper())
        mime = f"image/{file_type}"
    changed = "-changed" if settings.get("changes") else ""
    name = f"{settings['model']}-{settings['class']}-seed{settings['seed']}{changed}.{file_type}"
    return {
        "name": name.replace(" ", "-").replace(",", ""),
        "url": render.data_url(content, mime),
        "serial": serial(),
    }


def place(image: int, step: int, settings: dict[str, Any]) -> str:
    """Where a step is, in words."""
    config = config_of(settings["model"])
    pixel, channel = divmod(step, config.channels)
    row, column = divmod(pixel, config.width)
    which = f"image {image + 1}"
    if settings.get("changes"):
        which = ("the untouched image", "the changed image")[image]
    of = f", {CHANNELS[channel]}" if config.channels > 1 else ""
    return f"{which}, row {row + 1}, column {column + 1}{of}"


def new_level(levels: Any, config: PixelConfig) -> gr.Slider:
    """The slider for what a value could have been; of two levels, the other one."""
    highest = config.levels - 1
    slider: dict[str, Any] = {"maximum": highest, "info": f"0 is black, {highest} white"}
    if config.channels > 1:
        slider["info"] = f"0 is none of the colour, {highest} all of it"
    if highest == 1 and isinstance(levels, list) and levels in ([0], [1]):
        slider["value"] = 1 - levels[0]
    return gr.Slider(**slider)


def build(tab: ModelTab) -> None:
    """The activity's contents, with images on the canvas that the real model drew."""

    def sample(
        model: str, label: str, images: float, temperature: float, seed: float
    ) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Draw images value by value: the player's trajectory, a status line, the seed used."""
        model = inputs.choice(model, "Model", tab.models)
        class_label(label, model)
        settings = {
            "model": model,
            "class": label,
            "images": inputs.whole(images, "Images", 1, MOST_IMAGES[config_of(model).levels]),
            "temperature": inputs.number(temperature, "Temperature", 0.1, 2),
            "seed": inputs.seed(seed),
        }
        for canvas, line, shown in run(settings):
            yield canvas, line, settings["seed"], shown

    def fit_model(model: str) -> tuple[gr.Dropdown, gr.Slider]:
        """The classes and the number of images that a model has."""
        model = inputs.choice(model, "Model", tab.models)
        most = MOST_IMAGES[config_of(model).levels]
        return (
            gr.Dropdown(list(class_names(model)), value=ANY),
            gr.Slider(maximum=most, value=min(8, most)),
        )

    def paused(shown: dict[str, Any], event: gr.EventData) -> tuple[Any, ...]:
        """Offer to change the value that was drawn last where the player rests."""
        settings = shown["settings"]
        config = config_of(settings["model"])
        images = 2 if settings.get("changes") else settings["images"]
        values = config.height * config.width * config.channels
        image, step = inputs.detail(event, "image"), inputs.detail(event, "step")
        if not isinstance(image, int) or not isinstance(step, int):
            raise inputs.refusal("The player must say an image and a step.")
        image = inputs.whole(image, "Image", 0, images - 1)
        step = inputs.whole(step, "Step", 0, values) - 1
        if step < 0:
            return image, step, gr.skip(), gr.Button(interactive=False), WHAT_IF
        return (
            image,
            step,
            new_level(inputs.detail(event, "level"), config),
            gr.Button(interactive=True),
            f"What if the value last drawn, {place(image, step, settings)}, had come out "
            "differently? Set it: the model goes on from there with the same dice.",
        )

    first = {
        "model": tab.models[0], "class": "7", "images": 8, "temperature": 1.0, "seed": 7
    }  # fmt: skip
    *_, frame = draw(first)
    line = status_line(frame, first, None)
    shown = gr.State({"settings": first, "status": line})
    at_image, at_step = gr.Number(0, visible=False), gr.Number(-1, visible=False)
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            with gr.Row():
                generate = gr.Button("Generate", variant="primary", min_width=120)
                stop = gr.Button("Stop", min_width=90)
            model = model_dropdown(tab.models)
            label = gr.Dropdown(list(class_names(tab.models[0])), value="7", label="Class")
            temperature = gr.Slider(
                0.1, 2, value=1, step=0.05, label="Temperature",
                info="low: sure, high: daring",
            )  # fmt: skip
            seed = gr.Number(7, label="Seed", info="the same seed throws the same dice")
            dice = gr.Button("Randomise seed", size="sm")
            with gr.Accordion("More", open=False):
                images = gr.Slider(1, MOST_IMAGES[2], value=8, step=1, label="Images")
                file_type = gr.Dropdown(
                    list(FILE_TYPES), value="gif", label="File type",
                    info="gif and webp move, json holds the settings",
                )  # fmt: skip
                save = gr.Button("Download", size="sm")
                saved = download(elem_id=f"{tab.id}-download")
        with gr.Column(scale=4, min_width=336):
            canvas = player(
                show(frame, first, autoplay=False),
                label="Pixel by pixel",
                elem_id=f"{tab.id}-player",
            )
            told = status(line, elem_id=f"{tab.id}-status")
            where = status(WHAT_IF, elem_id=f"{tab.id}-paused")
            with gr.Row(equal_height=True):
                level = not_in_address(  # says what the pixel is where the player rests
                    gr.Slider(
                        0, 1, value=1, step=1, label="New level", info="0 is black, 1 white",
                        elem_id=f"{tab.id}-level", scale=3, min_width=200,
                    )
                )  # fmt: skip
                change = gr.Button(
                    "Set it and go on", interactive=False, elem_id=f"{tab.id}-change",
                    scale=1, min_width=160,
                )  # fmt: skip

    running = generate.click(
        sample,
        [model, label, images, temperature, seed],
        [canvas, told, seed, shown],
        api_name=f"{tab.id}_sample",
        preprocess=False,  # the handler validates, whoever calls
        show_progress="hidden",
        **engine.event("sampling"),
    )
    changing = change.click(
        intervene,
        [at_image, at_step, level, shown],
        [canvas, told, shown],
        api_name=f"{tab.id}_intervene",
        preprocess=False,
        show_progress="hidden",
        **engine.event("sampling"),
    )
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running, changing], api_visibility="private")
    stop.click(stopped, shown, told, api_visibility="private", show_progress="hidden", queue=False)
    model.input(
        fit_model, model, [label, images], api_visibility="private", preprocess=False,
        show_progress="hidden", queue=False,
    )  # fmt: skip
    canvas.select(
        paused, shown, [at_image, at_step, level, change, where], api_visibility="private",
        show_progress="hidden", queue=False,
    )  # fmt: skip
    dice.click(
        randomise, None, seed, api_name=f"{tab.id}_random_seed", show_progress="hidden", queue=False
    )
    save.click(
        export,
        [file_type, shown],
        saved,
        api_name=f"{tab.id}_export",
        preprocess=False,
        show_progress="minimal",
        **engine.event("sampling"),
    )
