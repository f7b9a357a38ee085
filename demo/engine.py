"""Where work runs, and how much of it at once.

Handlers reach everything that takes time through `stream(call, **arguments)`, which yields the
records of a named generator of gm_core. Arguments are plain and models are named, not passed, so
that the same call can run in another process.

Work is grouped by cost. Each group has places of its own, so that no tab starves another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import gradio as gr
import torch

import gm_core
from demo import inputs
from demo.serving.places import Places, is_wanted
from gm_core import checkpoints, data, hub, memory
from gm_core.autoregressive import Method
from gm_core.clusters import Chart, Grouping
from gm_core.clusters import Method as Projection
from gm_core.clusters import chart as chart_pictures
from gm_core.dependency import Dependency, dependencies
from gm_core.forcing import ForcingFrame, force
from gm_core.frames import Frame, NotFinite, Scores, finite
from gm_core.gan import forge as forge_images
from gm_core.gan import judge as judge_images
from gm_core.gan_lab import train as train_gan
from gm_core.instruct_pix2pix import EditFrame, InstructPix2Pix, Sampler
from gm_core.inversion import InversionRecord
from gm_core.inversion import invert as invert_picture
from gm_core.label_budget import label_budget, label_noise
from gm_core.latent import Bound, Encoding, Survey
from gm_core.latent import decode as decode_codes
from gm_core.latent import encode as encode_images
from gm_core.latent import survey as survey_codes
from gm_core.latent import tighten as tighten_bound
from gm_core.mask_lab import train_masks
from gm_core.metrics import as_pictures
from gm_core.neighbours import Distance, Measured, Nearest
from gm_core.neighbours import measure as measure_pictures
from gm_core.neighbours import nearest as nearest_pictures
from gm_core.nine import Answers
from gm_core.nine import answer as answer_all
from gm_core.outliers import Answer, Judged
from gm_core.outliers import classify as classify_pictures
from gm_core.outliers import judge as judge_outliers
from gm_core.prompt import Reply
from gm_core.prompt import ask as ask_model
from gm_core.race import Contestant, RaceFrame
from gm_core.race import race as run_race
from gm_core.surprise import Surprise
from gm_core.surprise import surprise as score

Group = Literal["opening", "sampling", "quick", "live", "editing", "fetching"]


# Two samplers of one image each took longer side by side than one after the other, because they
# wait for Python's lock; of eight or more, a fifth less. A race has clocks, which another one would
# slow down. What a page opens with is drawn once for all ("opening"), and waits for nobody.
GROUPS: dict[Group, Places] = {
    "opening": Places(running=1, waiting=400, seconds=60, is_told=False),
    "sampling": Places(running=1, waiting=40, seconds=60),
    "quick": Places(running=4, waiting=400, seconds=60, is_told=False),
    "live": Places(running=1, waiting=10, seconds=600),
    "editing": Places(running=1, waiting=20, seconds=120),
    "fetching": Places(running=8, waiting=40, seconds=7200),
}
FULL_SIZE_SECONDS = 3600.0  # of an edit by the full-size model, which may have no GPU
# The server runs the steps of a generator in ever other threads, and each would start a pool of its
# own: 16 images took nearly twice as long with two threads as with one.
TORCH_THREADS = 1


def sample(
    model: str,
    *,
    count: int,
    seed: int,
    label: int | None,
    temperature: float,
    known: list[Any] | None = None,
    streams: tuple[int, ...] | None = None,
    every: int | None = None,
) -> Iterator[Frame]:
    """Frames of `gm_core.load(model).sample(...)`; known pixels as nested lists."""
    yield from gm_core.load(model).sample(
        count,
        seed=seed,
        label=label,
        temperature=temperature,
        known=None if known is None else torch.tensor(known),
        streams=streams,
        every=every,
    )


def race(
    contestants: Sequence[tuple[str, str, Method]], *, seed: int, label: int | None
) -> Iterator[RaceFrame]:
    """Frames of `gm_core.race.race`; a contestant is a name, a model's name and a method."""
    yield from run_race(
        [Contestant(name, gm_core.load(model), method) for name, model, method in contestants],
        seed=seed,
        label=label,
    )


def forcing(
    model: str,
    *,
    levels: list[Any],
    given_rows: int,
    seed: int,
    label: int | None,
    temperature: float,
) -> Iterator[ForcingFrame]:
    """The frame of `gm_core.forcing.force`; an image's levels as nested lists."""
    yield from force(
        gm_core.load(model),
        torch.tensor(levels),
        given_rows=given_rows,
        seed=seed,
        label=label,
        temperature=temperature,
    )


def surprise(model: str, *, levels: list[Any], label: int | None) -> Iterator[Surprise]:
    """The two records of `gm_core.surprise.surprise`; an image's levels as nested lists."""
    yield from score(gm_core.load(model), torch.tensor(levels), label)


def dependency(
    models: list[str], *, levels: list[Any], row: int, column: int
) -> Iterator[Dependency]:
    """Records of `gm_core.dependency.dependencies`, a model each; images as nested lists.

    On the CPU wherever it runs: it asks for exact zeros, which a GPU's fast convolutions round.
    """
    yield from dependencies(
        (gm_core.load(model, "cpu") for model in models), torch.tensor(levels), row, column
    )


def encode(model: str, *, images: list[Any], seed: int = 0) -> Iterator[Encoding]:
    """The record of `gm_core.latent.encode`; images (B, C, H, W) in [0, 1] as nested lists."""
    yield from encode_images(gm_core.load(model), torch.tensor(images), seed=seed)


def decode(model: str, *, z: list[list[float]]) -> Iterator[Frame]:
    """The frame of `gm_core.latent.decode`; codes (B, latent) as nested lists."""
    yield from decode_codes(gm_core.load(model), torch.tensor(z))


def tighten(model: str, *, image: list[Any], samples: int, seed: int) -> Iterator[Bound]:
    """Records of `gm_core.latent.tighten`; an image (C, H, W) in [0, 1] as nested lists."""
    yield from tighten_bound(gm_core.load(model), torch.tensor(image), samples=samples, seed=seed)


def survey(
    models: list[str], *, count: int, seed: int, reach: float, cells: int
) -> Iterator[Survey]:
    """Records of `gm_core.latent.survey`, a model each, of the first one's shipped test images."""
    networks = [gm_core.load(name) for name in models]
    sample = data.load(checkpoints.describe(models[0]).dataset, "sample")
    images = as_pictures(networks[0], sample.images)
    yield from survey_codes(networks, images, count=count, seed=seed, reach=reach, cells=cells)


def forge(model: str, *, z: list[list[float]], labels: list[int] | None = None) -> Iterator[Frame]:
    """The frame of `gm_core.gan.forge`; latents (B, latent) as nested lists, labels (B,)."""
    yield from forge_images(
        gm_core.load(model), torch.tensor(z), None if labels is None else torch.tensor(labels)
    )


def judge(model: str, *, images: list[Any], labels: list[int] | None = None) -> Iterator[Scores]:
    """The record of `gm_core.gan.judge`; images (B, C, H, W) in [0, 1] as nested lists."""
    yield from judge_images(
        gm_core.load(model), torch.tensor(images), None if labels is None else torch.tensor(labels)
    )


def measure(
    model: str,
    *,
    z: list[list[float]],
    labels: list[int] | None = None,
    label: int | None = None,
) -> Iterator[Measured]:
    """The record of `gm_core.neighbours.measure`; latents (B, latent) as nested lists, labels
    (B,)."""
    yield from measure_pictures(
        gm_core.load(model),
        checkpoints.describe(model).dataset,
        torch.tensor(z),
        None if labels is None else torch.tensor(labels),
        label=label,
    )


def nearest(dataset: str, *, image: list[Any], by: Distance, count: int) -> Iterator[Nearest]:
    """The record of `gm_core.neighbours.nearest`; an image (C, H, W) in [0, 1] as nested lists."""
    yield from nearest_pictures(dataset, torch.tensor(image), by, count)


def classify(model: str, *, images: list[Any]) -> Iterator[Answer]:
    """The record of `gm_core.outliers.classify`; images (B, C, H, W) in [0, 1] as nested lists."""
    yield from classify_pictures(gm_core.load(model), torch.tensor(images))


def outliers(density: str, classifier: str, *, kind: str, count: int) -> Iterator[Judged]:
    """The record of `gm_core.outliers.judge`."""
    yield from judge_outliers(gm_core.load(density), gm_core.load(classifier), kind, count)


def invert(
    model: str,
    *,
    image: list[Any],
    label: int | None,
    starts: int,
    steps: int,
    seed: int,
    every: int,
) -> Iterator[InversionRecord]:
    """Records of `gm_core.inversion.invert`; an image (C, H, W) in [0, 1] as nested lists."""
    yield from invert_picture(
        gm_core.load(model),
        torch.tensor(image),
        label=label,
        starts=starts,
        steps=steps,
        seed=seed,
        every=every,
    )


def chart(
    dataset: str, *, clusters: int, method: Projection, grouping: Grouping
) -> Iterator[Chart]:
    """The record of `gm_core.clusters.chart`."""
    yield from chart_pictures(dataset, clusters=clusters, method=method, grouping=grouping)


def ask(model: str, *, label: int | None, count: int, seed: int) -> Iterator[Reply]:
    """Records of `gm_core.prompt.ask`."""
    dataset = checkpoints.describe(model).dataset
    yield from ask_model(gm_core.load(model), dataset, label=label, count=count, seed=seed)


def nine(*, image: list[list[int]]) -> Iterator[Answers]:
    """The two records of `gm_core.nine.answer`; a canvas of grey levels as nested lists."""
    yield from answer_all(torch.tensor(image, dtype=torch.uint8))


def editor(model: str) -> InstructPix2Pix:
    """A miniature, or the full-size model if it was fetched. Raises HubError."""
    return hub.load() if model == hub.FULL_SIZE.repo else gm_core.load(model)


def edit(
    model: str,
    *,
    image: list[Any],
    instruction: str,
    steps: int,
    guidance_scale: float,
    image_guidance_scale: float,
    seed: int,
    mask: list[list[bool]] | None = None,
    sampler: Sampler = "ddim",
    every: int = 1,
    takes_apart: bool = False,
) -> Iterator[EditFrame]:
    """Frames of `editor(model).edit(...)`; an image (3, H, W) in [0, 1] as nested lists."""
    frames = editor(model).edit(
        torch.tensor(image),
        instruction,
        steps=steps,
        guidance_scale=guidance_scale,
        image_guidance_scale=image_guidance_scale,
        seed=seed,
        mask=None if mask is None else torch.tensor(mask),
        sampler=sampler,
        every=every,
        takes_apart=takes_apart,
    )
    yield from hub.guarded(frames) if model == hub.FULL_SIZE.repo else frames


class Call(NamedTuple):
    """A generator of records, and the group that it belongs to."""

    group: Group
    records: Callable[..., Iterator[Any]]


CALLS: dict[str, Call] = {
    "sample": Call("sampling", sample),
    "dependency": Call("quick", dependency),
    "surprise": Call("quick", surprise),
    "race": Call("live", race),
    "forcing": Call("sampling", forcing),
    "train_masks": Call("live", train_masks),
    "train_gan": Call("live", train_gan),
    "encode": Call("quick", encode),
    "decode": Call("quick", decode),
    "tighten": Call("sampling", tighten),
    "survey": Call("quick", survey),
    "forge": Call("quick", forge),
    "judge": Call("quick", judge),
    "classify": Call("quick", classify),
    "outliers": Call("sampling", outliers),
    "invert": Call("sampling", invert),
    "measure": Call("quick", measure),
    "nearest": Call("quick", nearest),
    "chart": Call("quick", chart),
    "nine": Call("quick", nine),
    "label_budget": Call("live", label_budget),
    "label_noise": Call("live", label_noise),
    "ask": Call("sampling", ask),
    "edit": Call("editing", edit),
}


class EngineLost(gr.Error):
    """The process that worked on a request is gone."""

    def __init__(self) -> None:
        super().__init__(
            "The process that worked on this has died, and another one takes its place. Ask again.",
            print_exception=False,
        )


# Runs a call of a group somewhere: name, group, arguments -> its records.
Backend = Callable[[str, Group, dict[str, Any]], Generator[Any, None, None]]


def in_process(call: str, group: Group, arguments: dict[str, Any]) -> Generator[Any, None, None]:
    """The records of a call that runs in this process."""
    del group  # has its places in the queue
    torch.set_num_threads(TORCH_THREADS)
    yield from CALLS[call].records(**arguments)


_backend: Backend = in_process


def use(backend: Backend) -> Backend:
    """Let all calls from now on run there; returns where they ran before."""
    global _backend
    before, _backend = _backend, backend
    return before


def stream(call: str, **arguments: Any) -> Iterator[Any]:
    """The records of a named call, as they come. Closing the iterator ends the work.

    At every record it looks whether somebody still waits for it, and whether its time is up. What
    goes wrong by itself, numbers that are none and memory that runs out, is said in one sentence.
    """
    group = CALLS[call].group
    is_full_size = arguments.get("model") == hub.FULL_SIZE.repo
    seconds = FULL_SIZE_SECONDS if is_full_size else GROUPS[group].seconds
    ends = time.monotonic() + seconds
    records = _backend(call, group, arguments)
    try:
        for record in memory.spared(records):
            if not is_wanted():
                raise inputs.refusal("Nobody waits for this any more.")
            if time.monotonic() > ends:
                raise inputs.refusal(
                    f"This took longer than {seconds:.0f} s and was ended, so that others get "
                    "their turn. Ask for less at once."
                )
            yield finite(record)
    except (NotFinite, memory.OutOfMemory) as error:
        raise inputs.refusal(str(error)) from None
    finally:
        records.close()


def event(group: Group) -> dict[str, Any]:
    """What an event listener needs to run within a group's places."""
    return {"concurrency_id": group, "concurrency_limit": GROUPS[group].running}
