"""D's scores of drawings, with a tiny network: what is measured, told, predicted, and refused."""

from __future__ import annotations

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
from demo.activities import TITLES, ModelTab
from demo.components import score_axis
from demo.components.pad import Drawing, read
from demo.gan import critic
from gm_core import checkpoints, data
from tests.demo.test_api import call
from tests.gm_core.tiny import tiny

MODEL = "gan-mnist"
H = W = 28


def save_critic(folder: Path) -> None:
    """A tiny GAN that minds what it sees."""
    model = tiny("gan", height=H, width=W, classes=10, latent=8)
    with torch.no_grad():
        model.discriminator.label.weight.normal_(std=0.5)
    checkpoints.save(folder / MODEL, model, family="gan", dataset="mnist", training={"seed": 0})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_critic(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        patch.setitem(TITLES, MODEL, "GAN")
        yield folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    assert folder.exists()
    with gr.Blocks() as demo:
        critic.build(ModelTab("gan", (MODEL,)))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def drawing(pixels: np.ndarray) -> dict[str, Any]:
    return Drawing(pixels.astype(np.uint8), np.zeros(pixels.shape, np.bool_)).payload()


def digit(index: int = 0) -> np.ndarray:
    return data.load("mnist", "sample").images[index, 0].numpy()


def by_library(pixels: np.ndarray, label: int | None) -> float:
    with torch.no_grad():
        image = torch.from_numpy(pixels)[None, None] / 255
        return float(gm_core.load(MODEL).realness(image, label)[0])


def test_the_actions_are_named(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    wanted = {"/gan_critic", "/gan_critic_change", "/gan_critic_probes"}
    assert set(api["named_endpoints"]) == wanted


@pytest.mark.parametrize("chosen", ["any", "3"])
def test_a_drawing_is_scored_and_placed(client: Client, chosen: str):
    axis, told = client.predict(drawing(digit()), MODEL, chosen, api_name="/gan_critic")
    label = None if chosen == "any" else 3
    score = by_library(digit(), label)
    kinds = critic.reference(MODEL, label)
    real, generated = (100 * (each < score).mean() for each in (kinds.real, kinds.generated))
    said = f"{score_axis.signed(score)}. Lower scores: {real:.1f} % of the real and "
    assert f"{said}{generated:.1f} % of the generated pictures." in told
    assert '<div class="said"' in axis
    assert score_axis.signed(score) in axis
    assert ("as “3”" in told) == (label == 3)


@pytest.mark.usefixtures("folder")
def test_the_reference_is_of_the_class():
    model, sample = gm_core.load(MODEL), data.load("mnist", "sample")
    kinds = critic.reference(MODEL, 4)
    assert len(kinds.real) == len(kinds.generated) == 200
    with torch.no_grad():
        fours = model.realness(sample.images[sample.labels == 4] / 255, 4)
        drawn = model.generate(model.sample_latent(200, seed=0), 4)
        forged = model.realness(drawn, 4)
    assert np.allclose(kinds.real, fours, atol=1e-5)
    assert np.allclose(kinds.generated, forged, atol=1e-5)


def test_changes_do_what_they_say(client: Client):
    pixels = digit(3)
    wanted = {
        "Invert colours": 255 - pixels,
        "Shift 3 px": np.pad(pixels, ((3, 0), (3, 0)))[:H, :W],
        "Blank": np.zeros_like(pixels),
    }
    for kind, after in wanted.items():
        value, _, told = client.predict(
            kind, drawing(pixels), MODEL, "any", api_name="/gan_critic_change"
        )
        assert np.array_equal(read(value, H, W).pixels, after)
        change = by_library(after, None) - by_library(pixels, None)
        assert f"The change: {'+' if change >= 0 else ''}{score_axis.signed(change)}." in told
        assert (critic.EMPTY in told) == (kind == "Blank")
    value, *_ = client.predict(
        "Add noise", drawing(pixels), MODEL, "any", api_name="/gan_critic_change"
    )
    changed = (read(value, H, W).pixels != pixels).mean()
    assert 0.005 < changed < 0.05


@pytest.mark.usefixtures("folder")
def test_probes_are_what_they_are_called():
    images = critic.probe_images("mnist")
    real = images[critic.AS_IT_IS]
    assert all(pictures.shape == real.shape == (25, 1, H, W) for pictures in images.values())
    assert all(pictures.min() >= 0 and pictures.max() <= 1 for pictures in images.values())
    assert images["thinner"].sum() < real.sum() < images["bolder"].sum()
    assert (images["thinner"] <= real).all()
    assert torch.equal(images["shifted by 3 px"][:, :, 3:, 3:], real[:, :, :-3, :-3])
    assert torch.equal(images["halves of two"][..., :14], real[..., :14])
    clothes = data.load("fashion", "sample").images[0] / 255
    assert torch.equal(images["a picture of clothes"][0], clothes)


def test_the_prediction_is_judged_by_mean_scores(client: Client):
    images = critic.probe_images("mnist")
    with torch.no_grad():
        model = gm_core.load(MODEL)
        scores = {name: float(model.realness(each).mean()) for name, each in images.items()}
    ranked = sorted(scores, key=lambda name: -scores[name])
    _, told = client.predict(ranked[0], MODEL, api_name="/gan_critic_probes")
    assert told.startswith(f"As you predicted, D finds “{ranked[0]}” the most real")
    row, told = client.predict(ranked[-1], MODEL, api_name="/gan_critic_probes")
    assert told.startswith(f"You predicted “{ranked[-1]}”, but D finds “{ranked[0]}” the most real")
    for score in scores.values():
        assert f"<strong>{score_axis.signed(score)}</strong>" in row
    assert row.count(" predicted") == row.count(" first") == 1
    above = [name for name in scores if scores[name] > scores[critic.AS_IT_IS]]
    assert ("More real than real, to D: " in told) == bool(above)
    assert "<strong>?</strong>" in critic.show_probes(MODEL, None, revealed=False)


def test_the_axis_stays_and_marks_beyond_it_wait_at_the_edge():
    kinds = score_axis.Kinds(np.linspace(-1, 1, 50), np.linspace(-2, 0, 50))
    low, high = kinds.ends
    assert low < -2 < 1 < high
    assert kinds.lower(0.0) == (0.5, 0.98)
    inside, beyond = (score_axis.axis(kinds, score, ("a", "b")) for score in (0.0, 1e6))
    assert inside.partition('<div class="ticks"')[2] == beyond.partition('<div class="ticks"')[2]
    assert 'class="here" style="left:100.00%"' in beyond
    assert "1000000.00 ▶" in beyond
    assert f'class="here" style="left:{100 * (0 - low) / (high - low):.2f}%"' in inside
    flat = score_axis.Kinds(np.ones(3), np.ones(3))
    assert "nan" not in score_axis.axis(flat, 1.0, ("a", "b"))
    assert score_axis.signed(-0.001) == "0.00"


BLANK = drawing(np.zeros((H, W)))
BAD = [
    ("gan_critic", [None, MODEL, "any"], "The drawing must be 28 by 28 pixels"),
    ("gan_critic", [drawing(np.zeros((9, 9))), MODEL, "any"], "The drawing must be 28 by 28"),
    ("gan_critic", [BLANK, "nothing", "any"], "Model must be one of: gan-mnist."),
    ("gan_critic", [BLANK, MODEL, "11"], "Class must be one of: any, 0,"),
    ("gan_critic", [BLANK, MODEL, None], "Class must be one of: any, 0,"),
    ("gan_critic_change", ["Eat", BLANK, MODEL, "any"], "Change must be one"),
    ("gan_critic_probes", [None, MODEL], "Predict first: choose one of the kinds"),
    ("gan_critic_probes", ["bold", MODEL], "Prediction must be one of: real, as it is,"),
    ("gan_critic_probes", [math.nan, MODEL], "Prediction must be one of: real, as it is,"),
    ("gan_critic_probes", ["bolder", 10**400], "Model must be one of: gan-mnist."),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "sent", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_input_gets_one_sentence(url: str, endpoint: str, sent: list[Any], sentence: str):
    event, answer = call(url, endpoint, json.dumps({"data": sent}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)
