"""The full-size model comes whole, from one commit, without pickles; whatever goes wrong is said.

A hub of our own on this machine serves a tiny pipeline, and misbehaves as it is told.
"""

from __future__ import annotations

import ast
import errno
import gc
import hashlib
import itertools
import json
import multiprocessing
import os
import re
import shutil
import socket
import struct
import weakref
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from filelock import FileLock
from huggingface_hub import constants, try_to_load_from_cache

from gm_core import hub, memory
from gm_core.hub import FULL_SIZE, Download, HubError, Source
from gm_core.instruct_pix2pix import Flagged, InstructPix2Pix
from tests.gm_core.stand_in import (
    DECOYS,
    PICKLE,
    UNET,
    Answer,
    StandIn,
    contents,
    serving,
    tiny_pipeline,
)

REPO, REVISION = "class/tiny-pix2pix", "0123456789abcdef" * 2 + "01234567"


def entry_of_the_unet(listing: dict[str, Any]) -> dict[str, Any]:
    return next(entry for entry in listing["siblings"] if entry["rfilename"] == UNET)


def status(code: int, **headers: str) -> Callable[[Answer, bytes], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer, _: answer.send(code, b'{"error": "no"}', named)


def reset(answer: Answer, data: bytes) -> None:
    answer.begin(data)
    answer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    answer.rfile.close()
    answer.wfile.close()
    answer.connection.close()
    answer.close_connection = True


def half(answer: Answer, data: bytes) -> None:
    answer.begin(data)
    answer.close_connection = True


def half_of_unknown_length(answer: Answer, data: bytes) -> None:
    answer.send_response(206 if answer.start else 200)
    answer.send_header("connection", "close")
    answer.end_headers()
    answer.wfile.write(data[answer.start : len(data) // 2])
    answer.close_connection = True


def stall(answer: Answer, data: bytes) -> None:
    answer.begin(data)
    answer.server.may_go_on.wait()
    answer.close_connection = True


def other_bytes(answer: Answer, data: bytes) -> None:
    answer.send(200, bytes(len(data)))


def too_many_bytes(answer: Answer, data: bytes) -> None:
    answer.send(200, data + b"more")


def from_the_start(answer: Answer, data: bytes) -> None:
    answer.send(200, data)


def web_page(answer: Answer, _: bytes) -> None:
    answer.send(200, b"<html>Welcome to our network! Please log in.</html>")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline") / "tiny"
    tiny_pipeline(folder)
    return folder


@pytest.fixture(scope="module")
def everything(pipeline: Path) -> dict[str, bytes]:
    return contents(pipeline)


@pytest.fixture(scope="module")
def source() -> Source:
    """A part of it, small and large files."""
    return Source(REPO, REVISION, ("model_index.json", "unet/config.json", UNET))


@pytest.fixture(scope="module")
def files(source: Source, everything: dict[str, bytes]) -> dict[str, bytes]:
    return {file: everything[file] for file in source.files}


@pytest.fixture
def stand_in(everything: dict[str, bytes]) -> Iterator[StandIn]:
    with serving(everything, REPO, REVISION) as server:
        yield server


@pytest.fixture
def fetch(stand_in: StandIn, source: Source, tmp_path: Path) -> Callable[..., Iterator[Download]]:
    def fetch(timeout: float = 5.0, endpoint: str = stand_in.endpoint) -> Iterator[Download]:
        return hub.fetch(source, cache=tmp_path / "hub", endpoint=endpoint, timeout=timeout)

    return fetch


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    yield
    hub._state.loaded, hub._state.shortages = None, 0


def refused(records: Iterator[Any]) -> HubError:
    with pytest.raises(HubError) as caught:
        list(records)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert not re.search(r"[.!?] |\{|Error|http", message), "one sentence, for a student"
    return caught.value


# What is fetched.


def test_the_model_is_one_commit_without_pickles():
    assert re.fullmatch("[0-9a-f]{40}", FULL_SIZE.revision)
    assert FULL_SIZE.repo == "timbrooks/instruct-pix2pix"
    assert {Path(file).suffix for file in FULL_SIZE.files} == {".json", ".txt", ".safetensors"}
    assert "safety_checker/model.safetensors" in FULL_SIZE.files


def test_importing_is_cheap():
    assert hub.__file__
    top = ast.parse(Path(hub.__file__).read_text()).body
    modules = {node.module for node in top if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in top if isinstance(node, ast.Import) for name in node.names}
    heavy = {"diffusers", "transformers", "accelerate", "huggingface_hub", "filelock", "psutil"}
    assert "torch" in modules
    assert not heavy & {str(module).split(".")[0] for module in modules}


def sent(thing: Any) -> Any:
    """As it arrives in another process."""
    queue = multiprocessing.Queue()
    queue.put(thing)
    return queue.get(timeout=60)


def test_all_of_the_pipeline_comes_and_nothing_else(fetch, stand_in, source, files, tmp_path):
    assert hub.find(source, tmp_path / "hub") is None
    records = list(fetch())
    assert contents(hub.find(source, tmp_path / "hub")) == files
    assert stand_in.fetched() == list(source.files)
    assert all(REVISION in path or path.startswith("/elsewhere/") for path in stand_in.asked)
    assert not any(decoy in path for path in stand_in.asked for decoy in DECOYS)

    total = sum(map(len, files.values()))
    assert records[0] == Download("", 0, len(files), 0, 0)
    assert records[-1] == Download(source.files[-1], len(files), len(files), total, total)
    assert all(
        old.bytes_done <= new.bytes_done <= total for old, new in itertools.pairwise(records)
    )
    assert {record.file for record in records} == {"", *files}
    assert sent(records) == records


def test_huggingface_hub_finds_what_was_fetched(fetch, files, tmp_path):
    list(fetch())
    for file, data in files.items():
        found = try_to_load_from_cache(REPO, file, cache_dir=tmp_path / "hub", revision=REVISION)
        assert isinstance(found, str)
        assert Path(found).read_bytes() == data
        assert Path(found).resolve().parent.name == "blobs"


def test_no_token_is_sent(fetch, stand_in, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    list(fetch())
    assert stand_in.headers
    assert not any("authorization" in headers for headers in stand_in.headers)
    assert "hf_secret" not in str(stand_in.headers)


def test_what_is_there_is_not_asked_for(fetch, stand_in, monkeypatch):
    *_, first = fetch()
    stand_in.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert list(fetch()) == [first]
    assert stand_in.asked == []


def test_a_lost_file_alone_is_fetched_again(fetch, stand_in, source, files, tmp_path):
    list(fetch())
    (source.folder(tmp_path / "hub") / UNET).resolve().unlink()
    stand_in.asked.clear()
    list(fetch())
    assert stand_in.fetched() == [UNET]
    assert contents(hub.find(source, tmp_path / "hub")) == files


def test_a_blob_that_another_program_fetched_is_used(fetch, stand_in, source, files, tmp_path):
    blobs = source.storage(tmp_path / "hub") / "blobs"
    blobs.mkdir(parents=True)
    (blobs / hashlib.sha256(files[UNET]).hexdigest()).write_bytes(files[UNET])
    list(fetch())
    assert UNET not in stand_in.fetched()
    assert contents(hub.find(source, tmp_path / "hub")) == files


def test_without_links_the_files_are_there(fetch, source, files, tmp_path, monkeypatch):
    def forbidden(*_: Any, **__: Any) -> None:
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(os, "symlink", forbidden)
    list(fetch())
    folder = hub.find(source, tmp_path / "hub")
    assert contents(folder) == files


# What can go wrong on the way.


@pytest.mark.parametrize("file", ["", "model_index.json", UNET])
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (status(401), "forbidden"),
        (status(403, x_error_code="GatedRepo"), "forbidden"),
        (status(404, x_error_code="EntryNotFound"), "missing"),
        (status(429, retry_after="300"), "busy"),
        (status(500), "server"),
        (status(503), "server"),
        (status(418), "stranger"),
        (reset, "interrupted"),
        (half, "interrupted"),
    ],
)
def test_each_fault_is_named(fetch, stand_in, source, files, tmp_path, fault, cause, file):
    stand_in.faults[file] = fault
    assert refused(fetch()).cause == cause
    assert hub.find(source, tmp_path / "hub") is None
    whole = contents(source.storage(tmp_path / "hub"))
    assert all(data in files.values() for name, data in whole.items() if "incomplete" not in name)
    stand_in.faults.clear()
    list(fetch())
    assert contents(hub.find(source, tmp_path / "hub")) == files


@pytest.mark.parametrize("file", ["", UNET])
def test_a_silent_hub_is_not_waited_for(fetch, stand_in, file):
    stand_in.faults[file] = stall
    assert refused(fetch(timeout=0.05)).cause == "stalled"


def test_a_closed_port_and_an_unknown_name_are_told_apart(fetch, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        assert refused(fetch(endpoint=f"http://127.0.0.1:{port}")).cause == "refused"

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refused(fetch(endpoint="http://hub.invalid")).cause == "unreachable"


def test_offline_mode_is_named(fetch, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refused(fetch()).cause == "offline"


@pytest.mark.parametrize("fault", [other_bytes, too_many_bytes, web_page])
@pytest.mark.parametrize("file", ["model_index.json", UNET])
def test_wrong_bytes_are_thrown_away(fetch, stand_in, source, files, tmp_path, file, fault):
    stand_in.faults[file] = fault
    assert refused(fetch()).cause == ("damaged" if fault is other_bytes else "stranger")
    assert hub.find(source, tmp_path / "hub") is None
    stand_in.faults.clear()
    list(fetch())
    assert contents(hub.find(source, tmp_path / "hub")) == files


@pytest.mark.parametrize(
    "change",
    [
        lambda listing: listing.update(sha="f" * 40),
        lambda listing: entry_of_the_unet(listing).update(rfilename="unet/other.safetensors"),
    ],
)
def test_another_commit_is_not_taken(fetch, stand_in, change):
    listing = stand_in.listing()
    change(listing)
    stand_in.faults[""] = lambda answer, _: answer.send(200, json.dumps(listing).encode())
    assert refused(fetch()).cause == "missing"
    assert stand_in.fetched() == []


@pytest.mark.parametrize(
    "body", [b"<html>Please log in</html>", b"[]", b'{"siblings": 3}', b'{"siblings": [{}]}']
)
def test_a_login_page_is_no_listing(fetch, stand_in, body):
    stand_in.faults[""] = lambda answer, _: answer.send(200, body)
    assert refused(fetch()).cause == "stranger"


def test_a_listing_names_no_files_outside(fetch, stand_in, tmp_path):
    listing = stand_in.listing()
    entry_of_the_unet(listing)["lfs"]["sha256"] = "../../../../escaped"
    stand_in.faults[""] = lambda answer, _: answer.send(200, json.dumps(listing).encode())
    assert refused(fetch()).cause == "stranger"
    assert not list(tmp_path.rglob("*escaped*"))


# Going on.


@pytest.mark.parametrize("fault", [reset, half, half_of_unknown_length])
def test_a_broken_download_goes_on_by_itself(fetch, stand_in, source, files, tmp_path, fault):
    stand_in.once(UNET, fault)
    list(fetch())
    assert contents(hub.find(source, tmp_path / "hub")) == files
    assert stand_in.fetched().count(UNET) == 2


def test_a_hub_that_starts_anew_is_followed(fetch, stand_in, source, files, tmp_path):
    stand_in.faults[UNET] = half
    refused(fetch())
    stand_in.faults[UNET] = from_the_start
    list(fetch())
    assert contents(hub.find(source, tmp_path / "hub")) == files


def test_a_stopped_download_goes_on_later(fetch, stand_in, source, files, tmp_path):
    stand_in.faults[UNET] = stall
    records = fetch(timeout=60)
    start = next(record for record in records if record.file == UNET)
    reached = next(record for record in records if record.bytes_done > start.bytes_done)
    assert reached.file == UNET
    records.close()
    assert hub.find(source, tmp_path / "hub") is None
    stand_in.faults.clear()
    stand_in.headers.clear()

    first, *_ = (record for record in fetch() if record.file == UNET)
    assert first.bytes_done == reached.bytes_done
    assert f"bytes={len(files[UNET]) // 2}-" in {each.get("range") for each in stand_in.headers}
    assert contents(hub.find(source, tmp_path / "hub")) == files
    assert not list((tmp_path / "hub").rglob("*incomplete*"))


def test_it_can_be_stopped_while_the_hub_is_silent(fetch, stand_in):
    stand_in.faults[""] = stall
    records = fetch(timeout=60)
    assert next(records) == next(records)
    records.close()
    stand_in.faults.clear()
    list(fetch())


def test_two_at_once_fetch_once(fetch, stand_in, source, files, tmp_path):
    stand_in.faults[UNET] = stall
    busy = fetch(timeout=60)
    next(record for record in busy if record.file == UNET)
    watching = fetch()
    seen = [next(watching) for _ in range(3)]
    assert seen[-1].bytes_done > 0
    busy.close()
    stand_in.faults.clear()
    assert list(watching)[-1].files_done == len(files)
    assert stand_in.fetched().count("model_index.json") == 1
    assert contents(hub.find(source, tmp_path / "hub")) == files


def test_one_that_waited_finds_all_there(fetch, source, files, tmp_path, stand_in):
    lock = tmp_path / "hub" / ".locks" / source.storage(tmp_path).name / "gm_core.lock"
    lock.parent.mkdir(parents=True)
    waiting = fetch()
    with FileLock(lock):
        assert [next(waiting).files_done for _ in range(3)] == [0, 0, 0]
        shutil.copytree(source_folder(files, tmp_path), source.folder(tmp_path / "hub"))
    assert list(waiting)[-1].files_done == len(files)
    assert stand_in.fetched() == []


def source_folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    for name, data in files.items():
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "copy"


# The disk.


def test_too_small_a_disk_is_noticed_before_the_download(fetch, stand_in, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 99, 1))
    error = refused(fetch())
    assert error.cause == "disk"
    assert "0.0 GB" in str(error)
    assert stand_in.fetched() == []


def test_a_full_disk_is_left_with_room(fetch, source, files, tmp_path):
    blobs = source.storage(tmp_path / "hub") / "blobs"
    blobs.mkdir(parents=True)
    begun = blobs / f"{hashlib.sha256(files[UNET]).hexdigest()}.gm_core.incomplete"
    begun.symlink_to("/dev/full")  # where every write finds the disk full
    assert refused(fetch()).cause == "disk"
    assert not begun.is_symlink()
    list(fetch())
    assert contents(hub.find(source, tmp_path / "hub")) == files


def test_a_folder_that_can_not_be_used_is_named(fetch, tmp_path):
    (tmp_path / "hub").write_text("a file")
    error = refused(fetch())
    assert error.cause == "folder"
    assert str(tmp_path / "hub") in str(error)


# Loading and editing.


def edit(editor: InstructPix2Pix) -> Iterator[Any]:
    return editor.edit(
        torch.linspace(0, 1, 3 * 32 * 32).reshape(3, 32, 32),
        "red",
        steps=2,
        guidance_scale=3.0,
        image_guidance_scale=1.5,
        seed=0,
        sampler="euler ancestral",
    )


def test_what_was_fetched_edits(stand_in, everything, tmp_path):
    source = Source(REPO, REVISION, tuple(everything))
    with pytest.raises(HubError, match="not on this machine yet"):
        hub.load(source, "cpu", cache=tmp_path / "hub")
    list(hub.fetch(source, cache=tmp_path / "hub", endpoint=stand_in.endpoint))
    assert contents(hub.find(source, tmp_path / "hub")) == everything
    editor = hub.load(source, "cpu", cache=tmp_path / "hub")
    assert hub.load(source, "cpu", cache=tmp_path / "hub") is editor
    assert not editor.training
    assert not any(weight.requires_grad for weight in editor.parameters())
    assert {weight.dtype for weight in editor.parameters()} == {torch.float32}
    assert editor.safety_checker is not None
    (_, last) = hub.guarded(edit(editor))
    assert last.image.shape == (3, 32, 32)
    assert last.image.isfinite().all()


def test_one_model_is_held_at_a_time(pipeline, tmp_path):
    first = weakref.ref(hub.load(pipeline, "cpu"))
    assert first() is not None
    other = shutil.copytree(pipeline, tmp_path / "other")
    second = hub.load(other, "cpu")
    assert first() is None
    assert hub.load(other, "cpu") is second


def test_a_flagged_picture_is_not_given_out(pipeline):
    editor = hub.load(pipeline, "cpu")
    with torch.no_grad():
        editor.safety_checker.concept_embeds_weights.fill_(-2.0)  # a cosine is always above that
    frames = hub.guarded(edit(editor))
    before = next(frames)
    assert before.step == 1
    with pytest.raises(Flagged):
        next(frames)
    assert list(frames) == []


def break_safety(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index.update(safety_checker=[None, None], requires_safety_checker=False)
    (folder / "model_index.json").write_text(json.dumps(index))


def only_a_pickle(folder: Path) -> None:
    torch.save({}, folder / PICKLE)
    (folder / UNET).unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        shutil.rmtree,
        only_a_pickle,
        break_safety,
        lambda folder: (folder / "model_index.json").write_text("{"),
        lambda folder: (folder / UNET).write_bytes((folder / UNET).read_bytes()[:-100]),
        lambda folder: (folder / UNET).write_bytes(b"no safetensors"),
        lambda folder: (folder / "unet/config.json").unlink(),
        lambda folder: (folder / "text_encoder/config.json").write_text("[]"),
    ],
)
def test_a_folder_that_holds_no_pipeline_is_refused(pipeline, tmp_path, spoil):
    folder = shutil.copytree(pipeline, tmp_path / "spoilt")
    spoil(folder)
    with pytest.raises(HubError) as caught:
        hub.load(folder, "cpu")
    assert caught.value.cause == "pipeline"
    assert str(folder) in str(caught.value)


def out_of_memory(*_: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


@pytest.mark.parametrize(
    "shortage",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_every_kind_of_shortage_is_known(shortage):
    assert memory.is_shortage(shortage)
    assert not memory.is_shortage(RuntimeError("The size of tensor a must match that of b."))


def test_out_of_memory_while_loading(pipeline, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(torch.nn.Module, "to", out_of_memory)
        with pytest.raises(HubError) as caught:
            hub.load(pipeline, "cpu")
    assert caught.value.cause == "memory"
    assert caught.value.__context__ is None
    assert len(list(hub.guarded(edit(hub.load(pipeline, "cpu"))))) == 2


@pytest.mark.parametrize("where", ["unet", "vae.decoder"])
def test_out_of_memory_while_editing(pipeline, where):
    editor = hub.load(pipeline, "cpu")
    (_, expected) = hub.guarded(edit(editor))
    left: list[weakref.ref[torch.Tensor]] = []

    def fail(_: Any, given: tuple[torch.Tensor, ...], __: Any) -> None:
        left.append(weakref.ref(given[0]))
        out_of_memory()

    hook = editor.get_submodule(where).register_forward_hook(fail)
    error = refused(hub.guarded(edit(editor)))
    hook.remove()
    assert error.cause == "memory"
    assert left[0]() is None, "what the step worked on is given back while the error is still held"
    model = weakref.ref(editor)
    del editor, hook
    gc.collect()
    assert model() is None
    (_, again) = hub.guarded(edit(hub.load(pipeline, "cpu")))
    torch.testing.assert_close(again.image, expected.image, rtol=0, atol=0)


def test_other_errors_of_an_edit_are_not_hidden(pipeline):
    editor = hub.load(pipeline, "cpu")
    with pytest.raises(RuntimeError, match="size") as caught:
        list(
            hub.guarded(
                editor.edit(
                    torch.zeros(5, 32, 32),
                    "red",
                    steps=1,
                    guidance_scale=1.0,
                    image_guidance_scale=1.0,
                    seed=0,
                )
            )
        )
    assert not isinstance(caught.value, HubError)


def test_too_little_memory_is_noticed_before_the_load(pipeline, monkeypatch):
    free = namedtuple("free", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free(1 << 20))
    with pytest.raises(HubError, match="more memory"):
        hub.load(pipeline, "cpu")


def test_the_size_in_memory_is_known_before_the_load(pipeline):
    editor = hub.load(pipeline, "cpu")
    numbers = sum(weight.numel() for weight in editor.parameters())
    assert hub._weights(pipeline, torch.float32) == 4 * numbers
    assert hub._weights(pipeline, torch.float16) == 2 * numbers


def test_less_memory_never_means_more_of_it_is_used():
    weights = 3 << 30
    chosen = [hub.placement(free << 28, weights) for free in range(60)]
    assert chosen == sorted(chosen, key=hub.PLACEMENTS.index, reverse=True)
    assert set(chosen) == set(hub.PLACEMENTS)
    assert hub.placement(weights, weights) == "offloaded"
    assert hub.placement(24 << 30, weights) == "whole"


@pytest.mark.parametrize("where", hub.PLACEMENTS)
def test_a_picture_is_the_same_wherever_the_model_lies(pipeline, where):
    (_, expected) = edit(hub.load(pipeline, "cpu"))
    hub._state.loaded = None
    editor = hub.load(pipeline, "cpu")
    hub.place(editor, torch.device("cpu"), where)
    (_, last) = edit(editor)
    torch.testing.assert_close(last.image, expected.image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cause", hub.REASONS)
def test_every_message_is_one_sentence_and_crosses_processes(cause):
    facts = ["this", "that"][: hub.REASONS[cause].count("{}")]
    error = refused(raising(HubError(cause, *facts)))
    copied = sent(error)
    assert (copied.cause, str(copied)) == (error.cause, str(error))


def raising(error: HubError) -> Iterator[Any]:
    raise error
    yield
