"""Data sets: the shipped sample, torchvision's layout, binarisation."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gm_core import data
from gm_core.randomness import stream

names = pytest.mark.parametrize("name", sorted(data.DATASETS))


@names
def test_the_shipped_sample_is_balanced(name: str):
    sample = data.load(name, "sample")
    assert sample.images.shape == (1000, 1, 28, 28)
    assert sample.images.dtype == torch.uint8
    assert sample.labels.dtype == torch.int64
    assert torch.bincount(sample.labels).tolist() == [100] * 10
    assert sample.images.max() == 255
    assert len(data.DATASETS[name].class_names) == 10


def write_torchvision_layout(root: Path, count: int) -> np.ndarray:
    """A data set of random images in MNIST's own files, under `root`."""
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
            array = array.astype(np.uint8)
            header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
            (raw / f"{split}-{kind}-ubyte").write_bytes(header + array.tobytes())
            (raw / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(b""))
    return images


def test_the_full_set_is_read_in_torchvisions_layout(tmp_path: Path, monkeypatch):
    images = write_torchvision_layout(tmp_path, 1000)
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path))
    loaded = data.load("mnist", "train")
    assert torch.equal(loaded.images, torch.from_numpy(images)[:, None])
    assert loaded.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_the_sample_is_spread_over_the_test_set(tmp_path: Path):
    write_torchvision_layout(tmp_path / "full", 2000)
    path = data.write_sample("mnist", tmp_path / "full", folder=tmp_path)
    assert path == tmp_path / "mnist.safetensors"
    test, sample = data.load("mnist", "test", tmp_path / "full"), load_file(path)
    of_first_class = test.images[test.labels == 0]
    chosen = sample["images"][sample["labels"] == 0]
    assert torch.equal(chosen[0], of_first_class[0])
    assert torch.equal(chosen[-1], of_first_class[-1])


@pytest.mark.parametrize(("name", "split"), [("mnist2", "train"), ("mnist", "validation")])
def test_unknown_names_are_refused(name, split):
    with pytest.raises(ValueError, match="There is no"):
        data.load(name, split)


def test_data_that_cannot_be_had_is_named(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(data.MissingData, match="GM_DATA_DIR"):
        data.load("mnist", "train", blocked)


def test_binarisation_draws_by_brightness():
    images = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).view(1, 4, 1, 1)
    levels = data.binarise(images.expand(4000, -1, -1, -1), stream(0))
    assert set(levels.unique().tolist()) == {0, 1}
    shares = levels.float().mean(dim=(0, 2, 3))
    assert shares[0] == 0
    assert shares[3] == 1
    assert shares[1].item() == pytest.approx(64 / 255, abs=0.04)
    assert shares[2].item() == pytest.approx(128 / 255, abs=0.04)
