"""Loading is strict: whatever is wrong with a file is said by name, with the mend."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import gm_core
from gm_core import checkpoints
from gm_core.checkpoints import BadCheckpoint, MissingWeights
from tests.gm_core.tiny import tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pixelcnn-mnist"
    checkpoints.save(
        path, tiny("pixelcnn"), family="pixelcnn", dataset="mnist", training={"seed": 0}
    )
    return path


def change_manifest(folder: Path, change) -> None:
    path = folder / "config.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def replace_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Other weights with an honest manifest: the hash is right, the contents are not."""
    path = folder / "model.safetensors"
    save_file(tensors, path)
    data = path.read_bytes()
    change_manifest(
        folder,
        lambda manifest: manifest["files"].update(
            {path.name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}}
        ),
    )


def refused(folder: Path, file: str) -> str:
    with pytest.raises(BadCheckpoint) as caught:
        checkpoints.read(folder)
    message = str(caught.value)
    assert str(folder / file) in message
    assert "Fetch the repository's `checkpoints/` again" in message
    return message


def test_a_flipped_bit_is_noticed(folder: Path):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "not those its manifest lists" in refused(folder, path.name)


def test_a_truncated_file_is_noticed(folder: Path):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "not those its manifest lists" in refused(folder, path.name)


def test_a_pickle_is_refused_even_with_the_right_hash(folder: Path):
    path = folder / "model.safetensors"
    torch.save(tiny("pixelcnn").state_dict(), path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    change_manifest(folder, lambda m: m["files"][path.name].update(sha256=digest))
    assert "not a safetensors file" in refused(folder, path.name)


def test_missing_weights_are_named(folder: Path):
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingWeights, match=r"model\.safetensors is missing"):
        checkpoints.read(folder)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(MissingWeights, match="pixelcnn-mnist"):
        gm_core.load("pixelcnn-mars")


@pytest.mark.parametrize("kind", ["missing", "extra", "shape", "dtype", "nan"])
def test_weights_must_fit_exactly(folder: Path, kind: str):
    tensors = load_file(folder / "model.safetensors")
    key = "hidden.weight"
    if kind == "missing":
        del tensors[key]
    elif kind == "extra":
        tensors["other"] = torch.zeros(1)
    elif kind == "shape":
        tensors[key] = tensors[key][:-1].clone()
    elif kind == "dtype":
        tensors[key] = tensors[key].float()
    else:
        tensors[key][0] = torch.nan
    replace_weights(folder, tensors)
    message = refused(folder, "model.safetensors")
    assert ("other" if kind == "extra" else key) in message


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("family"),
        lambda manifest: manifest.update(family="pixelcnnn"),
        lambda manifest: manifest.update(config=3),
        lambda manifest: manifest["config"].update(colours=3),
        lambda manifest: manifest["config"].pop("features"),
        lambda manifest: manifest["config"].update(features="many"),
        lambda manifest: manifest["config"].update(features=-1),
        lambda manifest: manifest.update(files=[]),
        lambda manifest: manifest.update(files={}),
    ],
)
def test_a_foreign_config_is_refused(folder: Path, change):
    change_manifest(folder, change)
    # A config that has lost a field with a default describes another network.
    with pytest.raises(BadCheckpoint, match=r"config\.json|model\.safetensors"):
        checkpoints.read(folder)


def test_a_config_that_is_not_json_is_refused(folder: Path):
    (folder / "config.json").write_text("{")
    assert "not JSON" in refused(folder, "config.json")


def test_a_huge_config_allocates_nothing(folder: Path):
    change_manifest(folder, lambda manifest: manifest["config"].update(features=10**6))
    assert "wrong shape" in refused(folder, "model.safetensors")


def test_a_failed_save_leaves_the_old_checkpoint(folder: Path):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    broken = tiny("pixelcnn")
    with torch.no_grad():
        broken.logits.bias[0] = torch.nan  # noticed late: when the weights are read back
    with pytest.raises(BadCheckpoint, match="not finite"):
        checkpoints.save(folder, broken, family="pixelcnn", dataset="mnist", training={})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_failed_save_puts_the_old_checkpoint_back(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    rename = Path.rename

    def fail_for_the_new(path: Path, target: Path) -> Path:
        if path.name == folder.name and target == folder:
            raise OSError("disk full")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(
            folder, tiny("pixelcnn"), family="pixelcnn", dataset="mnist", training={"seed": 1}
        )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_new_weights_keep_the_card_and_lose_the_old_figures(folder: Path):
    (folder / "README.md").write_text("card")
    (folder / "metrics.json").write_text("{}")
    checkpoints.save(
        folder, tiny("pixelcnn"), family="pixelcnn", dataset="mnist", training={"seed": 1}
    )
    assert (folder / "README.md").read_text() == "card"
    assert not (folder / "metrics.json").exists()
    assert json.loads((folder / "config.json").read_text())["training"] == {"seed": 1}


def test_figures_of_other_weights_do_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GM_CHECKPOINTS", str(folder.parent))
    weights = checkpoints.describe("pixelcnn-mnist").weights
    path = folder / "metrics.json"
    path.write_text(json.dumps({"figures": [], "weights": weights}))
    assert checkpoints.describe("pixelcnn-mnist").metrics is not None
    path.write_text(json.dumps({"figures": [], "weights": "0" * 64}))
    assert checkpoints.describe("pixelcnn-mnist").metrics is None
    path.write_text("{")
    with pytest.raises(BadCheckpoint, match=r"metrics\.json"):
        checkpoints.describe("pixelcnn-mnist")


def test_checkpoints_can_lie_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GM_CHECKPOINTS", str(folder.parent))
    assert gm_core.available() == ("pixelcnn-mnist",)
    assert gm_core.load("pixelcnn-mnist", "cpu").config.features == 6
    monkeypatch.delenv("GM_CHECKPOINTS")
    assert gm_core.load("pixelcnn-mnist", "cpu").config.features == 64
