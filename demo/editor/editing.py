"""An edit from what is asked to what is shown: its frames, its numbers, the advice, the files."""

from __future__ import annotations

import base64
import io
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from demo import engine, inputs, render
from demo.components import serial
from demo.components.edit_view import Amount, Lane, View
from demo.components.pictures import as_png
from demo.editor import FULL_SIZE, SINGULAR, Editor, shelf, sources
from gm_core.edit_success import Success
from gm_core.instruct_pix2pix import EditFrame, Understanding
from gm_core.scenes import EDITS, Scene, apply, change

SECONDS_BETWEEN_UPDATES = 0.12
MOST_FRAMES = 25  # of an edit, that are kept to be scrubbed
EXACT_SIZE = 128  # pixels: larger previews are compressed with a loss
FILE_TYPES = ("png", "gif", "webp", "json")

UNKNOWN = (
    "This miniature does not know that: the picture will probably stay as it is. It knows hair, "
    "hats, glasses, faces, shirts, skies, seasons, lakes. The full-size model knows more."
)
OWN = "On pictures unlike those of the shelf, the miniature does strange things."
LOADING = "The full-size model is being loaded, unless it is already."
NO_EDIT = "There is no result yet: press Edit first."

Knobs = Literal["text guidance", "image guidance"]
# What is tried first, and what if that guidance is at its end: the paper's advice.
REMEDIES: dict[str, tuple[tuple[Knobs, int], tuple[Knobs, int]]] = {
    "Changed too little": (("text guidance", 1), ("image guidance", -1)),
    "Changed too much": (("text guidance", -1), ("image guidance", 1)),
    "Lost the face": (("image guidance", 1), ("text guidance", -1)),
}
BECAUSE = {
    ("text guidance", 1): "the instruction counts for more",
    ("text guidance", -1): "the instruction counts for less",
    ("image guidance", 1): "more of the picture is kept",
    ("image guidance", -1): "less of the picture is kept",
}

Pixels = NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for, checked."""

    model: str
    pixels: Pixels
    place: tuple[int, int] | None  # the number of its shelf, and its place there
    mask: NDArray[np.bool_] | None
    instructions: tuple[str, ...]  # one, or two wordings
    text: float
    image: float
    seed: int
    steps: int
    sampler: str

    @property
    def scene(self) -> Scene | None:
        return None if self.place is None else scene_at(self.place)

    def settings(self) -> dict[str, Any]:
        """What an edit follows from, by the names of gm_core."""
        where = "own" if self.place is None else f"shelf {self.place[0]}, place {self.place[1]}"
        return {
            "model": self.model,
            "picture": where,
            "instructions": list(self.instructions),
            "steps": self.steps,
            "guidance_scale": self.text,
            "image_guidance_scale": self.image,
            "seed": self.seed,
            "sampler": self.sampler,
            "masked": self.mask is not None,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What can be downloaded: an edit that came to its end."""

    settings: dict[str, Any]
    lanes: tuple[tuple[str, ...], ...]  # frames as data URLs, of every wording


def scene_at(place: tuple[int, int]) -> Scene:
    return shelf(place[0])[place[1]]


# --- pictures ------------------------------------------------------------------------------------


def encode(frame: EditFrame, *, exact: bool) -> str:
    """A frame as a data URL."""
    pixels = sources.as_pixels(sources.as_levels(frame.image))
    if exact or len(pixels) <= EXACT_SIZE:
        return as_png(pixels)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=85)
    return render.data_url(file.getvalue(), "image/webp")


def decode(address: str) -> Pixels:
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


# --- what is understood --------------------------------------------------------------------------


def reading(model: str, instruction: str, scene: Scene | None) -> str:
    """What a model takes an instruction for, and what that means for a picture."""
    return describe(sources.understanding(model, instruction), scene)


def describe(understanding: Understanding | None, scene: Scene | None) -> str:
    """The same in words; the scene is None for a student's own picture."""
    if understanding is None:
        return "This model has no list of what it knows: it tries whatever you ask."
    names = understanding.edits
    if not names:
        likely = [f"{name} ({p:.0%})" for name, p in understanding.intents.items() if p >= 0.1]
        if understanding.outside > 0.5 or not likely:
            return UNKNOWN
        return f"Unsure: perhaps {' or '.join(likely[:2])}. Say it in other words."
    line = f"Understood: {' + '.join(names)}."
    if scene is None:
        return f"{line} {OWN}"
    idle = [name for name in names if not EDITS[name].sets(scene.style)]
    if idle:
        means = "mean" if len(idle) > 1 else "means"
        line += f" {' and '.join(idle).capitalize()} {means} nothing to this "
        line += f"{SINGULAR[scene.style]}."
    elif apply(scene, *(EDITS[name] for name in names)).choices == scene.choices:
        line += " The picture is like that already."
    return line


def as_picture(image: Tensor | None) -> Pixels | None:
    return None if image is None else sources.as_pixels(image)


def expected(ask: Ask, instruction: str, size: int) -> sources.Truth:
    """The true result, where it is known."""
    if ask.scene is None:
        return sources.Truth(None, "Known for pictures of the shelf only.")
    return sources.truth(ask.scene, instruction, ask.model, size)


def carried_out(done: Success) -> Amount:
    """Whether an edit was made, in a word."""
    word, how = "no", "nearer to the source than to the true result"
    if done.is_carried_out:
        word, how = "yes", "nearer to the true result than to the source"
        if done.remaining > 1:
            word, how = "too much", "changed, but farther from the true result than the source was"
    return Amount("Carried out", word, how)


def amounts(result: Tensor, ask: Ask, truth: Tensor | None) -> tuple[Amount, ...]:
    """The numbers of a result (3, H, W) in [0, 1]."""
    before = torch.from_numpy(ask.pixels.copy()).permute(2, 0, 1)
    after = sources.as_levels(result)
    changed = change(before, after)
    found = []
    done = sources.compared(result, before, truth)
    if done is not None:
        found = [
            carried_out(done),
            Amount("Remaining error", f"{done.remaining:.0%}", "where it should change"),
        ]
        if done.outside is not None:
            found.append(Amount("Kept elsewhere", f"{done.outside:.1f} dB", "PSNR to the source"))
    wanted = "of the pixels, visibly"
    if truth is not None:
        wanted += f"; {float(change(before, truth).float().mean()):.0%} should"
    found.append(Amount("Changed", f"{float(changed.float().mean()):.0%}", wanted))
    if ask.mask is not None and not ask.mask.all():
        share = float(changed[torch.from_numpy(~ask.mask)].float().mean())
        found.append(Amount("Outside the mask", f"{share:.1%}", "of the pixels changed"))
    return tuple(found)


# --- an edit -------------------------------------------------------------------------------------


def frames(ask: Ask, instruction: str) -> Iterator[EditFrame]:
    """The frames of one wording that are shown."""
    yield from engine.stream(
        "edit",
        model=ask.model,
        image=(ask.pixels.transpose(2, 0, 1) / np.float32(255)).tolist(),
        instruction=instruction,
        steps=ask.steps,
        guidance_scale=ask.text,
        image_guidance_scale=ask.image,
        seed=ask.seed,
        mask=None if ask.mask is None else ask.mask.tolist(),
        sampler=ask.sampler,
        every=math.ceil(ask.steps / MOST_FRAMES),
    )


def run(ask: Ask) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """The view, a status line and at last what can be downloaded; ten times a second at most."""
    truths = [expected(ask, instruction, len(ask.pixels)) for instruction in ask.instructions]
    lanes = [
        Lane(instruction, (), as_picture(truth.image), truth.says)
        for instruction, truth in zip(ask.instructions, truths, strict=True)
    ]
    steps: tuple[int, ...] = ()
    if ask.model == FULL_SIZE:
        yield gr.skip(), LOADING, gr.skip()
    else:
        engine.editor(ask.model)  # which is not a part of the edit's time
    started = told = time.perf_counter()
    for index, truth in enumerate(truths):
        steps = ()
        for frame in frames(ask, lanes[index].title):
            is_last = frame.step == frame.total
            steps = (*steps, frame.step)
            made = (*lanes[index].frames, encode(frame, exact=is_last))
            lanes[index] = replace(lanes[index], frames=made)
            if is_last:
                found = amounts(frame.image, ask, truth.image)
                lanes[index] = replace(lanes[index], amounts=found)
            now = time.perf_counter()
            done, work = index * ask.steps + frame.step, len(lanes) * ask.steps
            if done < work and now - told > SECONDS_BETWEEN_UPDATES:
                told = now
                left = (now - started) / done * (work - done)
                yield live(ask, lanes, frame), underway(index, len(lanes), frame, left), gr.skip()
    view = View(ask.pixels, tuple(lanes), steps, ask.steps)
    outcome = Outcome(ask.settings(), tuple(lane.frames for lane in lanes))
    yield view.payload(), finished(ask, time.perf_counter() - started), outcome


def live(ask: Ask, lanes: Sequence[Lane], frame: EditFrame) -> dict[str, Any]:
    """The view while it runs: of every lane the last frame."""
    last = tuple(replace(lane, frames=lane.frames[-1:], amounts=()) for lane in lanes)
    return View(ask.pixels, last, (frame.step,), frame.total, runs=True).payload()


def underway(index: int, count: int, frame: EditFrame, left: float) -> str:
    which = f"Wording {index + 1} of {count}: " if count > 1 else ""
    return f"{which}Step {frame.step} of {frame.total}, about {left:.1f} s left."


def finished(ask: Ask, seconds: float | None) -> str:
    """What was done; without seconds, it was done beforehand."""
    times = f"{len(ask.instructions)} times " if len(ask.instructions) > 1 else ""
    time_taken = "" if seconds is None else f" in {seconds:.1f} s"
    return (
        f"{times}{ask.steps} steps{time_taken}, text guidance {ask.text:g}, image guidance "
        f"{ask.image:g}, seed {ask.seed}."
    )


# --- afterwards ----------------------------------------------------------------------------------


def remedy(complaint: str, text: float, image: float, editor: Editor) -> tuple[float, float, str]:
    """Both guidances after a complaint, and what was turned."""
    values = {"text guidance": text, "image guidance": image}
    knobs = {"text guidance": editor.text, "image guidance": editor.image}
    for name, sign in REMEDIES[complaint]:
        knob, old = knobs[name], values[name]
        new = min(knob.high, max(knob.low, round(old + sign * knob.notch, 2)))
        if new != old:
            values[name] = new
            said = f"{complaint}: {name} goes from {old:g} to {new:g}, so that "
            said += f"{BECAUSE[name, sign]}."
            return values["text guidance"], values["image guidance"], said
    return text, image, f"{complaint}: both guidances are at their ends. Try another wording."


def export(file_type: str, outcome: Outcome | None) -> dict[str, Any]:
    """The last edit as a file: its result as png, its steps as gif or webp, settings as json."""
    inputs.choice(file_type, "File type", FILE_TYPES)
    if outcome is None:
        raise inputs.refusal(NO_EDIT)
    if file_type == "json":
        content = json.dumps(outcome.settings, indent=2, ensure_ascii=False).encode()
        mime = "application/json"
    else:
        lanes = outcome.lanes
        scale = max(1, render.EXPORT_SIZE // len(decode(lanes[0][-1])))
        shown = [lane[-1:] for lane in lanes] if file_type == "png" else lanes
        pictures = [
            render.grid(np.stack([decode(each) for each in row]), scale, len(lanes))
            for row in zip(*shown, strict=True)
        ]
        mime = f"image/{file_type}"
        if file_type == "png":
            file = io.BytesIO()
            pictures[0].save(file, "PNG")
            content = file.getvalue()
        else:
            content = render.animation(pictures, file_type.upper())
    name = f"{outcome.settings['model']}-edit-seed{outcome.settings['seed']}.{file_type}"
    return {"name": name, "url": render.data_url(content, mime), "serial": serial()}
