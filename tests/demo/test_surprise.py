"""Surprise as an endpoint, with tiny networks: what pictures cost, their ranks, and refusals."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client
from PIL import Image

import gm_core
from demo.activities import ModelTab, surprise
from demo.activities.complete import examples
from demo.components import rank
from demo.components.pad import Drawing, read
from gm_core import checkpoints
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.demo.test_race import save_tiny

DIGITS, CLOTHES, COLOURED = "pixelcnn-mnist", "pixelcnn-fashion", "pixelcnn-pixelart"
H = W = 28
UNCOVERED = np.zeros((H, W), np.bool_)


def cross() -> np.ndarray:
    """A drawing with soft edges, unlike itself upside-down or mirrored: (28, 28)."""
    pixels = np.zeros((H, W), np.uint8)
    pixels[5:23, 12:14] = 255
    pixels[11, 6:22] = 128
    pixels[10, 6:22] = 127
    return pixels


def payload(pixels: np.ndarray) -> dict[str, Any]:
    return Drawing(pixels, UNCOVERED).payload()


def scores(model: str, pixels: np.ndarray, label: int | None = None) -> np.ndarray:
    """-log p of every pixel, by the library: nats (H, W)."""
    network = gm_core.load(model)
    levels = torch.from_numpy(pixels.astype(np.int64))
    if network.config.levels == 2:
        levels = (levels >= 128).long()
    return -network.log_prob_map(levels[None, None], label)[0, 0].double().numpy()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The digits' model is measured on the test images, so to speak, the clothes' is not."""
    folder = tmp_path_factory.mktemp("checkpoints")
    save_tiny(folder, (DIGITS,), height=H, width=W)
    save_tiny(folder, (CLOTHES,), height=H, width=W, levels=256)
    save_tiny(folder, (COLOURED,), height=16, width=16, levels=256, channels=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        nats = scores(DIGITS, cross()).sum() + torch.arange(-250, 750)
        checkpoints.write_sample(DIGITS, {"nats": nats})
        with gr.Blocks() as demo:
            surprise.build(ModelTab("pixelcnn", (DIGITS, CLOTHES, COLOURED)))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()


@pytest.fixture(scope="module")
def only_client(url: str) -> Client:
    return connect(url)


@pytest.fixture
def client(only_client: Client) -> Client:
    """In a session of its own, since it remembers what was scored."""
    only_client.reset_session()
    return only_client


def score(client: Client, pixels: np.ndarray, model: str = DIGITS, label: str = "any"):
    return client.predict(payload(pixels), model, label, api_name="/pixelcnn_surprise")


def transform(client: Client, kind: str, pixels: np.ndarray, seed: int = 0, model: str = DIGITS):
    """What the picture became, and its score."""
    value, *scored = client.predict(
        kind, payload(pixels), model, "any", seed, api_name="/pixelcnn_transform"
    )
    return read(value, H, W).pixels, scored


def heat(maps: dict[str, Any]) -> np.ndarray:
    """The surprise map: bits (H, W)."""
    [item] = [item for item in maps["items"] if item["kind"] == "heat"]
    assert item["unit"] == "bits"
    return np.frombuffer(base64.b64decode(item["values"]), "<f4").reshape(H, W)


def rows(table: str) -> list[list[str]]:
    """The cells of a table of results, without their markup."""
    body = table.partition("<tbody>")[2]
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row)]
        for row in re.findall(r"<tr>.*?</tr>", body)
    ]


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    assert set(endpoints) == {"/pixelcnn_surprise", "/pixelcnn_transform"}
    wanted = {
        "/pixelcnn_surprise": ["drawing", "model", "label"],
        "/pixelcnn_transform": ["kind", "drawing", "model", "label", "seed"],
    }
    for name, names in wanted.items():
        assert [p["parameter_name"] for p in endpoints[name]["parameters"]] == names


@pytest.mark.parametrize("model", [DIGITS, CLOTHES])
@pytest.mark.parametrize("label", [None, 3])
def test_every_pixel_costs_what_the_library_says(client: Client, model: str, label: int | None):
    names = surprise.class_names(model)
    called = "any" if label is None else names[label + 1]
    maps, told, *_ = score(client, cross(), model, called)
    nats = scores(model, cross(), label)
    assert np.allclose(heat(maps), nats / math.log(2), atol=1e-4)
    symbol = "−log p(x)" if label is None else f"−log p(x | {called})"
    assert told.startswith(f"Your drawing: {symbol} = {nats.sum():.1f} nats = ")
    assert f"{nats.sum() / math.log(2):.1f} bits" in told
    assert f"{nats.sum() / math.log(2) / 784:.3f} bits/dim" in told

    row, column = np.unravel_index(nats.argmax(), nats.shape)
    level = cross()[row, column]
    is_called = f"level {level}" if model == CLOTHES else ("black", "white")[int(level >= 128)]
    assert f"row {row + 1}, column {column + 1} is {is_called}, which the model gave " in told
    assert f"{nats.max() / math.log(2):.1f} bits" in told


def test_the_rank_is_that_among_the_measured_images(client: Client):
    heading = "more surprising than 250 of 1,000 test digits"
    _, _, ranking, _, table, _ = (*score(client, cross()), None)
    assert heading in ranking
    assert rows(table)[0][-1] == "250 of 1,000 test digits"
    # A label does not change it: the others were measured without one.
    _, told, ranking, _, table, _ = (*score(client, cross(), label="5"), None)
    assert "p(x | 5)" in told
    assert heading in ranking
    assert f"{scores(DIGITS, cross()).sum():.1f} nats" in ranking


def test_what_is_not_measured_is_said(client: Client):
    _, _, ranking, _, table = score(client, cross(), CLOTHES)
    assert "has not been measured on the test images yet" in ranking
    assert rows(table)[0][-1] == "not measured"


def test_the_classes_are_weighed(client: Client):
    *_, weighed, _ = score(client, cross())
    nats = np.array([scores(DIGITS, cross(), label).sum() for label in range(10)])
    share = np.exp(nats.min() - nats)
    share /= share.sum()
    told = re.findall(r">([\d.]+) nats<", weighed)
    assert [float(number) for number in told] == pytest.approx(nats, abs=0.06)
    best = int(nats.argmin())
    assert f"The model would call it “{best}” ({rank.percent(share[best])})" in weighed
    percents = re.findall(r">([<> ]*[\d.]+ %)<", weighed)
    assert percents == [rank.percent(each) for each in share]
    assert weighed.count('<i class=" best"') == 1


def test_the_map_comes_before_the_classes(client: Client):
    job = client.submit(payload(cross()), DIGITS, "any", api_name="/pixelcnn_surprise")
    job.result()
    first, last = job.outputs()
    assert np.array_equal(heat(first[0]), heat(last[0]))
    assert first[3].startswith('<div class="outdated">')
    assert "outdated" not in last[3]


EXPECTED = {
    "Upside-down": lambda pixels: np.rot90(pixels, 2),
    "Mirror": np.fliplr,
    "Invert": lambda pixels: 255 - pixels,
}


@pytest.mark.parametrize("kind", list(surprise.TRANSFORMS))
def test_a_changed_picture_is_scored_at_once(client: Client, kind: str):
    changed, scored = transform(client, kind, cross())
    assert not np.array_equal(changed, cross())
    if kind in EXPECTED:
        assert np.array_equal(changed, EXPECTED[kind](cross()))
    if kind == "Shuffle pixels":
        assert np.array_equal(np.sort(changed, axis=None), np.sort(cross(), axis=None))
    if kind == "Noise":
        assert 10 <= (changed != cross()).sum() <= 45  # a twentieth, half of them as they were
        assert set(changed[changed != cross()]) == {0, 255}
    assert np.allclose(heat(scored[0]), scores(DIGITS, changed) / math.log(2), atol=1e-4)
    words = surprise.TRANSFORMS[kind][1]
    assert scored[1].startswith(f"Your drawing, {words}: −log p(x) = ")
    assert rows(scored[-1])[0][1] == f"your drawing, {words}"


@pytest.mark.parametrize("kind", ["Shuffle pixels", "Noise"])
def test_dice_follow_the_seed_and_the_picture(client: Client, kind: str):
    once, _ = transform(client, kind, cross())
    again, _ = transform(client, kind, cross())
    other, _ = transform(client, kind, cross(), seed=1)
    twice, _ = transform(client, kind, once)
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert not np.array_equal(once, twice)


def test_the_last_pictures_are_kept_for_comparison(client: Client):
    shelf = examples((DIGITS, CLOTHES))
    score(client, shelf.pixels[7])
    turned, _ = transform(client, "Upside-down", shelf.pixels[7])
    *_, table = score(client, turned, CLOTHES)
    assert [row[1:3] for row in rows(table)] == [
        ["test image: a 7, upside-down", "Gated PixelCNN, clothes"],
        ["test image: a 7, upside-down", "Gated PixelCNN"],
        ["test image: a 7", "Gated PixelCNN"],
    ]
    numbers = [float(row[4]) for row in rows(table)[:3]]
    wanted = [
        scores(CLOTHES, turned).sum(),
        scores(DIGITS, turned).sum(),
        scores(DIGITS, shelf.pixels[7]).sum(),
    ]
    assert numbers == pytest.approx(wanted, abs=0.06)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', table)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[1]))))
    assert np.array_equal(shown, turned)
    back, scored = transform(client, "Upside-down", turned)
    assert np.array_equal(back, shelf.pixels[7])
    assert rows(scored[-1])[0][1] == "test image: a 7"


def test_a_drawing_that_goes_on_stays_one_row(client: Client):
    stroke = np.zeros((H, W), np.uint8)
    for row in range(5, 9):
        stroke[row, 5:20] = 255
        listed = rows(score(client, stroke)[-1])
        assert [row[1] for row in listed] == ["your drawing", "test image: a 7"]
        assert float(listed[0][4]) == pytest.approx(scores(DIGITS, stroke).sum(), abs=0.06)


def test_only_so_many_rows_are_kept_and_names_stay_short(client: Client):
    pixels, listed = cross(), []
    for turn in range(surprise.MOST_RESULTS + 2):
        pixels, scored = transform(client, "Noise", pixels, turn)
        listed = rows(scored[-1])
    assert len(listed) == surprise.MOST_RESULTS
    assert listed[0][1] == "your drawing, …, with noise, with noise"


def test_sessions_do_not_share_their_pictures(client: Client):
    score(client, 255 - cross())
    client.reset_session()
    *_, table = score(client, examples((DIGITS, CLOTHES)).pixels[1])
    assert [row[1] for row in rows(table)] == ["test image: a 1", "test image: a 7"]


def test_an_empty_picture_has_a_probability_too(client: Client):
    maps, told, *_ = score(client, 0 * cross())
    nats = scores(DIGITS, 0 * cross()).sum()
    start = f"Even an empty picture has a probability. Nothing drawn: −log p(x) = {nats:.1f} nats"
    assert told.startswith(start)
    assert heat(maps).sum() == pytest.approx(nats / math.log(2), abs=0.01)


GOOD = payload(cross())
BAD = [
    ({"drawing": None}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": 10**400}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": math.nan}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": "x" * 10**6}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": GOOD | {"width": 27}}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": GOOD | {"pixels": 10**5 * "A"}}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": GOOD | {"hidden": None}}, "The drawing must be 28 by 28 pixels"),
    ({"model": COLOURED}, "Model must be one of: pixelcnn-mnist, pixelcnn-fashion."),
    ({"model": ["pixelcnn-mnist"]}, "Model must be one of: "),
    ({"label": "T-shirt"}, "Class must be one of: any, 0, 1"),
    ({"label": math.nan}, "Class must be one of: any, 0, 1"),
    ({"label": None}, "Class must be one of: any, 0, 1"),
]
BAD_CHANGES = [
    ({"kind": "Explode"}, "Change must be one of: Upside-down, Mirror, Shuffle pixels"),
    ({"kind": None}, "Change must be one of: "),
    ({"kind": 3}, "Change must be one of: "),
    ({"seed": -1}, "Seed must be from 0 to 4294967295."),
    ({"seed": math.nan}, "Seed must be from 0 to 4294967295."),
    ({"seed": math.inf}, "Seed must be from 0 to 4294967295."),
    ({"seed": 10**400}, "Seed must be from 0 to 4294967295."),
    ({"seed": 0.5}, "Seed must be a whole number from 0 to 4294967295."),
    ({"seed": "0"}, "Seed must be a number from 0 to 4294967295."),
]


def names_of(value: Any) -> str | None:
    return str(value)[:50] if isinstance(value, str) else None


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=names_of)
def test_bad_pictures_get_one_sentence(url: str, changes: dict, sentence: str):
    good = {"drawing": GOOD, "model": DIGITS, "label": "any"}
    event, answer = call(
        url, "pixelcnn_surprise", json.dumps({"data": list((good | changes).values())})
    )
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


@pytest.mark.parametrize(("changes", "sentence"), BAD + BAD_CHANGES, ids=names_of)
def test_bad_changes_get_one_sentence(url: str, changes: dict, sentence: str):
    good = {"kind": "Mirror", "drawing": GOOD, "model": DIGITS, "label": "any", "seed": 0}
    event, answer = call(
        url, "pixelcnn_transform", json.dumps({"data": list((good | changes).values())})
    )
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


def test_after_a_refusal_the_next_request_works(url: str):
    for bad in ([], [None], [None, DIGITS, "any"]):
        event, _ = call(url, "pixelcnn_surprise", json.dumps({"data": bad}))
        assert event in ("error", "refused")
    event, _ = call(url, "pixelcnn_surprise", json.dumps({"data": [GOOD, DIGITS, "any"]}))
    assert event == "complete"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0 %"), (1e-9, "< 0.1 %"), (0.001, "0.1 %"), (0.5, "50.0 %"), (0.9989, "99.9 %"),
        (0.99999, "> 99.9 %"), (1, "100.0 %"),
    ],
)  # fmt: skip
def test_shares_are_never_rounded_to_what_they_are_not(share: float, text: str):
    assert rank.percent(share) == text


def places(value: str, name: str) -> list[float]:
    """Numbers, in percent, of one property of a histogram's bars and marks."""
    return [float(number) for number in re.findall(rf"[\";]{name}:([\d.]+)%", value)]


@pytest.mark.parametrize(("value", "end"), [(55.0, 105.0), (400.0, 420.0)])
def test_a_histogram_grows_to_hold_the_value(value: float, end: float):
    sample = np.concatenate([np.linspace(20, 60, 30), np.full(90, 99.9), [100]])
    drawn = rank.histogram(sample, value, "a <b> & c", "nats")
    assert "a &lt;b&gt; &amp; c" in drawn
    heights = places(drawn, "height")
    assert len(heights) == rank.BINS
    assert heights[-1] == max(heights) == 100
    left = places(drawn, "left")
    assert left[0] == pytest.approx(100 * 20 / end, abs=0.01)
    assert left[rank.BINS] == pytest.approx(100 * value / end, abs=0.01)
    assert f"{value:.1f} nats</div>" in drawn
    ticks = [int(number) for number in re.findall(r"<span[^>]*>(\d+)", drawn)]
    assert 3 <= len(ticks) <= 7
    assert ticks[-1] <= end
