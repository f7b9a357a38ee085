"""Race: why drawing is slow, and what caching saves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import torch

from demo import engine, inputs
from demo.activities import ModelTab, class_label, class_names
from demo.activities.generate import randomise
from demo.components.maps import Maps, Picture, maps
from demo.components.status import status
from gm_core.autoregressive import Method
from gm_core.race import Lane, RaceFrame

TITLE = "Race"
NAIVE, CACHED = 0, 1  # the lanes that draw the same image
CONTESTANTS: tuple[tuple[str, str, Method], ...] = (
    ("PixelCNN, naive", "pixelcnn-mnist", "naive"),
    ("PixelCNN, cached", "pixelcnn-mnist", "cached"),
    ("Row LSTM, cached", "pixelrnn-row-mnist", "cached"),
    ("Diagonal BiLSTM, cached", "pixelrnn-diagonal-mnist", "cached"),
)
MODEL = CONTESTANTS[CACHED][1]
SECONDS_BETWEEN_UPDATES = 0.1
SECONDS_BETWEEN_LINES = 1.0  # text that changes faster can't be read
WAITING = "Waiting for this machine: it runs one race at a time ..."

QUESTION = """
<p class="gm-question">
What makes drawing slow? The same dice for all, one image each. The naive lane runs the whole
network once a pixel, as in the papers; the cached lanes keep what they have computed. The lanes
take turns on this machine, and each clock runs only while its own lane works.</p>
"""
EXPLANATION = """
<p class="gm-quiet" style="margin-top: .8rem">All lanes are held up by the same thing: pixel
<i>i</i> needs the pixels before it, so the {steps} steps of an image can't be done side by side. In
training all pixels are known already, and one pass over the image does them all (last column):
the PixelCNN every pixel side by side; the Row LSTM still waits for every row, the Diagonal BiLSTM
for every diagonal. Caching leaves the steps as they are; it only drops what the naive lane computes
over and over.</p>
"""


def show(frame: RaceFrame, below: Sequence[str]) -> dict[str, Any]:
    """The lanes side by side, grey where nothing is drawn yet."""
    pictures = []
    for lane, caption in zip(frame.lanes, below, strict=True):
        pixels = (lane.image * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        unknown = np.arange(lane.total) >= lane.drawn
        pictures.append(
            Picture(lane.name, pixels, caption, levels=2, unknown=unknown.reshape(pixels.shape[:2]))
        )
    return Maps(tuple(pictures)).payload()


def captions(frame: RaceFrame) -> list[str]:
    """Where each lane stands, by its own clock."""
    return [f"{lane.drawn} of {lane.total} pixels, {lane.seconds:.2f} s" for lane in frame.lanes]


def milliseconds(lane: Lane) -> str:
    """What a pixel takes."""
    return f"{1000 * lane.seconds / lane.drawn:.2f}"


def progress_line(frame: RaceFrame) -> str:
    """How far the slowest is, and when it will be done; empty before it has drawn anything."""
    unfinished = [lane for lane in frame.lanes if lane.drawn < lane.total]
    if not unfinished:
        return "All have arrived. Timing one pass over each finished image ..."
    slowest = min(unfinished, key=lambda lane: lane.drawn)
    if slowest.drawn == 0:
        return ""
    left = (slowest.total - slowest.drawn) * slowest.seconds / slowest.drawn
    pixels = f"{slowest.drawn} pixel{'s' * (slowest.drawn > 1)} of {slowest.total}"
    alone = " All others have arrived." if len(unfinished) == 1 else ""
    return (
        f"{slowest.name}: {pixels} after {slowest.seconds:.1f} s: at this pace {left:.0f} s more."
        f"{alone}"
    )


def result_line(frame: RaceFrame) -> str:
    """What came out: is it the same image, and how much faster."""
    naive, cached = frame.lanes[NAIVE], frame.lanes[CACHED]
    same = "yes" if torch.equal(naive.image, cached.image) else "NO"
    return (
        f"Naive and cached PixelCNN drew the same image, pixel for pixel: {same}. Caching made it "
        f"{naive.seconds / cached.seconds:.0f} times as fast: {milliseconds(cached)} instead of "
        f"{milliseconds(naive)} ms a pixel."
    )


def table(frame: RaceFrame) -> str:
    """The numbers of a race; dashes until it is over."""
    heads = (
        "Lane", "One image, s", "A pixel, ms", "Full passes", "Multiply-adds, millions",
        "Training: one pass over this image, ms",
    )  # fmt: skip
    rows = []
    for lane in frame.lanes:
        numbers = ["–"] * (len(heads) - 1)
        if lane.forced_seconds is not None:
            numbers = [
                f"{lane.seconds:.2f}",
                milliseconds(lane),
                str(lane.passes),
                f"{lane.multiply_adds / 1e6:,.0f}",
                f"{1000 * lane.forced_seconds:.1f}",
            ]
        rows.append("".join(f"<td>{cell}</td>" for cell in (lane.name, *numbers)))
    return (
        '<div class="gm-scroll"><table class="gm-table" style="min-width: 46rem"><thead><tr>'
        f"{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead>"
        f"<tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table></div>"
        f"{EXPLANATION.format(steps=frame.lanes[NAIVE].total)}"
    )


def race(label: str, seed: float) -> Iterator[tuple[Any, Any, Any, Any, Any]]:
    """Race four samplers: the lanes, a status line, the table, the seed used."""
    chosen, number = class_label(label, MODEL), inputs.seed(seed)
    frames = engine.stream("race", contestants=CONTESTANTS, seed=number, label=chosen)
    frame = next(frames)
    at = {"line": "", "is_running": True}
    line = "The arithmetic of one image is being counted before the clocks start ..."
    yield show(frame, captions(frame)), line, table(frame), number, at
    shown = told = 0.0
    for frame in frames:
        now = time.perf_counter()
        if now - shown < SECONDS_BETWEEN_UPDATES:
            continue
        shown, line, said = now, progress_line(frame), gr.skip()
        if now - told > SECONDS_BETWEEN_LINES:
            told, said = now, line or "Off they go ..."
        at = {"line": line, "is_running": True}
        yield show(frame, captions(frame)), said, gr.skip(), gr.skip(), at
    line = result_line(frame)
    at = {"line": line, "is_running": False}
    yield show(frame, captions(frame)), line, table(frame), number, at


def stopped(at: dict[str, Any]) -> str:
    """What the status line says once the race was stopped."""
    return f"Stopped; the lanes stay as they are. {at['line']}" if at["is_running"] else at["line"]


def opening(label: str, seed: int) -> RaceFrame:
    """Before the first race one lane has its image already, the others are at the start line."""
    *_, drawn = engine.stream(
        "sample", model=MODEL, count=1, seed=seed, label=class_label(label, MODEL), temperature=1.0
    )
    image = drawn.images[0]
    start = Lane(
        name="", seconds=0.0, drawn=0, total=drawn.total, passes=0, multiply_adds=0,
        image=torch.zeros_like(image), forced_seconds=None,
    )  # fmt: skip
    lanes = [replace(start, name=name) for name, *_ in CONTESTANTS]
    lanes[CACHED] = replace(lanes[CACHED], drawn=drawn.total, image=image)
    return RaceFrame(tuple(lanes))


def build(tab: ModelTab) -> None:
    """The activity's contents, with the image on its lane that the cached PixelCNN will draw."""
    first = opening("7", 7)
    below = captions(first)
    below[CACHED] = "drawn beforehand"
    line = (
        f"At the start line, with {first.lanes[0].total} pixels to draw each. Which lane will be "
        "last, and by how much? Guess, then start."
    )
    at = gr.State({"line": line, "is_running": False})
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            with gr.Row():
                start = gr.Button("Start", variant="primary", min_width=120)
                stop = gr.Button("Stop", min_width=90)
            label = gr.Dropdown(list(class_names(MODEL)), value="7", label="Class")
            seed = gr.Number(7, label="Seed", info="the same seed throws the same dice")
            dice = gr.Button("Randomise seed", size="sm")
        with gr.Column(scale=4, min_width=336):
            lanes = maps(show(first, below), label="The lanes", elem_id=f"{tab.id}-race-lanes")
            told = status(line, elem_id=f"{tab.id}-race-status")
    numbers = gr.HTML(table(first), elem_id=f"{tab.id}-race-table", padding=False)

    # A race takes half a minute and is run alone, so whoever has to wait is told so at once: by the
    # browser, which runs the listeners of a click one after another.
    start.click(None, None, told, js=f"() => {json.dumps(WAITING)}", api_visibility="private")
    running = start.click(
        race,
        [label, seed],
        [lanes, told, numbers, seed, at],
        api_name=f"{tab.id}_race",
        preprocess=False,  # the handler validates, whoever calls
        show_progress="hidden",
        **engine.event("live"),
    )
    running.failure(
        stopped, at, told, api_visibility="private", show_progress="hidden", queue=False
    )
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running], api_visibility="private")
    stop.click(stopped, at, told, api_visibility="private", show_progress="hidden", queue=False)
    dice.click(randomise, None, seed, api_visibility="private", show_progress="hidden", queue=False)
