"""Explore as endpoints, with tiny networks: codes, pictures, what a switch keeps, refusals."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

import gm_core
from demo.activities import ModelTab
from demo.components.pad import Drawing
from demo.latent import examples, explore
from gm_core import checkpoints
from gm_core.vae import VAE
from tests.demo.test_api import call, handler
from tests.gm_core.tiny import tiny

BETAS = tuple(f"vae-mnist-beta{beta}" for beta in (0, 1, 4, 10))
AUTOENCODER, PLAIN, _, DEAR = BETAS
LARGE, CLOTHES = "vae-mnist", "vae-fashion"
NAMES = (*BETAS, LARGE, CLOTHES, "vae-mnist-2d")
DEAD = (2, 5)  # dimensions of the model with the dearest code
H = W = 28


def save_models(folder: Path) -> None:
    """Tiny networks with random weights, large enough that z matters, under real names."""
    for name in NAMES:
        changes: dict[str, Any] = {"latent": 10}
        if name in BETAS:
            changes["beta"] = float(name.removeprefix("vae-mnist-beta"))
        elif name == LARGE:
            changes["latent"] = 32
        elif name == CLOTHES:
            changes |= {"latent": 16, "likelihood": "logistic"}
        model: VAE = tiny("vae", height=H, width=W, **changes)
        with torch.no_grad():
            for layer in model.modules():
                if isinstance(layer, torch.nn.Linear):
                    layer.weight *= 2.5
            last: Any = model.encoder[-1]
            if name == AUTOENCODER:
                last.bias[:2] = torch.tensor([-30.0, 30.0])
            if name == DEAR:
                for index in DEAD:
                    for row in (index, index + 10):  # mean, log-variance
                        last.weight[row] = last.bias[row] = 0
                    model.decoder[0].weight[:, index] = 0  # pyright: ignore
        dataset = "fashion" if name == CLOTHES else "mnist"
        checkpoints.save(folder / name, model, family="vae", dataset=dataset, training={"seed": 0})


def cross() -> np.ndarray:
    pixels = np.zeros((H, W), np.uint8)
    pixels[5:23, 12:14] = 255
    pixels[11, 6:22] = 128
    return pixels


def payload(pixels: np.ndarray) -> dict[str, Any]:
    return Drawing(pixels, np.zeros((H, W), np.bool_)).payload()


def decoded(z: list[float], model: str) -> np.ndarray:
    """By the library: (28, 28)."""
    with torch.no_grad():
        return (255 * gm_core.load(model).decode(torch.tensor([z]))[0, 0]).round().byte().numpy()


def pixels_of(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(H, W)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_models(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            explore.build(ModelTab("vae", (*NAMES, "vae-avatars")))
        demo.launch(prevent_thread_lock=True, quiet=True)
        yield demo
        demo.close()


@pytest.fixture(scope="module")
def url(demo: gr.Blocks) -> str:
    return str(demo.local_url)


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    assert set(endpoints) == {"/vae_encode", "/vae_decode"}
    names = {
        name: [p["parameter_name"] for p in endpoint["parameters"]]
        for name, endpoint in endpoints.items()
    }
    assert names == {"/vae_encode": ["drawing", "model"], "/vae_decode": ["z", "model"]}


def test_models_of_grey_images_with_a_code_worth_sliders_are_offered(demo: gr.Blocks):
    [model] = [b for b in demo.blocks.values() if isinstance(b, gr.Dropdown)]
    assert [value for _, value in model.choices] == [*BETAS, LARGE, CLOTHES]
    assert model.value == PLAIN


@pytest.mark.parametrize("model", [PLAIN, LARGE, CLOTHES])
def test_an_image_is_encoded_as_the_library_does(client: Client, model: str):
    value, told = client.predict(payload(cross()), model, api_name="/vae_encode")
    network: VAE = gm_core.load(model)
    image = torch.from_numpy(cross())[None, None] / 255
    with torch.no_grad():
        mean, log_variance = network.encode(image)
        elbo = network.elbo(image, seed=0)
    assert value["z"] == value["mean"] == pytest.approx(mean[0].tolist(), abs=1e-5)
    assert value["sigma"] == pytest.approx((log_variance / 2).exp()[0].tolist(), rel=1e-4)
    assert value["kl"] == pytest.approx(elbo.kl[0].tolist(), abs=1e-4)
    assert np.array_equal(pixels_of(value["image"]), cross())
    assert np.array_equal(pixels_of(value["reconstruction"]), decoded(mean[0].tolist(), model))
    assert value["decoded"] == value["reconstruction"]
    told_numbers = [float(text.split()[0]) for _, text, _ in value["numbers"][:3]]
    wanted = [-float(elbo.reconstruction), float(elbo.kl.sum()), -float(elbo.value)]
    assert told_numbers == pytest.approx(wanted, abs=0.051)
    assert all(text.endswith(" nats") for _, text, _ in value["numbers"][:3])
    title = explore.TITLES[model]
    assert told == f"The sliders stand at the code that “{title}” gives your drawing."


def test_dimensions_that_say_nothing_are_unused_and_last(client: Client):
    value, _ = client.predict(payload(cross()), DEAR, api_name="/vae_encode")
    assert [at for at, used in enumerate(value["used"]) if not used] == list(DEAD)
    assert sorted(value["order"][-2:]) == list(DEAD)
    assert value["numbers"][-1][:2] == ["Used dimensions", "8 of 10"]
    z = [0.3] * 10
    moved = [4.0 if at in DEAD else number for at, number in enumerate(z)]
    pictures = [client.predict(code, DEAR, api_name="/vae_decode") for code in (z, moved)]
    assert pictures[0] == pictures[1]


def test_an_empty_drawing_has_a_code_too(client: Client):
    value, told = client.predict(payload(0 * cross()), PLAIN, api_name="/vae_encode")
    assert not pixels_of(value["image"]).any()
    assert told.startswith("Nothing is drawn. The sliders stand at the code that ")


def test_a_test_image_is_called_by_its_name(client: Client):
    shelf = examples((*BETAS, LARGE, CLOTHES))
    assert len(shelf.names) == 20
    assert set(np.unique(shelf.pixels[:10])) == {0, 255}  # as a Bernoulli model sees them
    assert len(np.unique(shelf.pixels[10:])) > 100
    _, told = client.predict(payload(shelf.pixels[4]), PLAIN, api_name="/vae_encode")
    assert told.endswith(" gives the test image, a 4.")


@pytest.mark.parametrize("model", [PLAIN, CLOTHES])
def test_a_code_is_decoded_as_the_library_does(client: Client, model: str):
    latent = {PLAIN: 10, CLOTHES: 16}[model]
    pictures = []
    for z in ([0.0] * latent, np.linspace(-3, 3, latent).tolist(), [100] * latent):
        shown = client.predict(z, model, api_name="/vae_decode")
        assert (shown["height"], shown["width"]) == (H, W)
        pictures.append(shown["pixels"])
        assert np.array_equal(pixels_of(shown["pixels"]), decoded([float(x) for x in z], model))
    assert len(set(pictures)) == 3


def sent(client: Client, pixels: np.ndarray, model: str, **changes: Any) -> dict[str, Any]:
    """The sliders' value as the browser sends it."""
    value, _ = client.predict(payload(pixels), model, api_name="/vae_encode")
    return value | changes


def test_the_sliders_get_the_picture_of_their_code(demo: gr.Blocks, client: Client):
    z = [0.1 * at for at in range(10)]
    value = sent(client, cross(), PLAIN, z=z)
    answer = handler(demo, "follow")(value).props["answer"]
    assert np.array_equal(pixels_of(answer["picture"]), decoded(z, PLAIN))
    assert (answer["of"], answer["z"]) == (value["serial"], None)


def test_a_seed_decides_what_the_prior_gives(demo: gr.Blocks, client: Client):
    value = sent(client, cross(), PLAIN)
    draw = handler(demo, "draw_prior")
    answers = [draw(value, seed).props["answer"] for seed in (3, 3, 4)]
    wanted = gm_core.load(PLAIN).sample_latent(1, seed=3)[0].tolist()
    assert answers[0]["z"] == answers[1]["z"] == wanted != answers[2]["z"]
    assert np.array_equal(pixels_of(answers[0]["picture"]), decoded(wanted, PLAIN))
    assert answers[0]["words"] == "z from the prior, seed 3"
    rolled, seed = handler(demo, "roll")(value)
    assert rolled.props["answer"]["z"] == draw(value, seed).props["answer"]["z"]


def test_a_switch_among_the_betas_keeps_the_image_and_a_moved_z(demo: gr.Blocks, client: Client):
    switch = handler(demo, "switch")
    z = [0.2] * 10
    value = sent(client, cross(), PLAIN, z=z, moved=True)
    pad_value, shown, told = switch(DEAR, payload(cross()), value)
    assert "pixels" not in pad_value  # left alone
    assert (shown["model"], shown["moved"]) == (DEAR, True)
    assert shown["z"] == z != shown["mean"]
    assert np.array_equal(pixels_of(shown["image"]), cross())
    assert np.array_equal(pixels_of(shown["decoded"]), decoded(z, DEAR))
    kls = [float(sent(client, cross(), name)["numbers"][1][1].split()[0]) for name in (PLAIN, DEAR)]
    assert f"KL {kls[0]} → {kls[1]} nats. Kept: your image and your z." in told

    _, shown, told = switch(DEAR, payload(cross()), value | {"moved": False})
    assert shown["z"] == shown["mean"]
    assert told.endswith("Kept: your image. The sliders stand at its new code.")


@pytest.mark.parametrize("model", [LARGE, CLOTHES])
def test_a_z_of_another_kind_of_code_is_not_kept(demo: gr.Blocks, client: Client, model: str):
    value = sent(client, cross(), PLAIN, z=[0.2] * 10, moved=True)
    _, shown, told = handler(demo, "switch")(model, payload(cross()), value)
    assert shown["z"] == shown["mean"]
    assert np.array_equal(pixels_of(shown["image"]), cross())
    assert told.endswith("Kept: your image. The sliders stand at its new code.")


def test_a_picked_digit_becomes_a_garment_for_the_model_of_clothes(demo: gr.Blocks, client: Client):
    shelf = examples((*BETAS, LARGE, CLOTHES))
    value = sent(client, shelf.pixels[3], PLAIN)
    pad_value, shown, told = handler(demo, "switch")(CLOTHES, payload(shelf.pixels[3]), value)
    assert np.array_equal(pixels_of(pad_value["pixels"]), shelf.pixels[13])
    assert np.array_equal(pixels_of(shown["image"]), shelf.pixels[13])
    assert f"the test image, {shelf.names[13]}" in told


GOOD = payload(cross())
Z = "z must be a list of 10 numbers from -100 to 100."
DRAWING = "The drawing must be 28 by 28 pixels"
BAD = [
    ("encode", [None, PLAIN], DRAWING),
    ("encode", [10**400, PLAIN], DRAWING),
    ("encode", [GOOD | {"width": 27}, PLAIN], DRAWING),
    ("encode", [GOOD | {"pixels": "A" * 10**5}, PLAIN], DRAWING),
    ("encode", [GOOD, "vae-mnist-2d"], "Model must be one of: vae-mnist-beta0, "),
    ("encode", [GOOD, None], "Model must be one of: "),
    ("encode", [GOOD, [PLAIN]], "Model must be one of: "),
    ("decode", [None, PLAIN], Z),
    ("decode", ["0" * 10, PLAIN], Z),
    ("decode", [[0] * 9, PLAIN], Z),
    ("decode", [[0] * 10**5, PLAIN], Z),
    ("decode", [[0] * 9 + [math.nan], PLAIN], Z),
    ("decode", [[0] * 9 + [math.inf], PLAIN], Z),
    ("decode", [[0] * 9 + [10**9], PLAIN], Z),
    ("decode", [[0] * 9 + [10**400], PLAIN], Z),
    ("decode", [[0] * 9 + ["1"], PLAIN], Z),
    ("decode", [[0] * 9 + [None], PLAIN], Z),
    ("decode", [[[0] * 10], PLAIN], Z),
    ("decode", [[0] * 10, LARGE], "z must be a list of 32 numbers"),
    ("decode", [[0] * 10, 3], "Model must be one of: "),
]


@pytest.mark.parametrize(("endpoint", "data", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_input_gets_one_sentence(url: str, endpoint: str, data: list, sentence: str):
    event, answer = call(url, f"vae_{endpoint}", json.dumps({"data": data}))
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"z": [math.nan] * 10}, "z must be a list of 10 numbers"),
        ({"z": None}, "z must be a list of 10 numbers"),
        ({"model": "vae-avatars"}, "Model must be one of: "),
        ({"moved": "yes"}, "Moved must be true or false."),
        ({"serial": 10**400}, "Serial must be from 0 to "),
        ({"serial": None}, "Serial must be a number from 0 to "),
    ],
)
def test_bad_sliders_get_one_sentence(demo: gr.Blocks, changes: dict[str, Any], sentence: str):
    good = {"model": PLAIN, "z": [0] * 10, "moved": True, "serial": 1}
    for name, more in (("follow", []), ("draw_prior", [0]), ("roll", [])):
        with pytest.raises(gr.Error, match=sentence):
            handler(demo, name)(good | changes, *more)
    with pytest.raises(gr.Error, match=sentence):
        handler(demo, "switch")(PLAIN, GOOD, good | changes)


def test_bad_values_and_seeds_get_one_sentence(demo: gr.Blocks):
    for value in (None, "x", 3, []):
        with pytest.raises(gr.Error, match="The sliders must send"):
            handler(demo, "follow")(value)
    good = {"model": PLAIN, "z": [0] * 10, "moved": True, "serial": 1}
    for seed in (None, -1, 0.5, math.nan, 10**400, "1"):
        with pytest.raises(gr.Error, match="Seed must be"):
            handler(demo, "draw_prior")(good, seed)
