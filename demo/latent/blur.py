"""Why blurry? A reconstruction beside what it is the mean of, and beside sharper answers."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import ModelTab, dataset_of, model_dropdown
from demo.activities.complete import fitting_example
from demo.components.maps import Maps, Picture, maps
from demo.components.pad import Drawing, pad, read
from demo.components.status import status
from demo.latent import examples, name_picture, sees_binary, test_images
from demo.latent.bound import NOTHING_DRAWN
from gm_core import checkpoints
from gm_core.randomness import stream
from gm_core.vae import VAE

TITLE = "Why blurry?"
MOST_CODES = 200
FIRST_CODES = 50
FIRST_EXAMPLE = 4
NEIGHBOURS = 10
OPEN = (0.1, 0.9)  # the decoder leaves a pixel open if white has a probability between these

QUESTION = """
<p class="gm-question">
A VAE's pictures are soft where the image is sharp. Is the decoder too weak? Pick a test image,
or draw, and compare its reconstruction with the mean of the test images that have nearly the same
code.</p>
"""
EXPLANATION = """
<p>A few numbers z do not fix every pixel: many images share nearly the same code, and the decoder
has one answer for all of them. It is scored pixel by pixel, and then the best answer is <b>the mean
over everything that z leaves open</b> (for clothes, in shades of grey, nearly the mean). A mean of
strokes that do not lie in the same place is grey: blurred. A sharp guess would be right for one of
these images and wrong for all others. With more dimensions z leaves less open: try 2 and 32.</p>
"""


@dataclass(frozen=True, slots=True)
class Blur:
    """Answers to one image, all (C, H, W) in [0, 1]."""

    image: Tensor
    reconstruction: Tensor  # the decoder's mean at the mean of q(z | x)
    mean: Tensor  # of the decoder's means at samples of q(z | x)
    draw: Tensor  # from p(x | z) at the mean of q(z | x), pixel by pixel
    nearest: Tensor  # test image, in its pixels
    neighbours: Tensor  # mean of the test images whose codes are nearest
    nats: float  # -log p(x | z) at the mean of q(z | x)


@functools.lru_cache(maxsize=8)
@torch.no_grad()
def test_codes(network: VAE, dataset: str) -> tuple[Tensor, Tensor]:
    """The shipped test images in [0, 1] (N, C, H, W), and their mean codes (N, latent)."""
    binary = network.config.likelihood == "bernoulli"
    pictures = test_images(dataset, binary=binary).images / 255
    codes = [network.encode(part)[0].cpu() for part in pictures.split(250)]
    return pictures, torch.cat(codes)


@torch.no_grad()
def compare(image: Tensor, model: str, count: int, seed: int) -> Blur:
    """All answers to an image (C, H, W) in [0, 1]; `count` codes are sampled."""
    network: VAE = gm_core.load(model)
    (code,) = engine.stream("encode", model=model, images=[image.tolist()])
    # All at once and cut, so that the first codes stay the same when more are asked for.
    noise = torch.randn(MOST_CODES, network.config.latent, generator=stream(seed))[:count]
    (decoded,) = engine.stream("decode", model=model, z=(code.mean + code.sigma * noise).tolist())
    likelihood = network.log_likelihood(
        network.parameters_of(code.mean), image[None].to(network.device)
    )
    pictures, codes = test_codes(network, dataset_of(model))
    distance = (pictures - image).square().flatten(1).sum(dim=1)
    itself = distance == 0
    far = (codes - code.mean).square().sum(dim=1).masked_fill(itself, math.inf)
    return Blur(
        image=image,
        reconstruction=code.reconstruction[0],
        mean=decoded.images.mean(dim=0),
        draw=network.draw(code.mean, seed=seed)[0],
        nearest=pictures[distance.masked_fill(itself, math.inf).argmin()],
        neighbours=pictures[far.topk(NEIGHBOURS, largest=False).indices].mean(dim=0),
        nats=-float(likelihood),
    )


def psnr(image: Tensor, other: Tensor) -> float:
    """Peak signal-to-noise ratio of images in [0, 1], dB; infinite if they are the same."""
    error = float((image - other).double().square().mean())
    return -10 * math.log10(error) if error else math.inf


def decibels(image: Tensor, other: Tensor) -> str:
    ratio = psnr(image, other)
    return "the same in every pixel" if math.isinf(ratio) else f"{ratio:.1f} dB"


def as_bytes(image: Tensor) -> NDArray[np.uint8]:
    """(C, H, W) in [0, 1] -> uint8 (H, W, C)."""
    return (255 * image).round().byte().permute(1, 2, 0).contiguous().numpy()


def show(blur: Blur, what: str, model: str, count: int) -> dict[str, Any]:
    """The maps' value: what is real on the left, its means in the middle, draws on the right."""
    total = len(test_images(dataset_of(model), binary=sees_binary(model)).images)
    several = f"Mean of {count} decodings" if count > 1 else "1 decoding"
    dice = "a coin" if sees_binary(model) else "dice"
    alike = decibels(blur.reconstruction, blur.neighbours)
    shown = {
        "The image": (blur.image, what[:1].upper() + what[1:]),
        "Reconstruction": (
            blur.reconstruction,
            f"{decibels(blur.image, blur.reconstruction)}, −log p(x | z) = {blur.nats:,.1f} nats. "
            "The decoder's answer to the mean code.".replace("-", "−"),
        ),
        several: (
            blur.mean,
            f"{decibels(blur.image, blur.mean)}. Each is of another code z, drawn from q(z | x).",
        ),
        "Nearest test image": (
            blur.nearest,
            f"{decibels(blur.image, blur.nearest)}. The nearest of {total:,}, pixel by pixel: "
            "sharp, but another image.",
        ),
        f"Mean of {NEIGHBOURS} test images": (
            blur.neighbours,
            f"{decibels(blur.image, blur.neighbours)}, to the reconstruction {alike}. Those with "
            "the nearest codes.",
        ),
        "One draw from p(x | z)": (
            blur.draw,
            f"{decibels(blur.image, blur.draw)}. {dice.capitalize()} for every pixel: noise, as "
            "pixels are independent given z.",
        ),
    }
    items = (Picture(title, as_bytes(image), words) for title, (image, words) in shown.items())
    return Maps(tuple(items), columns=3).payload()


def status_line(blur: Blur, model: str) -> str:
    """How open the answer is, and whether a sharp one is better."""
    soft, sharp = psnr(blur.image, blur.reconstruction), psnr(blur.image, blur.nearest)
    line = (
        f"PSNR, higher is nearer to the image: the soft reconstruction reaches {soft:.1f} dB, the "
        f"sharp nearest test image {sharp:.1f} dB"
    )
    line += ": sharp is not better." if soft > sharp else ": here the sharp one is better."
    if sees_binary(model):
        low, high = OPEN
        grey = (blur.reconstruction > low) & (blur.reconstruction < high)
        line += (
            f" The decoder leaves {int(grey.sum())} of {grey.numel()} pixels open: white with a "
            f"probability of {100 * low:.0f} to {100 * high:.0f} %."
        )
    return line


def build(tab: ModelTab) -> None:
    """The activity's contents, with a test image that the real model has reconstructed."""
    models = tuple(
        name for name in tab.models if checkpoints.describe(name).config["channels"] == 1
    )
    shelf = examples(models)
    height, width = shelf.pixels.shape[1:]

    def answer(picture: Drawing, model: str, count: int, seed: int) -> tuple[Any, Any]:
        if not picture.pixels.any():
            return gr.skip(), NOTHING_DRAWN
        image = torch.from_numpy(picture.pixels)[None] / 255
        compared = compare(image, model, count, seed)
        what = name_picture(picture.pixels, shelf)
        return show(compared, what, model, count), status_line(compared, model)

    def blur(drawing: dict[str, Any], model: str, codes: float, seed: float) -> tuple[Any, Any]:
        """Reconstruct a picture and compare: the pictures, and a status line."""
        model = inputs.choice(model, "Model", models)
        count = inputs.whole(codes, "Codes", 1, MOST_CODES)
        number = inputs.seed(seed)
        return answer(read(drawing, height, width), model, count, number)

    def fit_model(
        drawing: dict[str, Any], model: str, codes: float, seed: float
    ) -> tuple[Any, Any, Any]:
        """A test image of another model's own, and the answers to it."""
        model = inputs.choice(model, "Model", models)
        count = inputs.whole(codes, "Codes", 1, MOST_CODES)
        number = inputs.seed(seed)
        fitting, value = fitting_example(read(drawing, height, width), model, shelf)
        return value, *answer(fitting, model, count, number)

    drawing = Drawing(shelf.pixels[FIRST_EXAMPLE], np.zeros((height, width), np.bool_))
    first_maps, first_line = answer(drawing, models[0], FIRST_CODES, 0)

    gr.HTML(QUESTION, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=345):
            model = model_dropdown(models)
            codes = gr.Slider(
                1, MOST_CODES, value=FIRST_CODES, step=1, label="Codes z in the mean",
                elem_id=f"{tab.id}-blur-codes",
            )  # fmt: skip
            image = pad(
                drawing.payload(), label="Your image", elem_id=f"{tab.id}-blur-pad",
                hideable=False, examples=shelf.pixels, example_names=shelf.names,
            )  # fmt: skip
            with gr.Accordion("More", open=False):
                seed = gr.Number(0, label="Seed", info="decides the codes and the draw")
        with gr.Column(scale=5, min_width=336):
            pictures = maps(first_maps, label=TITLE, elem_id=f"{tab.id}-blur-maps")
            told = status(first_line, elem_id=f"{tab.id}-blur-status")
            gr.HTML(EXPLANATION, elem_classes="prose", padding=False)

    live: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a stroke would be lost
        **engine.event("quick"),
    }
    settings = [image, model, codes, seed]
    gr.on(
        [image.input, codes.input, seed.input],
        blur,
        settings,
        [pictures, told],
        api_name=f"{tab.id}_blur",
        **live,
    )
    model.input(fit_model, settings, [image, pictures, told], api_visibility="private", **live)
