"""Walk: through the codes of a generator, along a path that is played or over a map by hand."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.events import api
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs, render
from demo.activities import ANY, ModelTab, class_label, class_names, dataset_of, model_dropdown
from demo.activities.generate import randomise
from demo.components import decoded, serial
from demo.components.code_map import Tiles, code_map, tiled
from demo.components.download import download
from demo.components.lengths import Band, Lengths, lengths
from demo.components.player import Jump, Series, Trajectory, player
from demo.components.setting import in_address, on_map
from demo.components.status import status
from demo.latent.paths import FILE_TYPES, as_bytes, lengths_in_words, prior_lengths
from demo.latent.plane import signed
from gm_core import checkpoints
from gm_core.gan import GAN
from gm_core.latent import spherical, straight
from gm_core.latent_walk import Patch, patch, shorter, tour

TITLE = "Walk"
MODELS = ("gan-mnist", "gan-fashion", "gan-avatars")
DRAWS = {"mnist": "digits", "fashion": "clothes", "avatars": "avatars"}  # what a model draws
VIEWS = ("Walk", "Map")
PICTURE_TITLE = "What G draws there"
WAYS = {"spherical": spherical, "straight": straight}
STOPS = {"2": 2, "4 and back": 4}  # codes of a walk; the latter is a closed tour
STEPS = (24, 48)  # from the first picture to the last
SAME = "the same"  # class from halfway on
FIRST_SEED, FIRST_STEPS, FIRST_STOPS = 0, 48, "2"
STRIP = 9  # pictures of each way in an exported picture
TILE, STRIP_TILE = 224, 112  # screen pixels of an exported picture

ACROSS = 11  # tiles of the map a side; odd, so that one is the code in the middle
REACH = 11.0  # of the map, in sigma of the prior
CIRCLES = (30, 60, 90)  # degrees from the code in the middle
FIRST_PLACE = (0.0, 0.0)

QUESTION = """
<div class="gm-question">
What lies between two codes z? G draws every step. Does one picture fade into
the other, or is each step something whole? Which way stays where G was trained?</div>
"""


@dataclass(frozen=True, slots=True)
class Route:
    """What is asked for, validated."""

    model: str
    stops: int
    label: int | None
    later: int | None  # label from halfway on
    seed: int
    steps: int

    @property
    def classes(self) -> str:
        """In words; nothing where the model knows no classes."""
        names = (*class_names(self.model)[1:], ANY)  # None is the last
        if len(names) == 1 or not knows_classes(self.model):
            return ""
        first, later = (names[-1 if each is None else each] for each in (self.label, self.later))
        return f", class {first}" + (f", from halfway on {later}" if first != later else "")


@dataclass(frozen=True, slots=True)
class Walk:
    """Pictures and codes on two ways over the same stops, in the order of `WAYS`."""

    images: Tensor  # (2, steps + 1, C, H, W) in [0, 1]
    codes: Tensor  # (2, steps + 1, latent)

    @property
    def lengths(self) -> Tensor:
        """|z|: (2, steps + 1)."""
        return self.codes.norm(dim=2)

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(steps + 1, 2, H, W, C)."""
        return as_bytes(self.images.transpose(0, 1))


# --- what is asked for ---------------------------------------------------------------------------


def latent_of(model: str) -> int:
    return checkpoints.describe(model).config["latent"]


def knows_classes(model: str) -> bool:
    return checkpoints.describe(model).config["classes"] > 0


def classes_of(model: str) -> tuple[str, ...]:
    """What the class of a picture can be."""
    return class_names(model) if knows_classes(model) else (ANY,)


def check_class(value: Any, model: str, name: str = "Class") -> int | None:
    inputs.choice(value, name, classes_of(model))
    return class_label(value, model)


def check(
    models: tuple[str, ...], model: Any, stops: Any, label: Any, later: Any, seed: Any, steps: Any
) -> Route:
    model = inputs.choice(model, "Model", models)
    stops = STOPS[inputs.choice(stops, "Codes", tuple(STOPS))]
    first = check_class(label, model)
    if later == SAME:
        last = first
    else:
        inputs.choice(later, "Class from halfway on", (SAME, *classes_of(model)))
        last = class_label(later, model)
    steps = inputs.whole(steps, "Steps", STEPS[0], STEPS[-1])
    if steps not in STEPS:
        raise inputs.refusal(f"Steps must be one of: {', '.join(map(str, STEPS))}.")
    return Route(model, stops, first, last, inputs.seed(seed), steps)


def generate(model: str, z: Tensor, labels: list[int] | None) -> Tensor:
    """The pictures of codes (B, latent): (B, C, H, W) in [0, 1]."""
    [frame] = engine.stream("forge", model=model, z=z.tolist(), labels=labels)
    return frame.images


def sample_latent(model: str, count: int, seed: int) -> Tensor:
    """Random codes: (count, latent)."""
    network: GAN = gm_core.load(model)
    return network.sample_latent(count, seed=seed)


# --- the walk ------------------------------------------------------------------------------------


def labels_of(route: Route) -> list[int] | None:
    """A label for every picture of a way; the second half begins in the middle."""
    none = checkpoints.describe(route.model).config["classes"]  # as the network counts
    if route.label is None and route.later is None:
        return None
    first, later = (none if each is None else each for each in (route.label, route.later))
    return [first if step < route.steps / 2 else later for step in range(route.steps + 1)]


def walk(route: Route) -> Walk:
    """Both ways over the stops, drawn at once."""
    stops = sample_latent(route.model, route.stops, route.seed)
    if route.stops > 2:
        stops = torch.cat([stops, stops[:1]])
    codes = torch.stack([tour(stops, route.steps, way) for way in WAYS.values()])
    labels = labels_of(route)
    images = generate(route.model, codes.flatten(0, 1), labels and labels * len(WAYS))
    return Walk(torch.stack(images.split(route.steps + 1)), codes)


def show_player(walked: Walk, *, autoplay: bool) -> dict[str, Any]:
    steps = walked.images.shape[1] - 1
    changes = walked.images.diff(dim=1).flatten(2).square().mean(dim=2).sqrt()
    arc, line = map(lengths_in_words, walked.lengths)
    return Trajectory(
        frames=walked.frames,
        steps=steps,
        order="frames",
        step_name="step",
        jumps=(Jump(steps // 4, "¼"),),
        captions=(
            f"Spherical: on arcs from code to code. |z| is {arc}.",
            f"Straight: on lines, (1 − t) z₁ + t z₂. |z| is {line}.",
        ),
        names=tuple(WAYS),
        series=Series("Change so far", "%", 100 * changes.numpy()),
        autoplay=autoplay,
    ).payload()


def show_lengths(walked: Walk, stops: int) -> str:
    """|z| on the way, beside where random codes lie."""
    latent = walked.codes.shape[2]
    arc, line = walked.lengths
    radius = math.sqrt(latent)
    shell = Band(
        *prior_lengths(latent),
        f"nine in ten random codes; the line is √{latent} = {radius:.1f}σ",
    )
    plot = Lengths(
        names=("straight", "spherical"),
        ways=(line.tolist(), arc.tolist()),
        ends=("first code", "last code" if stops == 2 else "back at the first"),
        radius=radius,
        shell=shell,
        real=None,
        said=f"Straight: {lengths_in_words(line)}. Spherical: {lengths_in_words(arc)}.",
    ).draw()
    return (
        "<h4>Length of the code, |z| <small>in σ, the standard deviation of the prior</small></h4>"
        f"{plot}<p>{explain(line, arc, latent)}</p>"
    )


def rarity(length: float, latent: int) -> str:
    """How many random codes are shorter, in words."""
    share = shorter(length, latent)
    if share > 0.01:
        return f"only {100 * share:.0f} in 100 random codes are shorter"
    if share > 1e-6:
        power = 10 ** math.floor(math.log10(1 / share))
        return f"one random code in {round(1 / share / power) * power:,} is shorter"
    return "not one random code in a million is shorter"


def explain(line: Tensor, arc: Tensor, latent: int) -> str:
    """Why not straight, with the numbers of this walk."""
    low, high = prior_lengths(latent)
    shortest, kept = float(line.min()), float(arc.min())
    return (
        f"<b>Why an arc?</b> A random code of {latent} numbers is hardly ever short: nine in ten "
        f"are {low:.1f} to {high:.1f}σ long, on a shell around zero. The straight way cuts across, "
        f"down to {shortest:.1f}σ: {rarity(shortest, latent)}, so G has hardly seen such codes. "
        f"The arc stays above {math.floor(10 * kept) / 10:.1f}σ."
    )


def status_line(route: Route) -> str:
    codes = "2 random codes" if route.stops == 2 else "4 random codes and back"
    what = DRAWS[dataset_of(route.model)]
    return f"{route.steps} steps over {codes} of seed {route.seed}{route.classes}: {what}."


def draw_file(walked: Walk, file_type: str) -> bytes:
    """Both ways playing side by side, or nine pictures of each in one."""
    longest = max(walked.images.shape[-2:])
    names = list(WAYS)
    if file_type == "png":
        strips = as_bytes(walked.images[:, :: (walked.images.shape[1] - 1) // (STRIP - 1)])
        return render.path_strips(list(strips), names, max(1, round(STRIP_TILE / longest)))
    scale = max(1, round(TILE / longest))
    return render.path_animation(walked.frames, names, scale, file_type.upper())


# --- the map -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def patch_of(model: str, seed: int) -> Patch:
    """The map of a seed: around its first code, towards its second and its third."""
    return patch(sample_latent(model, 3, seed))


def repeated(label: int | None, count: int) -> list[int] | None:
    return None if label is None else [label] * count


def tiles(model: str, label: int | None, seed: int) -> dict[str, Any]:
    """What G draws in the middle of every tile of a map."""
    side = 2 * REACH / ACROSS
    middles = (torch.arange(ACROSS) + 0.5) * side - REACH
    y, x = torch.meshgrid(middles.flip(0), middles, indexing="ij")
    around = patch_of(model, seed)
    codes = around.at(x.flatten(), y.flatten())
    pictures = as_bytes(generate(model, codes, repeated(label, len(codes))))
    radius = float(around.radius)
    circles = tuple((math.radians(degrees) * radius, f"{degrees}°") for degrees in CIRCLES)
    return Tiles(pictures.reshape(ACROSS, ACROSS, *pictures.shape[1:]), REACH, circles).payload()


def describe(x: float, y: float, degrees: float, length: float) -> str:
    """A place on the map, and how far its code is from the one in the middle."""
    across = f"{abs(x):.1f}σ to the {'left' if x < 0 else 'right'}"
    along = f"{abs(y):.1f}σ {'down' if y < 0 else 'up'}"
    return (
        f"{across}, {along}: {degrees:.0f}° from the code in the middle (two random codes are "
        f"about 90° apart). |z| = {length:.1f}σ everywhere on this map."
    )


def draw_place(
    model: str, label: int | None, seed: int, x: float, y: float
) -> tuple[dict[str, Any], str]:
    """The picture of a place on the map, and where it lies."""
    around, place = patch_of(model, seed), (torch.tensor([x]), torch.tensor([y]))
    z = around.at(*place)
    picture = as_bytes(generate(model, z, repeated(label, 1)))[0]
    said = f"What G draws at {signed(x)} to the right and {signed(y)} up"
    degrees = math.degrees(float(around.angle(*place)))
    return decoded.payload(picture, said), describe(x, y, degrees, float(z.norm()))


def read_place(place: Any) -> tuple[float, float]:
    """The place that the map sends."""
    if not isinstance(place, dict):
        raise inputs.refusal("The place must have an x and a y, as the map sends them.")
    x, y = (inputs.number(place.get(name), name, -REACH, REACH) for name in "xy")
    return x, y


# --- the page ------------------------------------------------------------------------------------


def build(tab: ModelTab) -> None:
    """The activity's contents, with a walk that the real model has drawn."""
    shipped = gm_core.available()
    models = tuple(name for name in MODELS if name in tab.models and name in shipped)

    def show(
        model: str, codes: str, label: str, later: str, seed: float, steps: float
    ) -> tuple[Any, ...]:
        """A walk over random codes: a status line, the player's trajectory, lengths as HTML."""
        route = check(models, model, codes, label, later, seed, steps)
        walked = walk(route)
        return (
            status_line(route),
            show_player(walked, autoplay=True),
            show_lengths(walked, route.stops),
        )

    def point(model: str, label: str, seed: float, x: float, y: float) -> tuple[Any, str]:
        """Draw a place on the map of a seed: its picture, and where it lies."""
        model = inputs.choice(model, "Model", models)
        number = check_class(label, model)
        x, y = read_place({"x": x, "y": y})
        return draw_place(model, number, inputs.seed(seed), x, y)

    def follow(place: dict[str, float], model: str, label: str, seed: float) -> tuple[Any, str]:
        """`point`, of the place that the map sends."""
        return point(model, label, seed, *read_place(place))

    def refresh(
        view: str, model: str, codes: str, label: str, later: str, seed: float, steps: float,
        place: dict[str, float],
    ) -> tuple[Any, ...]:  # fmt: skip
        """What is in sight, drawn with the new settings."""
        nothing = [gr.skip()] * 3
        if inputs.choice(view, "View", VIEWS) == "Walk":
            return *show(model, codes, label, later, seed, steps), *nothing
        picture, line = follow(place, model, label, seed)
        background = tiles(model, check_class(label, model), inputs.seed(seed))
        # A view that was out of the page comes back without its title.
        return *nothing, tiled(background), gr.HTML(value=picture, title=PICTURE_TITLE), line

    def switch(view: str, *settings: Any) -> tuple[Any, ...]:
        """The other view, with the same settings."""
        drawn = refresh(view, *settings)
        is_walk = view == "Walk"
        return tuple(gr.Column(visible=each) for each in (is_walk, is_walk, not is_walk)) + drawn

    def fit_model(view: str, model: str, codes: str, *settings: Any) -> tuple[Any, ...]:
        """Another model, with its own classes."""
        choices = classes_of(inputs.choice(model, "Model", models))
        known = len(choices) > 1
        return (
            gr.Dropdown(list(choices), value=ANY, interactive=known),
            gr.Dropdown([SAME, *choices[: len(choices) * known]], value=SAME, interactive=known),
            *refresh(view, model, codes, ANY, SAME, *settings),
        )

    def roll(
        view: str, model: str, codes: str, label: str, later: str, seed: float, *settings: Any
    ) -> tuple[Any, ...]:
        """Other random codes."""
        seed = randomise()
        return seed, *refresh(view, model, codes, label, later, seed, *settings)

    def export(
        model: str, codes: str, label: str, later: str, seed: float, steps: float, file_type: str
    ) -> dict[str, Any]:
        """The walk as a file: gif and webp play both ways, png holds nine pictures of each."""
        route = check(models, model, codes, label, later, seed, steps)
        inputs.choice(file_type, "File type", FILE_TYPES)
        content = draw_file(walk(route), file_type)
        words = re.sub(r"[^0-9A-Za-z]+", "-", f"{model} walk {codes} seed {route.seed}")
        return {
            "name": f"{words}.{file_type}",
            "url": render.data_url(content, f"image/{file_type}"),
            "serial": serial(),
        }

    first = models[0]
    route = check(models, first, FIRST_STOPS, ANY, SAME, FIRST_SEED, FIRST_STEPS)
    walked = walk(route)
    picture, place_line = draw_place(first, None, FIRST_SEED, *FIRST_PLACE)
    choices = classes_of(first)

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=3, min_width=220):
            view = gr.Radio(list(VIEWS), value="Walk", label="View")
            model = model_dropdown(models)
            label = gr.Dropdown(list(choices), value=ANY, label="Class")
            with gr.Column() as route_settings:
                later = gr.Dropdown([SAME, *choices], value=SAME, label="Class from halfway on")
                stops = gr.Radio(list(STOPS), value=FIRST_STOPS, label="Random codes on the way")
            dice = gr.Button("Randomise", variant="primary")
            with gr.Accordion("More", open=False):
                seed = gr.Number(FIRST_SEED, label="Seed", info="press Enter to use it")
                steps = gr.Radio(list(STEPS), value=FIRST_STEPS, label="Steps")
                file_type = gr.Dropdown(
                    list(FILE_TYPES), value="gif", label="File type",
                    info="gif and webp move, png holds nine pictures of each way",
                )  # fmt: skip
                save = gr.Button("Download", size="sm")
                saved = download(elem_id=f"{tab.id}-walk-download")
        with gr.Column(scale=14, min_width=345) as walk_view, gr.Row():
            with gr.Column(scale=8, min_width=345):
                canvas = player(
                    show_player(walked, autoplay=False), label="Along the way",
                    elem_id=f"{tab.id}-walk-player",
                )  # fmt: skip
            with gr.Column(scale=3, min_width=260):
                told = status(status_line(route), elem_id=f"{tab.id}-walk-status")
                plot = lengths(show_lengths(walked, route.stops), elem_id=f"{tab.id}-walk-lengths")
        with gr.Column(scale=14, min_width=345, visible=False) as map_view, gr.Row():
            # First, so that on a phone the picture lies above the finger.
            with gr.Column(scale=0, min_width=370):
                drawn = decoded.decoded(
                    picture, title=PICTURE_TITLE, elem_id=f"{tab.id}-map-picture"
                )
                line = status(place_line, elem_id=f"{tab.id}-map-status")
            with gr.Column(scale=1, min_width=345):
                place = in_address(
                    code_map(
                        None, FIRST_PLACE, label="Codes of one length, laid flat: drag over them",
                        elem_id=f"{tab.id}-map",
                    ),
                    on_map(REACH),
                )  # fmt: skip

    walk_settings = [model, stops, label, later, seed, steps]
    settings = [view, *walk_settings, place]
    shown = [told, canvas, plot, place, drawn, line]
    live: dict[str, Any] = {
        "api_visibility": "private",
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the last of several choices would be lost
    }
    quick = live | engine.event("quick")
    # A model that was not used yet is loaded first.
    slow = quick | {"show_progress": "minimal", "show_progress_on": [told, line]}
    gr.on(
        [stops.input, label.input, later.input, seed.submit, steps.input],
        refresh, settings, shown, **quick,
    )  # fmt: skip
    view.input(switch, settings, [walk_view, route_settings, map_view, *shown], **slow)
    model.input(fit_model, [view, model, stops, seed, steps, place], [label, later, *shown], **slow)
    dice.click(roll, settings, [seed, *shown], **quick)
    place.input(follow, [place, model, label, seed], [drawn, line], queue=False, **live)
    save.click(
        export, [*walk_settings, file_type], saved, api_name=f"{tab.id}_walk_export",
        preprocess=False, show_progress="minimal", **engine.event("sampling"),
    )  # fmt: skip
    api(show, api_name=f"{tab.id}_walk")
    api(point, api_name=f"{tab.id}_map_point")
