"""Paths with tiny networks: their pictures, lengths and numbers, files, and refusals."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client
from PIL import Image

import gm_core
from demo.activities import ModelTab
from demo.latent import paths
from gm_core import checkpoints, data
from gm_core.metrics import as_pictures
from tests.demo.test_api import call
from tests.gm_core.tiny import tiny

DIGITS, PLANE, FREE = "vae-mnist", "vae-mnist-2d", "vae-mnist-beta0"
CLOTHES, AVATARS, MISSING = "vae-fashion", "vae-avatars", "vae-mnist-beta4"
MODELS = (PLANE, FREE, DIGITS, CLOTHES, AVATARS)
GREY = {"height": 28, "width": 28}
COLOUR = {"height": 64, "width": 64, "channels": 3, "likelihood": "logistic"}


@torch.no_grad()
def save_vae(folder: Path, name: str, **changes: Any) -> None:
    """A tiny VAE. As initialised, all images would have nearly the same code, and all codes nearly
    the same picture: the codes are spread as the prior's are."""
    model, dataset = tiny("vae", **GREY | changes), name.split("-")[1]
    for layer in (model.decoder[0], model.decoder[2], model.decoder[4]):
        layer.weight *= 4
    mean, _ = model.encode(as_pictures(model, data.load(dataset, "sample").images[:100]))
    last, spread = model.encoder[-1], mean.std(dim=0)
    means = slice(model.config.latent)
    last.weight[means] /= spread[:, None]
    last.bias[means] = (last.bias[means] - mean.mean(dim=0)) / spread
    checkpoints.save(folder / name, model, family="vae", dataset=dataset, training={"seed": 0})


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_vae(folder, DIGITS, latent=32)
    save_vae(folder, PLANE, latent=2, features=())
    save_vae(folder, FREE, latent=10, beta=0.0)
    save_vae(folder, CLOTHES, latent=16, likelihood="logistic")
    save_vae(folder, AVATARS, latent=8, **COLOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            paths.build(ModelTab("vae", (*MODELS, MISSING)))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()


def ask(client: Client, model: str, start: int, end: int, steps: int) -> tuple[Any, ...]:
    """The ends, the status line, the player's value, strips, lengths and numbers."""
    return client.predict(model, start, end, steps, api_name="/vae_path")


def ends_of(model: str, start: int, end: int) -> torch.Tensor:
    """The first images of the classes, then the second ones, as the model sees them."""
    name = model.split("-")[1]
    sample = data.load(name, "sample")
    classes = len(data.DATASETS[name].class_names)
    images = as_pictures(gm_core.load(model), sample.images)
    return torch.stack(
        [images[sample.labels == at % classes][at // classes] for at in (start, end)]
    )


@torch.no_grad()
def expected(model: str, start: int, end: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (2, steps, latent) and pictures (3, steps, C, H, W), written out."""
    network, ends = gm_core.load(model), ends_of(model, start, end)
    first, second = network.encode(ends)[0].double()
    angle = torch.arccos(first @ second / first.norm() / second.norm())
    codes, blend = torch.empty(2, steps, len(first)), []
    for step in range(steps):
        t = step / (steps - 1)
        codes[0, step] = (1 - t) * first + t * second
        arc = math.sin((1 - t) * angle) * first / first.norm()
        arc += math.sin(t * angle) * second / second.norm()
        codes[1, step] = arc / angle.sin() * ((1 - t) * first.norm() + t * second.norm())
        blend.append((1 - t) * ends[0] + t * ends[1])
    return codes, torch.stack([*map(network.decode, codes), torch.stack(blend)])


def frames(value: dict[str, Any]) -> np.ndarray:
    """(3, steps, C, H, W)."""
    size = [value[name] for name in ("images", "height", "width", "channels")]
    pixels = np.frombuffer(base64.b64decode(value["frames"]), np.uint8)
    return pixels.reshape(value["steps"] + 1, *size).transpose(1, 0, 4, 2, 3)


def pictures(markup: str) -> list[np.ndarray]:
    """The images (H, W) or (H, W, 3) of some HTML."""
    files = re.findall(r'src="data:image/png;base64,([^"]+)"', markup)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(file)))) for file in files]


def as_bytes(images: torch.Tensor) -> np.ndarray:
    return (255 * images).round().byte().numpy()


def differ(seen: np.ndarray, wanted: np.ndarray) -> int:
    """By how much at most; the last bit may round either way."""
    assert seen.shape == wanted.shape
    return int(np.abs(seen.astype(int) - wanted).max())


def text(markup: str) -> str:
    return re.sub("<[^>]*>", "", markup)


def cells(markup: str) -> dict[str, list[str]]:
    rows = re.findall("<th scope=row>(.*?)</th>(.*?)</tr>", markup)
    return {name: re.findall("<td>(.*?)</td>", values) for name, values in rows}


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    assert set(endpoints) == {"/vae_path", "/vae_path_export"}
    names = [p["parameter_name"] for p in endpoints["/vae_path_export"]["parameters"]]
    assert names == ["model", "start", "end", "steps", "file_type"]
    assert [p["parameter_name"] for p in endpoints["/vae_path"]["parameters"]] == names[:4]


@pytest.mark.parametrize(
    ("model", "start", "end", "steps"),
    [(DIGITS, 4, 9, 33), (PLANE, 13, 2, 9), (CLOTHES, 0, 19, 17), (AVATARS, 15, 1, 9)],
)
def test_every_picture_of_every_path(client: Client, model: str, start: int, end: int, steps: int):
    ends, told, value, strips, *_ = ask(client, model, start, end, steps)
    codes, wanted = expected(model, start, end, steps)
    assert (value["steps"], value["order"]) == (steps - 1, "frames")
    assert value["names"] == ["straight", "spherical", "pixel blend"]
    assert differ(frames(value), as_bytes(wanted)) <= 1
    assert np.ptp(wanted[0].numpy(), axis=0).max() > 0.05  # the pictures do change

    for seen, image in zip(pictures(ends), ends_of(model, start, end), strict=True):
        assert np.array_equal(seen, as_bytes(image.permute(1, 2, 0)).squeeze())
    nine = frames(value)[:, :: (steps - 1) // 8].reshape(27, *wanted.shape[2:])
    for seen, pixels in zip(pictures(strips), nine, strict=True):
        assert np.array_equal(seen, pixels.transpose(1, 2, 0).squeeze())

    names = list(paths.shelf(model.split("-")[1]))
    assert f"From {names[start]} to {names[end]}, with " in told
    for way, caption in zip(codes, value["captions"], strict=False):
        first, middle, last = way[[0, steps // 2, -1]].norm(dim=1)
        assert f"|z| is {first:.1f}σ at the start, {middle:.1f}σ in the middle" in caption
        assert f"and {last:.1f}σ at the end." in caption
    assert "no code" in value["captions"][2]


@pytest.mark.parametrize("model", [DIGITS, CLOTHES])
def test_the_numbers_by_brute_force(client: Client, model: str):
    *_, value, _, _, numbers = ask(client, model, 2, 7, 17)
    _, images = expected(model, 2, 7, 17)
    test = as_pictures(
        gm_core.load(model), data.load(model.split("-")[1], "sample").images
    ).flatten(1)
    changes, means, middles, different = [], [], [], []
    for way in images.flatten(2):
        change = [float((b - a).square().mean().sqrt()) for a, b in pairwise(way)]
        changes.append(np.mean(change))
        far = torch.stack([(test - picture).square().mean(dim=1).sqrt() for picture in way[::2]])
        means.append(far.min(dim=1).values.mean())
        middles.append(far.min(dim=1).values[4])
        different.append(len(set(far.argmin(dim=1).tolist())))
    shown = cells(numbers)
    for name, parts in (
        ("Change in a step", changes),
        ("Nearest test image", means),
        ("in the middle", middles),
    ):
        wanted = [pytest.approx(100 * float(part), abs=0.06) for part in parts]
        assert [float(cell.removesuffix("\u00a0%")) for cell in shown[name]] == wanted
    assert shown["Different nearest ones"] == [str(count) for count in different]
    series = np.frombuffer(base64.b64decode(value["series"]["values"]), "<f4").reshape(3, 16)
    assert series.mean(axis=1) == pytest.approx(100 * np.array(changes), abs=1e-3)


def test_the_blend_is_said_to_be_what_was_measured():
    distance = torch.tensor([[3.0] * 9, [2.0] * 9, [0, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1, 0]])
    place = torch.tensor([[1] * 9, [2] * 9, [5, 5, 5, 5, 5, 8, 8, 8, 8]])
    told = paths.explain_blend(paths.Nearest(distance, place), [5, 8])
    assert "In its middle, where it is farthest, it is 40.0\u00a0% away" in told
    assert "for all nine pictures that is one of its own ends" in told
    assert "on average it is nearer to test images (17.8\u00a0%)" in told

    place[2, 4], distance[2, 3], distance[1] = 6, 0.5, 0.1
    told = paths.explain_blend(paths.Nearest(distance, place), [5, 8])
    assert "In its middle it is 40.0\u00a0% away" in told
    assert "for 8 of its nine pictures" in told
    assert "on average" not in told
    assert "There the decoded" not in told

    distance[0] = 0.2
    told = paths.explain_blend(paths.Nearest(distance, place), [5, 8])
    assert "There the decoded paths are nearer to test images: 20.0\u00a0% and 10.0\u00a0%." in told


def test_why_an_arc_depends_on_the_model(client: Client):
    told = {
        model: text(ask(client, model, 3, 8, 9)[4]).partition("Why an arc?")[2]
        for model in (DIGITS, PLANE, FREE)
    }
    codes, _ = expected(DIGITS, 3, 8, 9)
    network = gm_core.load(DIGITS)
    images = as_pictures(network, data.load("mnist", "sample").images)
    with torch.no_grad():
        lengths = network.encode(images)[0].norm(dim=1)
    middle = codes[0, 4].norm()
    inside = paths.percent(float((lengths > middle).float().mean()))
    assert "at a length near √32 = 5.7σ" in told[DIGITS]
    assert (
        f"in its middle |z| is {middle:.1f}σ, shorter than the mean codes of {inside}"
        in (told[DIGITS])
    )
    assert "With 2 there is no shell" in told[PLANE]
    assert "This autoencoder has no prior" in told[FREE]


@pytest.mark.parametrize("latent", [2, 10, 32])
def test_the_shell_is_where_random_codes_lie(latent: int):
    codes = torch.randn(50_000, latent, generator=torch.Generator().manual_seed(1)).norm(dim=1)
    low, high = paths.prior_lengths(latent)
    assert float((codes < low).float().mean()) == pytest.approx(0.05, abs=0.012)
    assert float((codes > high).float().mean()) == pytest.approx(0.05, abs=0.012)


def test_the_plot_of_lengths(client: Client):
    plot = ask(client, DIGITS, 3, 8, 9)[4]
    codes, _ = expected(DIGITS, 3, 8, 9)
    lines = re.findall(r'<polyline points="([^"]+)"', plot)
    heights = np.array(
        [[100 - float(point.split(",")[1]) for point in line.split()] for line in lines]
    )
    assert heights.shape == (2, 9)
    ground = [float(number) for number in re.findall(r'class="tick" style="bottom:([\d.]+)%', plot)]
    numbers = [int(number) for number in re.findall(r'class="tick"[^>]*>(\d+)<', plot)]
    scale = ground[-1] / numbers[-1]  # percent of the height for one σ
    assert heights / scale == pytest.approx(codes.norm(dim=2).numpy(), abs=0.01)
    assert (heights[1] >= heights[0] - 0.02).all()


def test_what_the_ends_are_called():
    digits, clothes, avatars = (list(paths.shelf(name)) for name in ("mnist", "fashion", "avatars"))
    assert (len(digits), len(clothes), len(avatars)) == (20, 20, 16)
    assert (digits[3], digits[13]) == ("a 3", "a second 3")
    assert (clothes[9], clothes[19]) == ("ankle boot", "second ankle boot")
    assert avatars[0] == "1: bright hair"
    assert avatars[15] == "16: dark hair, glasses, smile, beard"


def test_the_same_image_twice_is_no_path(client: Client):
    ends, told, *rest = ask(client, DIGITS, 4, 4, 33)
    assert told == paths.SAME
    assert len(pictures(ends)) == 2
    assert all("value" not in value for value in rest)
    assert not paths.show(paths.Journey(DIGITS, 4, 4, 9))[2].visible
    assert paths.show(paths.Journey(DIGITS, 4, 5, 9))[2].visible


@pytest.mark.parametrize("model", [DIGITS, AVATARS])
@pytest.mark.parametrize("file_type", ["gif", "webp"])
def test_an_animation_has_every_step(client: Client, model: str, file_type: str):
    saved = client.predict(model, 1, 5, 17, file_type, api_name="/vae_path_export")
    start, end = (re.sub("[^0-9A-Za-z]+", "-", list(paths.shelf(model[4:]))[at]) for at in (1, 5))
    assert saved["name"] == f"{model}-{start}-to-{end}.{file_type}"
    head, _, content = saved["url"].partition(",")
    assert head == f"data:image/{file_type};base64"
    film: Any = Image.open(io.BytesIO(base64.b64decode(content)))
    assert film.n_frames == 17
    _, wanted = expected(model, 1, 5, 17)
    size = wanted.shape[-1]
    scale = round(paths.TILE / size)
    for step in (0, 8, 16):
        film.seek(step)
        shown = np.asarray(film.convert("RGB"))
        for path in range(3):
            left = path * (size + 2) * scale
            tile = shown[: size * scale, left : left + size * scale]
            seen = tile[scale // 2 :: scale, scale // 2 :: scale].transpose(2, 0, 1)
            pixels = np.broadcast_to(as_bytes(wanted[path, step]), (3, size, size))
            # A GIF has 256 colours a picture.
            is_exact = file_type == "webp" or model == DIGITS
            assert np.abs(seen.astype(int) - pixels).mean() <= (1 if is_exact else 16)
        assert (shown[size * scale :] < 128).any()  # the names


def test_the_strips_as_one_picture(client: Client):
    saved = client.predict(DIGITS, 1, 5, 9, "png", api_name="/vae_path_export")
    content = base64.b64decode(saved["url"].partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(content)))
    _, wanted = expected(DIGITS, 1, 5, 9)
    scale = 4
    rows = np.split(shown, 3)
    for row, path in zip(rows, as_bytes(wanted[:, :, 0]), strict=True):
        for at, pixels in enumerate(path):
            left = at * 30 * scale
            tile = row[: 28 * scale, left : left + 28 * scale]
            assert differ(tile[2::scale, 2::scale], pixels) <= 1


GOOD = {"model": DIGITS, "start": 4, "end": 9, "steps": 9}
BAD = [
    ({"model": MISSING}, "Model must be one of: "),
    ({"model": None}, "Model must be one of: "),
    ({"model": [DIGITS]}, "Model must be one of: "),
    ({"start": 20}, "From must be from 0 to 19."),
    ({"start": -1}, "From must be from 0 to 19."),
    ({"start": 1.5}, "From must be a whole number from 0 to 19."),
    ({"start": math.nan}, "From must be from 0 to 19."),
    ({"start": 10**400}, "From must be from 0 to 19."),
    ({"start": "a 4"}, "From must be a number from 0 to 19."),
    ({"model": AVATARS, "end": 16}, "To must be from 0 to 15."),
    ({"end": math.inf}, "To must be from 0 to 19."),
    ({"end": None}, "To must be a number from 0 to 19."),
    ({"end": [9]}, "To must be a number from 0 to 19."),
    ({"steps": 10**9}, "Steps must be from 9 to 65."),
    ({"steps": math.nan}, "Steps must be from 9 to 65."),
    ({"steps": 10}, "Steps must be one of: 9, 17, 33, 65."),
    ({"steps": True}, "Steps must be a number from 9 to 65."),
]
BAD_FILES = [
    ({"file_type": "exe"}, "File type must be one of: gif, webp, png."),
    ({"file_type": None}, "File type must be one of: gif, webp, png."),
    ({"end": 4}, paths.SAME),
]


def names_of(value: Any) -> str | None:
    return value[:50] if isinstance(value, str) else None


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=names_of)
def test_bad_paths_get_one_sentence(url: str, changes: dict[str, Any], sentence: str):
    event, answer = call(url, "vae_path", json.dumps({"data": list((GOOD | changes).values())}))
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


@pytest.mark.parametrize(("changes", "sentence"), BAD + BAD_FILES, ids=names_of)
def test_bad_files_get_one_sentence(url: str, changes: dict[str, Any], sentence: str):
    body = GOOD | {"file_type": "gif"} | changes
    event, answer = call(url, "vae_path_export", json.dumps({"data": list(body.values())}))
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300
