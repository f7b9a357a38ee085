"""Invert: which z would G have drawn a picture from? Searched before one's eyes."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray

import gm_core
from demo import engine, inputs, render
from demo.activities import ANY, ModelTab, class_label, class_names, model_dropdown
from demo.activities.complete import Examples, grey_models
from demo.components.curve import Curve, curve
from demo.components.pad import Drawing, pad, read
from demo.components.pictures import Shown, payload, pictures
from demo.components.status import status
from demo.gan.critic import examples
from demo.latent import name_picture
from gm_core.inversion import InversionRecord

TITLE = "Invert"
SHELF = ("mnist", "fashion")  # pictures that G knows, and others
FIRST_EXAMPLE = 7
FEWEST_STEPS, STEPS, MOST_STEPS = 50, 150, 300
STARTS, MOST_STARTS = 6, 12
EVERY = 2  # steps a record
SECONDS_BETWEEN_UPDATES = 0.12
MOST_RESULTS = 5

QUESTION = """
<p class="gm-question">
G draws a picture from z. Can we find the z of a given picture? Start at random
and go downhill: change z so that G(z) comes nearer to the target. Try a test image, your own
drawing, then clothes: what G can't draw, it never learned.</p>
"""
READY = "The start: G(z) of a random z. Press Invert."
NOTHING_DRAWN = "Nothing is drawn yet: draw something, or pick a test image."
STOPPED = "Stopped: what is shown is the best that was found until then."

Pixels = NDArray[np.uint8]  # (H, W)


@dataclass(frozen=True, slots=True)
class Result:
    """A search that came to its end."""

    target: str  # addresses that hold the pictures
    found: str
    what: str
    model: str
    label: str
    error: float  # grey levels


def grey_levels(error: float) -> float:
    """A mean squared error of values in [0, 1] as a root mean square, of 255 levels."""
    return 255 * math.sqrt(error)


def rgb(pixels: Pixels) -> NDArray[np.uint8]:
    return np.repeat(pixels[:, :, None], 3, axis=2)


def as_bytes(image: torch.Tensor) -> Pixels:
    """(1, H, W) in [0, 1] -> (H, W)."""
    return (255 * image[0]).round().byte().numpy()


def show(target: Pixels, found: Pixels) -> dict[str, Any]:
    """Target, G(z), and how far they differ, pixel by pixel."""
    apart = np.abs(target.astype(int) - found).astype(np.uint8)
    return payload(
        (
            Shown("Target", "with", rgb(target), "The target"),
            Shown("G(z), the best so far", "generated", rgb(found), "What G draws from the best z"),
            Shown("Difference", "without", rgb(apart), "White where both differ most"),
        )
    )


def show_errors(records: Sequence[tuple[int, torch.Tensor]], total: int) -> dict[str, Any]:
    """The errors of all starts (starts,) at every step so far."""
    levels = [255 * errors.sqrt() for _, errors in records]
    return Curve(
        x=tuple(step + 1 for step, _ in records),
        y=tuple(float(each.mean()) for each in levels),
        spread=tuple(float(each.std(correction=0)) for each in levels),
        end=total + 1,
        x_name="G(z) number",
        y_name="error: root mean square over the pixels, mean of all starts",
        band_name="their standard deviation",
        unit="grey levels of 255",
    ).payload()


def describe(record: InversionRecord, seed: int, seconds: float) -> str:
    """How near the search came, and by which z."""
    ends = sorted(grey_levels(float(error)) for error in record.errors)
    return (
        f"Step {record.step} of {record.total}: error {grey_levels(record.error):.1f} grey levels "
        f"of 255. The {len(ends)} starts are at {ends[0]:.0f} to {ends[-1]:.0f}. |z| = "
        f"{record.z.norm():.1f}, of random z about {math.sqrt(len(record.z)):.1f}. "
        f"{seconds:.1f} s. Seed {seed}."
    )


def show_results(results: tuple[Result, ...]) -> str:
    """The last searches, the newest first."""
    if not results:
        return (
            '<p class="gm-quiet">Searches that come to their end are kept here, to compare: a '
            "test image, a drawing, clothes.</p>"
        )
    style = 'width="56" height="56" style="image-rendering:pixelated"'
    rows = "".join(
        f'<tr><td><img src="{result.target}" alt="Target" {style}></td>'
        f'<td><img src="{result.found}" alt="Best G(z)" {style}></td><td>{html.escape(result.what)}'
        f'<br><span class="gm-quiet">{html.escape(result.model)}, class '
        f"{html.escape(result.label)}</span></td><td><b>{result.error:.1f}</b></td></tr>"
        for result in results
    )
    return (
        '<table class="gm-table"><thead><tr><th>target</th><th>best G(z)</th><th>what</th>'
        f"<th>error, grey levels</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def address(pixels: Pixels) -> str:
    """A picture as a data URL."""
    return render.data_url(render.png(pixels[None, :, :, None], 1), "image/png")


def begin(target: Pixels, model: str, label: int | None, seed: int) -> tuple[Any, Any, str]:
    """What stands there before a search: its first start."""
    z = gm_core.load(model).sample_latent(1, seed=seed)
    labels = None if label is None else [label]
    [frame] = engine.stream("forge", model=model, z=z.tolist(), labels=labels)
    error = (frame.images[0, 0] - torch.from_numpy(target) / 255).square().mean()
    return show(target, as_bytes(frame.images[0])), show_errors([(0, error[None])], STEPS), READY


def search(
    target: Pixels, model: str, chosen: str, starts: int, steps: int, seed: int
) -> Iterator[tuple[InversionRecord, dict[str, Any], dict[str, Any], str]]:
    """The last record, pictures, curve and status, ten times a second at most."""
    errors: list[tuple[int, torch.Tensor]] = []
    started = told = time.perf_counter()
    for record in engine.stream(
        "invert",
        model=model,
        image=(target[None] / np.float32(255)).tolist(),
        label=class_label(chosen, model),
        starts=starts,
        steps=steps,
        seed=seed,
        every=EVERY,
    ):
        errors.append((record.step, record.errors))
        now = time.perf_counter()
        if now - told > SECONDS_BETWEEN_UPDATES or record.step in (0, steps):
            told = now
            yield (
                record,
                show(target, as_bytes(record.image)),
                show_errors(errors, steps),
                describe(record, seed, now - started),
            )


def stopped() -> str:
    return STOPPED


def build(tab: ModelTab) -> None:
    """The activity's contents, with a target and a start."""
    models = grey_models(tab.models)
    shelf: Examples = examples(SHELF)
    height, width = shelf.pixels.shape[1:]

    def aim(
        drawing: dict[str, Any], model: str, label: str, seed: float
    ) -> tuple[dict[str, Any], dict[str, Any], str]:
        """Another target: beside it, where the search would start."""
        model = inputs.choice(model, "Model", models)
        target = read(drawing, height, width).pixels
        return begin(target, model, class_label(label, model), inputs.seed(seed))

    def fit_model(model: str, drawing: dict[str, Any], seed: float) -> tuple[Any, ...]:
        """Another model has other classes."""
        model = inputs.choice(model, "Model", models)
        classes = gr.Dropdown(list(class_names(model)), value=ANY)
        return classes, *aim(drawing, model, ANY, seed)

    def invert(
        drawing: dict[str, Any],
        model: str,
        label: str,
        starts: float,
        steps: float,
        seed: float,
        results: tuple[Result, ...],
    ) -> Iterator[tuple[Any, ...]]:
        """Search for the z of a drawing: pictures, errors, status, the last searches."""
        model = inputs.choice(model, "Model", models)
        class_label(label, model)
        count = inputs.whole(starts, "Starts", 1, MOST_STARTS)
        total = inputs.whole(steps, "Steps", FEWEST_STEPS, MOST_STEPS)
        number = inputs.seed(seed)
        target = read(drawing, height, width).pixels
        if not target.any():
            raise inputs.refusal(NOTHING_DRAWN)
        for record, shown, errors, told in search(target, model, label, count, total, number):
            if record.step == total:
                new = Result(
                    address(target), address(as_bytes(record.image)), name_picture(target, shelf),
                    model, label, grey_levels(record.error),
                )  # fmt: skip
                results = (new, *results)[:MOST_RESULTS]
            yield shown, errors, told, show_results(results), results

    first = models[0]
    target = shelf.pixels[FIRST_EXAMPLE]
    drawing = Drawing(target, np.zeros((height, width), np.bool_)).payload()
    opening, first_errors, _ = begin(target, first, None, 0)
    results = gr.State(())
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=345):
            image = pad(
                drawing, label="Target", elem_id=f"{tab.id}-invert-pad", hideable=False,
                examples=shelf.pixels, example_names=shelf.names,
            )  # fmt: skip
            with gr.Row():
                model = model_dropdown(models)
                label = gr.Dropdown(
                    list(class_names(first)), value=ANY, label="Class", min_width=100,
                    info="that G is told",
                )  # fmt: skip
            with gr.Accordion("More", open=False):
                starts = gr.Slider(1, MOST_STARTS, STARTS, step=1, label="Starts", info="at once")
                steps = gr.Slider(FEWEST_STEPS, MOST_STEPS, STEPS, step=10, label="Steps")
                seed = gr.Number(0, label="Seed", info="of the starts")
        with gr.Column(scale=4, min_width=336):
            with gr.Row():  # beside what they do, on a phone too
                start = gr.Button("Invert", variant="primary", scale=2, min_width=140)
                stop = gr.Button("Stop", scale=1, min_width=80)
            shown = pictures(opening, layout="beside", elem_id=f"{tab.id}-invert-pictures")
            told = status(READY, elem_id=f"{tab.id}-invert-status")
            errors = curve(first_errors, label="Error", elem_id=f"{tab.id}-invert-errors")
            table = gr.HTML(
                show_results(()), elem_id=f"{tab.id}-invert-results", padding=False
            )  # fmt: skip

    running = start.click(
        invert,
        [image, model, label, starts, steps, seed, results],
        [shown, errors, told, table, results],
        api_name=f"{tab.id}_invert",
        preprocess=False,  # the handlers validate, whoever calls
        show_progress="full",  # whoever has to wait for another's search sees the queue
        show_progress_on=told,
        **engine.event("sampling"),
    )
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running], api_visibility="private")
    stop.click(stopped, None, told, api_visibility="private", show_progress="hidden", queue=False)
    live: dict[str, Any] = {
        "preprocess": False,
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a stroke would be lost
        "api_visibility": "private",
        **engine.event("quick"),
    }
    gr.on(
        [image.input, label.input, seed.input], aim, [image, model, label, seed],
        [shown, errors, told], cancels=[running], **live,
    )  # fmt: skip
    model.input(
        fit_model, [model, image, seed], [label, shown, errors, told], cancels=[running], **live
    )
