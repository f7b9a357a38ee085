"""Map: the plane of a two-number code, with every test image in its place and any place decoded."""

from __future__ import annotations

import html
import math
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import ModelTab, dataset_of
from demo.components import decoded
from demo.components.latent_map import LatentMap, latent_map
from demo.components.status import status
from gm_core import checkpoints, data
from gm_core.metrics import as_pictures
from gm_core.vae import kl_divergence

TITLE = "Map"
MODEL = "vae-mnist-2d"
REACH = 6.0  # of the plane, in sigma of the prior
TILES = 24  # a side; each is 0.5 wide
FIRST = (-0.5, -1.0)  # a 4, and not far from it a 9
MASS, EDGE = 2.0, 3.0  # distances from the middle: most of the prior, nearly all of it

QUESTION = """
<p class="gm-question">
This VAE squeezes every digit into two numbers, so all codes lie on one plane.
Each dot is a test image, placed by the encoder, which was never told the classes. Drag over the
map: the decoder draws what lies there. Walk from the 4s to the 9s, find a place between two
classes, then go far out, where no image lies: why does the decoder still answer?</p>
"""


def decode(x: float, y: float) -> NDArray[np.uint8]:
    """The picture of a code: (H, W, 1)."""
    return as_bytes(next(engine.stream("decode", model=MODEL, z=[[x, y]])).images)[0, :, :, None]


def as_bytes(images: Tensor) -> NDArray[np.uint8]:
    """(B, 1, H, W) in [0, 1] -> (B, H, W)."""
    return (255 * images[:, 0]).round().byte().numpy()


def log_prior(x: float, y: float) -> float:
    """log N(z; 0, 1), nats."""
    return -(x**2 + y**2) / 2 - math.log(2 * math.pi)


def beyond(radius: float) -> float:
    """The share of the prior that lies farther from the middle, in two dimensions."""
    return math.exp(-(radius**2) / 2)


def signed(number: float) -> str:
    return f"{number:.2f}".replace("-", "−")


def describe(x: float, y: float) -> str:
    """What the prior says of a place."""
    radius = math.hypot(x, y)
    share = 100 * beyond(radius)
    if radius <= MASS:
        inside = 100 * (1 - beyond(MASS))
        where = f"The prior has its mass here: {inside:.0f} % of it lies within {MASS:.0f}σ."
    elif radius <= EDGE:
        where = f"At the edge of the prior: only {share:.1f} % of it lies farther out."
    elif share > 1e-4:
        where = f"Far out: almost no code lies here, {share:.2g} % of the prior lies farther out."
    else:
        where = "Far out: almost no code lies here, not one in a million lies farther out."
    return f"z = ({signed(x)}, {signed(y)}), log p(z) = {signed(log_prior(x, y))} nats. {where}"


def point(x: float, y: float) -> tuple[dict[str, Any], str]:
    """Decode a place on the plane: its picture, and what the prior says of it."""
    x = inputs.number(x, "x", -REACH, REACH)
    y = inputs.number(y, "y", -REACH, REACH)
    told = describe(x, y)
    return decoded.payload(
        decode(x, y), f"The decoded picture of z = {signed(x)}, {signed(y)}"
    ), told


def follow(place: dict[str, float]) -> tuple[dict[str, Any], str]:
    """`point`, of the place that the map sends."""
    if not isinstance(place, dict):
        raise inputs.refusal("The place must have an x and a y, as the map sends them.")
    return point(place.get("x"), place.get("y"))  # pyright: ignore[reportArgumentType]


def tiles() -> NDArray[np.uint8]:
    """What the middles of equal tiles of the plane are decoded to: (rows, columns, H, W), the
    first one at the upper left."""
    side = 2 * REACH / TILES
    middles = (torch.arange(TILES) + 0.5) * side - REACH
    y, x = torch.meshgrid(middles.flip(0), middles, indexing="ij")
    codes = torch.stack([x, y], dim=-1).flatten(0, 1)
    images = as_bytes(next(engine.stream("decode", model=MODEL, z=codes.tolist())).images)
    return images.reshape(TILES, TILES, *images.shape[1:])


@torch.no_grad()
def survey() -> LatentMap:
    """The plane with all images of the shipped sample."""
    model = gm_core.load(MODEL)
    dataset = dataset_of(MODEL)
    sample = data.load(dataset, "sample")
    pictures = as_pictures(model, sample.images)
    mean, log_variance = (part.cpu() for part in model.encode(pictures))
    return LatentMap(
        mean=mean.numpy(),
        sigma=(log_variance / 2).exp().numpy(),
        kl=kl_divergence(mean, log_variance).sum(dim=1).numpy(),
        labels=sample.labels.numpy(),
        class_names=data.DATASETS[dataset].class_names,
        images=as_bytes(pictures),
        tiles=tiles(),
        reach=REACH,
    )


def numbers(plane: LatentMap) -> str:
    """What the points say together."""
    within = float((np.linalg.norm(plane.mean, axis=1) <= MASS).mean())
    told = [
        f"<b>{len(plane.labels):,}</b> test images.",
        f"<b>{100 * within:.1f} %</b> of their means lie within {MASS:.0f}σ of the prior's middle "
        f"(of the prior itself: {100 * (1 - beyond(MASS)):.1f} %).",
        f"Mean KL: <b>{plane.kl.mean():.2f} nats</b> an image.",
    ]
    told += [
        f"−ELBO: <b>{figure['value']:.2f} nats</b> an image ({html.escape(figure['split'])})."
        for figure in (checkpoints.describe(MODEL).metrics or {}).get("figures", [])
        if figure["name"].startswith("negative ELBO") and figure["unit"] == "nats"
    ]
    return f'<p class="gm-quiet">{" ".join(told)}</p>'


def build(tab: ModelTab) -> None:
    """The activity's contents, with a place decoded."""
    plane = survey()
    first, told = point(*FIRST)
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        # First, so that on a phone the picture lies above the finger.
        with gr.Column(scale=0, min_width=370):
            picture = decoded.decoded(
                first, title="Decoded from the chosen z", elem_id=f"{tab.id}-map-picture"
            )
            line = status(told, elem_id=f"{tab.id}-map-status")
        with gr.Column(scale=1, min_width=345):
            canvas = latent_map(
                plane.payload(),
                FIRST,
                label="The plane of z: drag over it",
                elem_id=f"{tab.id}-map",
            )
    gr.HTML(numbers(plane), elem_id=f"{tab.id}-map-numbers", padding=False)
    x, y = (
        gr.Number(number, label=name, visible=False)
        for number, name in zip(FIRST, "xy", strict=True)
    )

    canvas.input(
        follow, canvas, [picture, line], api_visibility="private", preprocess=False, queue=False,
        show_progress="hidden", trigger_mode="always_last",
    )  # fmt: skip
    # What the map sends, for everyone else.
    x.input(
        point, [x, y], [picture, line], api_name=f"{tab.id}_point", preprocess=False,
        show_progress="hidden", **engine.event("quick"),
    )  # fmt: skip
