"""Teacher forcing: how a model is trained, beside how it draws."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import Any

import gradio as gr
from torch import Tensor

from demo import engine, inputs, render
from demo.activities import ModelTab, dataset_of, level_names, model_dropdown
from demo.activities.generate import randomise
from demo.components.player import player
from demo.components.status import status
from gm_core import data
from gm_core.forcing import ForcingFrame
from gm_core.randomness import stream

TITLE = "Teacher forcing"
NAMES = ("the digit", "teacher forced", "free running")
FORCED, FREE = 1, 2
EACH = 2  # test digits of each class
FIRST_DIGIT, FIRST_ROWS, FIRST_SEED = 16, 12, 7

QUESTION = """
<p class="gm-question">
Why is training done in one pass, and drawing in hundreds of steps? A test digit is drawn again
in both ways, with the same dice. <b>Teacher forced</b>, as in training: every pixel is drawn given
the <i>true</i> pixels before it. <b>Free running</b>, as in drawing: given the model's <i>own</i>
pixels before it, after a true beginning. Green outlines are pixels that differ from the digit.</p>
"""

EXPLANATION = """
<p class="gm-quiet" style="margin-top: .8rem">The teacher has the whole digit before the pass
begins, so that all pixels can be predicted at once: training is parallel. A model that draws has
no pixel before it has drawn it: sampling goes step by step, here with everything cached. And a
teacher puts every wrong pixel right before the next one is drawn. Running freely, a single one
changes everything after it: the model goes on from a past that no training digit had, and errors
can add up.</p>
"""


@functools.cache
def digits() -> tuple[Tensor, tuple[int, ...]]:
    """Test digits to choose from, class after class: levels int64 (N, 1, 28, 28), and labels.
    Binarised as the models are scored: by the first frozen draw."""
    sample = data.load("mnist", "sample")
    classes = range(len(data.DATASETS["mnist"].class_names))
    chosen = [int(at) for label in classes for at in (sample.labels == label).nonzero()[:EACH, 0]]
    levels = data.binarise(sample.images, stream(0))[chosen]
    return levels, tuple(int(label) for label in sample.labels[chosen])


def digit_models(models: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in models if dataset_of(name) == "mnist")


def force(
    model: str, digit: int, rows: int, temperature: float, seed: int
) -> tuple[ForcingFrame, int]:
    """Draw a test digit again, counted from 1; also its label, which the model is told."""
    levels, labels = digits()
    label = labels[digit - 1]
    (frame,) = engine.stream(
        "forcing",
        model=model,
        levels=levels[digit - 1].tolist(),
        given_rows=rows,
        seed=seed,
        label=label,
        temperature=temperature,
    )
    return frame, label


def show(frame: ForcingFrame, label: int, temperature: float, *, autoplay: bool) -> dict[str, Any]:
    """The player's value: the three images, marked where they are not the digit."""
    return render.pixel_trajectory(
        frame,
        level_names(frame.probabilities.shape[1]),
        f"x | {label}",
        temperature,
        autoplay=autoplay,
        names=NAMES,
        marks=frame.differs.numpy(),
        chosen=FREE,
    ).payload()


def result_line(frame: ForcingFrame) -> str:
    """The comparison in a line, and where the two ways part."""
    free = frame.differs[FREE]
    took = (
        f"Teacher forcing: {plural(frame.forced_passes, 'pass', 'passes')}, "
        f"{seconds(frame.forced_seconds)}; free running: {frame.total} steps, "
        f"{seconds(frame.free_seconds)}."
    )
    if not free.any():
        return f"{took} Free running drew the digit as it is: the two never part."
    row, column = divmod(int(free.flatten().int().argmax()), free.shape[1])
    after = "After the true rows both" if frame.given_rows else "Both"
    return (
        f"{took} {after} draw the same up to row {row + 1}, column {column + 1}. What they draw "
        "there differs from the digit, and from there on free running has a past of its own."
    )


def table(frame: ForcingFrame) -> str:
    """The numbers of both ways side by side."""
    height, width = frame.differs.shape[1:]
    given = frame.given_rows
    heads = (
        "", "Each pixel is drawn given", f"Differ, of all {height * width}",
        f"Differ, of {(height - given) * width} after the true rows", "Full passes",
        "Steps, one after another", "Time, ms",
    )  # fmt: skip
    own = f"its own pixels before it, after {plural(given, 'true row', 'true rows')}"
    ways = (
        (FORCED, "the true pixels before it", frame.forced_passes, 1, frame.forced_seconds),
        (FREE, own, frame.free_passes, frame.total, frame.free_seconds),
    )
    rows = []
    for image, past, passes, steps, time in ways:
        differs = frame.differs[image]
        cells = (
            NAMES[image], past, int(differs.sum()), int(differs[given:].sum()), passes, steps,
            f"{1000 * time:.0f}",
        )  # fmt: skip
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    return (
        '<div class="gm-scroll"><table class="gm-table" style="min-width: 52rem"><thead><tr>'
        f"{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead>"
        f"<tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table></div>{EXPLANATION}"
    )


def seconds(time: float) -> str:
    return f"{1000 * time:.0f} ms" if time < 0.1 else f"{time:.2f} s"


def plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def random_digit() -> int:
    """A digit that nobody chose."""
    return random.SystemRandom().randint(1, len(digits()[1]))


def build(tab: ModelTab) -> None:
    """The activity's contents, with a digit that the real model drew again."""
    models, labels = digit_models(tab.models), digits()[1]
    height = digits()[0].shape[2]

    def forcing(
        model: str, digit: float, rows: float, temperature: float, seed: float
    ) -> tuple[dict[str, Any], str, str, int]:
        """Draw a test digit again, teacher forced and free running: the player's trajectory, a
        status line, the table, the seed used."""
        model = inputs.choice(model, "Model", models)
        digit = inputs.whole(digit, "Digit", 1, len(labels))
        rows = inputs.whole(rows, "True rows", 0, height - 1)
        temperature = inputs.number(temperature, "Temperature", 0.1, 2)
        seed = inputs.seed(seed)
        frame, label = force(model, digit, rows, temperature, seed)
        canvas = show(frame, label, temperature, autoplay=True)
        return canvas, result_line(frame), table(frame), seed

    frame, label = force(models[0], FIRST_DIGIT, FIRST_ROWS, 1.0, FIRST_SEED)
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            generate = gr.Button("Generate", variant="primary")
            model = model_dropdown(models)
            digit = gr.Dropdown(
                [(f"No. {number}: a {label}", number) for number, label in enumerate(labels, 1)],
                value=FIRST_DIGIT, label="Digit",
                info="from the test set; the model is told its class",
            )  # fmt: skip
            rows = gr.Slider(
                0, height - 1, value=FIRST_ROWS, step=1, label="True rows",
                info="that free running starts from",
            )  # fmt: skip
            temperature = gr.Slider(
                0.1, 2, value=1, step=0.05, label="Temperature",
                info="low: sure, high: daring",
            )  # fmt: skip
            seed = gr.Number(FIRST_SEED, label="Seed", info="the same seed throws the same dice")
            with gr.Row():
                other = gr.Button("Randomise digit", size="sm", min_width=110)
                dice = gr.Button("Randomise seed", size="sm", min_width=110)
        with gr.Column(scale=4, min_width=336):
            canvas = player(
                show(frame, label, 1.0, autoplay=False),
                label="A digit drawn again in two ways",
                elem_id=f"{tab.id}-forcing-player",
            )
            told = status(result_line(frame), elem_id=f"{tab.id}-forcing-status")
    numbers = gr.HTML(table(frame), elem_id=f"{tab.id}-forcing-table", padding=False)

    generate.click(
        forcing,
        [model, digit, rows, temperature, seed],
        [canvas, told, numbers, seed],
        api_name=f"{tab.id}_forcing",
        preprocess=False,  # the handler validates, whoever calls
        show_progress="hidden",
        **engine.event("sampling"),
    )
    other.click(
        random_digit, None, digit, api_visibility="private", show_progress="hidden", queue=False
    )
    dice.click(randomise, None, seed, api_visibility="private", show_progress="hidden", queue=False)
