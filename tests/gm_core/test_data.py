"""Data sets: the shipped sample, torchvision's layout, drawn characters, binarisation."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dicebear import Avatar, Style
from safetensors import safe_open
from safetensors.torch import load_file

from gm_core import data, dicebear, edit_pairs
from gm_core.randomness import stream

WITH_SAMPLES = [name for name, known in data.DATASETS.items() if known.sample_images]
names = pytest.mark.parametrize("name", WITH_SAMPLES)


SHAPES = {
    "mnist": (2000, 1, 28, 28), "fashion": (2000, 1, 28, 28), "pixelart": (1000, 3, 16, 16),
    "avatars": (480, 3, 64, 64),
}  # fmt: skip


@names
def test_the_shipped_sample_is_balanced(name: str):
    sample = data.load(name, "sample")
    classes = len(data.DATASETS[name].class_names)
    assert sample.images.shape == SHAPES[name]
    assert sample.images.dtype == torch.uint8
    assert sample.labels.dtype == torch.int64
    assert torch.bincount(sample.labels).tolist() == [len(sample) // classes] * classes
    assert sample.images.max() == 255


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
    write_torchvision_layout(tmp_path / "full", 3000)
    path = data.write_sample("mnist", tmp_path / "full", folder=tmp_path)
    assert path == tmp_path / "mnist.safetensors"
    test, sample = data.load("mnist", "test", tmp_path / "full"), load_file(path)
    of_first_class = test.images[test.labels == 0]
    chosen = data.from_png(sample["png"], 2000)[sample["labels"] == 0]
    assert torch.equal(chosen[0], of_first_class[0])
    assert torch.equal(chosen[-1], of_first_class[-1])


@pytest.mark.parametrize(
    ("name", "split"), [("mnist2", "train"), ("mnist", "validation"), ("pixelart", "validation")]
)
def test_unknown_names_are_refused(name, split):
    with pytest.raises(ValueError, match="There is no"):
        data.load(name, split)


def test_data_that_cannot_be_had_is_named(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(data.MissingData, match="GM_DATA_DIR"):
        data.load("mnist", "train", blocked)


PIXELART = data.DRAWN["pixelart"]


def change_pixelart(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setitem(data.DRAWN, "pixelart", replace(data.DRAWN["pixelart"], **changes))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Pixelart with nine characters, an empty cache and no other folder; the cache's path."""
    change_pixelart(monkeypatch, counts={"train": 6, "test": 3})
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    monkeypatch.delenv("GM_DATA_DIR", raising=False)
    return tmp_path / "cache" / "pixelart" / "pixelart.safetensors"


def draw(split: str, number: int) -> dicebear.Rendering:
    return dicebear.render("pixel-art", {"seed": f"{split}-{number}", **PIXELART.options}, 16)


def test_pixelart_is_drawn_by_seed(few: Path):
    train, test = data.load("pixelart", "train"), data.load("pixelart", "test")
    assert torch.equal(train.images, torch.stack([draw("train", i).image for i in range(6)]))
    assert torch.equal(test.images, torch.stack([draw("test", i).image for i in range(3)]))
    assert train.labels.dtype == test.labels.dtype == torch.int64
    with safe_open(few, framework="pt") as file:
        assert dicebear.versions().items() <= file.metadata().items()


def test_pixelart_is_drawn_once_while_its_recipe_stays(few: Path, monkeypatch: pytest.MonkeyPatch):
    first = data.load("pixelart", "train")
    written = few.stat().st_ino
    assert torch.equal(data.load("pixelart", "train").images, first.images)
    assert few.stat().st_ino == written
    change_pixelart(monkeypatch, counts={"train": 8, "test": 3})
    assert len(data.load("pixelart", "train")) == 8


def test_the_shipped_pixelart_is_what_the_seeds_draw():
    """The sample begins with the first character of every class among the test's seeds."""
    sample = data.load("pixelart", "sample")
    classes = len(data.DATASETS["pixelart"].class_names)
    first: dict[int, torch.Tensor] = {}
    for number in range(60):
        character = draw("test", number)
        first.setdefault(PIXELART.label(character.options), character.image)
    for label in range(classes):
        assert torch.equal(sample.images[sample.labels == label][0], first[label])


def test_the_labels_of_pixelart_name_what_is_drawn():
    style = Style(
        json.loads(resources.files("dicebear_styles").joinpath("pixel-art.json").read_text())
    )
    met = set()
    for number in range(60):
        options = {"seed": f"test-{number}", **PIXELART.options}
        drawing = Avatar(style, options).to_string()  # the parts of an SVG drawing have names
        expected = "long hair" if 'id="hair-long' in drawing else "short hair"
        expected += ", hat" if 'id="hat-' in drawing else ""
        expected += ", glasses" if 'id="glasses-' in drawing else ""
        label = PIXELART.label(draw("test", number).options)
        assert data.DATASETS["pixelart"].class_names[label] == expected
        met.add(label)
    assert met == set(range(8))


def test_the_attributes_of_avatars_are_the_choices_they_were_drawn_from():
    avatars = data.DRAWN["avatars"]
    plain = {
        "hairColor": ["#f29c65"], "eyesVariant": "open", "mouthVariant": "frown",
        "facialHairProbability": 0,
    }  # fmt: skip
    changes = {
        "dark hair": {"hairColor": ["#362c47"]},
        "glasses": {"eyesVariant": "sunglasses"},
        "smile": {"mouthVariant": "bigSmile"},
        "beard": {"facialHairProbability": 100},
    }
    names = data.DATASETS["avatars"].class_names
    assert names[avatars.label(plain)] == "bright hair"
    for attribute, change in changes.items():
        label = torch.tensor([avatars.label(plain | change)])
        answers = data.attributes("avatars", label)
        assert [name for name, has in answers.items() if has] == [attribute]
        assert attribute in names[int(label)]


def test_the_shipped_avatars_are_what_the_seeds_draw():
    avatars, sample = data.DRAWN["avatars"], data.load("avatars", "sample")
    first = dicebear.render("personas", {"seed": "test-0", **avatars.options}, 64)
    label = avatars.label(first.options)
    assert torch.equal(sample.images[sample.labels == label][0], first.image)


@pytest.mark.parametrize(("option", "rows"), [("hat", (0, 5)), ("glasses", (4, 9))])
def test_hats_and_glasses_can_be_seen(option: str, rows: tuple[int, int]):
    for number in range(40):
        options = draw("test", number).options
        images = [
            dicebear.render("pixel-art", {**options, f"{option}Probability": percent}, 16).image
            for percent in (0, 100)
        ]
        difference = (images[0] != images[1]).any(dim=0)
        assert difference[slice(*rows)].sum() == difference.sum()
        assert difference.sum() >= 12


def test_no_character_is_drawn_twice(monkeypatch: pytest.MonkeyPatch):
    """Eight characters that differ in their skin alone: each comes once, in train or in test."""
    fixed = {
        key: value
        for key, value in draw("test", 0).options.items()
        if key not in ("seed", "skinColor")
    }
    change_pixelart(monkeypatch, options=fixed, counts={"train": 5, "test": 3})
    drawn = data.draw("pixelart")
    images = torch.cat([drawn["train_images"], drawn["test_images"]])
    assert len(images) == len(images.unique(dim=0)) == 8


def test_pixelart_lies_in_a_named_folder(few: Path, tmp_path: Path):
    data.load("pixelart", "test", tmp_path / "named")
    assert (tmp_path / "named" / "pixelart" / "pixelart.safetensors").exists()
    assert not few.exists()


def test_pixelart_lies_in_the_data_folder(few, tmp_path, monkeypatch):
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path / "shared"))
    data.load("pixelart", "test")
    assert (tmp_path / "shared" / "pixelart" / "pixelart.safetensors").exists()
    assert not few.exists()


def test_pixelart_lies_in_the_cache_where_it_must(few, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path / "file" / "data"))
    data.load("pixelart", "test")
    assert few.exists()


@pytest.mark.usefixtures("few")
def test_pixelart_that_cannot_be_written_is_named(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(data.MissingData, match=r"file.*GM_DATA_DIR"):
        data.load("pixelart", "train", blocked)


def test_missing_packages_are_named(few, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)  # as where it is not installed
    with pytest.raises(data.MissingData, match=r"pip install .*resvg-py"):
        data.load("pixelart", "train")
    assert not few.exists()


def test_samples_need_no_package_that_draws_or_downloads():
    code = (
        "import sys; from gm_core import data;"
        f"print([len(data.load(name, 'sample')) for name in {WITH_SAMPLES}]);"
        "print({'dicebear', 'resvg_py', 'torchvision'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines() == ["[2000, 2000, 1000, 480]", "set()"], result.stderr


def test_pairs_of_edits_are_drawn_once_and_have_no_sample(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(edit_pairs, "COUNTS", {"train": 3, "test": 2})
    train = data.load("edits", "train", tmp_path)
    assert train.images.shape == (3, 6, 64, 64)
    assert train.labels.shape == (3,)
    written = (tmp_path / "edits" / "edits.safetensors").stat().st_mtime_ns
    assert len(data.load("edits", "test", tmp_path)) == 2
    assert (tmp_path / "edits" / "edits.safetensors").stat().st_mtime_ns == written
    with pytest.raises(ValueError, match="No sample of edits"):
        data.load("edits", "sample")


def test_binarisation_draws_by_brightness():
    images = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).view(1, 4, 1, 1)
    levels = data.binarise(images.expand(4000, -1, -1, -1), stream(0))
    assert set(levels.unique().tolist()) == {0, 1}
    shares = levels.float().mean(dim=(0, 2, 3))
    assert shares[0] == 0
    assert shares[3] == 1
    assert shares[1].item() == pytest.approx(64 / 255, abs=0.04)
    assert shares[2].item() == pytest.approx(128 / 255, abs=0.04)
