"""Prior and β: four models under the same z, and where their codes lie."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

import gm_core
from demo.activities import ModelTab
from demo.latent import prior
from demo.render import GAP
from gm_core import checkpoints, data
from gm_core.latent import survey
from gm_core.metrics import as_pictures
from gm_core.vae import latent_noise
from tests.demo.conftest import connect
from tests.gm_core.tiny import tiny

BETAS = {"vae-mnist-beta0": 0.0, "vae-mnist-beta4": 4.0}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, beta in BETAS.items():
        model = tiny("vae", height=28, width=28, latent=10, beta=beta)
        checkpoints.save(folder / name, model, family="vae", dataset="mnist", training={"seed": 0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            prior.build(ModelTab("vae", prior.MODELS))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield connect(url)
        demo.close()


def pictures(value: str) -> list[np.ndarray]:
    """The pixels of every picture, row by row."""
    urls = re.findall(r'src="data:image/png;base64,([^"]+)"', value)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(url)))) for url in urls]


def test_all_models_decode_the_same_codes_of_the_prior(client: Client):
    value, told = client.predict(9, api_name="/vae_prior")
    assert re.findall(r"<b>(.*?)</b>", value) == 3 * ["β = 0", "β = 4"]
    z = latent_noise(9, 16, 10)
    for sheet, name in zip(pictures(value), BETAS, strict=False):
        decoded = (255 * gm_core.load(name).decode(z)[:, 0]).round().byte().numpy()
        for index, tile in enumerate(decoded):
            top, left = (place * (28 + GAP) for place in divmod(index, 4))
            assert np.array_equal(sheet[top : top + 28, left : left + 28], tile)
    assert "Seed 9: the same 16 z" in told


def test_the_plane_shows_where_the_codes_lie(client: Client):
    value, told = client.predict(0, api_name="/vae_prior")
    models = [gm_core.load(name) for name in BETAS]
    images = as_pictures(models[0], data.load("mnist", "sample").images)
    records = list(survey(models, images, count=16, seed=0, reach=prior.REACH, cells=60))
    for plane, record in zip(pictures(value)[4:], records, strict=True):
        assert plane.shape == (60, 60, 4)
        assert np.array_equal(plane[..., 3] > 0, record.density.numpy() > 0)
    assert f"{records[0].used} at β = 0" in told
    assert f"{records[0].inside:.0%} of the codes" in value


@pytest.mark.parametrize("seed", [-1, 10**400, 1.5, "x", None, True, [1]])
def test_wrong_seeds_are_refused(client: Client, seed: Any):
    with pytest.raises((AppError, ValueError), match="Seed"):
        client.predict(seed, api_name="/vae_prior")
    value, _ = client.predict(1, api_name="/vae_prior")
    assert len(pictures(value)) == 6


def test_figures_that_are_not_measured_are_not_made_up(client: Client):
    del client
    assert "not yet measured" in prior.measured(tuple(BETAS))
