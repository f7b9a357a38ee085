"""Explore: an image's code as sliders, and the picture that follows every movement."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.events import api
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import TITLES, ModelTab, dataset_of
from demo.activities.complete import Examples, fitting_example
from demo.activities.generate import randomise
from demo.components.pad import Drawing, pad, read
from demo.components.player import encode as as_base64
from demo.components.setting import not_in_address
from demo.components.sliders import Number, Sliders, nice_end, picture, read_code, sliders
from demo.components.status import status
from demo.latent import examples, name_picture
from gm_core import checkpoints, data
from gm_core.latent import Encoding
from gm_core.metrics import as_pictures
from gm_core.vae import USED, VAE, kl_divergence, latent_noise

TITLE = "Explore"
MODELS = (
    "vae-mnist-beta0", "vae-mnist-beta1", "vae-mnist-beta4", "vae-mnist-beta10", "vae-mnist",
    "vae-fashion",
)  # fmt: skip
DEFAULT = "vae-mnist-beta1"
FIRST_EXAMPLE = 7
FIRST_SEED = 0
LARGEST = 100  # |z|: absurd under the prior, but the codes of an autoencoder come near to 40
AVERAGED = 500  # test images that say which dimensions are used
ALL_BUT_FEW = 0.95  # of the test images: their KL fits on a bar
LEAST_END = 5  # nats: the bars of all models with a prior have one scale

QUESTION = """
<p class="gm-question">
What does each number of a code z mean? Move one slider: what changes in the picture? Then
switch the model: β is the price of a nat of KL. What does “Random z” decode to with β = 0? Which
dimensions change nothing with β = 10? What does a cheaper code cost in reconstruction?</p>
"""

Pixels = NDArray[np.uint8]  # (H, W)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model's dimensions say of test images."""

    kl: NDArray[np.float32]  # (dimensions,): mean, nats
    end: float  # nats at which a bar ends

    @property
    def used(self) -> NDArray[np.bool_]:
        return self.kl >= USED


@torch.no_grad()
def measure_usage(model: str) -> Usage:
    """KL of every dimension, over the first test images."""
    network: VAE = gm_core.load(model)
    images = as_pictures(network, data.load(dataset_of(model), "sample").images)
    kl = kl_divergence(*network.encode(images[:AVERAGED])).cpu()
    most = float(kl.quantile(ALL_BUT_FEW, dim=0).max())
    return Usage(kl.mean(dim=0).numpy(), nice_end(max(most, LEAST_END)))


def slider_models(models: tuple[str, ...]) -> tuple[str, ...]:
    """The models whose codes are worth sliders, of grey images, which can be drawn on a pad."""
    shipped = gm_core.available()
    return tuple(name for name in MODELS if name in models and name in shipped)


def latent_of(model: str) -> int:
    """How many dimensions a model's code has."""
    return checkpoints.describe(model).config["latent"]


def are_siblings(one: str, other: str) -> bool:
    """Whether two models differ in the price of the code alone, so that a z can be kept."""
    first, second = (checkpoints.describe(name) for name in (one, other))
    alike = first.config | {"beta": None} == second.config | {"beta": None}
    return alike and first.dataset == second.dataset


def as_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Grey images (B, 1, H, W) in [0, 1] -> (B, H, W)."""
    return (255 * images[:, 0]).round().byte().numpy()


def encode_pixels(pixels: Pixels, model: str) -> Encoding:
    """The code of a drawing; a grey stands for white with that probability."""
    image = torch.from_numpy(pixels)[None, None] / 255
    [code] = engine.stream("encode", model=model, images=image.tolist())
    return code


def decode_code(z: list[float], model: str) -> Pixels:
    """The picture of one code."""
    [frame] = engine.stream("decode", model=model, z=[z])
    return as_bytes(frame.images)[0]


def numbers_of(code: Encoding, usage: Usage) -> tuple[Number, ...]:
    """What the image costs, and how much of the code is used at all."""
    used = int(usage.used.sum())
    return (
        Number("Reconstruction, −log p(x | z)", f"{-float(code.log_likelihood):.1f} nats"),
        Number("KL, summed", f"{float(code.kl.sum()):.1f} nats", "+"),
        Number("−ELBO ≥ −log p(x)", f"{-float(code.elbo):.1f} nats", "="),
        Number("Used dimensions", f"{used} of {len(usage.kl)}"),
    )


def show(
    pixels: Pixels,
    code: Encoding,
    model: str,
    usage: Usage,
    z: list[float] | None = None,
    words: str = "",
) -> dict[str, Any]:
    """The sliders' value: at the image's code, or at a z that is kept."""
    reconstruction = as_bytes(code.reconstruction)[0]
    mean = code.mean[0].numpy()
    return Sliders(
        model=model,
        image=pixels,
        reconstruction=reconstruction,
        decoded=reconstruction if z is None else decode_code(z, model),
        mean=mean,
        sigma=code.sigma[0].numpy(),
        kl=code.kl[0].numpy(),
        usage=usage.kl,
        used=usage.used,
        kl_end=usage.end,
        limit=LARGEST,
        numbers=numbers_of(code, usage),
        z=mean if z is None else np.array(z),
        moved=z is not None,
        words=words,
    ).payload()


def encoded(pixels: Pixels, model: str, shelf: Examples) -> str:
    """What the status line says of an image that was encoded."""
    empty = "" if pixels.any() else "Nothing is drawn. "
    name = name_picture(pixels, shelf).replace("test image:", "the test image,")
    what = name if pixels.any() else "a black picture"
    return f"{empty}The sliders stand at the code that “{TITLES[model]}” gives {what}."


def compare(before: Encoding, after: Encoding) -> str:
    """What another model makes of an image, in numbers."""
    reconstructions = [f"{-float(code.log_likelihood):.1f}" for code in (before, after)]
    kls = [f"{float(code.kl.sum()):.1f}" for code in (before, after)]
    return f"reconstruction {' → '.join(reconstructions)} nats, KL {' → '.join(kls)} nats"


def read_sliders(value: Any, models: tuple[str, ...]) -> tuple[str, list[float], bool, int]:
    """The model, z, whether the student chose it, and the serial number that sliders sent."""
    if not isinstance(value, dict):
        raise inputs.refusal("The sliders must send their model, their z and whether it was moved.")
    model = inputs.choice(value.get("model"), "Model", models)
    return (
        model,
        read_code(value.get("z"), latent_of(model), LARGEST),
        inputs.flag(value.get("moved"), "Moved"),
        inputs.whole(value.get("serial"), "Serial", 0, 2**53),
    )


def build(tab: ModelTab) -> None:
    """The activity's contents, with a test image and its code."""
    models = slider_models(tab.models)
    shelf = examples(models)
    height, width = shelf.pixels.shape[1:]
    usage_of = functools.cache(measure_usage)

    def encode(drawing: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
        """The code of a drawing as the sliders show it, and a status line."""
        model = inputs.choice(model, "Model", models)
        pixels = read(drawing, height, width).pixels
        value = show(pixels, encode_pixels(pixels, model), model, usage_of(model))
        return value, encoded(pixels, model, shelf)

    def decode(z: list[float], model: str) -> dict[str, Any]:
        """The picture of a code: its height and width, and its greys in base64."""
        model = inputs.choice(model, "Model", models)
        pixels = decode_code(read_code(z, latent_of(model), LARGEST), model)
        return {"height": height, "width": width, "pixels": as_base64(pixels)}

    def follow(value: dict[str, Any]) -> gr.HTML:
        """The picture of what the sliders were moved to."""
        model, z, _, serial = read_sliders(value, models)
        return picture(decode_code(z, model), serial)

    def draw_prior(value: dict[str, Any], seed: float) -> gr.HTML:
        """A z from the prior, and its picture."""
        model, _, _, serial = read_sliders(value, models)
        seed = inputs.seed(seed)
        z = latent_noise(seed, 1, latent_of(model))[0].tolist()
        return picture(decode_code(z, model), serial, z, f"z from the prior, seed {seed}")

    def roll(value: dict[str, Any]) -> tuple[gr.HTML, int]:
        """Another z from the prior each time, and the seed that gives it again."""
        seed = randomise()
        return draw_prior(value, seed), seed

    def switch(
        model: str, drawing: dict[str, Any], value: dict[str, Any]
    ) -> tuple[Any, dict[str, Any], str]:
        """Another model's code of the same drawing; z stays where the student put it, if it can."""
        model = inputs.choice(model, "Model", models)
        before, z, moved, _ = read_sliders(value, models)
        drawn = read(drawing, height, width)
        fitting, pad_value = fitting_example(drawn, model, shelf)
        pixels = fitting.pixels
        code = encode_pixels(pixels, model)
        if pixels is not drawn.pixels:
            told = f"A test image of its own. {encoded(pixels, model, shelf)}"
            return pad_value, show(pixels, code, model, usage_of(model)), told
        change = compare(encode_pixels(pixels, before), code)
        if moved and are_siblings(before, model):
            kept, words = "your image and your z", f"z kept from “{TITLES[before]}”"
            shown = show(pixels, code, model, usage_of(model), z, words)
        else:
            kept = "your image. The sliders stand at its new code"
            shown = show(pixels, code, model, usage_of(model))
        told = f"“{TITLES[before]}” → “{TITLES[model]}”: {change}. Kept: {kept}."
        return pad_value, shown, told

    first = DEFAULT if DEFAULT in models else models[0]
    drawing = Drawing(shelf.pixels[FIRST_EXAMPLE], np.zeros((height, width), np.bool_))
    first_value, first_line = encode(drawing.payload(), first)

    gr.HTML(QUESTION, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=345):
            model = gr.Dropdown(
                [(TITLES[name], name) for name in models], value=first, label="Model"
            )
            image = pad(
                drawing.payload(), label="Your image", elem_id=f"{tab.id}-explore-pad",
                hideable=False, examples=shelf.pixels, example_names=shelf.names,
            )  # fmt: skip
        with gr.Column(scale=5, min_width=336):
            told = status(first_line, elem_id=f"{tab.id}-explore-status")
            code = sliders(first_value, label="The code z", elem_id=f"{tab.id}-explore-sliders")
            with gr.Accordion("More", open=False):
                seed = not_in_address(  # but the code that it drew
                    gr.Number(
                        FIRST_SEED, label="Seed", info="of Random z; press Enter to draw it again"
                    )
                )

    live: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a movement would be lost
        "queue": False,  # each takes a few milliseconds
    }
    private: dict[str, Any] = live | {"api_visibility": "private"}
    image.input(encode, [image, model], [code, told], api_name=f"{tab.id}_encode", **live)
    code.input(follow, [code], [code], **private)
    code.select(roll, [code], [code, seed], **private)
    seed.submit(draw_prior, [code, seed], [code], **private)
    model.input(switch, [model, image, code], [image, code, told], **private)
    api(decode, api_name=f"{tab.id}_decode")
