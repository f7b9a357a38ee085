"""Prior: four prices of a code side by side: where the codes lie, and what the prior decodes to."""

from __future__ import annotations

import html
import io
import math
from typing import Any

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

import gm_core
from demo import engine, inputs, render
from demo.activities import ModelTab
from demo.activities.generate import randomise
from demo.components import columns
from demo.components.columns import Cell, Line
from demo.components.status import status
from gm_core import checkpoints
from gm_core.latent import Survey

TITLE = "Prior and β"
MODELS = ("vae-mnist-beta0", "vae-mnist-beta1", "vae-mnist-beta4", "vae-mnist-beta10")
ROWS = 4  # digits of a grid, each way
REACH = 6.0  # of the plane of codes, in sigma of the prior
FIRST_SEED = 4
INSIDE = 1 - math.exp(-2)  # share of the prior within two sigma in a plane
FULL = 0.0025  # share of the codes in a cell that is all blue
REAL = (0, 114, 178)  # --gm-real of the light style sheet

QUESTION = """
<p class="gm-question">
The loss is reconstruction + β · KL: β is the price of a nat in the code. To make new digits one
draws z from the prior p(z) and hopes that the decoder has met such a z before. Has it? Compare in
each column what the <b>prior</b> decodes to, what codes of <b>test images</b> decode to, and where
those codes lie. Which β has holes? Which one has forgotten most of what it was shown?</p>
"""


def clouds(density: Tensor) -> bytes:
    """Shares of the codes in the cells of a plane (cells, cells) as a PNG: the more, the bluer."""
    shares = (density / FULL).clamp(0, 1).sqrt()
    pixels = torch.zeros(*density.shape, 4, dtype=torch.uint8)
    pixels[..., :3] = torch.tensor(REAL, dtype=torch.uint8)
    pixels[..., 3] = (255 * shares).round().byte()
    file = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(file, "PNG")
    return file.getvalue()


def beta_of(model: str) -> str:
    return f"β = {checkpoints.describe(model).config['beta']:g}"


def show(records: list[Survey], models: tuple[str, ...]) -> str:
    """For every model what its prior decodes to, what test images' codes do, and where these
    lie."""
    priors, images, planes = [], [], []
    for model, record in zip(models, records, strict=True):
        beta = beta_of(model)
        x, y = (f"z{dimension + 1}" for dimension in record.dimensions)
        priors.append(
            Cell(beta, sheet_url(record.from_prior), f"{ROWS**2} pictures decoded from the prior")
        )
        images.append(
            Cell(
                beta, sheet_url(record.from_images), f"{ROWS**2} pictures decoded from test images"
            )
        )
        planes.append(
            Cell(
                beta,
                render.data_url(clouds(record.density), "image/png"),
                f"the codes of the test images in the plane of {x} and {y}",
                f"{x} across, {y} upwards. Inside the outer circle: {record.inside:.0%} of the "
                "codes",
                circles=(1 / REACH, 2 / REACH),
            )
        )
    return columns.show(
        (
            Line(
                "Decoded from the prior",
                "z drawn from p(z): new digits, if the prior fits the codes",
                "generated",
                tuple(priors),
            ),
            Line(
                "Decoded from codes of test images",
                "z drawn from q(z | x): what comes back",
                "generated",
                tuple(images),
            ),
            Line(
                "Where those codes lie",
                f"the two most used dimensions, from −{REACH:g} to {REACH:g}; the circles are 1σ "
                f"and 2σ of the prior, the outer one holds {INSIDE:.0%} of it",
                "plane",
                tuple(planes),
            ),
        )
    )


def sheet_url(images: Tensor) -> str:
    """Grey images (ROWS², 1, H, W) in [0, 1] as one picture's address."""
    tiles = (255 * images).round().byte().permute(0, 2, 3, 1).numpy()
    return render.data_url(render.png(tiles, 1), "image/png")


def status_line(records: list[Survey], models: tuple[str, ...], seed: int) -> str:
    """What is the same in all columns, and what is not."""
    used = ", ".join(
        f"{record.used} at {beta_of(model)}" for model, record in zip(models, records, strict=True)
    )
    return (
        f"Seed {seed}: the same {ROWS**2} z from the prior in all columns. Dimensions used: {used}."
    )


def measured(models: tuple[str, ...]) -> str:
    """The figures of the test set as a table."""
    rows = []
    for model in models:
        figures = (checkpoints.describe(model).metrics or {}).get("figures", [])
        named = {figure["name"].partition(",")[0]: figure["value"] for figure in figures}
        cells = [
            f"{named[name]:.1f}" if name in named else "not yet measured"
            for name in ("reconstruction", "KL(q(z | x) || p(z))", "negative ELBO")
        ]
        cells = [beta_of(model), *cells]
        rows.append(
            "<tr>"
            + "".join(f"<td style='white-space:nowrap'>{html.escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    heads = ("", "reconstruction, nats", "KL, nats", "−ELBO: their sum, nats")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return (
        '<div class="gm-scroll"><table class="gm-table"><caption class="gm-quiet">Means over the '
        f"10,000 test digits</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        "</table></div>"
    )


def build(tab: ModelTab) -> None:
    """The activity's contents, with codes and digits of the real models."""
    shipped = gm_core.available()
    models = tuple(name for name in MODELS if name in tab.models and name in shipped)

    def draw(seed: float) -> tuple[str, str]:
        """Decode z from the prior, and codes of test images: the pictures, and a status line."""
        chosen = inputs.seed(seed)
        records = list(
            engine.stream(
                "survey", models=list(models), count=ROWS**2, seed=chosen, reach=REACH, cells=60
            )
        )
        return show(records, models), status_line(records, models, chosen)

    def draw_others() -> tuple[int, str, str]:
        """Another seed, and what follows from it."""
        seed = randomise()
        return seed, *draw(seed)

    first, line = draw(FIRST_SEED)
    gr.HTML(QUESTION, elem_classes="prose", padding=False)
    with gr.Row():
        others = gr.Button("Draw other z", variant="primary", scale=0, min_width=160)
        seed = gr.Number(FIRST_SEED, label="Seed", scale=0, min_width=160)
        told = status(line, elem_id=f"{tab.id}-prior-status")
    canvas = columns.columns(first, elem_id=f"{tab.id}-prior-pictures")
    gr.HTML(measured(models), padding=False)

    listener: dict[str, Any] = {"show_progress": "hidden", **engine.event("quick")}
    seed.submit(
        draw, seed, [canvas, told], api_name=f"{tab.id}_prior", preprocess=False, **listener
    )
    others.click(draw_others, None, [seed, canvas, told], api_visibility="private", **listener)
