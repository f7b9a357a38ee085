"""Checkpoint folders: strict and safe to load, whole or absent when saved.

config.json           family, data set, the model's config, and the manifest (sha256, bytes)
model.safetensors     the weights, float16 on disk; a family that says how it is read and written
                      has files and folders of its own instead
golden.safetensors    a seeded output that the loaded weights must reproduce
metrics.json          held-out figures, written by `python -m gm_core.evaluate`
sample.safetensors    how the model scores the shipped sample of test images, written by the same
history.safetensors   the same latents through training, where a recipe watches them
README.md             the model card
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gm_core.families import FAMILIES
from gm_core.files import clear_leftovers, leftovers, room_for, write_bytes, write_safetensors

WEIGHTS = "model.safetensors"
GOLDEN = "golden.safetensors"
CARD = "README.md"
SAMPLE = "sample.safetensors"
HISTORY = "history.safetensors"
OLD = "old"  # a checkpoint that is about to be replaced


class MissingWeights(FileNotFoundError):
    """There is no such checkpoint."""


class BadCheckpoint(ValueError):
    """A checkpoint's file is not what it should be; the message names the file and the mend."""


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What a checkpoint says of itself, without its weights."""

    name: str
    family: str
    dataset: str
    config: dict[str, Any]
    training: dict[str, Any]  # preset, steps, seed, ...
    parameters: int
    bytes: int
    weights: str  # sha256
    metrics: dict[str, Any] | None  # None where these weights are not measured yet


def root() -> Path:
    """The folder of all checkpoints: $GM_CHECKPOINTS, else what was installed with the package,
    else `checkpoints/` beside it."""
    if named := os.environ.get("GM_CHECKPOINTS"):
        return Path(named)
    package = Path(__file__).parent
    installed = package / "weights"
    return installed if installed.is_dir() else package.parent / "checkpoints"


def available() -> tuple[str, ...]:
    """Names of the checkpoints that are there."""
    return tuple(sorted(path.parent.name for path in root().glob("*/config.json")))


def usual_device() -> str:
    """The one that $GM_DEVICE names, else the GPU where there is one, else the CPU."""
    return os.environ.get("GM_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


_loading: dict[str, threading.Lock] = {}  # one a model: to import the editor takes seconds


def load(name: str, device: str | torch.device | None = None) -> Any:
    """The model of a checkpoint: in evaluation mode, frozen, loaded once a device.

    device: default is `usual_device()`. Raises MissingWeights or BadCheckpoint.
    """
    with _loading.setdefault(name, threading.Lock()):
        return _load(name, str(torch.device(device or usual_device())), root())


@functools.cache
def _load(name: str, device: str, folder: Path) -> Any:
    return read(folder / name).to(device)


def describe(name: str) -> CheckpointInfo:
    """What a checkpoint says of itself. Raises MissingWeights or BadCheckpoint."""
    folder = root() / name
    manifest = _read_manifest(folder)
    weights, size = _weights(manifest)
    return CheckpointInfo(
        name=name,
        family=manifest["family"],
        dataset=manifest["dataset"],
        config=manifest["config"],
        training=manifest["training"],
        parameters=manifest["parameters"],
        bytes=size,
        weights=weights,
        metrics=_read_metrics(folder, manifest),
    )


class _NoInitialisation(TorchFunctionMode):
    """Leaves new weights as they are. On the meta device there is nothing to initialise, and to do
    so makes PyTorch import its decompositions first, which takes over a second."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def read(folder: Path) -> Any:
    """Load a checkpoint folder strictly: exact hash, names, shapes, dtypes, finite values."""
    manifest = _read_manifest(folder)
    family = FAMILIES[manifest["family"]]
    config = _read_config(folder, manifest)
    if family.read is not None:
        for name in _parts(manifest):
            _read_bytes(folder, name, manifest)
        return family.read(folder, config).eval().requires_grad_(False)
    tensors = _read_tensors(folder, WEIGHTS, manifest)
    try:
        # Shapes first: a foreign config must not allocate anything.
        with torch.device("meta"), _NoInitialisation():
            skeleton = family.model(config).state_dict()
    except (TypeError, ValueError, RuntimeError) as error:
        raise _bad(folder, "config.json", f"its config makes no network: {error}") from error
    expected = {key: value.shape for key, value in skeleton.items()}
    if expected.keys() != tensors.keys():
        wrong = sorted(expected.keys() ^ tensors.keys())
        raise _bad(folder, WEIGHTS, f"its weights do not fit its config, first {wrong[0]!r}")
    for key, tensor in tensors.items():
        if tensor.shape != expected[key] or tensor.dtype != torch.float16:
            raise _bad(folder, WEIGHTS, f"{key!r} has the wrong shape or type")
        if not tensor.isfinite().all():
            raise _bad(folder, WEIGHTS, f"{key!r} holds a value that is not finite")
    model = family.model(config)
    model.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    return model.eval().requires_grad_(False)


def read_golden(folder: Path) -> dict[str, Tensor]:
    """The output that the checkpoint's weights gave when they were saved."""
    return _read_tensors(folder, GOLDEN, _read_manifest(folder))


def read_sample(name: str) -> dict[str, Tensor] | None:
    """What a model makes of its data set's shipped sample; None if these weights have not been
    measured.

    "nats": -log p(x) of every image (N,), as the first frozen draw binarises it. Of a VAE with
    attributes, "codes" (N, latent), and "directions" (attributes, latent).
    """
    path = root() / name / SAMPLE
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        weights = (file.metadata() or {}).get("weights")
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return tensors if weights == describe(name).weights else None


def write_sample(name: str, tensors: dict[str, Tensor]) -> None:
    """Keep what `read_sample` gives."""
    floats = {key: value.float().contiguous() for key, value in tensors.items()}
    write_safetensors(root() / name / SAMPLE, floats, {"weights": describe(name).weights})


def read_sample_nats(name: str) -> Tensor | None:
    """-log p(x) of every image of the shipped sample, nats (N,); None if it was not measured."""
    sample = read_sample(name)
    return None if sample is None else sample.get("nats")


def save(
    folder: Path, model: nn.Module, *, family: str, dataset: str, training: dict[str, Any]
) -> None:
    """Write a checkpoint beside its place, read it back, and only then put it there.

    The model card stays; figures of other weights do not. If the process is killed between the two
    renames at the end, there is no checkpoint: the old one lies beside, and the next save puts it
    back before it begins. Raises BadCheckpoint for weights that are not finite, DiskFull.
    """
    for left in leftovers(folder):
        if (left / OLD).exists() and not folder.exists():
            (left / OLD).rename(folder)
    clear_leftovers(folder)
    with room_for(folder):
        _save(folder, model, family, dataset, training)


def _save(
    folder: Path, model: nn.Module, family: str, dataset: str, training: dict[str, Any]
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        fresh, old = Path(temporary) / folder.name, Path(temporary) / OLD
        weights = {key: value.half() for key, value in model.state_dict().items()}
        if (write := FAMILIES[family].write) is not None:
            write(model, fresh)
        else:
            write_safetensors(fresh / WEIGHTS, weights)
        parts = [path for path in sorted(fresh.rglob("*")) if path.is_file()]
        manifest: dict[str, Any] = {
            "family": family,
            "dataset": dataset,
            "config": asdict(model.config),  # pyright: ignore[reportArgumentType]
            "training": training,
            "parameters": sum(value.numel() for value in weights.values()),
            "files": {path.relative_to(fresh).as_posix(): _fingerprint(path) for path in parts},
        }
        _write_manifest(fresh, manifest)
        write_safetensors(fresh / GOLDEN, FAMILIES[family].golden(read(fresh)))
        manifest["files"][GOLDEN] = _fingerprint(fresh / GOLDEN)
        _write_manifest(fresh, manifest)
        if (folder / CARD).exists():
            shutil.copy(folder / CARD, fresh / CARD)
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except BaseException:
            if old.exists():  # or it would go with the temporary folder
                old.rename(folder)
            raise


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    write_bytes(folder / "config.json", (json.dumps(manifest, indent=2) + "\n").encode())


def _fingerprint(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise MissingWeights(
            f"There is no checkpoint {folder.name!r} in {folder.parent}; "
            f"there are: {', '.join(available()) or 'none'}."
        )
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise _bad(folder, path.name, "it is not JSON") from error
    wanted = {
        "family": str, "dataset": str, "config": dict, "training": dict, "parameters": int,
        "files": dict,
    }  # fmt: skip
    for key, kind in wanted.items():
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind):
            raise _bad(folder, path.name, f"{key!r} is missing or of the wrong type")
    if manifest["family"] not in FAMILIES:
        raise _bad(folder, path.name, f"the family {manifest['family']!r} is unknown")
    for listed in manifest["files"].values():
        if not isinstance(listed, dict) or not {"sha256", "bytes"} <= listed.keys():
            raise _bad(folder, path.name, "it lists a file without its hash and size")
    if FAMILIES[manifest["family"]].read is None and WEIGHTS not in manifest["files"]:
        raise _bad(folder, path.name, f"it does not list {WEIGHTS}")
    return manifest


def _read_metrics(folder: Path, manifest: dict[str, Any]) -> dict[str, Any] | None:
    path = folder / "metrics.json"
    if not path.exists():
        return None
    try:
        metrics = json.loads(path.read_bytes())
        is_of_these_weights = metrics["weights"] == _weights(manifest)[0]
    except (ValueError, KeyError, TypeError) as error:
        raise _bad(folder, path.name, "it is not what `gm_core.evaluate` writes") from error
    return metrics if is_of_these_weights else None


def _read_config(folder: Path, manifest: dict[str, Any]) -> Any:
    fields = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in manifest["config"].items()
    }
    try:
        return FAMILIES[manifest["family"]].config(**fields)
    except TypeError as error:
        raise _bad(
            folder, "config.json", f"its config is not that of the family: {error}"
        ) from error


def _parts(manifest: dict[str, Any]) -> list[str]:
    """The files that make the model."""
    return [name for name in manifest["files"] if name != GOLDEN]


def _weights(manifest: dict[str, Any]) -> tuple[str, int]:
    """What stands for a model's files, and their bytes: the hash of the one, or of all hashes."""
    files = [manifest["files"][name] for name in _parts(manifest)]
    hashes = [file["sha256"] for file in files]
    whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return whole, sum(file["bytes"] for file in files)


def _read_bytes(folder: Path, name: str, manifest: dict[str, Any]) -> bytes:
    path = folder / name
    if not path.exists():
        raise MissingWeights(f"{path} is missing; fetch the repository's `checkpoints/` again.")
    data = path.read_bytes()
    listed = manifest["files"].get(name)
    if not isinstance(listed, dict) or listed.get("sha256") != hashlib.sha256(data).hexdigest():
        raise _bad(folder, name, f"its {len(data):,} bytes are not those its manifest lists")
    return data


def _read_tensors(folder: Path, name: str, manifest: dict[str, Any]) -> dict[str, Tensor]:
    try:
        return load_safetensors(_read_bytes(folder, name, manifest))
    except SafetensorError as error:
        raise _bad(folder, name, "it is not a safetensors file") from error


def _bad(folder: Path, file: str, reason: str) -> BadCheckpoint:
    return BadCheckpoint(
        f"{folder / file} can't be used: {reason}. Fetch the repository's `checkpoints/` again, or "
        f"train anew with `python -m gm_core.training {folder.name}`."
    )
