"""Records of the engine, to be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from demo import openings


def as_bytes(records: Iterable[Any]) -> tuple[str, list[bytes]]:
    """All that records hold."""
    arrays: dict[str, Any] = {}
    said = json.dumps([openings.pack(record, arrays) for record in records])
    return said, [array.tobytes() for array in arrays.values()]
