"""Running it: endpoints, tools for language models, a Space, several processes, a library."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio.mcp import GradioMCPServer
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

from app import launch, main
from demo import endpoints, engine, openings, tools
from demo.serving import zero_gpu
from tests.gm_core.curve import losses
from tests.test_readme import README, block_after

ROOT = Path(__file__).parent.parent
ADDRESS = "http://127.0.0.1:7860"  # in the README


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[gr.Blocks, str]]:
    """The whole app with its tools, on a machine without the full data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        demo, url = launch(host="127.0.0.1", port=None, share=False, block=False, mcp=True)
        yield demo, url.rstrip("/")
        demo.close()


@pytest.fixture(scope="module")
def demo(app: tuple[gr.Blocks, str]) -> gr.Blocks:
    return app[0]


@pytest.fixture(scope="module")
def url(app: tuple[gr.Blocks, str]) -> str:
    return app[1]


# --- what is made beforehand; first, for what was opened before is not drawn again ---------------


def nearly(one: Any, other: Any) -> bool:
    """Whether packed records are the same but for rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(nearly(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(nearly, one, other))
    return one == (pytest.approx(other, rel=1e-4) if isinstance(one, float) else other)


def test_what_the_app_opens_with_is_what_it_would_draw():
    kept, shipped = openings.read()
    drawn, fresh = openings.draw()
    assert drawn, "nothing is drawn at the start"
    assert drawn.keys() <= kept.keys(), "write them anew: python -m demo.openings"
    for name, records in drawn.items():
        for one, other in zip(records, kept[name], strict=True):
            tensors, others = {}, {}
            packed = openings.pack(openings.unpack(one, fresh), tensors)
            assert nearly(packed, openings.pack(openings.unpack(other, shipped), others)), name
            for key, array in tensors.items():
                assert np.allclose(others[key], array, rtol=1e-4, atol=1e-5), name


# --- endpoints -----------------------------------------------------------------------------------


def test_every_action_is_named_described_and_typed(demo: gr.Blocks):
    public = [fn for fn in demo.fns.values() if fn.fn and fn.api_visibility == "public"]
    described = endpoints.named(demo)
    assert len(described) == len(public) > 70
    for name, endpoint in described.items():
        assert re.fullmatch(r"/[a-z][a-z0-9_]+", name)
        assert endpoint["description"], name
        for parameter in endpoint["parameters"]:
            assert re.fullmatch(r"[a-z][a-z_]*", parameter["parameter_name"]), name
            assert parameter["python_type"]["type"] != "Any", (name, parameter)


def test_the_readme_lists_them_all(demo: gr.Blocks):
    assert endpoints.table(demo) in README, "write it anew: python -m demo.endpoints"


def test_the_client_example_runs(url: str, capsys: pytest.CaptureFixture[str]):
    example = block_after("## Use it from a program", "python").replace(ADDRESS, url)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["seed"] == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("4 images in ")


def test_the_http_example_runs(url: str):
    example = block_after("## Use it from a program", "bash").replace(ADDRESS, url)
    said = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    event, _, answer = said.strip().partition("\ndata: ")
    assert event == "event: complete"
    [drawn] = json.loads(answer)
    assert len(drawn["names"]) == 36, drawn.keys()


# --- tools for language models -------------------------------------------------------------------


def ask(url: str, asked: Callable[[ClientSession], Any]) -> Any:
    """What a tool server answers; asked in a thread, for in this one a browser's loop may run."""

    async def answer() -> Any:
        async with (
            streamablehttp_client(f"{url}/gradio_api/mcp/") as (reads, writes, _),
            ClientSession(reads, writes) as session,
        ):
            await session.initialize()
            return await asked(session)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(answer())).result()


def test_the_tools_are_few_and_say_what_they_take(url: str):
    found = ask(url, lambda session: session.list_tools()).tools
    names = ["list_models", "draw_pictures", "compare_families", "edit_picture"]
    assert [tool.name for tool in found] == names
    for tool in found:
        assert tool.description
        for name, takes in tool.inputSchema["properties"].items():
            assert takes["description"], (tool.name, name)
            assert takes["type"] in ("string", "number")
    prompts = found[1].inputSchema["properties"]["prompt"]
    assert {"a 7", "a sneaker"} <= set(prompts["enum"])


def test_a_tool_answers_with_a_picture(url: str):
    asked = {"prompt": "a 7", "family": "GAN", "count": 4, "seed": 3}
    answer = ask(url, lambda session: session.call_tool("draw_pictures", asked))
    [picture, *_] = answer.content
    assert picture.type == "image"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.data))))
    assert np.array_equal(shown, np.asarray(tools.draw_pictures("a 7", "GAN", 4, 3)))
    *_, reply = engine.stream("ask", model="gan-mnist", label=7, count=4, seed=3)
    scale = len(shown) // 57  # two rows of 28 pixels, and what is between
    corner = torch.from_numpy(shown[: 28 * scale : scale, : 28 * scale : scale].copy()) / 255
    torch.testing.assert_close(corner, reply.images[0, 0], rtol=0, atol=0.003)


def test_a_tool_answers_with_sentences(url: str):
    models = ask(url, lambda session: session.call_tool("list_models", {}))
    assert "pixelcnn-mnist: Gated PixelCNN (" in models.content[0].text
    asked = {"prompt": "a 7", "family": "GAN", "count": 99, "seed": 3}
    refused = ask(url, lambda session: session.call_tool("draw_pictures", asked))
    assert refused.isError
    assert refused.content[0].text == "Count must be from 1 to 36."


def test_families_are_compared_in_words():
    *lines, last = tools.compare_families("a 7", 7).splitlines()
    assert [line.split(" ")[0] for line in [*lines, last]] == ["GAN", "VAE", "PixelCNN", "PixelRNN"]
    assert "it gives no likelihood" in lines[0]
    assert re.search(r"784 passes each; -log p\(x \| 7\) is \d+\.\d nats a picture$", last)


def test_without_gradios_part_for_it_one_sentence_says_so(monkeypatch, capsys):
    monkeypatch.delattr(GradioMCPServer, "Server")  # as where the package mcp is not installed
    monkeypatch.setattr(sys, "argv", ["app.py", "--mcp"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"error: {tools.MISSING}")


# --- a Space with ZeroGPU ------------------------------------------------------------------------

SPACES = """
decorated = []

def GPU(*, duration):
    def decorate(function):
        def lent(*arguments):
            decorated.append((function.__name__, duration(*arguments)))
            yield from function(*arguments)
        return lent
    return decorate
"""


def test_only_the_editor_takes_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        zero_gpu.use()
        decorated = sys.modules["spaces"].decorated
        *_, frame = engine.stream("forge", model="gan-mnist", z=[[0.0] * 64], labels=[7])
        assert frame.images.shape == (1, 1, 28, 28)
        assert decorated == []
        picture = tools.edit_picture("make it night", 7, 2, 1.2, 0)
        assert picture.width > 2 * picture.height
        assert decorated == [("edit", 20)]
    finally:
        engine.use(engine.in_process)
        sys.modules.pop("spaces", None)
    full_size = {"model": "timbrooks/instruct-pix2pix", "steps": 50}
    assert zero_gpu.seconds(full_size) == 110


def test_where_gpus_are_lent_all_else_stays_on_the_cpu(tmp_path: Path, monkeypatch):
    (tmp_path / "spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setenv("GM_DEVICE", "")  # so that it is put back
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # as there, in every process
    try:
        zero_gpu.use()
        *_, frame = engine.stream("forge", model="gan-mnist", z=[[0.0] * 64], labels=[7])
        assert frame.images.shape == (1, 1, 28, 28)
        assert os.environ["GM_DEVICE"] == "cpu"
    finally:
        engine.use(engine.in_process)
        sys.modules.pop("spaces", None)


# --- several processes, a library ----------------------------------------------------------------


def test_on_two_processes_the_loss_falls_as_on_one():
    one = losses()
    assert one[-1] < 0.8 * one[0]
    launch = [
        sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=2",
        "--num_machines=1", "--mixed_precision=bf16", "--dynamo_backend=no", "-m",
        "tests.gm_core.curve",
    ]  # fmt: skip
    two = subprocess.run(launch, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert json.loads(two.splitlines()[-1]) == pytest.approx(one, rel=2e-3)


def test_what_pip_installs_is_a_library_with_its_weights(tmp_path: Path):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()  # so that nothing is built inside the repository
    for name in ("gm_core", "checkpoints", "pyproject.toml", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-compile", "--target", site, source], check=True)
    example = block_after("## Use the library", "python")
    example += "import sys; print(gm_core.__file__, len(gm_core.available()), *nats.shape)\n"
    example += "print(len(gm_core.data.load('mnist', 'sample')), 'gradio' in sys.modules)\n"
    said = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, check=True, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(site)},
    ).stdout.splitlines()  # fmt: skip
    shipped = len(list(ROOT.glob("checkpoints/*/config.json")))
    assert said == [f"{site / 'gm_core' / '__init__.py'} {shipped} 4", "2000 False"]
