"""A cluster of this machine with two replicas: the same bytes, and what goes wrong there."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest

from demo import engine
from demo.engine import EngineLost
from demo.serving import replicas
from demo.serving.capacity import replicas_needed
from demo.serving.replicas import BadTable, Replicas, read_table
from gm_core import MissingWeights, gan_lab
from tests.records import as_bytes

PICTURE = [[[0.5] * 64] * 64] * 3
CALLS: dict[str, dict[str, Any]] = {
    "sample": {
        "model": "pixelcnn-mnist", "count": 2, "seed": 3, "label": 7, "temperature": 1.0,
        "every": 28,
    },
    "train_gan": {
        "state": gan_lab.begin(5), "data": gan_lab.ring(), "settings": gan_lab.BALANCED,
        "rounds": 20, "every": 5,
    },
    "edit": {
        "model": "instruct-pix2pix-mini", "image": PICTURE, "instruction": "give her sunglasses",
        "steps": 2, "guidance_scale": 3.0, "image_guidance_scale": 1.5, "seed": 5,
    },
}  # fmt: skip
ENDLESS = CALLS["train_gan"] | {"rounds": 10**9, "every": 20}


@pytest.fixture(scope="module", autouse=True)
def backend() -> Iterator[engine.Backend]:
    """Two replicas of one group, which run whatever they are sent."""
    assert "RAY_ADDRESS" not in os.environ
    before = dict(os.environ)
    try:
        with replicas.serving({"sampling": Replicas(2, 2)}) as backend:
            assert engine.GROUPS["sampling"].running == 2
            folder = Path(os.environ["RAY_TMPDIR"])
            assert any(folder.iterdir())
            yield backend
        assert not folder.exists()
        assert not cluster()
        assert engine._backend is engine.in_process
    finally:
        os.environ.clear()
        os.environ.update(before)


def cluster() -> list[psutil.Process]:
    """Whatever Ray has started."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
        and any("ray" in word for word in process.cmdline())
    ]


def both() -> list[psutil.Process]:
    return [each for each in cluster() if each.cmdline()[0].startswith("ray::ServeReplica")]


@pytest.mark.parametrize("call", CALLS)
def test_the_same_bytes_as_in_this_process(backend: engine.Backend, call: str):
    there = as_bytes(backend(call, "sampling", CALLS[call]))
    assert there == as_bytes(engine.in_process(call, "sampling", CALLS[call]))


@pytest.fixture
def _no_weights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process finds no checkpoint any more; the replicas do."""
    monkeypatch.setenv("GM_CHECKPOINTS", str(tmp_path))


@pytest.mark.usefixtures("_no_weights_here")
def test_the_engine_sends_its_calls_there():
    *_, frame = engine.stream("sample", **CALLS["sample"])
    assert frame.step == frame.total


@pytest.mark.usefixtures("_no_weights_here")
def test_groups_without_replicas_stay_in_this_process():
    with pytest.raises(MissingWeights):
        list(engine.stream("decode", model="vae-mnist-2d", z=[[0.0, 0.0]]))


def test_what_a_call_raises_there_is_raised_here(backend: engine.Backend):
    with pytest.raises(MissingWeights, match="nothing"):
        list(backend("sample", "sampling", CALLS["sample"] | {"model": "nothing"}))


def test_requests_spread_and_a_closed_one_ends_its_work(backend: engine.Backend):
    """Each replica runs one request at a time, so that nothing else runs until these two end."""
    for _ in range(2):
        running = [backend("train_gan", "sampling", ENDLESS) for _ in range(2)]
        assert [next(records).step for records in running] == [0, 0]
        for records in running:
            records.close()


def test_nothing_listens_beyond_this_machine():
    here = psutil.Process()
    processes = [here, *cluster()]
    assert len(both()) == 2
    opened = [
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert len(opened) > 4
    for address in opened:
        parsed = ipaddress.ip_address(address.removeprefix("::ffff:"))
        assert parsed.is_loopback, opened


def test_a_replica_that_dies_costs_one_sentence_and_is_replaced(backend: engine.Backend):
    with (
        closing(backend("train_gan", "sampling", ENDLESS)) as one,
        closing(backend("train_gan", "sampling", ENDLESS)) as other,
    ):
        assert next(one).state.seed == next(other).state.seed
        both()[0].kill()
        with pytest.raises(EngineLost, match="Ask again"):
            list(chain.from_iterable(zip(one, other, strict=True)))
    *_, frame = backend("sample", "sampling", CALLS["sample"])
    assert frame.step == frame.total
    test_requests_spread_and_a_closed_one_ends_its_work(backend)  # two at once again


# --- how many there are --------------------------------------------------------------------------


def test_a_table_is_read(tmp_path: Path):
    file = tmp_path / "replicas.toml"
    file.write_text("[sampling]\nleast = 2\nmost = 8\n[editing]\nleast = 3\ngpus = 0.25\n")
    assert read_table(file) == {"sampling": Replicas(2, 8), "editing": Replicas(3, 3, gpus=0.25)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sampling = 3", "sampling"),
        ("[sampler]", "none of"),
        ("[sampling]\nreplicas = 3", "least, most, cpus, gpus"),
        ("[sampling]\nleast = 0", "least <= most"),
        ("[sampling]\nleast = 3\nmost = 2", "least <= most"),
        ("[sampling]\nleast = 1.5", "whole"),
        ("[sampling]\nleast = true", "no number"),
        ("[sampling]\nleast = [1, 2]", "no number"),
        ("[sampling]\ngpus = nan", "less than nothing"),
        ("[sampling]\ngpus = -1", "less than nothing"),
        ("[sampling", "can't be read"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, says: str):
    file = tmp_path / "replicas.toml"
    file.write_text(text)
    with pytest.raises(BadTable, match=says):
        read_table(file)


def test_replicas_needed_by_erlangs_formula():
    # One replica is the queue M/M/1: of the requests, the share
    # load * exp(-(1 - load) * wait / seconds) waits longer than `wait`.
    one = {"requests_a_minute": 1.0, "seconds": 1.0}
    assert replicas_needed(30, p95=1 + 4.61, **one) == 1  # 0.5 * exp(-0.5 * 4.61) = 0.0499
    assert replicas_needed(30, p95=1 + 4.60, **one) == 2  # 0.0501
    # Of 10 erlangs, 5.7 % have to wait for 16 replicas and 3.1 % for 17, by tables of formula C.
    assert replicas_needed(600, p95=1 + 1e-9, **one) == 17
    assert replicas_needed(600, p95=15, **one) == 11
    with pytest.raises(ValueError, match="can't be done within"):
        replicas_needed(1, requests_a_minute=1, seconds=2, p95=2)
