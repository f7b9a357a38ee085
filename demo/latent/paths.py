"""Paths: from one image to another, through the codes and through the pixels."""

from __future__ import annotations

import functools
import html
import math
import random
import re
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs, render
from demo.activities import TITLES, ModelTab, dataset_of
from demo.activities.complete import MOST_EXAMPLES
from demo.components import serial, source
from demo.components.download import download
from demo.components.lengths import Band, Lengths, lengths
from demo.components.player import Jump, Series, Trajectory, player
from demo.components.rank import percent
from demo.components.status import status
from demo.latent import sees_binary, test_images
from demo.latent.blur import test_codes
from gm_core import checkpoints, data
from gm_core.latent import spherical, straight

TITLE = "Paths"
NAMES = ("straight", "spherical", "pixel blend")
DEFAULT = "vae-mnist"
STEPS = (9, 17, 33, 65)  # pictures of a path; every eighth part of the way is one of them
FIRST_STEPS = 33
FIRST_ENDS = {"mnist": ("a 7", "a 9")}
STRIP = 9  # pictures that stand side by side
FILE_TYPES = ("gif", "webp", "png")
TILE, STRIP_TILE = 224, 112  # screen pixels of an exported picture
SAME = "Both ends are the same image, so there is no path: choose another one."
FEW_DIMENSIONS = 8  # with fewer, random codes do not lie on a shell
RANDOM_CODES = 4000  # that say where the prior's codes lie

QUESTION = """
<p class="gm-question">
What lies between two images? Mix their codes z and decode, or mix their pixels. Play the three
paths: which of them shows one image at every step, and which shows two at once?</p>
"""


# --- the ends ------------------------------------------------------------------------------------


@functools.cache
def shelf(dataset: str) -> dict[str, int]:
    """Test images that a path can begin or end with: what they are called, and where they are."""
    labels, classes = data.load(dataset, "sample").labels, data.DATASETS[dataset].class_names
    of_class = [(labels == label).nonzero()[:, 0].tolist() for label in range(len(classes))]
    named = {}
    for turn in range(max(1, MOST_EXAMPLES // len(classes))):
        for name, found in zip(classes, of_class, strict=True):
            if dataset == "mnist":
                called = f"a second {name}" if turn else f"a {name}"
            elif len(classes) <= MOST_EXAMPLES // 2:
                called = f"second {name}" if turn else name
            else:
                called = f"{len(named) + 1}: {name}"
            named[called] = found[turn]
    return named


def ends_of(dataset: str) -> list[tuple[str, int]]:
    """What the dropdowns offer."""
    return [(name, number) for number, name in enumerate(shelf(dataset))]


def first_ends(dataset: str) -> tuple[int, int]:
    """The numbers, on the shelf, of the ends that a data set's first path has."""
    names = list(shelf(dataset))
    start, end = FIRST_ENDS.get(dataset, (names[0], names[-1]))
    return names.index(start), names.index(end)


@dataclass(frozen=True, slots=True)
class Journey:
    """What is asked for, validated."""

    model: str
    start: int  # number on the shelf
    end: int
    steps: int

    @property
    def names(self) -> tuple[str, str]:
        names = list(shelf(dataset_of(self.model)))
        return names[self.start], names[self.end]

    @property
    def places(self) -> list[int]:
        """The ends' places among the test images."""
        return [shelf(dataset_of(self.model))[name] for name in self.names]

    @property
    def images(self) -> Tensor:
        """The ends as the model sees them: (2, C, H, W) in [0, 1]."""
        binary = sees_binary(self.model)
        return test_images(dataset_of(self.model), binary=binary).images[self.places] / 255


def check(model: Any, start: Any, end: Any, steps: Any, models: tuple[str, ...]) -> Journey:
    model = inputs.choice(model, "Model", models)
    last = len(shelf(dataset_of(model))) - 1
    start, end = inputs.whole(start, "From", 0, last), inputs.whole(end, "To", 0, last)
    steps = inputs.whole(steps, "Steps", STEPS[0], STEPS[-1])
    if steps not in STEPS:
        raise inputs.refusal(f"Steps must be one of: {', '.join(map(str, STEPS))}.")
    return Journey(model, start, end, steps)


# --- the paths and their numbers -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paths:
    """Pictures on three ways from one image to another, both included, in the order of `NAMES`."""

    images: Tensor  # (3, steps, C, H, W) in [0, 1]
    codes: Tensor  # (2, steps, latent): of the first two; the blend has none

    @property
    def strips(self) -> Tensor:
        """Evenly spaced pictures: (3, 9, C, H, W)."""
        return self.images[:, :: (self.images.shape[1] - 1) // (STRIP - 1)]

    @property
    def lengths(self) -> Tensor:
        """|z|: (2, steps)."""
        return self.codes.norm(dim=2)

    @property
    def middles(self) -> list[float]:
        """|z| in the middle of the way."""
        return self.lengths[:, self.codes.shape[1] // 2].tolist()

    @property
    def changes(self) -> Tensor:
        """From one picture to the next, root mean square over the pixels: (3, steps - 1)."""
        return self.images.diff(dim=1).flatten(2).square().mean(dim=2).sqrt()


@dataclass(frozen=True, slots=True)
class Nearest:
    """How far the pictures of the strips are from the nearest test image."""

    distance: Tensor  # (3, 9): root mean square over the pixels
    place: Tensor  # (3, 9): which test image

    @property
    def means(self) -> list[float]:
        return self.distance.mean(dim=1).tolist()

    @property
    def middles(self) -> list[float]:
        return self.distance[:, STRIP // 2].tolist()

    @property
    def different(self) -> list[int]:
        """How many test images are nearest to some picture of a strip."""
        return [len(places.unique()) for places in self.place]


def walk(journey: Journey) -> Paths:
    """Straight and spherical through the codes, and the blend of the pixels."""
    ends, steps = journey.images, journey.steps
    [code] = engine.stream("encode", model=journey.model, images=ends.tolist())
    codes = torch.stack([go(code.mean[0], code.mean[1], steps) for go in (straight, spherical)])
    [frame] = engine.stream("decode", model=journey.model, z=codes.flatten(0, 1).tolist())
    blend = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, steps)[:, None, None, None])
    return Paths(torch.stack([*frame.images.split(steps), blend]), codes)


def find_nearest(paths: Paths, pictures: Tensor) -> Nearest:
    """The test images (N, C, H, W) nearest to the strips, pixel by pixel."""
    # By differences: the faster products would leave a distance between equal images.
    distance = torch.cdist(
        paths.strips.flatten(2), pictures.flatten(1), compute_mode="donot_use_mm_for_euclid_dist"
    )
    return Nearest(*(distance / math.sqrt(pictures[0].numel())).min(dim=2))


@functools.cache
def prior_lengths(latent: int) -> tuple[float, float]:
    """Between which lengths nine in ten random codes lie."""
    codes = torch.randn(RANDOM_CODES, latent, generator=torch.Generator().manual_seed(0))
    return usual(codes.norm(dim=1))


def usual(lengths: Tensor) -> tuple[float, float]:
    """Between which of these nine in ten lie."""
    low, high = lengths.quantile(torch.tensor([0.05, 0.95])).tolist()
    return low, high


# --- what is shown -------------------------------------------------------------------------------


def as_bytes(images: Tensor) -> NDArray[np.uint8]:
    """(..., C, H, W) in [0, 1] -> uint8 (..., H, W, C)."""
    return (255 * images).round().byte().movedim(-3, -1).contiguous().numpy()


def frames_of(paths: Paths) -> NDArray[np.uint8]:
    """(steps, 3, H, W, C)."""
    return as_bytes(paths.images.transpose(0, 1))


def lengths_in_words(lengths: Tensor) -> str:
    """Of one way, |z| at every step."""
    start, middle, end = lengths[[0, len(lengths) // 2, -1]].tolist()
    return f"{start:.1f}σ at the start, {middle:.1f}σ in the middle and {end:.1f}σ at the end"


def captions(paths: Paths) -> tuple[str, str, str]:
    """What each path is; σ is the standard deviation of the prior."""
    line, arc = map(lengths_in_words, paths.lengths)
    return (
        f"Straight: the codes mixed, (1 − t) z₁ + t z₂, then decoded. |z| is {line}.",
        f"Spherical: the codes on the arc from z₁ to z₂, decoded. |z| is {arc}.",
        "Pixel blend: the pixels mixed, (1 − t) x₁ + t x₂. A double exposure: it has no code, and "
        "no model made it.",
    )


def show_player(paths: Paths, *, autoplay: bool) -> dict[str, Any]:
    frames = frames_of(paths)
    steps = len(frames) - 1
    return Trajectory(
        frames=frames,
        steps=steps,
        order="frames",
        step_name="step",
        jumps=(Jump(steps // 4, "¼"),),
        captions=captions(paths),
        names=NAMES,
        series=Series("Change so far", "%", 100 * paths.changes.numpy()),
        autoplay=autoplay,
    ).payload()


def picture(pixels: NDArray[np.uint8], what: str, kind: str = "") -> str:
    """An image (H, W, C) at its own size, for the style sheet to enlarge."""
    address = render.data_url(render.png(pixels[None], 1), "image/png")
    return f'<img src="{address}" alt="{html.escape(what)}" class="{kind}">'


def show_ends(journey: Journey) -> str:
    figures = (
        f"<figure><figcaption>{side}: {html.escape(name)}</figcaption>{picture(image, name)}"
        "</figure>"
        for side, name, image in zip(
            ("From", "To"), journey.names, as_bytes(journey.images), strict=True
        )
    )
    return f'<div class="ends">{"".join(figures)}</div>'


def show_strips(paths: Paths, journey: Journey) -> str:
    """Nine pictures a path, one path under the other."""
    hows = ("the codes mixed, then decoded", "on the arc, decoded", "the pixels mixed")
    parts = []
    for name, how, strip in zip(NAMES, hows, as_bytes(paths.strips), strict=True):
        ends, others = ("real", "") if name == NAMES[-1] else ("decoded", "decoded")
        images = "".join(
            picture(
                pixels, f"{name}, {at} of {STRIP - 1} eighths of the way",
                others if 0 < at < STRIP - 1 else ends,
            )
            for at, pixels in enumerate(strip)
        )  # fmt: skip
        parts.append(f'<h4>{name} <small>{how}</small></h4><div class="strip">{images}</div>')
    start, end = map(html.escape, journey.names)
    return "".join(parts) + (
        f'<p class="quiet">From {start} to {end} by eighths. Orange line: decoded. Blue line: the '
        "test images themselves.</p>"
    )


def show_lengths(paths: Paths, journey: Journey, real: Tensor) -> str:
    """|z| on the way; real: the lengths of the test images' codes (N,)."""
    latent = paths.codes.shape[2]
    radius = math.sqrt(latent)
    line, arc = paths.lengths
    plot = Lengths(
        names=NAMES[:2],
        ways=(line.tolist(), arc.tolist()),
        ends=journey.names,
        radius=radius,
        shell=Band(
            *prior_lengths(latent),
            f"nine in ten random codes; the line is √{latent} = {radius:.1f}σ",
        ),
        real=Band(*usual(real), "nine in ten test images’ mean codes"),
        said=f"Straight: {lengths_in_words(line)}. Spherical: {lengths_in_words(arc)}. The shell "
        f"of the prior: {radius:.1f}σ.",
    ).draw()  # fmt: skip
    return (
        "<h4>Length of the code, |z| <small>in σ, the standard deviation of the prior</small></h4>"
        f'<div class="both"><div>{plot}</div><p>{explain_arc(paths, journey.model, real)}</p></div>'
    )


def explain_arc(paths: Paths, model: str, real: Tensor) -> str:
    """Why not straight, as far as it holds for this model; real: lengths (N,)."""
    latent = paths.codes.shape[2]
    radius = f"√{latent} = {math.sqrt(latent):.1f}σ"
    words = "<b>Why an arc?</b> "
    if checkpoints.describe(model).config["beta"] == 0:
        low, high = usual(real)
        return words + (
            "With a prior and many dimensions, almost all codes lie on a shell, which the straight "
            "way leaves. This autoencoder has no prior: nothing holds its codes near "
            f"{radius}. Those of nine in ten test images are {low:.0f} to {high:.0f}σ long: there "
            "is no shell to keep to."
        )
    if latent < FEW_DIMENSIONS:
        low, high = prior_lengths(latent)
        return words + (
            "With many dimensions, almost all random codes lie on a shell, at a length near "
            f"√dimensions, which the straight way leaves. With {latent} there is no shell: nine in "
            f"ten random codes are {low:.1f} to {high:.1f}σ long, and they lie most densely in the "
            "middle. So there is nothing to keep to."
        )
    line, arc = (percent(float((real > length).float().mean())) for length in paths.middles)
    told = (
        f"A random code of {latent} numbers is hardly ever short: almost all lie on a shell, at a "
        f"length near {radius}. The straight way cuts across: in its middle |z| is "
        f"{paths.middles[0]:.1f}σ, shorter than the mean codes of {line} of the test images. The "
        f"arc changes its length evenly: {paths.middles[1]:.1f}σ, shorter than {arc} of them."
    )
    mean = float(real.mean())
    if mean < 0.95 * math.sqrt(latent):
        told += (
            f" Mean codes lie inside the shell, here at {mean:.1f}σ on average, because a mean "
            "leaves out the noise of q(z | x)."
        )
    return words + told


def share(part: float) -> str:
    """A part of full brightness."""
    return f"{100 * part:.1f}\u00a0%"


def show_table(paths: Paths, nearest: Nearest, total: int) -> str:
    rows = (
        ("Change in a step", map(share, paths.changes.mean(dim=1).tolist())),
        ("Nearest test image", map(share, nearest.means)),
        ("in the middle", map(share, nearest.middles)),
        ("Different nearest ones", map(str, nearest.different)),
    )
    head = "".join(f"<th scope=col>{name}</th>" for name in NAMES)
    body = "".join(
        f"<tr><th scope=row>{what}</th>"
        + "".join(f"<td>{value}</td>" for value in values)
        + "</tr>"
        for what, values in rows
    )
    return (
        f"<div><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<p class="quiet">How far the nearest of {total:,} test images is, on average over the '
        "nine pictures above, and from the one in the middle alone; and how many different test "
        "images are nearest to the nine. Changes and distances are root mean squares over the "
        "pixels: 100 % is white in place of black everywhere.</p></div>"
    )


def explain_blend(nearest: Nearest, places: list[int]) -> str:
    """What the numbers say of the blend, and what they do not; places: of the ends."""
    distance = nearest.distance[-1]
    ends = sum(int(place) in places for place in nearest.place[-1])
    is_farthest = int(distance.argmax()) == STRIP // 2
    told = (
        "<b>What does the blend do?</b> It mixes pixels, not codes: every picture is a double "
        "exposure of the two ends, not an image of anything. In its middle"
        f"{', where it is farthest,' * is_farthest} it is {share(nearest.middles[-1])} away from "
        f"the nearest test image; for {'all nine' if ends == STRIP else f'{ends} of its nine'} "
        "pictures that is one of its own ends."
    )
    *decoded, blend = nearest.means
    if blend < min(decoded):
        line, arc = map(share, decoded)
        told += (
            f" And yet on average it is nearer to test images ({share(blend)}) than the decoded "
            f"paths ({line} and {arc}), as its ends are test images themselves. So a distance "
            "between pixels can’t tell a double exposure from an image. Your eyes can."
        )
    elif nearest.middles[-1] > max(nearest.middles[:-1]):
        line, arc = map(share, nearest.middles[:-1])
        told += f" There the decoded paths are nearer to test images: {line} and {arc}."
    return told


def show_numbers(paths: Paths, journey: Journey, pictures: Tensor) -> str:
    """Changes and distances; pictures: the test images (N, C, H, W)."""
    nearest = find_nearest(paths, pictures)
    return (
        f'<div class="both">{show_table(paths, nearest, len(pictures))}'
        f"<p>{explain_blend(nearest, journey.places)}</p></div>"
    )


def status_line(journey: Journey) -> str:
    start, end = journey.names
    return (
        f"From {start} to {end}, with “{TITLES[journey.model]}”: {journey.steps} pictures on each "
        "of three paths, both ends included."
    )


def show(journey: Journey, *, autoplay: bool = True) -> tuple[Any, ...]:
    """The ends, a status line, whether there is a path, the player, strips, lengths and numbers."""
    ends = show_ends(journey)
    if journey.start == journey.end:
        return ends, SAME, gr.Column(visible=False), *[gr.skip()] * 4
    paths = walk(journey)
    pictures, codes = test_codes(gm_core.load(journey.model), dataset_of(journey.model))
    return (
        ends,
        status_line(journey),
        gr.Column(visible=True),
        show_player(paths, autoplay=autoplay),
        show_strips(paths, journey),
        show_lengths(paths, journey, codes.norm(dim=1)),
        show_numbers(paths, journey, pictures),
    )


def draw_file(paths: Paths, file_type: str) -> bytes:
    """The paths playing side by side, or their strips in one picture."""
    longest = max(paths.images.shape[-2:])
    if file_type == "png":
        return render.path_strips(
            list(as_bytes(paths.strips)), NAMES, max(1, round(STRIP_TILE / longest))
        )
    scale = max(1, round(TILE / longest))
    return render.path_animation(frames_of(paths), NAMES, scale, file_type.upper())


def compared(value: str, *, elem_id: str) -> gr.HTML:
    """A component for pictures or numbers that stand side by side."""
    return gr.HTML(
        value, elem_id=elem_id, css_template=source("paths.css"), apply_default_css=False
    )


def build(tab: ModelTab) -> None:
    """The activity's contents, with a path that the real model has drawn."""
    shipped = gm_core.available()
    models = tuple(name for name in tab.models if name in shipped)

    def path(model: str, start: float, end: float, steps: float) -> tuple[Any, ...]:
        """Paths between two test images, by their numbers: their pictures as HTML, a status line,
        the player's trajectory; strips, lengths and numbers as HTML."""
        return show(check(model, start, end, steps, models))

    def swap(model: str, start: float, end: float, steps: float) -> tuple[Any, ...]:
        """The same path backwards."""
        journey = check(model, end, start, steps, models)
        return journey.start, journey.end, *show(journey)

    def roll(model: str, steps: float) -> tuple[Any, ...]:
        """Two other ends, never the same."""
        names = shelf(dataset_of(inputs.choice(model, "Model", models)))
        start, end = random.SystemRandom().sample(range(len(names)), 2)
        return start, end, *show(check(model, start, end, steps, models))

    def fit_model(model: str, start: float, end: float, steps: float) -> tuple[Any, ...]:
        """The path of another model, between test images of its own."""
        own = dataset_of(inputs.choice(model, "Model", models))
        numbers = [inputs.whole(number, "Image", 0, MOST_EXAMPLES - 1) for number in (start, end)]
        if max(numbers) >= len(shelf(own)):
            numbers = list(first_ends(own))
        journey = check(model, numbers[0], numbers[1], steps, models)
        choices = ends_of(own)
        return (
            gr.Dropdown(choices, value=journey.start),
            gr.Dropdown(choices, value=journey.end),
            *show(journey),
        )

    def export(
        model: str, start: float, end: float, steps: float, file_type: str
    ) -> dict[str, Any]:
        """The paths as a file: gif and webp play them, png holds nine pictures of each."""
        journey = check(model, start, end, steps, models)
        inputs.choice(file_type, "File type", FILE_TYPES)
        if journey.start == journey.end:
            raise inputs.refusal(SAME)
        content = draw_file(walk(journey), file_type)
        words = "-".join((journey.model, journey.names[0], "to", journey.names[1]))
        return {
            "name": f"{re.sub(r'[^0-9A-Za-z]+', '-', words)}.{file_type}",
            "url": render.data_url(content, f"image/{file_type}"),
            "serial": serial(),
        }

    first_model = DEFAULT if DEFAULT in models else models[0]
    first_dataset = dataset_of(first_model)
    first = Journey(first_model, *first_ends(first_dataset), FIRST_STEPS)
    first_pictures, first_line, _, *first_shown = show(first, autoplay=False)

    gr.HTML(QUESTION, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=1, min_width=310):
            model = gr.Dropdown(
                [(TITLES[name], name) for name in models], value=first_model, label="Model"
            )
            start, end = (
                gr.Dropdown(ends_of(first_dataset), value=number, label=label)
                for number, label in ((first.start, "From"), (first.end, "To"))
            )
            pictures = compared(first_pictures, elem_id=f"{tab.id}-path-ends")
            with gr.Row():
                turn = gr.Button("Swap", min_width=100)
                dice = gr.Button("Random pair", min_width=120)
            with gr.Accordion("More", open=False):
                steps = gr.Radio(
                    list(STEPS), value=FIRST_STEPS, label="Pictures of a path",
                    info="both ends included",
                )  # fmt: skip
                file_type = gr.Dropdown(
                    list(FILE_TYPES), value="gif", label="File type",
                    info="gif and webp move, png holds nine pictures of each path",
                )  # fmt: skip
                save = gr.Button("Download", size="sm")
                saved = download(elem_id=f"{tab.id}-path-download")
        with gr.Column(scale=4, min_width=336):
            told = status(first_line, elem_id=f"{tab.id}-path-status")
            with gr.Column() as result:
                canvas = player(
                    first_shown[0], label="Along the paths", elem_id=f"{tab.id}-path-player"
                )
                strips = compared(first_shown[1], elem_id=f"{tab.id}-path-strips")
                plot = lengths(first_shown[2], elem_id=f"{tab.id}-path-lengths")
                numbers = compared(first_shown[3], elem_id=f"{tab.id}-path-numbers")

    settings = [model, start, end, steps]
    shown = [pictures, told, result, canvas, strips, plot, numbers]
    live: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the last of several choices would be lost
        **engine.event("quick"),
    }
    private: dict[str, Any] = live | {"api_visibility": "private"}
    gr.on(
        [start.input, end.input, steps.input], path, settings, shown,
        api_name=f"{tab.id}_path", **live,
    )  # fmt: skip
    # A model that was not used yet is loaded first.
    slow = private | {"show_progress": "minimal", "show_progress_on": [told]}
    model.input(fit_model, settings, [start, end, *shown], **slow)
    turn.click(swap, settings, [start, end, *shown], **private)
    dice.click(roll, [model, steps], [start, end, *shown], **private)
    save.click(
        export,
        [*settings, file_type],
        saved,
        api_name=f"{tab.id}_path_export",
        preprocess=False,
        show_progress="minimal",
        **engine.event("sampling"),
    )
