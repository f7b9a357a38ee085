"""Edit: a picture and a sentence in, the edited picture out, beside what it should have been."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image

from demo import engine, inputs, render
from demo.activities import ModelTab
from demo.components import easel, serial
from demo.components import shelf as shelf_component
from demo.components.chips import chips
from demo.components.download import download
from demo.components.edit_view import edit_view, waiting
from demo.components.note import note
from demo.components.setting import Setting, in_address, wholes
from demo.editor import (
    EDITORS,
    EXAMPLES,
    LICENCES,
    LONGEST_INSTRUCTION,
    STYLES,
    draw,
    full_size,
    sources,
)
from demo.editor.editing import (
    FILE_TYPES,
    REMEDIES,
    Ask,
    Outcome,
    Pixels,
    export,
    finished,
    reading,
    remedy,
    run,
    scene_at,
    shelf,
)
from gm_core.instruct_pix2pix import SAMPLERS

TITLE = "Edit"
MODELS = tuple(EDITORS)
SAMPLER_NAMES = tuple(SAMPLERS)
PLACES = len(STYLES)  # of a shelf
OPENING = (3, EXAMPLES[0], 0)  # a place on the first shelf, an instruction, a seed

READY = "Say what should change, or pick an example."
WAIT = "The first edit is being drawn."
COMPLAIN = "Not what you wanted? A guidance is turned, as the paper advises:"
STOPPED = (
    "Stopped: this is what the model foresaw by then. Download still gives the edit before it."
)


# --- pictures ------------------------------------------------------------------------------------


def fill_shelf(number: int, chosen: int | None) -> dict[str, Any]:
    pictures = [draw(scene, 64) for scene in shelf(number)]
    return shelf_component.payload(number, pictures, sources.names(), chosen)


def put(place: tuple[int, int], size: int) -> dict[str, Any]:
    """A picture of a shelf on the easel."""
    return easel.Canvas(draw(scene_at(place), size), place).payload()


def read_named(text: str, _: Any) -> dict[str, Any]:
    """The place that an address names; `show_named` puts its picture on the easel."""
    return {"place": wholes(text, inputs.LARGEST_SEED, PLACES - 1)}


def show_named(canvas: Any, instruction: Any, model: Any) -> tuple[Any, ...]:
    """A picture on the easel in the model's size, the shelf it is from, and how the instruction is
    read there."""
    place = easel.read_place(canvas.get("place") if isinstance(canvas, dict) else None, PLACES)
    if place is None:
        raise inputs.refusal("Pick a picture of the shelf.")
    shown = fill_shelf(*place)
    return shown, *pick(shown, instruction, model)


def blank(size: int) -> Pixels:
    return np.full((size, size, 3), render.UNKNOWN_GREY, np.uint8)


def read_easel(value: Any, model: str) -> easel.Canvas:
    """What stands on the easel; a picture of a shelf is drawn, whatever the browser says it is."""
    size = EDITORS[model].size
    canvas = easel.read(value, size, PLACES)
    if canvas.place is None:
        return canvas
    return easel.Canvas(draw(scene_at(canvas.place), size), canvas.place, canvas.mask)


def read_file(value: Any) -> Image.Image:
    """The picture of an upload, which Gradio has put into a folder of its own.

    Gradio looks where a path leads only if the browser calls it a file: here it is always looked.
    """
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str):
        raise inputs.refusal("There is no file: choose a picture.")
    try:
        place = Path(path).resolve()
        if not place.is_relative_to(Path(get_upload_folder()).resolve()):
            raise PermissionError
        with place.open("rb") as file:
            data = file.read(inputs.LARGEST_FILE + 1)
    except (OSError, ValueError):
        raise inputs.refusal("The file can't be read: choose it again.") from None
    return inputs.picture(data)


def pick(shown: Any, instruction: Any, model: Any) -> tuple[dict[str, Any], str]:
    """A picture of the shelf on the easel."""
    model = inputs.choice(model, "Model", MODELS)
    if not isinstance(shown, dict):
        raise inputs.refusal("Pick a picture of the shelf.")
    number = inputs.whole(shown.get("shelf"), "The shelf's number", 0, inputs.LARGEST_SEED)
    place = inputs.whole(shown.get("chosen"), "The place on the shelf", 0, PLACES - 1)
    canvas = put((number, place), EDITORS[model].size)
    return canvas, read_line(instruction, canvas, model)


def another(shown: Any) -> dict[str, Any]:
    """The next shelf; what stands on the easel stays there."""
    number = shown.get("shelf") if isinstance(shown, dict) else None
    number = inputs.whole(number, "The shelf's number", 0, inputs.LARGEST_SEED)
    return fill_shelf((number + 1) % (inputs.LARGEST_SEED + 1), None)


def take_own(file: Any, shown: Any, instruction: Any, model: Any) -> tuple[Any, Any, Any]:
    """An upload or a snapshot on the easel."""
    if file is None:  # it was taken away again
        return gr.skip(), gr.skip(), gr.skip()
    model = inputs.choice(model, "Model", MODELS)
    pixels = inputs.square(read_file(file), EDITORS[model].size)
    canvas = easel.Canvas(pixels, None).payload()
    shown = {**shown, "chosen": None} if isinstance(shown, dict) else gr.skip()
    return canvas, shown, read_line(instruction, canvas, model)


def fit_model(model: Any, canvas: Any, file: Any) -> tuple[Any, ...]:
    """Another model has pictures of another size, other guidances and steps."""
    editor = EDITORS[inputs.choice(model, "Model", MODELS)]
    place = canvas.get("place") if isinstance(canvas, dict) else None
    if file is not None and place is None:
        fitted = easel.Canvas(inputs.square(read_file(file), editor.size), None).payload()
    else:
        fitted = put(easel.read_place(place, PLACES) or (0, OPENING[0]), editor.size)
    how = editor.best
    return (
        fitted,
        gr.Slider(editor.text.low, editor.text.high, how.guidance_scale),
        gr.Slider(editor.image.low, editor.image.high, how.image_guidance_scale),
        gr.Slider(1, editor.most_steps, how.steps),
    )


# --- what is asked -------------------------------------------------------------------------------


def read_line(instruction: Any, canvas: Any, model: Any) -> str:
    """What an instruction is taken for, while it is typed."""
    model = inputs.choice(model, "Model", MODELS)
    words = instruction.strip() if isinstance(instruction, str) else ""
    if not words:
        return READY
    if len(words) > LONGEST_INSTRUCTION:
        return f"That is too long: at most {LONGEST_INSTRUCTION} characters are read."
    if not words.isprintable():
        return "The instruction has characters in it that can't be read."
    place = easel.read_place(canvas.get("place") if isinstance(canvas, dict) else None, PLACES)
    return reading(model, words, None if place is None else scene_at(place))


def take_chip(words: Any) -> str:
    """An example as the instruction."""
    return inputs.choice(words, "Example", EXAMPLES)


def read_ask(
    source: Any,
    instruction: Any,
    text_guidance: Any,
    image_guidance: Any,
    seed: Any,
    model: Any,
    steps: Any,
    sampler: Any,
    second_wording: Any,
    masked: Any,
) -> Ask:
    """What the controls ask for, checked."""
    model = inputs.choice(model, "Model", MODELS)
    editor = EDITORS[model]
    canvas = read_easel(source, model)
    wordings = [instruction, *([second_wording] if second_wording else [])]
    return Ask(
        model,
        canvas.pixels,
        canvas.place,
        canvas.mask if inputs.flag(masked, "Mask") else None,
        tuple(sources.instruction(words) for words in wordings),
        inputs.number(text_guidance, "Text guidance", editor.text.low, editor.text.high),
        inputs.number(image_guidance, "Image guidance", editor.image.low, editor.image.high),
        inputs.seed(seed),
        inputs.whole(steps, "Steps", 1, editor.most_steps),
        inputs.choice(sampler, "Sampler", SAMPLER_NAMES),
    )


def perform(ask: Ask, said: str = "") -> Iterator[tuple[Any, ...]]:
    """Edit, and write back what was used."""
    with sources.refusing():
        for view, told, outcome in run(ask):
            yield view, said + told, ask.text, ask.image, ask.seed, ask.steps, outcome


def edit(
    source: dict[str, Any],
    instruction: str,
    text_guidance: float,
    image_guidance: float,
    seed: float,
    model: str,
    steps: float,
    sampler: str,
    second_wording: str,
    masked: bool,
) -> Iterator[tuple[Any, ...]]:
    """Edit a picture: the view, a status line, the guidances, seed and steps that were used."""
    yield from perform(
        read_ask(
            source, instruction, text_guidance, image_guidance, seed, model, steps, sampler,
            second_wording, masked,
        )
    )  # fmt: skip


def complain(complaint: str) -> Callable[..., Iterator[tuple[Any, ...]]]:
    """The handler of a complaint's button."""

    def again(*asked: Any) -> Iterator[tuple[Any, ...]]:
        """Turn a guidance by a notch, say so, and edit again."""
        ask = read_ask(*asked)
        text, image, said = remedy(complaint, ask.text, ask.image, EDITORS[ask.model])
        source, instruction, _, _, *rest = asked
        yield from perform(read_ask(source, instruction, text, image, *rest), f"{said} ")

    return again


def stopped(view: Any) -> tuple[Any, str]:
    """What is there stays."""
    if not isinstance(view, dict) or not view.get("runs"):
        return gr.skip(), "Nothing runs that could be stopped."
    return {**view, "runs": False, "serial": serial()}, STOPPED


def randomise_seed() -> int:
    """A seed that nobody chose."""
    return random.SystemRandom().randint(0, inputs.LARGEST_SEED)


def randomise_guidance(model: Any) -> tuple[float, float]:
    """Guidances that nobody chose, near to those that do well."""
    editor = EDITORS[inputs.choice(model, "Model", MODELS)]
    dice = random.SystemRandom()
    return round(dice.uniform(*editor.text.dice), 1), round(dice.uniform(*editor.image.dice), 1)


# --- the opening ---------------------------------------------------------------------------------


def open_pictures(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The shelf and the easel, which are the same for everybody."""
    return opening_pictures(inputs.choice(model, "Model", MODELS))


@functools.cache
def opening_pictures(model: str) -> tuple[dict[str, Any], dict[str, Any]]:
    place, _, _ = OPENING
    return fill_shelf(0, place), put((0, place), EDITORS[model].size)


@functools.cache
def opening_edit(model: str) -> tuple[dict[str, Any], str, Outcome]:
    """The edit that it opens with, and its line."""
    place, instruction, seed = OPENING
    editor = EDITORS[model]
    how = editor.best
    ask = Ask(
        model, draw(scene_at((0, place)), editor.size), (0, place), None, (instruction,),
        how.guidance_scale, how.image_guidance_scale, seed, how.steps, SAMPLER_NAMES[0],
    )  # fmt: skip
    *_, (view, _, outcome) = run(ask)
    return view, finished(ask, None), outcome


def open_edit(model: Any) -> Iterator[tuple[Any, ...]]:
    """The source, then an edit; until that is there, another picture may be picked."""
    model = inputs.choice(model, "Model", MODELS)
    place, instruction, _ = OPENING
    source = draw(scene_at((0, place)), EDITORS[model].size)
    yield waiting(source, (instruction,)), gr.skip(), gr.skip()
    yield opening_edit(model)


def build(tab: ModelTab) -> None:
    """The activity's contents. What it opens with is made when it is first looked at."""
    first = EDITORS[MODELS[0]]
    grey = blank(first.size)
    place, words, number = OPENING
    outcome = gr.State(None)
    with gr.Row():
        with gr.Column(scale=2, min_width=336):
            with gr.Row(equal_height=True):
                gr.HTML("<b>Pick a picture</b>", padding=False, min_width=120)
                more_pictures = gr.Button("Another shelf", size="sm", scale=0, min_width=130)
            row = shelf_component.shelf(
                shelf_component.payload(0, [grey] * PLACES, sources.names(), place),
                label="Pictures to pick from", elem_id=f"{tab.id}-edit-shelf",
            )  # fmt: skip
            canvas = in_address(
                easel.easel(
                    easel.Canvas(grey, (0, place)).payload(), label="Source",
                    elem_id=f"{tab.id}-edit-easel",
                ),
                Setting("picture", ("place",), read_named),
            )  # fmt: skip
            with gr.Row():
                text = gr.Slider(
                    first.text.low, first.text.high, first.best.guidance_scale, step=0.1,
                    label="Text guidance", info="more: obeys more", min_width=150,
                )  # fmt: skip
                image = gr.Slider(
                    first.image.low, first.image.high, first.best.image_guidance_scale, step=0.1,
                    label="Image guidance", info="more: keeps more", min_width=150,
                )  # fmt: skip
            with gr.Row():
                seed = gr.Number(number, label="Seed", min_width=130)
                with gr.Column(min_width=150):
                    dice_seed = gr.Button("Randomise seed", size="sm")
                    dice = gr.Button("Randomise guidance", size="sm")
            with gr.Accordion("Your own picture", open=False):
                own = gr.Image(
                    type="filepath", sources=["upload", "webcam", "clipboard"], height=200,
                    label="A square is cut out of its middle", elem_id=f"{tab.id}-edit-own",
                )  # fmt: skip
        with gr.Column(scale=5, min_width=336):
            with gr.Row(equal_height=True):
                instruction = gr.Textbox(
                    words, label="Instruction", show_label=False, container=False, max_lines=1,
                    placeholder="What should change?", scale=6, min_width=240,
                    elem_id=f"{tab.id}-edit-instruction",
                )  # fmt: skip
                start = gr.Button("Edit", variant="primary", scale=1, min_width=110)
                stop = gr.Button("Stop", scale=1, min_width=80)
            examples = chips(EXAMPLES, label="Examples", elem_id=f"{tab.id}-edit-examples")
            with gr.Row():
                line = note(READY, lines=3, elem_id=f"{tab.id}-edit-understood")
                told = note(WAIT, lines=3, elem_id=f"{tab.id}-edit-status")
            view = edit_view(
                waiting(grey, (words,)), label="The edit", elem_id=f"{tab.id}-edit-view"
            )
            gr.HTML(f'<p class="gm-quiet" style="margin: -8px 0">{COMPLAIN}</p>', padding=False)
            with gr.Row():
                complaints = [
                    gr.Button(complaint, size="sm", min_width=110) for complaint in REMEDIES
                ]
            with gr.Accordion("More", open=False):
                with gr.Row():
                    model = gr.Dropdown(
                        [(EDITORS[name].title, name) for name in MODELS], value=MODELS[0],
                        label="Model", info="who edits", min_width=180,
                    )  # fmt: skip
                    steps = gr.Slider(
                        1, first.most_steps, first.best.steps, step=1, label="Steps",
                        info="in which the noise goes", min_width=180,
                    )  # fmt: skip
                    sampler = gr.Dropdown(
                        list(SAMPLER_NAMES), value=SAMPLER_NAMES[0], label="Sampler",
                        info="“ancestral” adds new noise at every step", min_width=180,
                    )  # fmt: skip
                full_size.build(model, elem_id=f"{tab.id}-edit-full-size")
                with gr.Row():
                    second = gr.Textbox(
                        "", label="Second wording", max_lines=1, min_width=240,
                        info="the same seed, side by side", placeholder="Say it in other words",
                    )  # fmt: skip
                    masked = gr.Checkbox(
                        True, label="Mask", info="keep the edit inside what is painted",
                        min_width=180,
                    )  # fmt: skip
                with gr.Row():
                    file_type = gr.Dropdown(
                        list(FILE_TYPES), value="png", label="File type", min_width=240,
                        info="png: the result; gif, webp: the steps; json: the settings",
                    )  # fmt: skip
                    save = gr.Button("Download", size="sm", min_width=150)
                saved = download(elem_id=f"{tab.id}-edit-download")
            gr.HTML(f'<span class="gm-quiet">{LICENCES}</span>', padding=False)

    asked = [canvas, instruction, text, image, seed, model, steps, sampler, second, masked]
    answers = [view, told, text, image, seed, steps, outcome]
    long: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "full",  # whoever has to wait for another's edit sees the queue
        "show_progress_on": told,
        **engine.event("editing"),
    }
    live: dict[str, Any] = {
        "preprocess": False,
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        "api_visibility": "private",
        "queue": False,
    }
    running: list[Any] = [
        gr.on(
            [start.click, instruction.submit], edit, asked, answers, api_name=f"{tab.id}_edit",
            **long,
        )
    ]  # fmt: skip
    running += [
        button.click(complain(complaint), asked, answers, api_visibility="private", **long)
        for button, complaint in zip(complaints, REMEDIES, strict=True)
    ]
    view.load(open_pictures, model, [row, canvas], **live)
    view.load(
        open_edit, model, [view, told, outcome], api_visibility="private", preprocess=False,
        show_progress="hidden", **engine.event("editing"),
    )  # fmt: skip
    view.load(read_line, [instruction, canvas, model], line, **live)
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=running, api_visibility="private")
    stop.click(stopped, view, [view, told], **live)
    instruction.change(read_line, [instruction, canvas, model], line, **live)
    examples.input(take_chip, examples, instruction, **live)
    row.input(pick, [row, instruction, model], [canvas, line], **live)
    # Of an address alone: the easel itself never submits.
    canvas.submit(show_named, [canvas, instruction, model], [row, canvas, line], **live)
    more_pictures.click(another, row, row, **live)
    own.input(take_own, [own, row, instruction, model], [canvas, row, line], **live)
    model.input(fit_model, [model, canvas, own], [canvas, text, image, steps], **live)
    model.input(read_line, [instruction, canvas, model], line, **live)
    dice_seed.click(randomise_seed, None, seed, **live)
    dice.click(randomise_guidance, model, [text, image], **live)
    save.click(
        export, [file_type, outcome], saved, api_name=f"{tab.id}_edit_export", preprocess=False,
        show_progress="minimal", **engine.event("quick"),
    )  # fmt: skip
