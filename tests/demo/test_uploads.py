"""Temporary files stay under their cap; what is in use stays, too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from demo.serving import uploads


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    return tmp_path


def put(path: Path, size: int, age: float) -> Path:
    """A file that was written so many seconds ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    written = path.stat().st_mtime - age
    os.utime(path, (written, written))
    return path


def test_there_is_room_up_to_the_cap(folder: Path):
    assert uploads.room(folder) == 1000
    put(folder / "a" / "picture.png", 300, age=7200)
    assert uploads.room(folder) == 700


def test_the_oldest_go_when_the_cap_is_reached(folder: Path):
    oldest = put(folder / "a" / "picture.png", 400, age=7200)
    older = put(folder / "b" / "picture.png", 600, age=3600)
    assert uploads.room(folder) == 400
    assert not oldest.exists()
    assert older.exists()


def test_what_is_in_use_stays_and_nothing_more_fits(folder: Path):
    mine = put(folder / "a" / "picture.png", 1500, age=10)
    assert uploads.room(folder) == -500
    assert mine.exists()
