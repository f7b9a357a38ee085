"""Chain: an edit's output becomes the next one's input. How far does the picture drift?"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from demo import engine, inputs
from demo.activities import ModelTab
from demo.activities.generate import randomise
from demo.components.chips import chips
from demo.components.drift import Place, draw, drift
from demo.components.pair import pair
from demo.components.pictures import Shown, as_png
from demo.components.pictures import payload as payload_of
from demo.components.status import status
from demo.components.versions import Leaf, payload, versions
from demo.editor import EDITORS, LICENCES, full_size
from demo.editor.sources import (
    EXAMPLES,
    as_levels,
    as_pixels,
    fitting,
    instruction,
    levels_apart,
    picture,
    read_place,
    refusing,
    scene,
    share_changed,
    shelf_value,
    shelf_view,
    understood,
)
from demo.render import UNKNOWN_GREY
from gm_core import checkpoints
from gm_core.scenes import EDITS, SHIRTS, Scene, apply

TITLE = "Chain"
FIRST_PLACE, FIRST_SEED = 5, 0
MOST_VERSIONS = 24
TRIPS, MOST_TRIPS = 3, 5
SECONDS_BETWEEN_UPDATES = 0.12

QUESTION = """
<div class="gm-question">
Edit the result of an edit, and so on. Nothing tells the model what the first
picture was: what one edit damages, the next one takes for the picture. Go back to any version and
branch from there. Does a round trip come home?</div>
"""
WAITING = "The model makes its first edits ..."
STOPPED = "Stopped: the versions that were finished are kept."
NEW = "A new chain. Press Edit, or Round trip."
FULL = f"There are {MOST_VERSIONS} versions, and no more are kept: pick a picture to begin anew."
HOME = "This is the first picture: there is nothing to undo."

# Instructions that lead away and back, with what they mean.
ROUND_TRIPS = (
    (("give her sunglasses", "sunglasses"), ("take the glasses off", "no glasses")),
    (("give her a goatee", "goatee"), ("shave the beard off", "no beard")),
    (("add a lake", "lake"), ("drain the lake", "no lake")),
    (("drain the lake", "no lake"), ("add a lake", "lake")),
)


@dataclass(frozen=True, slots=True)
class Version:
    """A picture of the chain."""

    parent: int | None  # its number; the first picture has none
    words: str
    seed: int
    size: int
    data: bytes  # uint8 (3, size, size)
    truth: Scene | None  # what it should be, as choices; None: not known

    @property
    def image(self) -> Tensor:
        """uint8 (3, size, size)."""
        levels = np.frombuffer(self.data, np.uint8).reshape(3, self.size, self.size)
        return torch.from_numpy(levels.copy())


Tree = tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """How every edit is made, validated."""

    model: str
    text: float  # guidance
    image: float
    seed: int


def check(model: Any, text: Any, image: Any, seed: Any) -> Settings:
    model = inputs.choice(model, "Model", tuple(EDITORS))
    editor = EDITORS[model]
    return Settings(
        model,
        inputs.number(text, "Text guidance", editor.text.low, editor.text.high),
        inputs.number(image, "Image guidance", editor.image.low, editor.image.high),
        inputs.seed(seed),
    )


# --- versions ------------------------------------------------------------------------------------


def begin(place: int, size: int) -> Tree:
    """A picture of the shelf, not yet edited."""
    data = picture(place, size).numpy().tobytes()
    return (Version(None, "first picture", 0, size, data, scene(place)),)


def path(tree: Tree, at: int) -> list[int]:
    """From the first picture to a version."""
    found = [at]
    while (parent := tree[found[-1]].parent) is not None:
        found.append(parent)
    return found[::-1]


def drawn(truth: Scene | None, size: int) -> Tensor | None:
    """What should be there: uint8 (3, size, size)."""
    if truth is None:
        return None
    return _drawn(truth.style, truth.seed, tuple(sorted(truth.choices.items())), size)


def true_image(version: Version) -> Tensor | None:
    return drawn(version.truth, version.size)


@functools.lru_cache(maxsize=256)
def _drawn(style: Any, seed: str, choices: tuple[tuple[str, str], ...], size: int) -> Tensor:
    return Scene(style, seed, dict(choices)).draw(size)


def locate(tree: Tree, number: int) -> Place:
    """How far a version is from the first picture, and from what it should be."""
    image, first, truth = tree[number].image, tree[0].image, true_image(tree[number])
    return Place(
        number,
        levels_apart(image, first),
        None if truth is None else levels_apart(image, truth),
        share_changed(image, first),
    )


def in_words(place: Place) -> str:
    words = (
        f"To the first picture: {place.first:.1f} of 255 levels (root mean square), "
        f"{place.changed:.0%} of the pixels changed."
    )
    if place.truth is not None:
        words += f" To the true result: {place.truth:.1f} levels."
    return words


def describe(tree: Tree, at: int) -> str:
    """A version, what made it, and how far it has drifted."""
    version, numbers = tree[at], in_words(locate(tree, at))
    if version.parent is None:
        return f"Version {at}, the first picture. {NEW if len(tree) == 1 else ''}"
    unknown = "" if version.truth else " What it should be is not known."
    made = f"“{version.words}”, from version {version.parent}, seed {version.seed}"
    return f"Version {at}: {made}. {numbers}{unknown}"


def goal(version: Version, words: str, model: str) -> Scene | None:
    """What an instruction should make of a version, as choices."""
    edits = understood(model, words)
    if version.truth is None or not edits:
        return None
    return apply(version.truth, *(EDITS[name] for name in edits))


def edit(version: Version, words: str, settings: Settings) -> Iterator[tuple[Tensor, bool, str]]:
    """What is foreseen of the next version, uint8; whether it is finished; a status line."""
    with refusing():
        for frame in engine.stream(
            "edit",
            model=settings.model,
            image=(version.image / 255).tolist(),
            instruction=words,
            steps=EDITORS[settings.model].best.steps,
            guidance_scale=settings.text,
            image_guidance_scale=settings.image,
            seed=settings.seed,
        ):
            line = f"“{words}”: step {frame.step} of {frame.total} ..."
            yield as_levels(frame.image), frame.step == frame.total, line


def child(tree: Tree, at: int, words: str, seed: int, image: Tensor, truth: Scene | None) -> Tree:
    """The tree with one more version."""
    data = image.contiguous().numpy().tobytes()
    return (*tree, Version(at, words, seed, tree[at].size, data, truth))


def round_trip(start: Version) -> tuple[str, str]:
    """Two instructions that lead away from a version and back to it."""
    truth = start.truth
    if truth is None:  # of such a one it is not known whether it leads back
        (away, _), (back, _) = ROUND_TRIPS[0]
        return away, back
    for (away, there), (back, home) in ROUND_TRIPS:
        after = apply(truth, EDITS[there])
        if after.choices != truth.choices and apply(after, EDITS[home]).choices == truth.choices:
            return away, back
    own = truth.choices["shirt"]  # every landscape has a lake or none
    other = next(colour for colour in SHIRTS if colour != own)
    return f"make the shirt {other}", f"make the shirt {own}"


@functools.cache
def opening(model: str, _weights: str) -> Tree:
    """The chain that everybody opens with: one round trip."""
    editor = EDITORS[model]
    best = editor.best
    settings = Settings(model, best.guidance_scale, best.image_guidance_scale, FIRST_SEED)
    tree = begin(FIRST_PLACE, editor.size)
    for words in round_trip(tree[0]):
        last = len(tree) - 1
        *_, (image, _, _) = edit(tree[last], words, settings)
        tree = child(tree, last, words, FIRST_SEED, image, goal(tree[last], words, model))
    return tree


# --- what is shown -------------------------------------------------------------------------------


def grey() -> Tensor:
    """What stands there before the first picture is drawn."""
    return torch.full((3, 1, 1), UNKNOWN_GREY, dtype=torch.uint8)


def show_pair(first: Tensor, now: Tensor, number: int, truth: Tensor | None) -> dict[str, Any]:
    """A version beside what it should be, or else beside the first picture."""
    title = f"Version {number}" if number else "Version 0, the first picture"
    other = "True result" if truth is not None else "First picture (true result not known)"
    return payload_of(
        (
            Shown(title, "generated" if number else "real", as_pixels(now), title),
            Shown(other, "real", as_pixels(first if truth is None else truth), other),
        )
    )


def leaves(tree: Tree) -> list[Leaf]:
    return [
        Leaf(version.parent, as_png(as_pixels(version.image)), version.words,
             in_words(locate(tree, number)))
        for number, version in enumerate(tree)
    ]  # fmt: skip


def show(tree: Tree, at: int) -> tuple[Any, ...]:
    """Tree, pictures, drift and status line."""
    return (
        payload(leaves(tree), at),
        show_pair(tree[0].image, tree[at].image, at, true_image(tree[at])),
        draw([locate(tree, number) for number in path(tree, at)]),
        describe(tree, at),
    )


def follow(
    tree: Tree, at: int, instructions: Sequence[str], settings: Settings
) -> Iterator[tuple[Any, ...]]:
    """One edit after the other: what is shown, and the tree; ten times a second at most."""
    told = 0.0
    for words in instructions:
        if len(tree) >= MOST_VERSIONS:
            *shown, _ = show(tree, at)
            yield *shown, FULL, tree
            return
        truth = goal(tree[at], words, settings.model)
        for image, is_done, line in edit(tree[at], words, settings):
            now = time.perf_counter()
            if is_done:
                tree = child(tree, at, words, settings.seed, image, truth)
                at = len(tree) - 1
                told = now
                yield *show(tree, at), tree
            elif now - told > SECONDS_BETWEEN_UPDATES:
                told = now
                beside = show_pair(tree[0].image, image, len(tree), drawn(truth, tree[0].size))
                yield gr.skip(), beside, gr.skip(), line, gr.skip()


def build(tab: ModelTab) -> None:
    """The activity's contents; what the model makes comes when it is first seen."""
    models = tuple(EDITORS)
    first = models[0]
    editor = EDITORS[first]

    def read(chosen: Any, shelf: Any, tree: Tree, model: Any) -> tuple[Tree, int]:
        """The versions there are, and the chosen one."""
        size = EDITORS[inputs.choice(model, "Model", models)].size
        tree = tree or begin(read_place(shelf), size)
        number = chosen.get("chosen") if isinstance(chosen, dict) else None
        return tree, inputs.whole(number, "Version", 0, len(tree) - 1)

    def chain(
        chosen: dict[str, int], words: str, text: float, image: float, seed: float, model: str,
        shelf: dict[str, int], tree: Tree,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Edit the chosen version: tree, pictures, drift, status line."""
        settings = check(model, text, image, seed)
        words = instruction(words)
        tree, at = read(chosen, shelf, tree, model)
        if len(tree) >= MOST_VERSIONS:
            raise inputs.refusal(FULL)
        yield from follow(tree, at, [words], settings)

    def pick_chip(words: str, *settings: Any) -> Iterator[tuple[Any, ...]]:
        """Take an example for an instruction and edit."""
        chosen, *rest = settings
        for shown in chain(chosen, words, *rest):
            yield words, *shown

    def travel(
        chosen: dict[str, int], trips: float, text: float, image: float, seed: float, model: str,
        shelf: dict[str, int], tree: Tree,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Away and back again, several times: tree, pictures, drift, status line."""
        settings = check(model, text, image, seed)
        count = inputs.whole(trips, "Round trips", 1, MOST_TRIPS)
        tree, at = read(chosen, shelf, tree, model)
        if len(tree) >= MOST_VERSIONS:
            raise inputs.refusal(FULL)
        yield from follow(tree, at, round_trip(tree[at]) * count, settings)

    def go(
        chosen: dict[str, int], shelf: dict[str, int], model: str, tree: Tree
    ) -> tuple[Any, ...]:
        """To another version: tree, pictures, drift, status line."""
        tree, at = read(chosen, shelf, tree, model)
        return show(tree, at)

    def undo(
        chosen: dict[str, int], shelf: dict[str, int], model: str, tree: Tree
    ) -> tuple[Any, ...]:
        """Back to the version before; nothing is lost."""
        tree, at = read(chosen, shelf, tree, model)
        parent = tree[at].parent
        if parent is None:
            raise inputs.refusal(HOME)
        return show(tree, parent)

    def stopped(
        chosen: dict[str, int], shelf: dict[str, int], model: str, tree: Tree
    ) -> tuple[Any, ...]:
        """What is finished, in place of what was foreseen."""
        *shown, _ = go(chosen, shelf, model, tree)
        return *shown, STOPPED

    def restart(shelf: dict[str, int], words: str, model: str) -> tuple[Any, ...]:
        """A new chain: an instruction, if the one that is there does not fit, tree, pictures,
        drift, status line, versions."""
        place = read_place(shelf)
        tree = begin(place, EDITORS[inputs.choice(model, "Model", models)].size)
        fitted = fitting(words, scene(place).style)
        return gr.skip() if fitted is words else fitted, *show(tree, 0), tree

    def fit_model(model: str, shelf: dict[str, int], words: str) -> tuple[Any, ...]:
        """Another model has other guidances, and begins anew."""
        editor = EDITORS[inputs.choice(model, "Model", models)]
        return (
            gr.Slider(editor.text.low, editor.text.high, editor.best.guidance_scale),
            gr.Slider(editor.image.low, editor.image.high, editor.best.image_guidance_scale),
            *restart(shelf, words, model),
        )

    def open_chain() -> tuple[Any, ...]:
        """What takes too long for the start of the app."""
        tree = opening(first, checkpoints.describe(first).weights)
        return shelf_value(FIRST_PLACE), *show(tree, len(tree) - 1), tree

    blank = grey()
    tree = gr.State(())
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=310):
            shelf = shelf_view(FIRST_PLACE, f"{tab.id}-chain-shelf")
            words = gr.Textbox(EXAMPLES[0], label="Instruction", max_lines=1)
            examples = chips(EXAMPLES, label="Examples", elem_id=f"{tab.id}-chain-chips")
            with gr.Row():
                start = gr.Button("Edit", variant="primary", scale=2, min_width=140)
                stop = gr.Button("Stop", scale=1, min_width=80)
            with gr.Row():
                trip = gr.Button("Round trip", scale=2, min_width=140)
                back = gr.Button("Undo", scale=1, min_width=80)
            with gr.Accordion("More", open=False):
                trips = gr.Slider(1, MOST_TRIPS, TRIPS, step=1, label="Round trips")
                text = gr.Slider(
                    editor.text.low, editor.text.high, editor.best.guidance_scale, step=0.05,
                    label="Text guidance", info="does more of what it is told",
                )  # fmt: skip
                image = gr.Slider(
                    editor.image.low, editor.image.high, editor.best.image_guidance_scale,
                    step=0.05, label="Image guidance", info="keeps more of the picture",
                )  # fmt: skip
                with gr.Row():
                    seed = gr.Number(FIRST_SEED, label="Seed", min_width=120)
                    dice = gr.Button("Randomise", min_width=120)
                model = gr.Dropdown(
                    [(EDITORS[name].title, name) for name in models], value=first, label="Model"
                )
                full_size.build(model, elem_id=f"{tab.id}-chain-full-size")
            gr.HTML(f'<p class="gm-quiet">{LICENCES}</p>', padding=False)
        with gr.Column(scale=1, min_width=336):
            with gr.Row():
                with gr.Column(scale=5, min_width=336):
                    beside = pair(
                        show_pair(blank, blank, 0, blank), elem_id=f"{tab.id}-chain-pictures"
                    )
                    told = status(WAITING, elem_id=f"{tab.id}-chain-status")
                with gr.Column(scale=2, min_width=300):
                    curve = drift(draw(()), elem_id=f"{tab.id}-chain-drift")
            shown = versions(payload((), 0), elem_id=f"{tab.id}-chain-versions")

    quiet: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        **engine.event("quick"),
    }
    work: dict[str, Any] = {
        "preprocess": False,
        "show_progress": "full",  # whoever has to wait for another's edit sees the queue
        "show_progress_on": told,
        **engine.event("editing"),
    }
    drawings = [shown, beside, curve, told]
    settings: list[Any] = [text, image, seed, model, shelf, tree]
    private: dict[str, Any] = {"api_visibility": "private"}
    running: list[Any] = [
        start.click(
            chain, [shown, words, *settings], [*drawings, tree], api_name=f"{tab.id}_chain", **work
        ),
        words.submit(chain, [shown, words, *settings], [*drawings, tree], **work, **private),
        trip.click(
            travel, [shown, trips, *settings], [*drawings, tree],
            api_name=f"{tab.id}_chain_round_trip", **work,
        ),
        examples.input(
            pick_chip, [examples, shown, *settings], [words, *drawings, tree], **work, **private
        ),
    ]  # fmt: skip
    shown.select(open_chain, None, [shelf, *drawings, tree], **quiet, **private)
    where: list[Any] = [shown, shelf, model, tree]
    shown.input(go, where, drawings, api_name=f"{tab.id}_chain_go", cancels=running, **quiet)
    back.click(undo, where, drawings, api_name=f"{tab.id}_chain_undo", cancels=running, **quiet)
    anew = [words, *drawings, tree]
    shelf.input(
        restart, [shelf, words, model], anew, api_name=f"{tab.id}_chain_restart", cancels=running,
        **quiet,
    )  # fmt: skip
    model.input(
        fit_model, [model, shelf, words], [text, image, *anew], cancels=running, **quiet, **private
    )
    dice.click(randomise, None, seed, queue=False, show_progress="hidden", **private)
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=running, **private)
    stop.click(stopped, where, drawings, **quiet | private)
