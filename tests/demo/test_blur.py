"""Why blurry, with tiny networks: what each picture is made of, its numbers, and refusals."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

import gm_core
from demo.activities import ModelTab
from demo.latent import blur
from gm_core import data
from gm_core.metrics import as_pictures
from gm_core.randomness import stream
from gm_core.vae import logistic_log_prob
from tests.demo.test_api import call
from tests.demo.test_bound import cross, payload, save_vae

DIGITS, CLOTHES, COLOURED = "vae-mnist-2d", "vae-fashion", "vae-avatars"
H = W = 28


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_vae(folder, DIGITS, latent=2, features=())
    save_vae(folder, CLOTHES, likelihood="logistic")
    save_vae(folder, COLOURED, channels=3, likelihood="logistic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            blur.build(ModelTab("vae", (DIGITS, CLOTHES, COLOURED)))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()


def images_of(model: str) -> torch.Tensor:
    dataset = "mnist" if model == DIGITS else "fashion"
    return as_pictures(gm_core.load(model), data.load(dataset, "sample").images)


def pictures(maps: dict[str, Any]) -> list[np.ndarray]:
    return [
        np.frombuffer(base64.b64decode(item["pixels"]), np.uint8).reshape(H, W)
        for item in maps["items"]
    ]


def expected(model: str, image: torch.Tensor, count: int, seed: int) -> list[np.ndarray]:
    """All six pictures but the draw, by the library and by brute force; uint8 (H, W)."""
    network, test = gm_core.load(model), images_of(model)
    mean, log_variance = network.encode(image[None])
    noise = torch.randn(blur.MOST_CODES, network.config.latent, generator=stream(seed))[:count]
    others = (test != image).flatten(1).any(dim=1)
    by_pixels = (test[others] - image).square().sum(dim=(1, 2, 3)).argsort()
    codes = network.encode(test[others])[0]
    by_code = (codes - mean).norm(dim=1).argsort()
    made = [
        image[None],
        network.decode(mean),
        network.decode(mean + (log_variance / 2).exp() * noise).mean(dim=0, keepdim=True),
        test[others][by_pixels[:1]],
        test[others][by_code[: blur.NEIGHBOURS]].mean(dim=0, keepdim=True),
    ]
    return [(255 * each[0, 0]).round().byte().numpy() for each in made]


def test_the_action_is_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/vae_blur"}
    parameters = api["named_endpoints"]["/vae_blur"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["drawing", "model", "codes", "seed"]


@pytest.mark.parametrize("model", [DIGITS, CLOTHES])
@pytest.mark.parametrize("picture", ["drawing", "test image"])
@torch.no_grad()
def test_the_pictures_are_what_they_say(client: Client, model: str, picture: str):
    drawn = torch.from_numpy(cross())[None] / 255
    image = drawn if picture == "drawing" else images_of(model)[5]
    pixels = (255 * image[0]).round().byte().numpy()
    maps, line = client.predict(payload(pixels), model, 30, 4, api_name="/vae_blur")
    shown = pictures(maps)
    for seen, wanted in zip(shown, expected(model, image, 30, 4), strict=False):
        assert np.abs(seen.astype(int) - wanted).max() <= 1  # the last bit may round either way
    assert not np.array_equal(shown[3], shown[0])  # not the image itself
    ratio = -10 * math.log10(np.square((shown[1] - image[0].numpy() * 255) / 255).mean())
    assert maps["items"][1]["caption"].startswith(f"{ratio:.1f} dB, −log p(x | z) = ")
    assert f"the soft reconstruction reaches {ratio:.1f} dB" in line
    assert [item["title"] for item in maps["items"]] == [
        "The image", "Reconstruction", "Mean of 30 decodings", "Nearest test image",
        "Mean of 10 test images", "One draw from p(x | z)",
    ]  # fmt: skip


@torch.no_grad()
def test_the_numbers_under_the_pictures(client: Client):
    maps, line = client.predict(payload(cross()), DIGITS, 1, 0, api_name="/vae_blur")
    network, image = gm_core.load(DIGITS), torch.from_numpy(cross())[None, None] / 255
    mean, _ = network.encode(image)
    nats = -float(network.log_likelihood(network.parameters_of(mean), image))
    captions = [item["caption"] for item in maps["items"]]
    assert f"−log p(x | z) = {nats:,.1f} nats" in captions[1]
    shown = [picture / 255 for picture in pictures(maps)]
    for at in (2, 3, 4, 5):
        ratio = -10 * math.log10(np.square(shown[at] - shown[0]).mean())
        assert captions[at].startswith(f"{ratio:.1f} dB")
    alike = -10 * math.log10(np.square(shown[4] - shown[1]).mean())
    assert f"to the reconstruction {alike:.1f} dB" in captions[4]
    answer = network.decode(mean)
    grey = int(((answer > 0.1) & (answer < 0.9)).sum())
    assert f"The decoder leaves {grey} of 784 pixels open" in line


def test_the_same_picture_has_no_decibels():
    image = torch.rand(1, H, W)
    assert blur.decibels(image, image.clone()) == "the same in every pixel"
    assert blur.psnr(image, image + 0.1) == pytest.approx(20, abs=1e-4)


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("model", [DIGITS, CLOTHES])
@torch.no_grad()
def test_a_draw_has_the_likelihood_of_the_decoder(model: str):
    """How often a pixel is darker than half, against the model's own probability of it."""
    network, count = gm_core.load(model), 400
    z = torch.ones(1, network.config.latent)
    draws = network.draw(z.expand(count, -1), seed=0)
    assert torch.equal((draws * 255).round() / 255, draws)
    raw = network.parameters_of(z)
    if model == DIGITS:
        assert set(draws.unique().tolist()) == {0.0, 1.0}
        dark = 1 - raw.sigmoid()[0]
    else:
        levels = (torch.arange(128) / 255).view(-1, 1, 1, 1)
        dark = logistic_log_prob(raw + 0.5, network.log_width, levels.expand(-1, 1, H, W)).exp()
        dark = dark.sum(dim=0)
    often = (draws < 0.5).float().mean(dim=0)
    variance = (dark * (1 - dark) / count).clamp(min=1e-12)
    assert float(((often - dark).abs() - 6 * variance.sqrt()).max()) < 5e-3
    total_error = float(variance.sum().sqrt())  # a bias shared by all pixels is seen in their sum
    assert abs(float((often - dark).sum())) < 6 * total_error
    # Every pixel has its own coin: neighbours agree no more often than chance.
    centred = (draws < 0.5).float() - dark
    together = (centred[..., 1:] * centred[..., :-1]).mean()
    assert abs(float(together)) < 6 / math.sqrt(count * H * W)


def test_more_codes_keep_the_first_ones(client: Client):
    few, many, other = (
        pictures(client.predict(payload(cross()), DIGITS, *wanted, api_name="/vae_blur")[0])
        for wanted in ((1, 0), (200, 0), (1, 1))
    )
    assert not np.array_equal(few[2], many[2])
    assert not np.array_equal(few[2], other[2])
    assert np.array_equal(few[5], many[5])
    assert not np.array_equal(few[5], other[5])


def test_an_empty_pad_gets_one_sentence(client: Client):
    maps, line = client.predict(payload(0 * cross()), DIGITS, 10, 0, api_name="/vae_blur")
    assert line == "Nothing is drawn yet: draw something, or pick a test image."
    assert maps["__type__"] == "update"


GOOD = payload(cross())
WRONG_SIZE = "The drawing must be 28 by 28 pixels"
BAD = [
    ({"drawing": None}, WRONG_SIZE),
    ({"drawing": [1]}, WRONG_SIZE),
    ({"drawing": GOOD | {"height": 64}}, WRONG_SIZE),
    ({"model": COLOURED}, "Model must be one of: vae-mnist-2d, vae-fashion."),
    ({"model": 3}, "Model must be one of: "),
    ({"codes": 0}, "Codes must be from 1 to 200."),
    ({"codes": 10**9}, "Codes must be from 1 to 200."),
    ({"codes": 10**400}, "Codes must be from 1 to 200."),
    ({"codes": math.nan}, "Codes must be from 1 to 200."),
    ({"codes": 1.5}, "Codes must be a whole number from 1 to 200."),
    ({"codes": "x"}, "Codes must be a number from 1 to 200."),
    ({"codes": None}, "Codes must be a number from 1 to 200."),
    ({"seed": -1}, "Seed must be from 0 to 4294967295."),
    ({"seed": math.inf}, "Seed must be from 0 to 4294967295."),
    ({"seed": None}, "Seed must be a number from 0 to 4294967295."),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD)
def test_bad_input_gets_one_sentence(url: str, changes: dict, sentence: str):
    good = {"drawing": GOOD, "model": DIGITS, "codes": 10, "seed": 0}
    event, answer = call(url, "vae_blur", json.dumps({"data": list((good | changes).values())}))
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300
    event, _ = call(url, "vae_blur", json.dumps({"data": list(good.values())}))
    assert event == "complete"
