"""The training of a GAN, with a tiny network's history: what is sent, and told without one."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from demo.activities import ModelTab
from demo.components.training_history import sprite
from demo.gan import training
from gm_core import checkpoints
from gm_core.files import write_safetensors
from gm_core.frames import TrainingRecord
from gm_core.training import history
from gm_core.training.gan import observe
from tests.gm_core.tiny import tiny

MODEL = "gan-mnist"
STEPS = (20, 60, 200, 700, 5000)


def save_history(folder: Path) -> None:
    """A tiny GAN, and what was kept of a training whose weights were only scaled."""
    model = tiny("gan", height=28, width=28, classes=10, latent=64)
    for number, step in enumerate(STEPS):
        with torch.no_grad():
            model.generator.first[0].weight *= 1.5
        losses = {"D": 0.3 + 0.05 * number, "G": 2 - 0.2 * number}
        record = TrainingRecord(step, 5000, losses, "", 1e-3, 1.0, observed=observe(model))
        history.keep(folder / "run", record)
    kept = history.gather(folder / "run", 5000)
    assert kept
    checkpoints.save(
        folder / MODEL, model, family="gan", dataset="mnist", training={"seed": 0}
    )  # fmt: skip
    write_safetensors(folder / MODEL / checkpoints.HISTORY, kept)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_history(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def kept(folder: Path) -> training.History:
    assert folder.exists()
    kept = training.read_history(MODEL)
    assert kept
    return kept


def decode(url: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def test_a_history_is_read_as_it_was_kept(kept: training.History):
    assert kept.images.shape == (5, 64, 28, 28, 1)
    assert (kept.steps, kept.loss_steps) == (STEPS, STEPS)
    assert kept.losses[:, 0] == pytest.approx([0.3, 0.35, 0.4, 0.45, 0.5])
    assert kept.losses[:, 1] == pytest.approx([2, 1.8, 1.6, 1.4, 1.2])
    assert len({sheet.tobytes() for sheet in kept.images}) == 5


def test_the_page_opens_with_the_last_snapshot_and_all_numbers(kept: training.History):
    value = training.show(MODEL, kept)
    last = decode(value["last"]).reshape(8, 28, 8, 28).transpose(0, 2, 1, 3)
    assert np.array_equal(last.reshape(64, 28, 28), kept.images[-1, ..., 0])
    assert value["steps"] == list(STEPS)
    assert np.allclose(value["scores"], kept.scores, atol=0.006)
    assert value["names"][:12] == [*"0123456789", "0", "1"]
    assert len(json.dumps(value)) < 150_000


def test_the_sprite_holds_every_snapshot_in_its_place(kept: training.History, folder: Path):
    whole = decode(training.all_pictures(folder / MODEL / checkpoints.HISTORY))
    assert whole.shape == (3 * 8 * 28, 3 * 8 * 28)
    for snapshot, tile in [(0, 0), (1, 63), (2, 8), (4, 21)]:
        y = (snapshot // 3 * 8 + tile // 8) * 28
        x = (snapshot % 3 * 8 + tile % 8) * 28
        assert np.array_equal(whole[y : y + 28, x : x + 28], kept.images[snapshot, tile, ..., 0])


def test_colours_stay_colours_in_a_sprite():
    images = np.random.default_rng(0).integers(256, size=(2, 4, 5, 5, 3), dtype=np.uint8)
    whole = decode(sprite(images))
    assert whole.shape == (20, 20, 3)
    assert np.array_equal(whole[:5, 15:20], images[1, 1])


def test_many_losses_become_few_points(kept: training.History):
    count = 3 * training.MOST_LOSSES - 1
    long = training.History(
        kept.images, kept.scores, kept.steps,
        np.arange(2 * count, dtype=np.float32).reshape(count, 2), tuple(range(1, count + 1)),
    )  # fmt: skip
    value = training.show(MODEL, long)
    assert len(value["losses"]) == training.MOST_LOSSES
    assert value["losses"][0] == [2, 3]  # the mean of three
    assert (value["lossSteps"][0], value["lossSteps"][-1]) == (3, count)


def test_without_a_history_there_is_a_sentence(folder: Path, tmp_path: Path):
    assert training.read_history("gan-fashion") is None
    for broken in (b"", b"no tensors", (folder / MODEL / checkpoints.HISTORY).read_bytes()[:-9]):
        path = tmp_path / str(len(broken)) / checkpoints.HISTORY
        path.parent.mkdir()
        path.write_bytes(broken)
        assert training._read(path) is None
    with gr.Blocks() as demo:
        training.build(ModelTab("gan", ("gan-fashion",)))
    [words] = [block for block in demo.blocks.values() if isinstance(block, gr.HTML)]
    assert "holds no snapshots of its training" in words.value
    assert "python -m gm_core.training gan-fashion" in words.value


def test_every_step_has_words():
    assert training.STAGES[0].step == 0
    steps = [stage.step for stage in training.STAGES]
    assert steps == sorted(set(steps))
