"""Files are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gm_core.files import write_bytes


def test_a_file_replaces_the_old_one(tmp_path: Path):
    path = tmp_path / "new" / "file"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").write_text("kept")
    with pytest.raises(OSError, match=r".+"):  # a file can't replace a folder
        write_bytes(target, b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
