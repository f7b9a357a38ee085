"""Full-size InstructPix2Pix from the Hugging Face hub: one commit, safetensors alone, no code.

from gm_core import hub

for download in hub.fetch():                     # about 5.5 GB, once
    print(download.file, download.bytes_done, download.bytes_total)
editor = hub.load()
for frame in hub.guarded(editor.edit(image, "make it winter", ...)):
    ...

The bytes live in huggingface_hub's cache ($HF_HOME), in its layout: what other programs fetched is
not fetched again, and they find what was fetched here. A file joins the cache when its hash is the
one that the commit names; until then it lies beside, and the next fetch goes on with it.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import torch
from safetensors import safe_open

from gm_core import memory
from gm_core.files import FULL, free_bytes
from gm_core.instruct_pix2pix import InstructPix2Pix, read

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A pipeline on the hub. Nothing but the files named here is ever asked for."""

    repo: str
    revision: str  # a commit, so that it is the same model next year
    files: tuple[str, ...]

    def folder(self, cache: Path) -> Path:
        """Where the files are in a cache."""
        return self.storage(cache) / "snapshots" / self.revision

    def storage(self, cache: Path) -> Path:
        """Where a cache keeps all of the repository."""
        return cache / f"models--{self.repo.replace('/', '--')}"


# The repository also holds each weight as a pickle, in half precision and in one file of 7 GB.
FULL_SIZE = Source(
    repo="timbrooks/instruct-pix2pix",
    revision="31519b5cb02a7fd89b906d88731cd4d6a7bbf88d",
    files=(
        "model_index.json",
        "feature_extractor/preprocessor_config.json",
        "safety_checker/config.json",
        "safety_checker/model.safetensors",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ),
)


@dataclass(frozen=True, slots=True)
class Download:
    """How far a fetch has come."""

    file: str  # that is on its way; "" while the hub is asked what there is
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int  # 0 until the hub has said


Cause = Literal[
    "offline", "unreachable", "refused", "stalled", "interrupted", "forbidden", "missing", "busy",
    "server", "stranger", "damaged", "disk", "folder", "absent", "device", "pipeline", "memory",
]  # fmt: skip
REASONS: Mapping[Cause, str] = {
    "offline": (
        "Downloads are switched off by HF_HUB_OFFLINE: start the app without it, "
        "or use the miniature, which needs none."
    ),
    "unreachable": (
        "The model hub could not be reached: check the network, "
        "or use the miniature, which needs none."
    ),
    "refused": (
        "The model hub refused the connection: check the proxy and the firewall, "
        "or use the miniature, which needs no network."
    ),
    "stalled": "The model hub does not answer any more: try again, for what has arrived is kept.",
    "interrupted": "The connection broke off: try again, for what has arrived is kept.",
    "forbidden": (
        "The model hub gives this model to nobody without an account any more: use the miniature."
    ),
    "missing": (
        "The model hub no longer has this version of the model: update the app, "
        "or use the miniature."
    ),
    "busy": "The model hub was asked too often from here: wait a few minutes, then try again.",
    "server": "The model hub has a fault of its own: try again in a few minutes.",
    "stranger": (
        "Something other than the model hub answered: open a web page to see whether the network "
        "wants you to log in, then try again."
    ),
    "damaged": "{} arrived damaged and was thrown away: try again.",
    "disk": (
        "The model needs {} more on the disk of {}: make room there, "
        "or name a folder on another disk with HF_HOME."
    ),
    "folder": "The folder {} cannot be used ({}): name another one with HF_HOME.",
    "absent": "The full-size model is not on this machine yet: fetch it first.",
    "device": (
        "The full-size model needs a GPU, which this machine has not: use the miniature, "
        "or start the app with GM_DEVICE=cpu and wait many minutes for every edit."
    ),
    "pipeline": "The folder {} holds no whole model: delete it, then fetch the model again.",
    "memory": (
        "The full-size model needs more memory than is free: close other programs and try again, "
        "or use the miniature."
    ),
}


class HubError(RuntimeError):
    """The full-size model can't be had or can't run: `cause` for code, the text for a student."""

    def __init__(self, cause: Cause, *facts: str) -> None:
        super().__init__(cause, *facts)
        self.cause: Cause = cause

    def __str__(self) -> str:
        return REASONS[self.cause].format(*self.args[1:])


BEAT = 0.2  # seconds after which a record comes although nothing has happened
PAUSE = 0.1  # seconds between records while much happens
PATIENCE = 2  # attempts at a file in a row that bring nothing of it
BLOCK = 8 << 20  # bytes that are hashed at a time
# The names are those of httpx, which huggingface_hub 2 has under another name. The first that is
# anywhere in the chain of an error counts.
NETWORK: Mapping[str, Cause] = {
    "OfflineModeIsEnabled": "offline",
    "ConnectionRefusedError": "refused",
    "TimeoutException": "stalled",
    "ConnectError": "unreachable",
    "ProxyError": "unreachable",
    "UnsupportedProtocol": "unreachable",
    "NetworkError": "interrupted",
    "ProtocolError": "interrupted",
    "DecodingError": "stranger",
    "TooManyRedirects": "stranger",
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file as the hub's listing has it."""

    file: str
    size: int
    digest: str  # sha256 in large file storage, else git's sha1; the cache names files by it
    storage: Path

    @property
    def blob(self) -> Path:
        return self.storage / "blobs" / self.digest

    @property
    def beside(self) -> Path:
        """Where it lies until it is whole: huggingface_hub uses other names for its own."""
        return self.storage / "blobs" / f"{self.digest}.gm_core.incomplete"


def find(source: Source = FULL_SIZE, cache: str | Path | None = None) -> Path | None:
    """The folder of a pipeline that was fetched whole, else None. Asks nobody."""
    folder = source.folder(_cache(cache))
    return folder if all((folder / file).is_file() for file in source.files) else None


def fetch(
    source: Source = FULL_SIZE,
    *,
    cache: str | Path | None = None,
    endpoint: str | None = None,
    timeout: float = 10.0,
) -> Iterator[Download]:
    """Bring a pipeline into the cache; the last record says that everything is there.

    A record comes every `BEAT` seconds at least, and whoever closes the iterator ends the download;
    the next one goes on where it stopped. Nobody is asked for what is there already, and no token
    is sent. cache: huggingface_hub's, if not $HF_HOME's; endpoint: the hub's, if not $HF_ENDPOINT;
    timeout: seconds in which the hub must send something. Raises HubError.
    """
    folder = _cache(cache)
    # A thread waits for the network, so that the caller can stop although the hub is silent.
    waiter = ThreadPoolExecutor(1, "gm_core.hub")
    shown, file = -math.inf, ""
    try:
        with closing(_fetch(source, folder, endpoint, timeout, waiter)) as records:
            for record in records:
                is_last = record.files_done == record.files_total
                if is_last or record.file != file or time.monotonic() - shown > PAUSE:
                    yield record
                    shown, file = time.monotonic(), record.file
    except HubError:
        raise
    except Exception as error:
        cause = _network(error)
        if cause is not None:
            raise HubError(cause) from error
        if isinstance(error, OSError):
            raise HubError("folder", str(folder), error.strerror or "unusable") from error
        raise
    finally:
        waiter.shutdown(wait=False)


def _cache(cache: str | Path | None) -> Path:
    from huggingface_hub import constants

    return Path(cache or constants.HF_HUB_CACHE).expanduser()


def _fetch(
    source: Source, cache: Path, endpoint: str | None, timeout: float, waiter: Executor
) -> Generator[Download, None, None]:
    folder, count = source.folder(cache), len(source.files)
    if find(source, cache):
        size = sum((folder / file).stat().st_size for file in source.files)
        yield Download(source.files[-1], count, count, size, size)
        return

    from filelock import FileLock, Timeout
    from huggingface_hub import constants, hf_hub_url

    endpoint = endpoint or constants.ENDPOINT

    asked = Download("", 0, count, 0, 0)
    yield asked
    listing = partial(_listing, source, source.storage(cache), endpoint, timeout)
    wanted = yield from _awaited(waiter, listing, asked)
    total = sum(item.size for item in wanted)

    def progress(file: str) -> Download:
        done = [item.size for item in wanted if (folder / item.file).is_file()]
        begun = sum(_size(item.beside) for item in wanted)
        return Download(file, len(done), count, sum(done) + begun, total)

    def too_full() -> HubError:
        return HubError("disk", f"{(total - progress('').bytes_done) / 1e9:.1f} GB", str(cache))

    if free_bytes(cache) < total - progress("").bytes_done:
        raise too_full()

    # One process fetches, the others watch. A generator's steps may be run by different threads.
    locks = cache / ".locks" / source.storage(cache).name
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / "gm_core.lock", thread_local=False)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=BEAT)
        except Timeout:
            yield progress("")
    try:
        for item in wanted:
            if (folder / item.file).is_file():
                continue
            if _size(item.blob) != item.size:
                url = hf_hub_url(
                    source.repo, item.file, revision=source.revision, endpoint=endpoint
                )
                try:
                    yield from _fetch_file(item, url, progress(item.file), timeout, waiter)
                except OSError as error:
                    if error.errno not in FULL:
                        raise
                    # Whatever runs on this machine needs the room more than the next fetch a start.
                    item.beside.unlink(missing_ok=True)
                    raise too_full() from error
            _link(item.blob, folder / item.file)
        yield progress(source.files[-1])
    finally:
        lock.release()


def _listing(source: Source, storage: Path, endpoint: str, timeout: float) -> list[_Wanted]:
    """What the hub knows of a source's files."""
    from huggingface_hub import get_session

    url = f"{endpoint}/api/models/{source.repo}/revision/{source.revision}?blobs=true"
    # HfApi's own request tells the hub what else is installed and sends a second one first.
    response = get_session().get(url, timeout=timeout)
    _raise_for(response.status_code)
    wanted = []
    try:
        answer = response.json()
        files = {entry["rfilename"]: entry for entry in answer["siblings"]}
        if answer["sha"] != source.revision or not files.keys() >= set(source.files):
            raise HubError("missing")
        for file in source.files:
            large = files[file].get("lfs")
            digest = large["sha256"] if large else files[file]["blobId"]
            if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", digest):  # it becomes a file's name
                raise HubError("stranger")
            wanted.append(_Wanted(file, int(files[file]["size"]), digest, storage))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HubError("stranger") from error
    return wanted


def _fetch_file(
    item: _Wanted, url: str, begun: Download, timeout: float, waiter: Executor
) -> Iterator[Download]:
    """Bring a file into the cache's blobs, going on with what an earlier fetch left."""
    yield begun
    item.blob.parent.mkdir(parents=True, exist_ok=True)
    # Unbuffered, so that it is the write that notices a full disk.
    with open(item.beside, "ab", buffering=0):
        pass
    with open(item.beside, "r+b", buffering=0) as file:
        file.seek(0, os.SEEK_END)
        before = begun.bytes_done - file.tell()

        def record() -> Download:
            return replace(begun, bytes_done=before + file.tell())

        fruitless = 0
        cause: Cause | None = None
        while file.tell() < item.size:
            start = file.tell()
            pieces = _pieces(url, start, item.size, timeout)
            try:
                while file.tell() <= item.size:
                    piece = yield from _awaited(waiter, partial(next, pieces, None), record())
                    if piece is None:
                        break
                    _write(file, *piece)
                    yield record()
            except Exception as error:
                cause = _network(error)
                if cause not in ("interrupted", "stalled"):
                    raise
            finally:
                waiter.submit(pieces.close)  # which may be busy in the waiter's thread
            fruitless = 0 if file.tell() > start else fruitless + 1
            if fruitless == PATIENCE:
                raise HubError(cause or "interrupted")

        # What counts is what is on the disk, not what was sent there.
        is_right = file.tell() == item.size
        hasher = hashlib.sha256()
        if len(item.digest) == 40:
            hasher = hashlib.sha1(b"blob %d\0" % item.size, usedforsecurity=False)
        whole = record()
        file.seek(0)
        while is_right and (block := file.read(BLOCK)):
            hasher.update(block)
            yield whole
        is_right = is_right and hasher.hexdigest() == item.digest
        if is_right:
            yield from _awaited(waiter, partial(os.fsync, file.fileno()), whole)
    if not is_right:
        item.beside.unlink()
        raise HubError("damaged", item.file)
    os.replace(item.beside, item.blob)


def _pieces(
    url: str, start: int, size: int, timeout: float
) -> Generator[tuple[int, bytes], None, None]:
    """What the hub sends of a file, each piece with its place, from `start` on if it can."""
    from huggingface_hub import get_session

    headers = {"accept-encoding": "identity"}
    if start:
        headers["range"] = f"bytes={start}-"
    with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
        _raise_for(response.status_code)
        place = start if response.status_code == 206 else 0
        if int(response.headers.get("content-length", size - place)) != size - place:
            raise HubError("stranger")
        for data in response.iter_bytes():
            yield place, data
            place += len(data)


def _write(file: BinaryIO, place: int, data: bytes) -> None:
    """Write a piece of a file to its place; what lay behind it is of another attempt."""
    if place != file.tell():
        file.seek(place)
        file.truncate()
    while data:
        data = data[file.write(data) :]


def _awaited(
    waiter: Executor, call: Callable[[], T], record: Download
) -> Generator[Download, None, T]:
    """The result of a call; the same record again and again while it takes its time."""
    future = waiter.submit(call)
    while not wait([future], BEAT).done:
        yield record
    return future.result()


def _link(blob: Path, path: Path) -> None:
    """Put a blob where the pipeline has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:  # Windows asks for a privilege
        os.replace(blob, path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _raise_for(status: int) -> None:
    """Raises HubError unless a request was answered."""
    if status in (200, 206):
        return
    if status in (401, 403, 451):
        raise HubError("forbidden")
    if status in (404, 410):
        raise HubError("missing")
    if status in (408, 429):
        raise HubError("busy")
    raise HubError("server" if status >= 500 else "stranger")


def _network(error: BaseException) -> Cause | None:
    """What is wrong with the network, if that is what an error is about."""
    names = {kind.__name__ for link in memory.chain(error) for kind in type(link).__mro__}
    return next((cause for name, cause in NETWORK.items() if name in names), None)


Placement = Literal["whole", "sliced", "offloaded"]
PLACEMENTS: tuple[Placement, ...] = ("whole", "sliced", "offloaded")
# Bytes beside the weights for an edit of 512x512 pixels: with all it decodes at once, or in turn.
ROOM_WHOLE, ROOM_SLICED = 3 << 30, 3 << 29
WEIGHTS = ("model.safetensors", "diffusion_pytorch_model.safetensors")


@dataclass(slots=True)
class _State:
    """What this process holds."""

    loaded: tuple[tuple[Path, str], InstructPix2Pix] | None = None
    shortages: int = 0  # how often memory ran out, each of which makes the next load thriftier


_state, _loading = _State(), threading.Lock()


def placement(free: int, weights: int) -> Placement:
    """How a model of so many bytes runs on a GPU with so many free.

    "whole": all of it stays there; "sliced": so it does, but decodes one picture after the other;
    "offloaded": also, the U-Net's blocks wait in the computer's memory for their turn. Attention is
    never sliced: PyTorch's own computes it in pieces already, and faster.
    """
    if free >= weights + ROOM_WHOLE:
        return "whole"
    return "sliced" if free >= weights + ROOM_SLICED else "offloaded"


def usual_device() -> torch.device:
    """The one that $GM_DEVICE names, else the GPU. Raises HubError where there is none: on a CPU,
    nobody waits for the 60 passes of an edit without having asked for it."""
    named = os.environ.get("GM_DEVICE")
    if not named and not torch.cuda.is_available():
        raise HubError("device")
    return torch.device(named or "cuda")


def load(
    model: Source | str | Path = FULL_SIZE,
    device: str | torch.device | None = None,
    *,
    cache: str | Path | None = None,
) -> InstructPix2Pix:
    """A pipeline that was fetched, or that lies in a folder, ready to edit and frozen.

    One is held at a time: another folder or device replaces it. In half precision on a GPU, placed
    as its memory allows; in single precision on a CPU. device: if not given, `usual_device()`.
    Raises HubError.
    """
    device = usual_device() if device is None else torch.device(device)
    folder = find(model, cache) if isinstance(model, Source) else Path(model)
    if folder is None:
        raise HubError("absent")
    key = (folder.resolve(), str(device))
    with _loading:
        if _state.loaded is not None and _state.loaded[0] == key:
            return _state.loaded[1]
        if _state.loaded is not None:
            _give_back()
        try:
            editor = _read(folder, device)
        except HubError:
            raise
        except Exception as error:
            if not memory.is_shortage(error):
                raise HubError("pipeline", str(folder)) from error
            _give_back(error)
        else:
            _state.loaded = key, editor
            return editor
    raise HubError("memory")  # out here, where it doesn't hold on to the error and its tensors


def _read(folder: Path, device: torch.device) -> InstructPix2Pix:
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    weights = _weights(folder, dtype)
    if device.type == "cpu":
        import psutil

        # The system would rather end the app than refuse it memory.
        if psutil.virtual_memory().available < weights + ROOM_SLICED:
            raise HubError("memory")
    editor = read(folder, dtype)
    if editor.safety_checker is None:
        raise ValueError(f"{folder} has no safety checker.")
    editor.eval().requires_grad_(False)
    where: Placement = "whole"
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        thrift = max(PLACEMENTS.index(placement(free, weights)), _state.shortages)
        where = PLACEMENTS[min(thrift, len(PLACEMENTS) - 1)]
    place(editor, device, where)
    return editor


def _weights(folder: Path, dtype: torch.dtype) -> int:
    """Bytes of the weights in a folder as they will be in memory, read from the files' heads."""
    numbers = 0
    for path in folder.glob("*/*.safetensors"):
        if path.name in WEIGHTS:
            with safe_open(path, framework="pt") as file:
                shapes = (file.get_slice(name).get_shape() for name in file.keys())  # noqa: SIM118
                numbers += sum(math.prod(shape) for shape in shapes)
    return numbers * dtype.itemsize


def place(editor: InstructPix2Pix, device: torch.device, where: Placement) -> None:
    """Move an editor to a device, as `placement` says."""
    if where != "whole":
        editor.vae.enable_slicing()
    if where != "offloaded":
        editor.to(device)
        return
    editor.unet.enable_group_offload(
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
    )
    for part in (editor.vae, editor.text_encoder, editor.safety_checker):
        part.to(device)


def guarded(frames: Iterator[T]) -> Iterator[T]:
    """The frames of an edit. If memory runs out, all of it is given back, the loaded model's too.

    Then it raises HubError, and the next `load` places the model more thriftily.
    """
    try:
        yield from frames
        return
    except (RuntimeError, MemoryError, OSError) as error:
        if not memory.is_shortage(error):
            raise
        _give_back(error)
    raise HubError("memory")


def _give_back(shortage: BaseException | None = None) -> None:
    """Give back the memory of the loaded model, and of what an error has interrupted."""
    _state.loaded = None
    if shortage is not None:
        _state.shortages += 1
    memory.give_back(shortage)
