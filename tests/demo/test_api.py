"""Every action is a named endpoint, and whatever it is sent gets an answer of one sentence."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

import gm_core
from demo.tabs import pixelcnn, pixelrnn
from demo.ui import build_demo
from tests.demo.conftest import connect

MODEL = "pixelcnn-mnist"
ACTIONS = ("sample", "intervene", "random_seed", "export")
HTTP = httpx.Client(timeout=60)  # one for all calls: to make one takes longer than most of them


@pytest.fixture(scope="module")
def only_client(address: str) -> Client:
    return connect(address)


@pytest.fixture
def client(only_client: Client) -> Client:
    """In a session of its own."""
    only_client.reset_session()
    return only_client


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """In place of the whole app: the first activity of two tabs."""
    with pytest.MonkeyPatch.context() as patch:
        for tab in (pixelrnn, pixelcnn):
            patch.setattr(tab, "ACTIVITIES", tab.ACTIVITIES[:1])
        demo = build_demo((pixelrnn, pixelcnn))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def call(address: str, endpoint: str, body: str) -> tuple[str, str]:
    """One raw HTTP call: the last event's name and its data."""
    url = f"{address.rstrip('/')}/gradio_api/call/{endpoint}"
    started = HTTP.post(url, content=body, headers={"Content-Type": "application/json"})
    if started.status_code != 200:
        return "refused", started.text
    events = HTTP.get(f"{url}/{started.json()['event_id']}").text.strip()
    event, _, data = events.split("\n\n")[-1].partition("\n")
    return event.removeprefix("event: "), data.removeprefix("data: ")


def handler(demo: gr.Blocks, name: str) -> Any:
    """A handler that is no public endpoint."""
    [fn] = {fn.fn for fn in demo.fns.values() if fn.name == name}
    return fn


def pixels(payload: dict) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(payload["frames"]), "u1")
    return data.reshape(payload["images"], payload["height"], payload["width"])


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    wanted = {f"/{tab}_{action}" for tab in ("pixelrnn", "pixelcnn") for action in ACTIONS}
    assert wanted <= set(endpoints)
    parameters = endpoints["/pixelcnn_sample"]["parameters"]
    names = ["model", "label", "images", "temperature", "seed"]
    assert [p["parameter_name"] for p in parameters] == names
    kinds = ["string", "string", "number", "number", "number"]
    assert [p["type"]["type"] for p in parameters] == kinds


def test_sampling_gives_what_the_library_gives(client: Client):
    payload, told, seed = client.predict(MODEL, "4", 3, 0.9, 12, api_name="/pixelcnn_sample")
    model = gm_core.load("pixelcnn-mnist")
    *_, frame = model.sample(3, seed=12, label=4, temperature=0.9)
    assert np.array_equal(pixels(payload), frame.levels[:, 0].numpy() * 255)
    assert seed == 12
    assert told.startswith("3 images in ")
    assert f"{-frame.log_prob.sum(dim=(1, 2, 3)).mean():.1f}" in told
    assert payload["series"]["name"] == "−log p(x | 4)"


def test_any_class_means_no_label(client: Client):
    payload, *_ = client.predict(MODEL, "any", 1, 1, 3, api_name="/pixelcnn_sample")
    *_, frame = gm_core.load("pixelcnn-mnist").sample(1, seed=3)
    assert np.array_equal(pixels(payload), frame.levels[:, 0].numpy() * 255)
    assert payload["series"]["name"] == "−log p(x)"


def test_progress_is_told_while_it_draws(client: Client):
    job = client.submit(MODEL, "4", 32, 1, 0, api_name="/pixelcnn_sample")
    job.result()
    *progress, last = [output[1] for output in job.outputs()]
    assert progress
    assert all(re.fullmatch(r"Drawing: pixel \d+ of 784 \.\.\.", line) for line in progress)
    assert last.startswith("32 images in ")


@pytest.mark.parametrize("file_type", ["gif", "webp", "png", "json"])
def test_exports_are_of_the_pictures_last_generated(client: Client, file_type: str):
    payload, *_ = client.predict(MODEL, "5", 2, 1, 8, api_name="/pixelcnn_sample")
    saved = client.predict(file_type, api_name="/pixelcnn_export")
    assert saved["name"] == f"pixelcnn-mnist-5-seed8.{file_type}"
    mime, _, content = saved["url"].partition(";base64,")
    data = base64.b64decode(content)
    if file_type == "json":
        assert mime == "data:application/json"
        assert json.loads(data) == {
            "model": "pixelcnn-mnist", "class": "5", "images": 2, "temperature": 1.0, "seed": 8
        }  # fmt: skip
        return
    assert mime == f"data:image/{file_type}"
    picture = Image.open(io.BytesIO(data))
    assert picture.format == file_type.upper()
    picture.seek(getattr(picture, "n_frames", 1) - 1)
    scale = picture.height // 28  # two images beside one another
    final = np.asarray(picture.convert("L"))[::scale, ::scale][:28, :28]
    assert np.array_equal(final, pixels(payload)[0])


def test_sessions_do_not_share_their_settings(client: Client):
    first = client.session_hash
    client.predict(MODEL, "1", 1, 1, 111, api_name="/pixelcnn_sample")
    client.reset_session()
    client.predict(MODEL, "2", 1, 1, 222, api_name="/pixelcnn_sample")
    assert client.predict("json", api_name="/pixelcnn_export")["name"].endswith("2-seed222.json")
    client.session_hash = first
    assert client.predict("json", api_name="/pixelcnn_export")["name"].endswith("1-seed111.json")


def test_a_random_seed_can_be_used(client: Client):
    seeds = {client.predict(api_name="/pixelcnn_random_seed") for _ in range(5)}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**32 and seed == int(seed) for seed in seeds)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('["pixelcnn-mnist", "7", 0, 1, 0]', "Images must be from 1 to 64."),
        ('["pixelcnn-mnist", "7", 65, 1, 0]', "Images must be from 1 to 64."),
        ('["pixelcnn-mnist", "7", 1.5, 1, 0]', "Images must be a whole number from 1 to 64."),
        ('["pixelcnn-mnist", "7", NaN, 1, 0]', "Images must be from 1 to 64."),
        ('["pixelcnn-mnist", "7", "1", 1, 0]', "Images must be a number from 1 to 64."),
        ('["pixelcnn-mnist", "7", null, 1, 0]', "Images must be a number from 1 to 64."),
        ('["pixelcnn-mnist", "7", 1, 0, 0]', "Temperature must be from 0.1 to 2."),
        ('["pixelcnn-mnist", "7", 1, NaN, 0]', "Temperature must be from 0.1 to 2."),
        ('["pixelcnn-mnist", "7", 1, Infinity, 0]', "Temperature must be from 0.1 to 2."),
        ('["pixelcnn-mnist", "7", 1, -Infinity, 0]', "Temperature must be from 0.1 to 2."),
        ('["pixelcnn-mnist", "7", 1, [1], 0]', "Temperature must be a number from 0.1 to 2."),
        ('["pixelcnn-mnist", "7", 1, 1, -1]', "Seed must be from 0 to 4294967295."),
        ('["pixelcnn-mnist", "7", 1, 1, 0.5]', "Seed must be a whole number from 0 to 4294967295."),
        ('["pixelcnn-mnist", "7", 1, 1, NaN]', "Seed must be from 0 to 4294967295."),
        ('["pixelcnn-mnist", "7", 1, 1, 1' + 400 * "0" + "]", "Seed must be from 0 to 4294967295."),
        ('["pixelcnn-mnist", "7", 1, 1, 1e400]', "Seed must be from 0 to 4294967295."),
        ('["pixelcnn-mnist", "10", 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('["pixelcnn-mnist", 7, 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('["pixelcnn-mnist", null, 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('["pixelcnn-mnist", "' + 10**6 * "7" + '", 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('["pixelcnn-mnist", {"a": 1}, 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('["pixelrnn-row-mnist", "7", 1, 1, 0]', "Model must be one of: pixelcnn-mnist, "),
        ('["../../etc", "7", 1, 1, 0]', "Model must be one of: pixelcnn-mnist, "),
        ('[null, "7", 1, 1, 0]', "Model must be one of: pixelcnn-mnist, "),
        ('["pixelcnn-fashion", "7", 1, 1, 0]', "Class must be one of: any, T-shirt"),
        ('["pixelcnn-fashion", "any", 17, 1, 0]', "Images must be from 1 to 16."),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_bad_input_gets_one_sentence(address: str, data: str, sentence: str):
    event, answer = call(address, "pixelcnn_sample", f'{{"data": {data}}}')
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


def test_colours_are_drawn_as_the_library_draws_them(client: Client):
    name = "pixelcnn-pixelart"
    payload, told, _ = client.predict(name, "any", 2, 1, 5, api_name="/pixelcnn_sample")
    *_, frame = gm_core.load(name).sample(2, seed=5)
    found = np.frombuffer(base64.b64decode(payload["frames"]), "u1").reshape(2, 16, 16, 3)
    assert np.array_equal(found, frame.levels.permute(0, 2, 3, 1).numpy())
    assert payload["steps"] == 768
    assert "bits/dim" in told


def test_one_pixel_is_set_and_the_dice_stay(client: Client):
    first, *_ = client.predict(MODEL, "5", 2, 1, 8, api_name="/pixelcnn_sample")
    before = pixels(first)[1].ravel()
    step = 300
    level = 1 - int(before[step]) // 255
    payload, told = client.predict(1, step, level, api_name="/pixelcnn_intervene")
    untouched, changed = pixels(payload).reshape(2, -1)
    assert np.array_equal(untouched, before)
    assert np.array_equal(changed[:step], before[:step])
    assert changed[step] == 255 * level
    differ = int((untouched != changed).sum())
    assert f"{differ} of 784 pixels differ" in told
    assert payload["names"] == ["untouched", "changed"]

    later, *_ = client.predict(1, 600, 0, api_name="/pixelcnn_intervene")
    assert np.array_equal(pixels(later)[1].ravel()[:600], changed[:600])
    again, *_ = client.predict(0, 600, 0, api_name="/pixelcnn_intervene")
    assert np.array_equal(pixels(again)[1].ravel()[:600], before[:600])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("[8, 3, 1]", "Image must be from 0 to 7."),
        ("[0, 784, 1]", "Step must be from 0 to 783."),
        ("[0, -1, 1]", "Step must be from 0 to 783."),
        ("[0, NaN, 1]", "Step must be from 0 to 783."),
        ("[0, 3, 2]", "Level must be from 0 to 1."),
        ("[0, 3, 0.5]", "Level must be a whole number from 0 to 1."),
        ("[0, 3, null]", "Level must be a number from 0 to 1."),
        ("[0, 3, 1" + 400 * "0" + "]", "Level must be from 0 to 1."),
    ],
    ids=lambda text: text[:40],
)
def test_a_bad_intervention_gets_one_sentence(address: str, data: str, sentence: str):
    event, answer = call(address, "pixelcnn_intervene", f'{{"data": {data}}}')
    assert event == "error"
    assert sentence in json.loads(answer)["error"]


def test_after_what_was_refused_the_next_request_works(address: str):
    bad = ['["pixelcnn-mnist", "7", 0, 1, 0]', "[]", '["7"]', '"x"', "{}", "[1", "null"]
    for data in [*bad, *bad]:  # twice: more than there are places in the queue
        event, _ = call(address, "pixelcnn_sample", f'{{"data": {data}}}')
        assert event in ("error", "refused"), data
    event, _ = call(address, "pixelcnn_sample", '{"data": ["pixelcnn-mnist", "7", 1, 1, 0]}')
    assert event == "complete"


@pytest.mark.parametrize("file_type", ["exe", "", "../png", None, 3])
def test_only_known_file_types_are_exported(address: str, file_type):
    event, answer = call(address, "pixelcnn_export", json.dumps({"data": [file_type]}))
    assert event == "error"
    assert "File type must be one of: gif, webp, png, json." in json.loads(answer)["error"]
