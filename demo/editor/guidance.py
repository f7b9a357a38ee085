"""Guidance: the three guesses behind every step, and what the two scales make of them."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from demo import engine, inputs
from demo.activities import ModelTab
from demo.components import serial
from demo.components.chips import chips
from demo.components.guidance_grid import Cell, Grid, guidance_grid
from demo.components.pictures import as_png
from demo.components.status import status
from demo.components.taken_apart import Apart, Step, step, taken_apart
from demo.editor import EDITORS, LICENCES, Editor, Knob, full_size
from demo.editor.sources import (
    COUNT,
    EXAMPLES,
    Truth,
    as_levels,
    as_pixels,
    compared,
    fitting,
    in_words,
    instruction,
    picture,
    read_place,
    refusing,
    scene,
    shelf_value,
    shelf_view,
    truth,
)
from gm_core import checkpoints
from gm_core.instruct_pix2pix import EditFrame

TITLE = "Guidance"
FIRST_PLACE, FIRST_INSTRUCTION, FIRST_SEED = 5, "give her sunglasses", 0
SECONDS_BETWEEN_UPDATES = 0.12
MOST_STEPS_SHOWN = 20
LARGEST_TILE = 256  # pixels a side; larger pictures are shrunk to it
# The grid's guidances, as multiples of the model's best.
TEXT_FACTORS = (0.0, 0.5, 1.0, 2.0, 4.0)
IMAGE_FACTORS = (2.0, 1.5, 1.0, 0.75, 0.5)

QUESTION = """
<div class="gm-question">
At every step the model guesses the result three times: knowing nothing (A),
knowing the picture (B), and knowing picture and instruction (C). Two guidances stretch the
differences: with both at 1 the sum is just C. What does stretching do?</div>
"""
LATENTS = """
<div class="gm-quiet">The sum is made in the model's latents and then decoded, so pixels add up only
roughly. The last sum is the result.</div>
"""
READY = "The model makes its first edit ..."
STOPPED = "Stopped: what is shown was computed until then."
DRAWING = "The model makes one edit a cell ..."


@dataclass(frozen=True, slots=True)
class Asked:
    """An edit that is asked for, validated."""

    model: str
    place: int  # of the picture on the shelf
    words: str
    text: float  # guidance
    image: float
    seed: int

    @property
    def editor(self) -> Editor:
        return EDITORS[self.model]

    @property
    def source(self) -> Tensor:
        """uint8 (3, H, W)."""
        return picture(self.place, self.editor.size)

    @property
    def truth(self) -> Truth:
        return truth(scene(self.place), self.words, self.model, self.editor.size)

    def frames(self, *, takes_apart: bool, every: int) -> Iterator[EditFrame]:
        """The edit, as it is made."""
        with refusing():
            yield from engine.stream(
                "edit",
                model=self.model,
                image=(self.source / 255).tolist(),
                instruction=self.words,
                steps=self.editor.best.steps,
                guidance_scale=self.text,
                image_guidance_scale=self.image,
                seed=self.seed,
                every=every,
                takes_apart=takes_apart,
            )


def check(model: Any, place: Any, words: Any, text: Any, image: Any, seed: Any) -> Asked:
    model = inputs.choice(model, "Model", tuple(EDITORS))
    editor = EDITORS[model]
    return Asked(
        model,
        inputs.whole(place, "Picture", 0, COUNT - 1),
        instruction(words),
        inputs.number(text, "Text guidance", editor.text.low, editor.text.high),
        inputs.number(image, "Image guidance", editor.image.low, editor.image.high),
        inputs.seed(seed),
    )


# --- one edit, taken apart -----------------------------------------------------------------------


def as_step(frame: EditFrame) -> Step:
    """The three guesses and the guided sum of a step."""
    assert frame.guesses is not None  # they were asked for
    tiles = torch.cat([frame.guesses, frame.images])
    if tiles.shape[-1] > LARGEST_TILE:
        tiles = F.interpolate(tiles, size=LARGEST_TILE, mode="area")
    return step(frame.step, as_levels(tiles).permute(0, 2, 3, 1).contiguous().numpy())


def address(image: Tensor | None) -> str | None:
    """A picture uint8 (3, H, W) as a data URL."""
    return None if image is None else as_png(as_pixels(image))


def describe(asked: Asked, result: Tensor, known: Truth, steps: int) -> str:
    """What was asked for, and how far the result comes."""
    numbers = "; ".join(in_words(result, asked.source, known.image))
    return (
        f"“{asked.words}”, {steps} steps, text guidance {asked.text:g}, image guidance "
        f"{asked.image:g}, seed {asked.seed}. {known.says} Result: {numbers}."
    )


def explain(asked: Asked) -> Iterator[tuple[dict[str, Any], str]]:
    """The equation and a status line, ten times a second at most."""
    total, known, number = asked.editor.best.steps, asked.truth, serial()
    source = as_png(as_pixels(asked.source))
    steps: list[Step] = []
    told = 0.0
    for frame in asked.frames(takes_apart=True, every=-(-total // MOST_STEPS_SHOWN)):
        steps.append(as_step(frame))
        now = time.perf_counter()
        if now - told > SECONDS_BETWEEN_UPDATES or frame.step == total:
            told = now
            shown = Apart(
                steps, total, asked.text, asked.image, source, address(known.image), known.says
            )
            is_last = frame.step == total
            line = f"Step {frame.step} of {total} ..."
            yield (
                shown.payload(asked=number),
                describe(asked, frame.image, known, total) if is_last else line,
            )


@functools.cache
def explained(asked: Asked, _weights: str) -> tuple[dict[str, Any], str]:
    """The equation that everybody opens with, once it is complete."""
    *_, last = explain(asked)
    return last


# --- the grid ------------------------------------------------------------------------------------

# Cells of the grid that everybody opens with, by guidances and the weights that they are of.
opening_cells: dict[tuple[str, Asked], Cell] = {}


def within(knob: Knob, best: float, factors: tuple[float, ...]) -> tuple[float, ...]:
    """Multiples of the best guidance, no further than the slider goes."""
    return tuple(round(min(knob.high, best * factor), 2) for factor in factors)


def guidances(editor: Editor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The grid's text guidances, rising, and its image guidances, falling."""
    return (
        within(editor.text, editor.best.guidance_scale, TEXT_FACTORS),
        within(editor.image, editor.best.image_guidance_scale, IMAGE_FACTORS),
    )


def as_cell(asked: Asked, result: Tensor, known: Truth, *, is_done: bool) -> Cell:
    found = compared(result, asked.source, known.image)
    small = result
    if small.shape[-1] > LARGEST_TILE:
        small = F.interpolate(small[None], size=LARGEST_TILE, mode="area")[0]
    return Cell(
        as_png(as_pixels(as_levels(small))),
        tuple(in_words(result, asked.source, known.image)),
        is_done,
        found is not None and found.is_carried_out,
    )


def show_grid(asked: Asked, cells: list[Cell | None], known: Truth, number: int) -> dict[str, Any]:
    texts, images = guidances(asked.editor)
    return Grid(
        texts,
        images,
        cells,
        {
            "model": asked.model,
            "place": asked.place,
            "instruction": asked.words,
            "seed": asked.seed,
        },
        f"“{asked.words}”, seed {asked.seed}. {known.says}",
        as_png(as_pixels(asked.source)),
        address(known.image),
    ).payload(asked=number)


def empty_grid(model: str) -> dict[str, Any]:
    """A grid without results, before the app has looked at any picture."""
    texts, images = guidances(EDITORS[model])
    blank = as_png(np.full((1, 1, 3), 154, np.uint8))
    cells = [None] * (len(texts) * len(images))
    return Grid(texts, images, cells, {}, "", blank, None).payload(asked=serial())


def cells_of(asked: Asked) -> list[Asked]:
    """The grid's edits, row by row."""
    texts, images = guidances(asked.editor)
    return [replace(asked, text=text, image=image) for image in images for text in texts]


def draw_cells(asked: Asked, known: Truth, keeps: bool) -> Iterator[tuple[int, Cell]]:
    """Every cell while it is made (foreseen) and when it is done."""
    weights = checkpoints.describe(asked.model).weights if keeps else ""
    for index, each in enumerate(cells_of(asked)):
        cell = opening_cells.get((weights, each)) if keeps else None
        if cell is None:
            for frame in each.frames(takes_apart=False, every=1):
                is_done = frame.step == frame.total
                cell = as_cell(each, frame.image, known, is_done=is_done)
                if keeps and is_done:
                    opening_cells[weights, each] = cell
                yield index, cell
        else:
            yield index, cell


def fill_grid(asked: Asked, *, keeps: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
    """The grid and a status line, ten times a second at most; `keeps` the cells for all."""
    known, number = asked.truth, serial()
    count = len(cells_of(asked))
    cells: list[Cell | None] = [None] * count
    started = time.perf_counter()
    told = 0.0
    for index, cell in draw_cells(asked, known, keeps):
        cells[index] = cell
        now = time.perf_counter()
        is_last = cell.is_done and index == count - 1
        if now - told > SECONDS_BETWEEN_UPDATES or is_last:
            told = now
            done = index + cell.is_done
            left = (now - started) / max(1, done) * (count - done)
            line = f"Cell {index + 1} of {count}, about {left:.0f} s left."
            yield show_grid(asked, cells, known, number), found(cells) if is_last else line


def found(cells: list[Cell | None]) -> str:
    """What the full grid says."""
    carried_out = sum(cell.is_carried_out for cell in cells if cell)
    return (
        f"{carried_out} of {len(cells)} edits are carried out (✓: nearer to the true result than "
        "to the source). Point at a cell for its numbers; a click takes its guidances over."
    )


# --- the page ------------------------------------------------------------------------------------


def stopped() -> tuple[str, str]:
    return STOPPED, STOPPED


def read_cell(value: Any) -> Asked:
    """The setting of the cell that the grid says is chosen."""
    cell = value.get("chosen") if isinstance(value, dict) else None
    if not isinstance(cell, dict):
        raise inputs.refusal("Choose a cell of the grid that is computed.")
    return check(*map(cell.get, ("model", "place", "instruction", "text", "image", "seed")))


def build(tab: ModelTab) -> None:
    """The activity's contents; what the model makes comes when it is first seen."""
    models = tuple(EDITORS)
    first = models[0]
    editor = EDITORS[first]
    best = editor.best
    opening = Asked(
        first, FIRST_PLACE, FIRST_INSTRUCTION, best.guidance_scale, best.image_guidance_scale,
        FIRST_SEED,
    )  # fmt: skip

    def guide(
        chosen: dict[str, int], words: str, text: float, image: float, seed: float, model: str
    ) -> Iterator[tuple[dict[str, Any], str]]:
        """Edit a picture of the shelf: all steps, taken apart, and a status line."""
        yield from explain(check(model, read_place(chosen), words, text, image, seed))

    def pick_chip(
        words: str, chosen: dict[str, int], text: float, image: float, seed: float, model: str
    ) -> Iterator[tuple[Any, ...]]:
        """Take an example for an instruction and edit."""
        asked = check(model, read_place(chosen), words, text, image, seed)
        for shown in explain(asked):
            yield words, *shown

    def pick_picture(
        chosen: dict[str, int], words: str, text: float, image: float, seed: float, model: str
    ) -> Iterator[tuple[Any, ...]]:
        """Another picture; one of another kind brings instructions of its own."""
        place = read_place(chosen)
        words = fitting(words, scene(place).style)
        for shown in explain(check(model, place, words, text, image, seed)):
            yield words, *shown

    def fill(
        chosen: dict[str, int], words: str, seed: float, model: str
    ) -> Iterator[tuple[dict[str, Any], str]]:
        """The same edit under 5 by 5 guidances, and a status line."""
        best = EDITORS[inputs.choice(model, "Model", models)].best
        scales = best.guidance_scale, best.image_guidance_scale
        yield from fill_grid(check(model, read_place(chosen), words, *scales, seed))

    def adopt(value: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Take a cell's setting over, and take its edit apart."""
        asked = read_cell(value)
        taken = shelf_value(asked.place)
        for shown in explain(asked):
            yield (
                taken, asked.words, asked.text, asked.image, asked.seed, asked.model, *shown,
            )  # fmt: skip

    def fit_model(model: str) -> tuple[gr.Slider, gr.Slider]:
        """Another model has other guidances."""
        editor = EDITORS[inputs.choice(model, "Model", models)]
        return (
            gr.Slider(editor.text.low, editor.text.high, editor.best.guidance_scale),
            gr.Slider(editor.image.low, editor.image.high, editor.best.image_guidance_scale),
        )

    def open_equation() -> tuple[Any, ...]:
        """What takes too long for the start of the app."""
        weights = checkpoints.describe(first).weights
        return shelf_value(FIRST_PLACE), *explained(opening, weights)

    def open_grid() -> Iterator[tuple[dict[str, Any], str]]:
        """The grid that everybody opens with, computed once."""
        yield from fill_grid(opening, keeps=True)

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=310):
            shelf = shelf_view(FIRST_PLACE, f"{tab.id}-guidance-shelf")
            words = gr.Textbox(FIRST_INSTRUCTION, label="Instruction", max_lines=1)
            examples = chips(EXAMPLES, label="Examples", elem_id=f"{tab.id}-guidance-chips")
            with gr.Row():
                start = gr.Button("Edit", variant="primary", scale=2, min_width=140)
                stop = gr.Button("Stop", scale=1, min_width=80)
            text = gr.Slider(
                editor.text.low, editor.text.high, best.guidance_scale, step=0.05,
                label="Text guidance", info="does more of what it is told", buttons=[],
            )  # fmt: skip
            image = gr.Slider(
                editor.image.low, editor.image.high, best.image_guidance_scale, step=0.05,
                label="Image guidance", info="keeps more of the picture", buttons=[],
            )  # fmt: skip
            with gr.Accordion("More", open=False):
                seed = gr.Number(FIRST_SEED, label="Seed", info="of the noise it starts from")
                model = gr.Dropdown(
                    [(EDITORS[name].title, name) for name in models], value=first, label="Model"
                )
                full_size.build(model, elem_id=f"{tab.id}-guidance-full-size")
            gr.HTML(f'<p class="gm-quiet">{LICENCES}</p>', padding=False)
        with gr.Column(scale=1, min_width=336), gr.Tabs():
            with gr.Tab("Taken apart"):
                shown = taken_apart(None, elem_id=f"{tab.id}-guidance-apart")
                told = status(READY, elem_id=f"{tab.id}-guidance-status")
                gr.HTML(LATENTS, padding=False)
            with gr.Tab("Grid"):
                with gr.Row():
                    start_grid = gr.Button(
                        "Fill the grid", variant="primary", scale=0, min_width=160
                    )
                    stop_grid = gr.Button("Stop", scale=0, min_width=100)
                grid = guidance_grid(empty_grid(first), elem_id=f"{tab.id}-guidance-grid")
                told_grid = status(DRAWING, elem_id=f"{tab.id}-guidance-grid-status")

    work: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        **engine.event("editing"),
    }
    apart: dict[str, Any] = {"show_progress": "full", "show_progress_on": told, **work}
    settings = [shelf, words, text, image, seed, model]
    rest: list[Any] = [text, image, seed, model]
    private: dict[str, Any] = apart | {"api_visibility": "private"}
    latest: dict[str, Any] = private | {"trigger_mode": "always_last"}
    edits: list[Any] = [
        start.click(guide, settings, [shown, told], api_name=f"{tab.id}_guide", **apart),
        gr.on(
            [words.submit, text.release, image.release], guide, settings, [shown, told], **latest
        ),
        examples.input(pick_chip, [examples, shelf, *rest], [words, shown, told], **latest),
        shelf.input(pick_picture, settings, [words, shown, told], **latest),
        grid.input(adopt, grid, [*settings, shown, told], **latest),
    ]  # fmt: skip
    shown.select(
        open_equation, None, [shelf, shown, told], api_visibility="private",
        show_progress="hidden", **engine.event("quick"),
    )  # fmt: skip
    on_grid: dict[str, Any] = {"show_progress": "full", "show_progress_on": told_grid, **work}
    fills: list[Any] = [
        start_grid.click(
            fill, [shelf, words, seed, model], [grid, told_grid],
            api_name=f"{tab.id}_guidance_grid", **on_grid,
        ),
        grid.select(open_grid, None, [grid, told_grid], api_visibility="private", **on_grid),
    ]  # fmt: skip
    model.input(
        fit_model, model, [text, image], preprocess=False, queue=False, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    for button in (stop, stop_grid):
        # Two listeners: one with both would cancel only after its answer has come.
        button.click(None, cancels=[*edits, *fills], api_visibility="private")
        button.click(
            stopped, None, [told, told_grid], api_visibility="private", show_progress="hidden",
            queue=False,
        )  # fmt: skip
