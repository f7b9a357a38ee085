"""Every action is a named endpoint, and whatever it is sent gets an answer of one sentence."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

import gm_core

ENDPOINTS = {"/pixelcnn_sample", "/pixelcnn_export", "/random_seed"}


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False)


def call(address: str, endpoint: str, body: str) -> tuple[str, str]:
    """One raw HTTP call: the last event's name and its data."""
    url = f"{address.rstrip('/')}/gradio_api/call/{endpoint}"
    started = httpx.post(url, content=body, headers={"Content-Type": "application/json"})
    if started.status_code != 200:
        return "refused", started.text
    events = httpx.get(f"{url}/{started.json()['event_id']}", timeout=60).text.strip()
    event, _, data = events.split("\n\n")[-1].partition("\n")
    return event.removeprefix("event: "), data.removeprefix("data: ")


def pixels(payload: dict) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(payload["frames"]), "u1")
    return data.reshape(payload["images"], payload["height"], payload["width"])


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    assert set(endpoints) == ENDPOINTS
    parameters = endpoints["/pixelcnn_sample"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["label", "images", "temperature", "seed"]
    assert [p["type"]["type"] for p in parameters] == ["string", "number", "number", "number"]


def test_sampling_gives_what_the_library_gives(client: Client):
    payload, told, seed = client.predict("4", 3, 0.9, 12, api_name="/pixelcnn_sample")
    model = gm_core.load("pixelcnn-mnist")
    *_, frame = model.sample(3, seed=12, label=4, temperature=0.9)
    assert np.array_equal(pixels(payload), frame.levels[:, 0].numpy() * 255)
    assert seed == 12
    assert told.startswith("3 images in ")
    assert f"{-frame.log_prob.sum(dim=(1, 2, 3)).mean():.1f}" in told
    assert payload["series"]["name"] == "−log p(x | 4)"


def test_any_class_means_no_label(client: Client):
    payload, *_ = client.predict("any", 1, 1, 3, api_name="/pixelcnn_sample")
    *_, frame = gm_core.load("pixelcnn-mnist").sample(1, seed=3)
    assert np.array_equal(pixels(payload), frame.levels[:, 0].numpy() * 255)
    assert payload["series"]["name"] == "−log p(x)"


def test_progress_is_told_while_it_draws(client: Client):
    job = client.submit("4", 32, 1, 0, api_name="/pixelcnn_sample")
    job.result()
    *progress, last = [output[1] for output in job.outputs()]
    assert progress
    assert all(re.fullmatch(r"Drawing: pixel \d+ of 784 \.\.\.", line) for line in progress)
    assert last.startswith("32 images in ")


@pytest.mark.parametrize("file_type", ["gif", "webp", "png", "json"])
def test_exports_are_of_the_pictures_last_generated(address: str, file_type: str):
    client = Client(address, verbose=False)  # a session of its own
    payload, *_ = client.predict("5", 2, 1, 8, api_name="/pixelcnn_sample")
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
    scale = 8 if file_type == "png" else 4
    final = np.asarray(picture.convert("L"))[::scale, ::scale][:28, :28]
    assert np.array_equal(final, pixels(payload)[0])


def test_sessions_do_not_share_their_settings(address: str):
    first, second = Client(address, verbose=False), Client(address, verbose=False)
    first.predict("1", 1, 1, 111, api_name="/pixelcnn_sample")
    second.predict("2", 1, 1, 222, api_name="/pixelcnn_sample")
    assert first.predict("json", api_name="/pixelcnn_export")["name"].endswith("1-seed111.json")
    assert second.predict("json", api_name="/pixelcnn_export")["name"].endswith("2-seed222.json")


def test_a_random_seed_can_be_used(client: Client):
    seeds = {client.predict(api_name="/random_seed") for _ in range(5)}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**32 and seed == int(seed) for seed in seeds)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('["7", 0, 1, 0]', "Images must be from 1 to 64."),
        ('["7", 65, 1, 0]', "Images must be from 1 to 64."),
        ('["7", 1.5, 1, 0]', "Images must be a whole number from 1 to 64."),
        ('["7", NaN, 1, 0]', "Images must be from 1 to 64."),
        ('["7", "1", 1, 0]', "Images must be a number from 1 to 64."),
        ('["7", null, 1, 0]', "Images must be a number from 1 to 64."),
        ('["7", 1, 0, 0]', "Temperature must be from 0.1 to 2."),
        ('["7", 1, NaN, 0]', "Temperature must be from 0.1 to 2."),
        ('["7", 1, Infinity, 0]', "Temperature must be from 0.1 to 2."),
        ('["7", 1, -Infinity, 0]', "Temperature must be from 0.1 to 2."),
        ('["7", 1, [1], 0]', "Temperature must be a number from 0.1 to 2."),
        ('["7", 1, 1, -1]', "Seed must be from 0 to 4294967295."),
        ('["7", 1, 1, 0.5]', "Seed must be a whole number from 0 to 4294967295."),
        ('["7", 1, 1, NaN]', "Seed must be from 0 to 4294967295."),
        ('["7", 1, 1, 1' + 400 * "0" + "]", "Seed must be from 0 to 4294967295."),
        ('["7", 1, 1, 1e400]', "Seed must be from 0 to 4294967295."),
        ('["10", 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('[7, 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('[null, 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('["' + 10**6 * "7" + '", 1, 1, 0]', "Class must be one of: any, 0, 1"),
        ('[{"a": 1}, 1, 1, 0]', "Class must be one of: any, 0, 1"),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_bad_input_gets_one_sentence_and_harms_nothing(address: str, data: str, sentence: str):
    event, answer = call(address, "pixelcnn_sample", f'{{"data": {data}}}')
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300
    event, _ = call(address, "pixelcnn_sample", '{"data": ["7", 1, 1, 0]}')
    assert event == "complete"


@pytest.mark.parametrize("data", ["[]", '["7"]', '"x"', "{}", "[1", "null"])
def test_a_wrong_number_of_values_is_refused(address: str, data: str):
    event, _ = call(address, "pixelcnn_sample", f'{{"data": {data}}}')
    assert event in ("error", "refused")
    event, _ = call(address, "pixelcnn_sample", '{"data": ["7", 1, 1, 0]}')
    assert event == "complete"


@pytest.mark.parametrize("file_type", ["exe", "", "../png", None, 3])
def test_only_known_file_types_are_exported(address: str, file_type):
    event, answer = call(address, "pixelcnn_export", json.dumps({"data": [file_type]}))
    assert event == "error"
    assert "File type must be one of: gif, webp, png, json." in json.loads(answer)["error"]
