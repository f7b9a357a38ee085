"""The bound as an endpoint, with tiny networks: numbers that add up, a growing curve, refusals."""

from __future__ import annotations

import json
import math
import re
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
from demo.components.curve import Curve
from demo.components.pad import Drawing
from demo.latent import bound
from gm_core import checkpoints
from gm_core.latent import tighten
from gm_core.vae import kl_divergence
from tests.demo.test_api import call
from tests.demo.test_race import save_tiny
from tests.gm_core.tiny import tiny

BETA, LARGE, CLOTHES = "vae-mnist-beta1", "vae-mnist", "vae-fashion"
H = W = 28
UNCOVERED = np.zeros((H, W), np.bool_)


def save_vae(folder: Path, name: str, **changes: Any) -> None:
    """A tiny VAE, the name's data set its own. As initialised, no picture would depend on z."""
    model = tiny("vae", height=H, width=W, **changes)
    with torch.no_grad():
        for layer in (model.decoder[0], model.decoder[2], model.decoder[4]):
            layer.weight *= 4
    dataset = name.split("-")[1]
    checkpoints.save(folder / name, model, family="vae", dataset=dataset, training={"seed": 0})


def cross() -> np.ndarray:
    """A drawing with soft edges: (28, 28)."""
    pixels = np.zeros((H, W), np.uint8)
    pixels[5:23, 12:14] = 255
    pixels[11, 6:22] = 128
    pixels[10, 6:22] = 127
    return pixels


def payload(pixels: np.ndarray) -> dict[str, Any]:
    return Drawing(pixels, UNCOVERED).payload()


def binary(pixels: np.ndarray) -> torch.Tensor:
    """As the models are given it: (1, H, W)."""
    return torch.from_numpy(pixels >= 128).float()[None]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_vae(folder, BETA, features=())
    save_vae(folder, LARGE, latent=5)
    save_vae(folder, CLOTHES, likelihood="logistic")
    save_tiny(folder, (bound.EXACT,), height=H, width=W)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            bound.build(ModelTab("vae", (BETA, CLOTHES, LARGE)))
        demo.launch(prevent_thread_lock=True, quiet=True)
        yield demo
        demo.close()


@pytest.fixture(scope="module")
def url(demo: gr.Blocks) -> str:
    assert demo.local_url
    return demo.local_url


def numbers(table: str) -> dict[str, float]:
    """The numbers of the sum, nats."""
    rows = re.findall(r"<tr.*?</tr>", table)
    names = ("reconstruction", "kl", "elbo", "hidden", "tightest")
    written = [re.findall(r"([−\d.,]+) nats<", row)[0] for row in rows]
    values = [float(text.replace("−", "-").replace(",", "")) for text in written]
    return dict(zip(names, values, strict=True))


def test_the_action_is_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/vae_bound"}
    parameters = api["named_endpoints"]["/vae_bound"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["drawing", "model", "samples", "seed"]


def test_it_is_of_the_digits_and_opens_with_the_largest_model(demo: gr.Blocks):
    [models] = [block for block in demo.blocks.values() if getattr(block, "label", "") == "Model"]
    assert isinstance(models, gr.Dropdown)
    assert [name for _, name in models.choices] == [BETA, LARGE]
    assert models.value == LARGE
    [line] = [b for b in demo.blocks.values() if getattr(b, "elem_id", "") == "vae-bound-status"]
    assert "the bound with K = 100 is" in str(getattr(line, "value", ""))


@pytest.mark.parametrize("model", [BETA, LARGE])
@pytest.mark.parametrize("samples", [1, 250])
def test_the_numbers_are_those_of_the_library_and_add_up(client: Client, model: str, samples: int):
    shown, curve, line, _ = client.predict(
        payload(cross()), model, samples, 3, api_name="/vae_bound"
    )
    network, image = gm_core.load(model), binary(cross())
    tightest = -float(network.log_prob(image[None], importance_samples=samples, seed=3))
    weights = network.log_weights(image[None], importance_samples=samples, seed=3)
    kl = float(kl_divergence(*network.encode(image[None])).sum())
    told = numbers(shown)
    assert told["elbo"] == pytest.approx(-float(weights.mean()), abs=0.051)
    assert told["tightest"] == pytest.approx(tightest, abs=0.051)
    assert told["kl"] == pytest.approx(kl, abs=0.051)
    assert round(told["reconstruction"] + told["kl"], 1) == told["elbo"]
    assert round(told["elbo"] - told["hidden"], 1) == told["tightest"]
    if samples > 1:
        assert told["hidden"] > 1  # or this test could not see a difference
        # Measured another way: the mean of -log p(x | z) over samples of q(z | x).
        elbos = [network.elbo(image[None], seed=seed).reconstruction for seed in range(100)]
        likelihoods = -torch.cat(elbos).detach().double()
        error = float(likelihoods.std()) / math.sqrt(100)
        assert told["reconstruction"] == pytest.approx(float(likelihoods.mean()), abs=6 * error)

    *_, record = tighten(network, image, samples=samples, seed=3)
    assert curve["x"] == list(record.samples)
    assert curve["y"] == pytest.approx([-nats for nats in record.nats], rel=1e-6)
    single = [samples // size == 1 for size in record.samples]
    assert [half is None for half in curve["spread"]] == single
    assert line == (
        f"Your drawing ({bound.TITLES[model]}): −ELBO = {told['elbo']:,.1f} nats; the bound with "
        f"K = {samples:,} is {told['tightest']:,.1f} nats. The ELBO hid {told['hidden']:,.1f} nats."
    )


def test_it_streams_a_record_for_every_k(client: Client):
    job = client.submit(payload(cross()), BETA, 5000, 0, api_name="/vae_bound")
    job.result()
    outputs = job.outputs()
    sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
    assert [curve["x"] for _, curve, _, _ in outputs] == [sizes[: n + 1] for n in range(12)]
    lines = [line for _, _, line, _ in outputs]
    assert all(line.startswith("Up to K = 5,000 ... Your drawing") for line in lines[:-1])
    assert lines[-1].startswith("Your drawing")
    falling = outputs[-1][1]["y"]
    assert falling[-1] < falling[0] - 1
    assert {curve["end"] for _, curve, _, _ in outputs} == {5000}  # the axis stays


def test_a_grey_is_black_or_white(client: Client):
    sharp = np.where(cross() >= 128, 255, 0).astype(np.uint8)
    answers = [
        client.predict(payload(pixels), BETA, 20, 0, api_name="/vae_bound")
        for pixels in (cross(), sharp)
    ]
    assert answers[0][0] == answers[1][0]
    assert answers[0][3] == answers[1][3]


def test_another_model_says_it_exactly(client: Client, monkeypatch: Any, tmp_path: Path):
    *_, note = client.predict(payload(cross()), BETA, 1, 0, api_name="/vae_bound")
    levels = binary(cross()).long()
    nats = -float(gm_core.load(bound.EXACT).log_prob(levels[None]))
    assert f"the Gated PixelCNN says −log p(x) = {nats:,.1f} nats of this picture" in note
    monkeypatch.setenv("GM_CHECKPOINTS", str(tmp_path))
    assert bound.exact_note(levels) == ""


def test_the_seed_decides_the_samples(client: Client):
    once, again, other = (
        client.predict(payload(cross()), BETA, 50, seed, api_name="/vae_bound")[1]["y"]
        for seed in (0, 0, 1)
    )
    assert once == again
    assert once != other


def test_an_empty_pad_gets_one_sentence(client: Client):
    shown, curve, line, note = client.predict(
        payload(0 * cross()), BETA, 100, 0, api_name="/vae_bound"
    )
    assert line == "Nothing is drawn yet: draw something, or pick a test image."
    assert all(output["__type__"] == "update" for output in (shown, curve, note))


GOOD = payload(cross())
WRONG_SIZE = "The drawing must be 28 by 28 pixels"
BAD = [
    ({"drawing": None}, WRONG_SIZE),
    ({"drawing": math.nan}, WRONG_SIZE),
    ({"drawing": GOOD | {"width": 27}}, WRONG_SIZE),
    ({"drawing": GOOD | {"pixels": 10**5 * "A"}}, WRONG_SIZE),
    ({"model": CLOTHES}, "Model must be one of: vae-mnist-beta1, vae-mnist."),
    ({"model": None}, "Model must be one of: "),
    ({"samples": 0}, "Samples must be from 1 to 5000."),
    ({"samples": 10**6}, "Samples must be from 1 to 5000."),
    ({"samples": 10**400}, "Samples must be from 1 to 5000."),
    ({"samples": math.nan}, "Samples must be from 1 to 5000."),
    ({"samples": -math.inf}, "Samples must be from 1 to 5000."),
    ({"samples": 1.5}, "Samples must be a whole number from 1 to 5000."),
    ({"samples": "x"}, "Samples must be a number from 1 to 5000."),
    ({"samples": None}, "Samples must be a number from 1 to 5000."),
    ({"samples": True}, "Samples must be a number from 1 to 5000."),
    ({"seed": -1}, "Seed must be from 0 to 4294967295."),
    ({"seed": math.nan}, "Seed must be from 0 to 4294967295."),
    ({"seed": 0.5}, "Seed must be a whole number from 0 to 4294967295."),
    ({"seed": None}, "Seed must be a number from 0 to 4294967295."),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD)
def test_bad_input_gets_one_sentence(url: str, changes: dict, sentence: str):
    good = {"drawing": GOOD, "model": BETA, "samples": 10, "seed": 0}
    event, answer = call(url, "vae_bound", json.dumps({"data": list((good | changes).values())}))
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300
    event, _ = call(url, "vae_bound", json.dumps({"data": list(good.values())}))
    assert event == "complete"


@pytest.mark.parametrize(
    ("elbo", "kl", "tightest"), [(82.25, 18.05, 80.65), (3000.04, 2900.06, 150.05), (0.1, 0.2, 0.1)]
)
def test_the_bars_are_as_long_as_the_numbers(elbo: float, kl: float, tightest: float):
    record = bound.Bound(1, 1, (1, 7), (-elbo, -tightest), (0.0, 0.0))
    shown = bound.show_sum(bound.parts_of(record, kl))
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", shown)]
    told = numbers(shown)
    assert round(told["reconstruction"] + told["kl"], 1) == told["elbo"]
    whole = max(told["elbo"], told["kl"])
    parts = [told[name] for name in ("reconstruction", "kl", "tightest", "hidden")]
    assert widths == pytest.approx([100 * max(0, part) / whole for part in parts], abs=1e-2)


GOOD_CURVE: dict[str, Any] = {
    "x": (1, 2), "y": (3.0, 2.0), "spread": (1.0, math.nan), "end": 5,
    "x_name": "K", "y_name": "bound", "band_name": "spread", "unit": "nats",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": (3.0,)}, "2 places, 1 values"),
        ({"x": (2, 2)}, "rise from 1"),
        ({"x": (0, 2)}, "rise from 1"),
        ({"x": (1, 6)}, "can't end at 5"),
        ({"x": (), "y": (), "spread": (), "end": 1}, "can't end at 1"),
        ({"y": (3.0, math.inf)}, "not finite"),
        ({"spread": (math.inf, 1.0)}, "not finite"),
    ],
)
def test_a_curve_refuses_what_is_none(changes: dict[str, Any], words: str):
    assert Curve(**GOOD_CURVE).payload()["spread"] == [1.0, None]
    with pytest.raises(ValueError, match=words):
        Curve(**(GOOD_CURVE | changes)).payload()
