"""Pixel maps: what the browser is sent, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from demo.components.maps import Heat, Maps, Picture, maps

H, W = 3, 5
FLOATS: Any = np.zeros((H, W, 1))


def decode(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def picture(shape: tuple[int, ...] = (H, W, 1), **others: Any) -> Picture:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    return Picture("An image", pixels, **others)


def heat(shape: tuple[int, ...] = (H, W), **others: Any) -> Heat:
    values = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    settings: dict[str, Any] = {"low": 0.0, "high": 1.0} | others
    return Heat("A heat map", values, "bits", **settings)


def test_the_payload_holds_what_is_shown():
    field = np.eye(H, W, dtype=bool)
    below = np.full((H, W), 7, np.uint8)
    first = picture((H, W, 3), caption="three colours", unknown=~field, marks=field, levels=8)
    second = heat(scale="log", low=0.25, field=field, below=below, zero_is_special=True)
    payload = Maps((first, second), (2, 4), clickable=True, columns=2).payload()
    assert (payload["height"], payload["width"], payload["columns"]) == (H, W, 2)
    assert (payload["cursor"], payload["clickable"]) == ([2, 4], True)
    shown, hot = payload["items"]
    assert (shown["kind"], shown["title"], shown["caption"]) == (
        "picture", "An image", "three colours",
    )  # fmt: skip
    assert (shown["channels"], shown["levels"]) == (3, 8)
    assert np.array_equal(decode(shown["pixels"], "u1").reshape(H, W, 3), first.pixels)
    assert np.array_equal(decode(shown["unknown"], "u1").reshape(H, W), ~field)
    assert np.array_equal(decode(shown["marks"], "u1").reshape(H, W), field)
    assert (hot["kind"], hot["unit"], hot["scale"]) == ("heat", "bits", "log")
    assert (hot["low"], hot["high"], hot["zeroIsSpecial"]) == (0.25, 1.0, True)
    assert np.array_equal(
        decode(hot["values"], "<f4").reshape(H, W), second.values.astype(np.float32)
    )
    assert np.array_equal(decode(hot["field"], "u1").reshape(H, W), field)
    assert np.array_equal(decode(hot["below"], "u1").reshape(H, W), below)


def test_what_is_not_given_is_not_sent():
    payload = Maps((picture(), heat())).payload()
    shown, hot = payload["items"]
    assert shown["unknown"] is shown["marks"] is hot["field"] is hot["below"] is None
    assert payload["cursor"] is payload["columns"] is None
    assert not payload["clickable"]


def test_a_payload_is_json_and_never_the_same_twice():
    row, column = np.argwhere(np.eye(H, W) > 0)[1]
    same = Maps((heat(low=np.float32(0), high=np.float64(1)),), (row, column))
    first, second = (json.loads(json.dumps(same.payload())) for _ in range(2))
    assert first["cursor"] == [1, 1]
    assert first.pop("serial") != second.pop("serial")
    assert first == second


def test_cells_without_a_value_are_allowed():
    values = np.array([[0.5, np.nan]])
    payload = Maps((Heat("Entropy", values, "bits", low=0, high=1),)).payload()
    assert np.isnan(decode(payload["items"][0]["values"], "<f4")).tolist() == [False, True]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Maps(()), "no map"),
        (Maps((picture(), heat((W, H)))), "one shape"),
        (Maps((picture((H, W)),)), "H, W, 1 or 3"),
        (Maps((picture((H, W, 2)),)), "H, W, 1 or 3"),
        (Maps((picture((0, W, 1)),)), "show nothing"),
        (Maps((Picture("p", FLOATS),)), "not uint8"),
        (Maps((picture(levels=1),)), "1 levels"),
        (Maps((picture(unknown=np.zeros((W, H), bool)),)), "unknown as bool"),
        (Maps((picture(marks=np.zeros((H, W), np.int64)),)), "marks as bool"),
        (Maps((heat((H, W, 1)),)), "not .H, W."),
        (Maps((heat(field=np.zeros((H, W + 1), bool)),)), "field as bool"),
        (Maps((heat(below=np.zeros((H, W), bool)),)), "below as uint8"),
        (Maps((heat(low=1.0),)), "from 1.0 to 1.0"),
        (Maps((heat(high=float("nan")),)), "to nan"),
        (Maps((heat(scale="log"),)), "above 0"),
        (Maps((Heat("h", np.full((H, W), np.inf), "", low=0, high=1),)), "infinite"),
        (Maps((picture(),), (H, 0)), "cursor"),
        (Maps((picture(),), (0, -1)), "cursor"),
        (Maps((picture(),), columns=0), "column"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(given: Maps, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        given.payload()


def test_the_component_takes_a_first_value_or_none():
    value = Maps((picture(),)).payload()
    assert maps(value, label="Maps", elem_id="maps").value == value
    assert maps(None, label="Maps", elem_id="maps").value is None
