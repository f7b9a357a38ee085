"""What it sees: click a pixel, and see by its gradient which pixels its prediction depends on."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from torch import Tensor

from demo import engine, inputs
from demo.activities import TITLES, ModelTab
from demo.components import serial
from demo.components.maps import Heat, Maps, Picture, maps
from demo.components.status import status
from gm_core import data
from gm_core.dependency import Dependency

TITLE = "What it sees"
MODELS = (
    "pixelcnn-masked-mnist", "pixelcnn-mnist", "pixelrnn-row-mnist", "pixelrnn-diagonal-mnist"
)  # fmt: skip
HEIGHT = WIDTH = 28
BLIND = {"pixelrnn-row-mnist": "right of its triangle"}  # what lies there is called otherwise
DIGITS = data.DATASETS["mnist"].class_names
AVERAGED = 16
FAINTEST = 1e-4  # share of the strongest at which the colours begin
FIRST = ("3", 14, 14, False)  # digit, row, column, average: what is measured beforehand

QUESTION = """
<p class="gm-question">Which pixels does the prediction of one pixel depend on? Click a pixel. The
colours show how strongly every other pixel moves its prediction: the gradient, measured. The
outline shows what the network can see at most, by its masks alone.</p>
"""
# What each network's view is made of, in the order of MODELS.
WHY = (
    "To the right, a 3×3 mask shows one pixel only, in the row above. So layer upon layer the view "
    "widens to the right by one column a row. What lies beyond that edge came before too, but no "
    "number of layers shows it: the <b>blind spot</b>.",
    "A second stack looks at the rows above alone, where everything is drawn already. It needs no "
    "mask to the right, so there is no edge and <b>no blind spot</b>; what is still too far away, "
    "more layers would show.",
    "A memory goes down row by row, and each state takes in three of the row above. So the view "
    "widens by one column a row on both sides: a <b>triangle</b>, up to the top. Its right edge is "
    "that of the blind spot.",
    "One memory sweeps the picture from the upper left, another from the upper right. Every pixel "
    "drawn so far has passed through one of them: the network sees <b>everything</b>.",
)
WHY_CSS = """
.whys {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: .6rem 1.6rem;
}
.whys p { margin: 0; font-size: .95rem; line-height: 1.5; }
"""


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """Test images in black and white: one of each digit, and the first ones of the test set, all
    int64 (N, 1, 28, 28)."""
    test = data.load("mnist", "sample")
    levels = (test.images > 127).long()
    first = [int((test.labels == label).nonzero()[0]) for label in range(len(DIGITS))]
    return levels[first], levels[:AVERAGED]


def missing(model: str, record: Dependency) -> str:
    """What the model does not see of the pixels before, in words."""
    counts = {
        BLIND.get(model, "in its blind spot"): record.blind,
        "too far away for its layers": record.too_far,
    }
    told = [f"{int(where.sum())} {place}" for place, where in counts.items() if where.any()]
    return " and ".join(told)


def describe(model: str, record: Dependency) -> str:
    """The numbers under a model's map."""
    before, seen = int(record.before.sum()), int(record.field.sum())
    outside, leaks = int((~record.field).sum()), int(record.leaks.sum())
    answer = f"no, not on {leaks}" if leaks else "yes"
    zero = f"Gradient exactly 0 on all {outside} pixels outside: {answer}."
    if not before:
        return f"Nothing comes before the first pixel. {zero}"
    if seen == before:
        sees = f"Sees all {before} pixels before it."
    else:
        sees = f"Sees {seen} of {before} pixels before it; {missing(model, record)}."
    if not record.reach:
        return f"{sees} {zero}"
    rows = record.rows_of(0.9)
    most = f"within {rows}" if rows else "in its own row"
    back = f"{record.reach} row{'s' * (record.reach > 1)}"
    return f"{sees} Reaches back {back}, 90 % of the gradient {most}. {zero}"


def show(
    levels: Tensor, name: str, row: int, column: int, records: list[Dependency]
) -> dict[str, Any]:
    """The maps' value; a model without a record yet is shown as unknown."""
    picture = (levels.float().mean(dim=(0, 1)) * 255).round().byte().numpy()
    items: list[Picture | Heat] = [
        Picture(
            name,
            picture[:, :, None],
            f"{row * WIDTH + column} pixels come before the chosen one.",
            levels=2 if len(levels) == 1 else 256,
        )
    ]
    for index, model in enumerate(MODELS):
        shares, field, caption = np.full((HEIGHT, WIDTH), np.nan), None, "Measuring ..."
        if index < len(records):
            record = records[index]
            strength = record.strength.double()
            shares = (strength / strength.max().clamp(min=1e-300)).numpy()
            field, caption = record.field.numpy(), describe(model, record)
        items.append(
            Heat(
                TITLES[model],
                shares,
                "of the strongest",
                caption,
                low=FAINTEST,
                high=1,
                scale="log",
                zero_is_special=True,
                field=field,
                below=picture,
            )
        )
    return Maps(tuple(items), (row, column), clickable=True).payload()


def status_line(row: int, column: int, average: bool, when: str) -> str:
    """What was measured, counted as a student counts."""
    of = f"mean of {AVERAGED} test digits" if average else "one test digit"
    return (
        f"Gradient of the prediction at row {row + 1}, column {column + 1}: {of}, measured {when}."
    )


def measure(
    digit: str, row: float, column: float, average: bool
) -> Iterator[tuple[dict[str, Any], str]]:
    """Measure what a pixel's prediction depends on: the maps of all models, and a status line."""
    digit = inputs.choice(digit, "Digit", DIGITS)
    row = inputs.whole(row, "Row", 0, HEIGHT - 1)
    column = inputs.whole(column, "Column", 0, WIDTH - 1)
    average = inputs.flag(average, "Average")
    examples, first = digits()
    levels = first if average else examples[[DIGITS.index(digit)]]
    name = f"Mean of {AVERAGED} digits" if average else f"A {digit} of the test set"
    records: list[Dependency] = []
    started = time.perf_counter()
    for record in engine.stream(
        "dependency", models=list(MODELS), levels=levels.tolist(), row=row, column=column
    ):
        records.append(record)
        if len(records) < len(MODELS):
            if average:  # a single digit is measured too fast to be worth a glimpse
                told = f"Measured {len(records)} of {len(MODELS)} models ..."
                yield show(levels, name, row, column, records), told
            continue
        told = status_line(row, column, average, f"in {time.perf_counter() - started:.2f} s")
        yield show(levels, name, row, column, records), told


def choose(event: gr.EventData) -> tuple[int, int, int]:
    """The row and the column that were clicked, and a number that no click had before."""
    row = inputs.whole(inputs.detail(event, "row"), "Row", 0, HEIGHT - 1)
    column = inputs.whole(inputs.detail(event, "column"), "Column", 0, WIDTH - 1)
    return row, column, serial()


def stopped() -> str:
    """What the status line says once the work was stopped."""
    return "Stopped. What is grey was not measured; click a pixel to measure anew."


def build(tab: ModelTab) -> None:
    """The activity's contents, with the middle pixel of a digit measured."""
    *_, (first, _) = measure(*FIRST)
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            gr.HTML(QUESTION, padding=False)
        digit = gr.Dropdown(list(DIGITS), value=FIRST[0], label="Digit", scale=1, min_width=110)
        average = gr.Checkbox(
            label=f"Average over {AVERAGED} digits",
            info="one digit is one case",
            scale=2,
            min_width=210,
        )
        stop = gr.Button("Stop", scale=0, min_width=90)
    row, column = (
        gr.Number(number, visible="hidden", label=name, minimum=0, maximum=most - 1, step=1)
        for number, name, most in zip(FIRST[1:3], ("Row", "Column"), (HEIGHT, WIDTH), strict=True)
    )
    click = gr.Number(visible="hidden", label="Click")
    canvas = maps(first, label=TITLE, elem_id=f"{tab.id}-sees-maps")
    line = status(status_line(*FIRST[1:], "beforehand"), elem_id=f"{tab.id}-sees-status")
    whys = "".join(
        f"<p><b>{TITLES[model]}.</b> {why}</p>" for model, why in zip(MODELS, WHY, strict=True)
    )
    gr.HTML(html_template=f'<div class="whys">{whys}</div>', css_template=WHY_CSS, padding=True)

    # Of clicks that come faster than they are answered the last one counts. Gradio reads the inputs
    # anew for that, but not what an event was about: so a click is an input first.
    canvas.select(
        choose, None, [row, column, click], api_visibility="private", show_progress="hidden",
        trigger_mode="multiple", queue=False,
    )  # fmt: skip
    measuring = gr.on(
        [digit.input, average.input, row.input, column.input, click.change],
        measure,
        [digit, row, column, average],
        [canvas, line],
        api_name=f"{tab.id}_sees",
        preprocess=False,
        trigger_mode="always_last",
        show_progress="hidden",
        **engine.event("quick"),
    )
    stop.click(None, cancels=[measuring], api_visibility="private")
    stop.click(stopped, None, line, api_visibility="private", show_progress="hidden", queue=False)
