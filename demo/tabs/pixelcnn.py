"""PixelCNN: watch a digit being drawn, pixel by pixel."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import torch

from demo import engine, inputs, render
from demo.components import serial
from demo.components.download import download
from demo.components.lesson import lesson
from demo.components.player import player
from demo.components.status import status
from gm_core import checkpoints, data
from gm_core.families import FAMILIES
from gm_core.frames import PixelFrame
from gm_core.metrics import bits_per_dimension

ID = "pixelcnn"
TITLE = "PixelCNN"
MODEL = "pixelcnn-mnist"
ANY = "any"
CLASSES = (ANY, *data.DATASETS["mnist"].class_names)
LEVEL_NAMES = ("black", "white")
MOST_IMAGES = 64
SECONDS_BETWEEN_UPDATES = 0.1
FILE_TYPES = ("gif", "webp", "png", "json")
IMAGE_SCALE = 8

IDEA = """
<div class="gm-idea"><span>An image is a sequence: every pixel is drawn from a distribution that
depends on all pixels before it.</span>
<span class="gm-equation" role="math" aria-label="p of x is the product over i of p of x i given x 1
to x i minus 1"><i>p</i>(<i>x</i>) = ∏<sub><i>i</i></sub> <i>p</i>(<i>x<sub>i</sub></i> |
<i>x</i><sub>1</sub>, …, <i>x</i><sub><i>i</i>−1</sub>)</span></div>
"""


def sample(
    label: str, images: float, temperature: float, seed: float
) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Draw digits pixel by pixel: the player's trajectory, a status line, the seed used."""
    settings = {
        "model": MODEL,
        "class": inputs.choice(label, "Class", CLASSES),
        "images": inputs.whole(images, "Images", 1, MOST_IMAGES),
        "temperature": inputs.number(temperature, "Temperature", 0.1, 2),
        "seed": inputs.seed(seed),
    }
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
            yield gr.skip(), f"Drawing: {frame.note} ...", gr.skip(), gr.skip()
    line = status_line(frame, settings, working)
    yield (
        show(frame, settings, autoplay=True),
        line,
        settings["seed"],
        {"settings": settings, "status": line},
    )


def draw(settings: dict[str, Any], every: int | None = None) -> Iterator[PixelFrame]:
    """Frames for validated settings; the same settings always give the same images."""
    label = None if settings["class"] == ANY else CLASSES.index(settings["class"]) - 1
    yield from engine.stream(
        "sample",
        model=settings["model"],
        count=settings["images"],
        seed=settings["seed"],
        label=label,
        temperature=settings["temperature"],
        every=every,
    )


def show(frame: PixelFrame, settings: dict[str, Any], *, autoplay: bool) -> dict[str, Any]:
    """The player's value."""
    symbol = "x" if settings["class"] == ANY else f"x | {settings['class']}"
    trajectory = render.pixel_trajectory(
        frame, LEVEL_NAMES, symbol, settings["temperature"], autoplay=autoplay
    )
    return trajectory.payload()


def status_line(frame: PixelFrame, settings: dict[str, Any], seconds: float | None) -> str:
    """The numbers that the picture means, each with its unit; without seconds, no times."""
    nats = -frame.log_prob.sum(dim=(1, 2, 3))
    count = len(nats)
    spread = f" ± {float(nats.std()):.1f}" if count > 1 else ""
    bits = bits_per_dimension(float(nats.mean()), frame.total)
    of = "" if settings["class"] == ANY else f" | {settings['class']}"
    work = "drawn as the app started."
    if seconds is not None:
        pace = 1000 * seconds / frame.total
        work = f"in {seconds:.2f} s: {pace:.2f} ms a pixel, all images together."
    return (
        f"{count} image{'s' * (count > 1)} {work} "
        f"−log p(x{of}) = {float(nats.mean()):.1f}{spread} nats an image, {bits:.3f} bits/dim."
    )


def randomise() -> int:
    """A seed that nobody chose."""
    return random.SystemRandom().randint(0, inputs.LARGEST_SEED)


def stopped(shown: dict[str, Any]) -> str:
    """What the status line says once the work was stopped."""
    return f"Stopped. This is still the picture before: {shown['status']}"


def export(file_type: str, shown: dict[str, Any]) -> dict[str, Any]:
    """The pictures last generated, as a file: gif, webp, png, or their settings as json."""
    inputs.choice(file_type, "File type", FILE_TYPES)
    settings = shown["settings"]
    if file_type == "json":
        content, mime = json.dumps(settings, indent=2).encode(), "application/json"
    else:
        *_, frame = draw(settings)
        images = render.as_bytes(frame)
        if file_type == "png":
            content = render.png(images, IMAGE_SCALE)
        else:
            scale = IMAGE_SCALE if len(images) == 1 else IMAGE_SCALE // 2
            content = render.raster_animation(images, scale, file_type.upper())
        mime = f"image/{file_type}"
    label, seed = settings["class"], settings["seed"]
    return {
        "name": f"{MODEL}-{label}-seed{seed}.{file_type}",
        "url": render.data_url(content, mime),
        "serial": serial(),
    }


def describe_model() -> str:
    """One quiet line: model, figure, device."""
    info = checkpoints.describe(MODEL)
    family = FAMILIES[info.family]
    device = "GPU" if torch.cuda.is_available() else "CPU"
    figures = (info.metrics or {}).get("figures", [])
    figure = f"{figures[0]['value']:.2f} nats a test digit" if figures else "not yet measured"
    return (
        f"{family.title} ({family.paper}), {info.parameters / 1e6:.2f} M parameters, trained on "
        f"60,000 binarised digits: {figure}. Runs on the {device}. {data.DATASETS['mnist'].title}: "
        f"{data.DATASETS['mnist'].attribution}, {data.DATASETS['mnist'].licence}."
    )


def build() -> None:
    """The tab's contents, with a digit on the canvas that the real model drew."""
    first = {"model": MODEL, "class": "7", "images": 8, "temperature": 1.0, "seed": 7}
    *_, frame = draw(first)
    line = status_line(frame, first, None)
    shown = gr.State({"settings": first, "status": line})
    gr.HTML(f'{IDEA}<div class="gm-quiet">{describe_model()}</div>', padding=False)
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            with gr.Row():
                generate = gr.Button("Generate", variant="primary", min_width=120)
                stop = gr.Button("Stop", min_width=90)
            label = gr.Dropdown(list(CLASSES), value="7", label="Class")
            images = gr.Slider(1, MOST_IMAGES, value=8, step=1, label="Images")
            temperature = gr.Slider(
                0.1, 2, value=1, step=0.05, label="Temperature",
                info="low: sure, high: daring",
            )  # fmt: skip
            seed = gr.Number(7, label="Seed", info="the same seed throws the same dice")
            dice = gr.Button("Randomise seed", size="sm")
            with gr.Accordion("Download", open=False):
                file_type = gr.Dropdown(
                    list(FILE_TYPES), value="gif", label="File type",
                    info="gif and webp move, json holds the settings",
                )  # fmt: skip
                save = gr.Button("Download", size="sm")
                saved = download(elem_id="pixelcnn-download")
        with gr.Column(scale=4, min_width=336):
            canvas = player(
                show(frame, first, autoplay=False),
                label="Pixel by pixel",
                elem_id="pixelcnn-player",
            )
            told = status(line, elem_id="pixelcnn-status")
    lesson("pixelcnn")

    running = generate.click(
        sample,
        [label, images, temperature, seed],
        [canvas, told, seed, shown],
        api_name="pixelcnn_sample",
        preprocess=False,  # the handler validates, whoever calls
        show_progress="hidden",
        **engine.event("sampling"),
    )
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running], api_visibility="private")
    stop.click(stopped, shown, told, api_visibility="private", show_progress="hidden", queue=False)
    dice.click(randomise, None, seed, api_name="random_seed", show_progress="hidden", queue=False)
    save.click(
        export,
        [file_type, shown],
        saved,
        api_name="pixelcnn_export",
        preprocess=False,
        show_progress="minimal",
        **engine.event("sampling"),
    )
