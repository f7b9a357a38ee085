"""Nine tasks: everything that the table names, answered about one canvas of digits."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import api
from numpy.typing import NDArray

from demo import engine, inputs
from demo.activities import ModelTab
from demo.activities.generate import randomise
from demo.components import answers
from demo.components.answers import NOTHING, TOO_SMALL, Row, Task
from demo.components.cluster_map import LETTERS
from demo.components.pad import Drawing, pad, read
from demo.components.status import status
from gm_core import checkpoints
from gm_core import nine as gm_nine
from gm_core.canvas import MOST_DIGITS, SIZE, Canvases
from gm_core.nine import Answers, Marks, Piece, mark
from gm_core.paradigms import Found

TITLE = "Nine tasks"
FIRST_SEED = 4
REACH = 4.0  # of the plane, in sigma of the prior
TYPICAL = 5  # pictures that stand for a cluster
LISTED = 3  # digits that are told of, the surest; a picture shows all

# Task -> its name, and what its answers cost.
SUPERVISED: dict[Task, tuple[str, str]] = {
    "classification": ("Classification", "a class per digit"),
    "regression": ("Regression", "an angle per digit"),
    "detection": ("Object detection", "a box and a class per digit"),
    "segmentation": ("Semantic segmentation", "a class per pixel"),
    "captioning": ("Image captioning", "a sentence per canvas"),
}
UNSUPERVISED: dict[Task, tuple[str, str]] = {
    "clustering": ("Clustering", "no label"),
    "reduction": ("Dimensionality reduction", "no label"),
    "features": ("Feature learning", "no label"),
    "density": ("Density estimation", "no label"),
}

QUESTION = """
<div class="gm-question">
One canvas, nine questions. Five are answered by a network that was <b>shown
such answers</b> for other canvases; for the other four nobody ever said what is what. Draw one more
digit, or your own: all nine answer again. Which ones do you trust, and what did each cost?</div>
"""
SIDES = {
    "Supervised": "one network, shown such answers",
    "Unsupervised": "pieces of ink among test images",
}
BLANK = "Nothing is drawn: there is nothing to answer."
DRAWN = "Your drawing: nobody has labelled it, so no answer can be checked, except by you."

Pixels = NDArray[np.uint8]  # (H, W)


# --- asking ---------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def compose(seed: int, digits: int) -> Canvases:
    return gm_nine.compose(seed, digits)


def as_bytes(canvases: Canvases) -> Pixels:
    return (255 * canvases.images[0, 0]).round().byte().numpy()


def as_drawing(pixels: Pixels) -> dict[str, Any]:
    return Drawing(pixels, np.zeros(pixels.shape, np.bool_)).payload()


def ask(pixels: Pixels) -> Iterator[Answers]:
    return engine.stream("nine", image=pixels.tolist())


def truth_of(pixels: Pixels, seed: Any, digits: Any) -> Canvases | None:
    """The truth about a canvas that is still as it was generated."""
    if seed is None:  # an empty field
        return None
    made = compose(inputs.seed(seed), inputs.whole(digits, "Digits", 1, MOST_DIGITS))
    return made if np.array_equal(as_bytes(made), pixels) else None


# --- showing --------------------------------------------------------------------------------------


def rows_of(found: tuple[Found, ...], marks: Marks | None) -> list[Row]:
    """What was found, surest first, from left to right; with the truth, each digit that is there,
    and then what was found besides."""
    if marks is None:
        rows = [Row(one, None, at < LISTED) for at, one in enumerate(found)]
        return sorted(rows, key=lambda row: row.found.box[0] + row.found.box[2] if row.found else 0)
    there = [Row(digit.found, digit) for digit in marks.digits]
    return [*there, *(Row(one, None, at < LISTED) for at, one in enumerate(marks.invented))]


def show_supervised(record: Answers, pixels: Pixels, truth: Canvases | None) -> list[str]:
    """The values of the first five panels."""
    if not record.drawn:
        return [NOTHING] * len(SUPERVISED)
    reading = record.reading
    marks = None if truth is None else mark(reading, truth)
    rows, has_truth = rows_of(reading.found, marks), marks is not None
    lines = ["of this drawing nobody knows the true mask"]
    if marks:
        lines = [
            "answer, truth", f"mIoU {marks.iou:.2f}", f"{100 * marks.pixels:.1f} % right"
        ]  # fmt: skip
    return [
        answers.classification(rows, has_truth=has_truth),
        answers.regression(pixels, rows, has_truth=has_truth),
        answers.detection(pixels, rows, has_truth=has_truth),
        answers.segmentation(
            reading.mask.numpy(), None if marks is None else marks.mask.numpy(), lines
        ),
        answers.captioning(reading.caption, marks and marks.caption),
    ]


@functools.cache
def dots() -> str:
    """The plane's test images."""
    return answers.plane(gm_nine.landmarks().codes.numpy(), REACH)


def show_unsupervised(record: Answers, pieces: tuple[Piece, ...]) -> list[str]:
    """The values of the last four panels."""
    if not pieces:
        return [TOO_SMALL if record.drawn else NOTHING] * len(UNSUPERVISED)
    known = gm_nine.landmarks()
    grey = known.images[:, 0].numpy()
    looked_at = [(piece.image.numpy(), piece) for piece in pieces]

    def pictures(indices: tuple[int, ...]) -> list[Pixels]:
        return list(grey[list(indices)])

    sample = checkpoints.read_sample_nats(gm_nine.DENSITY)
    return [
        answers.clustering(
            [
                (ink, LETTERS[piece.cluster], pictures(piece.typical[:TYPICAL]), piece.members)
                for ink, piece in looked_at
            ],
            len(grey),
        ),
        answers.reduction(
            dots(), REACH, [(ink, piece.code) for ink, piece in looked_at]
        ),
        answers.features(
            [
                (ink, pictures(piece.by_features), pictures(piece.by_pixels))
                for ink, piece in looked_at
            ]
        ),
        answers.density(
            [(ink, piece.nats) for ink, piece in looked_at],
            None if sample is None else sample.numpy(),
        ),
    ]  # fmt: skip


def status_line(record: Answers, truth: Canvases | None) -> str:
    """What is known of the canvas."""
    if not record.drawn:
        return BLANK
    told = DRAWN
    if truth is not None:
        marks = mark(record.reading, truth)
        count = len(marks.digits)
        found = sum(digit.found is not None for digit in marks.digits)
        told = (
            f"Made of test digits, so the truth is known: it stands in blue. {found} of {count} "
            f"digit{'s' * (count > 1)} found. The unsupervised answers have no truth."
        )
    elif (found := len(record.reading.found)) > LISTED:
        told += f" {found} digits are found; listed are the {LISTED} surest."
    if record.pieces is not None and record.cut > len(record.pieces):
        told += f" Of {record.cut} pieces of ink the {len(record.pieces)} largest are looked at."
    return told


def show(pixels: Pixels, truth: Canvases | None) -> Iterator[tuple[Any, ...]]:
    """Status line and nine panels, the supervised ones first: they answer sooner."""
    for record in ask(pixels):
        told = status_line(record, truth)
        supervised = show_supervised(record, pixels, truth)
        others: list[Any] = [gr.skip()] * len(UNSUPERVISED)
        if record.pieces is not None:
            others = show_unsupervised(record, record.pieces)
        yield told, *supervised, *others


def as_json(pixels: Pixels, truth: Canvases | None) -> dict[str, Any]:
    """All nine answers in numbers."""
    *_, record = ask(pixels)
    reading, pieces = record.reading, record.pieces or ()
    known = None
    if truth is not None:
        marks = mark(reading, truth)
        known = {
            "classes": [digit.label for digit in marks.digits],
            "angles": [digit.angle for digit in marks.digits],
            "boxes": [digit.box for digit in marks.digits],
            "found": [digit.found is not None for digit in marks.digits],
            "iou": [digit.overlap for digit in marks.digits],
            "mean_iou": marks.iou,
            "caption": marks.caption,
        }
    return {
        "classification": [
            {"label": one.label, "probabilities": one.probabilities} for one in reading.found
        ],
        "regression": [one.angle for one in reading.found],
        "detection": [
            {"label": one.label, "box": one.box, "score": one.score} for one in reading.found
        ],
        "segmentation": reading.mask.tolist(),
        "captioning": reading.caption,
        "clustering": [LETTERS[piece.cluster] for piece in pieces],
        "reduction": [piece.code for piece in pieces],
        "features": [
            {"by_features": piece.by_features, "by_pixels": piece.by_pixels} for piece in pieces
        ],
        "density": [piece.nats for piece in pieces],
        "truth": known,
    }  # fmt: skip


def build(tab: ModelTab) -> None:
    """The activity's contents, with a canvas that has been answered."""

    def nine(seed: float, digits: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """A canvas of 1 to 3 test digits, as the drawing pad takes it, and all nine answers about
        it with the truth. Angles are in degrees, boxes in pixels (x0, y0, x1, y1), densities
        -log p(x) in nats; a mask has a class a pixel, 10 for none; neighbours are indices of test
        images."""
        truth = compose(inputs.seed(seed), inputs.whole(digits, "Digits", 1, MOST_DIGITS))
        pixels = as_bytes(truth)
        return as_drawing(pixels), as_json(pixels, truth)

    def nine_drawing(drawing: dict[str, Any]) -> dict[str, Any]:
        """All nine answers about a drawing of 64 by 64 pixels, as the drawing pad sends it; nobody
        knows the truth."""
        return as_json(read(drawing, SIZE, SIZE).pixels, None)

    def follow(drawing: dict[str, Any], seed: float | None, digits: float) -> Iterator[Any]:
        """What is drawn on the pad."""
        pixels = read(drawing, SIZE, SIZE).pixels
        yield from show(pixels, truth_of(pixels, seed, digits))

    def begin(seed: float | None, digits: float) -> Iterator[Any]:
        """Another canvas."""
        if seed is None:  # an empty field is no mistake but a beginning
            yield (gr.skip(),) * (2 + len(tasks))
            return
        truth = compose(inputs.seed(seed), inputs.whole(digits, "Digits", 1, MOST_DIGITS))
        pixels = as_bytes(truth)
        drawing = as_drawing(pixels)
        for shown in show(pixels, truth):
            yield drawing, *shown

    def deal(digits: float) -> Iterator[Any]:
        """A canvas of a seed that nobody chose."""
        number = randomise()
        for shown in begin(number, digits):
            yield number, *shown

    truth = compose(FIRST_SEED, MOST_DIGITS)
    first = as_bytes(truth)
    *_, (told, *values) = show(first, truth)
    tasks = SUPERVISED | UNSUPERVISED

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=410):
            with gr.Row():
                dice = gr.Button("Randomise", variant="primary", min_width=100)
                digits = gr.Dropdown(
                    list(range(1, MOST_DIGITS + 1)), value=MOST_DIGITS, label="Digits",
                    min_width=90,
                )  # fmt: skip
                seed = gr.Number(FIRST_SEED, label="Seed", min_width=100)
            canvas = pad(
                as_drawing(first), label="The canvas: draw on it", elem_id=f"{tab.id}-nine-pad",
                hideable=False,
            )  # fmt: skip
            line = status(told, elem_id=f"{tab.id}-nine-status")
        panels = []
        for side, named in zip(SIDES, (SUPERVISED, UNSUPERVISED), strict=True):
            with gr.Column(scale=1, min_width=336):
                answers.heading(side, SIDES[side])
                for task, (title, cost) in named.items():
                    panels.append(
                        answers.panel(
                            task, title, cost, values[len(panels)], elem_id=f"{tab.id}-nine-{task}"
                        )
                    )

    live: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a stroke would be lost
        "api_visibility": "private",
        **engine.event("quick"),
    }
    canvas.input(follow, [canvas, seed, digits], [line, *panels], **live)
    gr.on([seed.input, digits.input], begin, [seed, digits], [canvas, line, *panels], **live)
    dice.click(deal, digits, [seed, canvas, line, *panels], **live)
    api(nine, api_name=f"{tab.id}_nine")
    api(nine_drawing, api_name=f"{tab.id}_nine_drawing")
