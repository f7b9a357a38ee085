"""What is read before anybody asks for it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

import gm_core
from demo.serving.warm_up import EDITOR, read_weights
from gm_core import checkpoints

SHIPPED = checkpoints.root()


def test_weights_are_read_though_some_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("classifier-mnist", "gan-mnist"):
        shutil.copytree(SHIPPED / name, tmp_path / name)
    (tmp_path / "classifier-mnist" / "model.safetensors").write_bytes(b"broken")
    monkeypatch.setenv("GM_CHECKPOINTS", str(tmp_path))
    read_weights()
    shutil.rmtree(tmp_path / "gan-mnist")
    assert gm_core.load("gan-mnist").config.latent > 0
    with pytest.raises(gm_core.BadCheckpoint):
        gm_core.load("classifier-mnist")


def test_while_the_editor_is_read_others_are_read_as_well():
    reading = checkpoints._loading.setdefault(EDITOR, threading.Lock())
    with reading:
        assert gm_core.load("classifier-mnist").config.classes == 10
