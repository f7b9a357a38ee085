"""The map of a plane of codes: what the browser is sent, and what is refused."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demo.components.latent_map import SPRITE_COLUMNS, LatentMap, latent_map

N, H, W, T = SPRITE_COLUMNS + 3, 4, 6, 2
RNG = np.random.default_rng(0)
GOOD = LatentMap(
    mean=RNG.normal(size=(N, 2)).astype(np.float32),
    sigma=RNG.uniform(0.1, 1, (N, 2)).astype(np.float32),
    kl=RNG.uniform(1, 9, N).astype(np.float32),
    labels=np.arange(N) % 3,
    class_names=("shirt", "shoe", "bag"),
    images=RNG.integers(0, 2, (N, H, W), np.uint8) * 255,
    tiles=RNG.integers(0, 256, (T, T, H, W), np.uint8),
    reach=2.5,
)


def decode(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def pictures(address: str) -> np.ndarray:
    """What a sprite holds: (rows, columns, H, W)."""
    kind, _, data = address.partition(",")
    assert kind == "data:image/png;base64"
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))
    return sheet.reshape(len(sheet) // H, H, -1, W).swapaxes(1, 2)


def test_the_payload_holds_the_points():
    payload = json.loads(json.dumps(GOOD.payload()))
    points = decode(payload["points"], "<f4").reshape(N, 5)
    assert np.array_equal(points[:, :2], GOOD.mean)
    assert np.array_equal(points[:, 2:4], GOOD.sigma)
    assert np.array_equal(points[:, 4], GOOD.kl)
    assert np.array_equal(decode(payload["labels"], "u1"), GOOD.labels)
    assert payload["classNames"] == ["shirt", "shoe", "bag"]
    assert (payload["count"], payload["reach"]) == (N, 2.5)
    assert (payload["height"], payload["width"], payload["tilesAcross"]) == (H, W, T)


@pytest.mark.parametrize("levels", [2, 256])
def test_the_payload_holds_the_pictures(levels: int):
    grey = RNG.integers(0, 256, (N, H, W), np.uint8)
    images = GOOD.images if levels == 2 else grey
    payload = replace(GOOD, images=images).payload()
    assert payload["columns"] == SPRITE_COLUMNS
    sent = pictures(payload["images"]).reshape(-1, H, W)
    assert len(sent) == 2 * SPRITE_COLUMNS
    assert np.array_equal(sent[:N], images)
    assert np.array_equal(pictures(payload["tiles"]), GOOD.tiles)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": np.zeros(0, int)}, "no image"),
        ({"mean": GOOD.mean[:, :1]}, "mean must have the shape"),
        ({"sigma": GOOD.sigma[:-1]}, "sigma must have the shape"),
        ({"kl": GOOD.kl[:, None]}, "kl must have the shape"),
        ({"kl": np.full(N, np.nan)}, "kl must be finite"),
        ({"mean": np.full((N, 2), np.inf)}, "mean must be finite"),
        ({"sigma": 0 * GOOD.sigma}, "sigma must be above 0"),
        ({"labels": GOOD.labels + 1}, "numbers of the classes"),
        ({"labels": GOOD.labels - 1}, "numbers of the classes"),
        ({"class_names": ()}, "0 classes"),
        ({"class_names": tuple("abcdefghijk")}, "11 classes"),
        ({"images": GOOD.images[:-1]}, "images of one size"),
        ({"images": GOOD.images[:, :-1]}, "images of one size"),
        ({"images": GOOD.images / 255}, "not uint8"),
        ({"tiles": GOOD.tiles[0]}, "not uint8"),
        ({"tiles": GOOD.tiles[:1]}, "square"),
        ({"reach": 0.0}, "reach to 0"),
        ({"reach": float("nan")}, "reach to nan"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        replace(GOOD, **changes).payload()


def test_its_value_is_the_place_alone():
    component = latent_map(GOOD.payload(), (0.5, -1.0), label="Map", elem_id="map")
    assert component.value == {"x": 0.5, "y": -1.0}
