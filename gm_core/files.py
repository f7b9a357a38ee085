"""Files that are whole or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

# No room on the disk, in the user's share of it, or in what one file may hold.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(OSError):
    """There is no room for a file; the message names it and the mend."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Says of what is written to `path` that it did not fit: raises DiskFull for a full disk.

    Of a path within another one that is written, the outer one is named.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not isinstance(error, DiskFull) and _number(error) not in FULL:
            raise
        raise DiskFull(
            f"{path} can't be written, for its disk is full: make room there, or name a folder on "
            "another disk, then start again."
        ) from error


def _number(error: OSError | SafetensorError) -> int | None:
    """The system's number of an error, which safetensors has in its words alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder, which may have to be made first."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically; a reader sees the old file or the new one.

    Raises DiskFull.
    """
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors to `path` atomically. Raises DiskFull."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(contiguous, dict(metadata or {})))


def leftovers(path: Path) -> list[Path]:
    """What lies beside `path` because a process that was writing it was killed."""
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.*"))


def clear_leftovers(path: Path) -> None:
    """Remove them. Nobody else may be writing `path` at the time."""
    for left in leftovers(path):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()
