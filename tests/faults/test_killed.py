"""Killed while it downloads, trains or saves, and started again: whole or absent, never half."""

from __future__ import annotations

import itertools
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gm_core import checkpoints, hub
from gm_core.hub import Source
from gm_core.training.__main__ import main
from tests.faults import children
from tests.faults.children import exit_code, save, trained
from tests.gm_core.stand_in import UNET, Answer, StandIn, contents, serving
from tests.gm_core.test_data import write_torchvision_layout

KILLED = -signal.SIGKILL
SOURCE = Source("class/bytes", "0123456789abcdef" * 2 + "01234567", ("model_index.json", UNET))
FILES = {"model_index.json": b"{}", UNET: bytes(range(256)) * 4096}


# --- a download -----------------------------------------------------------------------------------


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with serving(FILES, SOURCE.repo, SOURCE.revision) as server:
        yield server


def half_then_silence(answer: Answer, data: bytes) -> None:
    answer.begin(data)
    answer.server.may_go_on.wait()
    answer.close_connection = True


@pytest.mark.parametrize("point", ["asked", "half", "named", "linked"])
def test_a_download_that_was_killed_goes_on(stand_in: StandIn, tmp_path: Path, point: str):
    if point == "half":
        stand_in.once(UNET, half_then_silence)
    assert exit_code(children.fetch, SOURCE, tmp_path, stand_in.endpoint, point) == KILLED
    assert hub.find(SOURCE, tmp_path) is None
    there = contents(SOURCE.storage(tmp_path)) if point != "asked" else {}
    begun = {name for name in there if name.endswith(".incomplete")}
    assert len(begun) == (point in ("half", "named"))
    assert all(there[name] in FILES.values() for name in there.keys() - begun)

    stand_in.headers.clear()
    list(hub.fetch(SOURCE, cache=tmp_path, endpoint=stand_in.endpoint))
    assert contents(hub.find(SOURCE, tmp_path)) == FILES
    assert not list(tmp_path.rglob("*.incomplete"))
    if point == "half":
        asked = {headers.get("range") for headers in stand_in.headers}
        assert f"bytes={len(FILES[UNET]) // 2}-" in asked


# --- training -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return trained(tmp_path_factory.mktemp("run") / "state.safetensors").state_dict()


@pytest.mark.parametrize(
    ("point", "killed_by", "saved"),
    [
        ("unsaved", signal.SIGKILL, None),
        ("between", signal.SIGKILL, 2),
        ("half", signal.SIGXFSZ, 2),
        ("whole", signal.SIGKILL, 2),
    ],
)
def test_a_killed_training_ends_as_any_other(undisturbed, tmp_path: Path, point, killed_by, saved):
    state = tmp_path / "state.safetensors"
    assert exit_code(children.train_until, state, point) == -killed_by
    beside = [path for path in tmp_path.iterdir() if path != state]
    assert len(beside) == (point in ("half", "whole"))
    assert state.exists() == (saved is not None)
    if saved is not None:
        assert load_file(state)["optimiser.step.logits.bias"] == saved

    weights = trained(state).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in undisturbed.items())
    assert list(tmp_path.iterdir()) == [state]


def test_weights_that_went_astray_replace_no_saved_state(tmp_path: Path):
    state = tmp_path / "state.safetensors"
    trained(state, steps=2)
    good = state.read_bytes()
    with pytest.raises(FloatingPointError):
        trained(state, learning_rate=1e38)
    assert state.read_bytes() == good


# --- a checkpoint ---------------------------------------------------------------------------------


def seed_of(folder: Path) -> int:
    """Which of the saved checkpoints a whole one is."""
    checkpoints.read(folder)
    checkpoints.read_golden(folder)
    return checkpoints._read_manifest(folder)["training"]["seed"]


def test_a_checkpoint_is_whole_wherever_its_save_was_killed(tmp_path: Path):
    found: list[int | None] = []
    before = tmp_path / "before"
    save(before / "pixelcnn-mnist", seed=0)
    (before / "pixelcnn-mnist" / checkpoints.CARD).write_text("card")
    for change in itertools.count(1):
        folder = shutil.copytree(before, tmp_path / str(change)) / "pixelcnn-mnist"
        code = exit_code(children.save_checkpoint, folder, 1, change)
        if code == 0:
            break
        assert code == KILLED
        found.append(seed_of(folder) if folder.exists() else None)
        save(folder, seed=2)  # started again
        assert seed_of(folder) == 2
        assert (folder / checkpoints.CARD).read_text() == "card"
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    # The old one, then for one moment none, then the new one.
    assert [found.count(each) > 0 for each in (0, None, 1)] == [True, True, True]
    assert found == sorted(found, key=(0, None, 1).index)
    assert found.count(None) == 1
    assert len(found) > 10


@pytest.mark.parametrize(
    ("word", "change"), [("state.safetensors", 2), ("/out/classifier-mnist", 1)]
)
def test_the_command_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch, word, change):
    write_torchvision_layout(tmp_path, 24)
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path))

    def command(name: str) -> list[str]:
        run, output = tmp_path / name, tmp_path / name / "out" / "classifier-mnist"
        steps = ["classifier-mnist", "--steps=2", "--batch-size=4"]
        return [*steps, f"--run={run}", f"--output={output}"]

    main(command("straight"))
    killed = command("killed")
    assert exit_code(children.run_command, killed, tmp_path, word, change) == KILLED
    output = tmp_path / "killed" / "out" / "classifier-mnist"
    assert not output.exists()
    main(killed)
    straight = checkpoints.read(tmp_path / "straight" / "out" / "classifier-mnist").state_dict()
    weights = checkpoints.read(output).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in straight.items())
