"""The disk is full: at the start, at an upload, at a save. One sentence, nothing half, and on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.small_disk import on_small_disk

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process has found that ran on a small disk and filled it again and again."""
    folder = tmp_path_factory.mktemp("disk")
    command = [sys.executable, "-m", "tests.faults.small_disk", str(folder)]
    done = subprocess.run(
        on_small_disk(folder, command), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("save", ["save_checkpoint", "save_state", "keep_history", "save_pipeline"])
def test_a_save_says_what_did_not_fit_and_leaves_nothing_half(found: dict[str, Any], save: str):
    kind, message = found[save]["error"]
    assert kind == "DiskFull"
    assert message.startswith(found[save]["names"])
    assert message.endswith("make room there, or name a folder on another disk, then start again.")
    assert found[save]["whole"]
    assert found[save]["next"]


def test_an_app_opens_and_answers_though_its_folders_are_full(found: dict[str, Any]):
    assert found["upload"]["opened"] == 200
    assert "here" in found["upload"]["answered"]


@pytest.mark.parametrize("upload", ["refused", "unforeseen"])
def test_an_upload_that_does_not_fit_is_refused_in_a_sentence(found: dict[str, Any], upload: str):
    code, sentence = found["upload"][upload]
    assert code == 507
    assert sentence.startswith("The server has no room for this file at the moment: ")
    assert found["upload"]["fits"] == 200
    if found["is_small"]:
        assert found["upload"]["too_large"] == 507
        assert not any(name.startswith("tmp") for name in found["upload"]["left"])


def test_without_room_for_temporary_files_the_start_fails_in_a_sentence(tmp_path: Path):
    # No file may grow, so that every folder is as good as full.
    done = subprocess.run(
        ["sh", "-c", "ulimit -f 0; exec \"$@\"", "sh", sys.executable, str(ROOT / "app.py")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("There is no room for temporary files: ")
    assert "TMPDIR" in line
