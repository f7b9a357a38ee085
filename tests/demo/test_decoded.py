"""The decoded picture: what the browser is sent, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from demo.components import decoded


@pytest.mark.parametrize("channels", [1, 3])
def test_the_payload_holds_the_picture(channels: int):
    pixels = np.arange(2 * 3 * channels, dtype=np.uint8).reshape(2, 3, channels)
    value = json.loads(json.dumps(decoded.payload(pixels, "a seven")))
    assert (value["height"], value["width"], value["channels"]) == (2, 3, channels)
    assert value["description"] == "a seven"
    sent = np.frombuffer(base64.b64decode(value["pixels"]), "u1").reshape(2, 3, channels)
    assert np.array_equal(sent, pixels)
    assert decoded.decoded(value, title="Decoded", elem_id="picture").value == value


def test_the_same_picture_is_a_new_value():
    pixels = np.zeros((2, 3, 1), np.uint8)
    assert decoded.payload(pixels, "") != decoded.payload(pixels, "")


WRONG: list[Any] = [
    np.zeros((2, 3), np.uint8), np.zeros((2, 3, 2), np.uint8), np.zeros((2, 3, 1)),
]  # fmt: skip


@pytest.mark.parametrize("pixels", WRONG)
def test_what_is_no_picture_is_refused(pixels: Any):
    with pytest.raises(ValueError, match="H, W, 1 or 3"):
        decoded.payload(pixels, "")
