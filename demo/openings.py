"""What the tabs open with, drawn beforehand: `python -m demo.openings` draws and keeps it anew.

To draw all first pictures takes as long as everything else at the start of the app together. So
the records of the slower calls ship, beside a name for the weights that made them. Where these
differ, or a call is another one, it is computed as any other.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine
from gm_core import checkpoints
from gm_core.files import write_bytes

FILE = Path(__file__).with_suffix(".npz")
# Those of a tenth of a second and more, but for what is heavier than it is slow (the laboratory's
# training) and for what has seconds in it, which are this machine's own (teacher forcing).
SHIPPED = ("sample", "dependency", "surprise", "survey", "classify", "nine", "tighten")
SOURCE = "gm_core."  # nothing else is ever imported for a record

Arrays = dict[str, NDArray[Any]]
Kept = dict[str, Any]  # by the name of a call with its arguments: its records, as JSON has them


def weights() -> str:
    """A name for all weights that are here."""
    found = [checkpoints.describe(name).weights for name in checkpoints.available()]
    return hashlib.sha256(" ".join(found).encode()).hexdigest()


def name_of(call: str, arguments: Mapping[str, Any]) -> str:
    """A name for a call with its arguments, in which there may be a million numbers."""
    name = hashlib.sha256(call.encode())
    for key, value in sorted(arguments.items()):
        name.update(key.encode())
        if isinstance(value, list):
            array = np.asarray(value)
            name.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
        else:
            name.update(repr(value).encode())
    return name.hexdigest()[:16]


# --- records as JSON and arrays ------------------------------------------------------------------


def pack(value: Any, arrays: Arrays) -> Any:
    """A record as JSON; its tensors go to the arrays."""
    if isinstance(value, Tensor):
        arrays[str(len(arrays))] = value.numpy()
        return {"tensor": str(len(arrays) - 1)}
    if is_dataclass(value):
        kind = type(value)
        held = {field.name: pack(getattr(value, field.name), arrays) for field in fields(value)}
        return {"record": [kind.__module__, kind.__qualname__], "fields": held}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [pack(item, arrays) for item in value]}
    return value


def unpack(packed: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """The record that was packed, with tensors of its own."""
    match packed:
        case {"tensor": name}:
            return torch.tensor(arrays[name])
        case {"record": [str(module), kind], "fields": held} if module.startswith(SOURCE):
            values = {name: unpack(value, arrays) for name, value in held.items()}
            return getattr(importlib.import_module(module), kind)(**values)
        case {"tuple": items}:
            return tuple(unpack(item, arrays) for item in items)
        case {"list": items}:
            return [unpack(item, arrays) for item in items]
    return packed


# --- where the app opens -------------------------------------------------------------------------


@contextmanager
def beforehand() -> Iterator[None]:
    """While this lasts, calls that were made beforehand are answered from the file."""
    kept, arrays = read()

    def answer(call: str, group: engine.Group, arguments: dict[str, Any]) -> Generator[Any]:
        records = kept.get(name_of(call, arguments)) if call in SHIPPED else None
        if records is None:
            yield from computed(call, group, arguments)
            return
        if "model" in arguments:
            gm_core.load(arguments["model"])  # or the first student would wait for it
        for record in records:
            yield unpack(record, arrays)

    computed = engine.use(answer)
    try:
        yield
    finally:
        engine.use(computed)


def read() -> tuple[Kept, Arrays]:
    """What was kept; nothing, where it is of other weights."""
    if not FILE.exists():
        return {}, {}
    with np.load(FILE) as file:
        index = json.loads(str(file["index"]))
        if index["weights"] != weights():
            return {}, {}
        return index["calls"], {name: file[name] for name in file.files if name != "index"}


# --- how they are made ---------------------------------------------------------------------------


def draw() -> tuple[Kept, Arrays]:
    """Open the app without them, and keep what it computes."""
    from demo.ui import build_demo

    kept: Kept = {}
    arrays: Arrays = {}

    def keep(call: str, group: engine.Group, arguments: dict[str, Any]) -> Generator[Any]:
        taken = []
        with closing(computed(call, group, arguments)) as records:
            try:
                for record in records:
                    taken.append(record)
                    yield record
            finally:  # a tab may take the first one alone
                name = name_of(call, arguments)
                if call in SHIPPED and len(taken) > len(kept.get(name, ())):
                    kept[name] = [pack(record, arrays) for record in taken]

    computed = engine.use(keep)
    try:
        build_demo()
    finally:
        engine.use(computed)
    return kept, arrays


def main() -> None:
    kept, arrays = draw()
    index = json.dumps({"weights": weights(), "calls": kept})
    file = io.BytesIO()
    np.savez_compressed(file, index=np.array(index), **arrays)  # pyright: ignore[reportArgumentType]
    write_bytes(FILE, file.getvalue())
    print(f"{len(kept)} calls, {len(file.getvalue()) / 1e6:.1f} MB in {FILE}")


if __name__ == "__main__":
    main()
