"""What the tests let a child process do, which then dies in the middle of it.

A child kills itself at the very point that a test names, so that nothing depends on time. Nothing
is caught and nothing is cleaned up, as when somebody else kills it.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gm_core import checkpoints, data, hub
from gm_core.data import Images
from gm_core.pixelcnn import PixelCNN, PixelCNNConfig
from gm_core.training.__main__ import main
from gm_core.training.loop import Recipe, Schedule, train
from gm_core.training.pixelcnn import RECIPES
from tests.gm_core.tiny import tiny

# A process that has imported this once forks the children: it has no threads that forks would lose.
CONTEXT = multiprocessing.get_context("forkserver")
# The others would be imported by every child anew, as it starts, trains or fetches.
CONTEXT.set_forkserver_preload(
    [__name__, "pytest", "torch._dynamo", "huggingface_hub.constants", "httpx", "filelock"]
)
CHANGES = ("os.rename", "os.mkdir", "os.symlink", "shutil.rmtree")  # and files that are made
CONFIG = PixelCNNConfig(height=10, width=10, features=4, head_features=4, dilations=(1, 2))
STEPS, SAVE_EVERY = 6, 2


def exit_code(child: Callable[..., None], *arguments: Any) -> int:
    """Of a child that runs to its end, or to its death."""
    process = CONTEXT.Process(target=child, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_before(change: int, word: str) -> None:
    """Die before the so-many-th change to files, from 1 on, that names the word."""
    changes = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes
        is_change = event in CHANGES
        if event == "open":
            is_change = bool(arguments[2] & os.O_CREAT)
        if is_change and any(word in str(argument) for argument in arguments[:2]):
            changes += 1
            if changes == change:
                die()

    sys.addaudithook(look)


def die_at_byte(count: int) -> None:
    """Die while a file is written, when it has so many bytes: the kernel sees to it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which Python ignores
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, count))


# --- what is interrupted --------------------------------------------------------------------------


def fetch(source: hub.Source, cache: Path, endpoint: str, point: str) -> None:
    """Die when it asks for the listing, in a file, before a whole one is named, or linked."""
    if point == "named":
        die_before(2, ".gm_core.incomplete")  # after it was made
    if point == "linked":
        die_before(1, "snapshots/" + source.revision + "/" + source.files[-1])
    begun = None
    for record in hub.fetch(source, cache=cache, endpoint=endpoint):
        if point == "asked":
            die()
        if record.file == source.files[-1]:
            begun = record if begun is None else begun
            if point == "half" and record.bytes_done > begun.bytes_done:
                die()


def save_checkpoint(folder: Path, seed: int, change: int) -> None:
    """Die before a change to files; if there are fewer, save."""
    die_before(change, str(folder.parent))
    save(folder, seed)


def save(folder: Path, seed: int) -> None:
    checkpoints.save(
        folder, tiny("pixelcnn"), family="pixelcnn", dataset="mnist", training={"seed": seed}
    )


def images() -> Images:
    sample = data.load("mnist", "sample")
    return Images(sample.images[:64, :, 9:19, 9:19].contiguous(), sample.labels[:64])


def recipe(**changes: Any) -> Recipe:
    schedule = Schedule(
        steps=STEPS, batch_size=32, learning_rate=0.01, warmup_steps=2, max_gradient_norm=100.0
    )
    return replace(
        RECIPES["pixelcnn-mnist"]["cpu"], config=CONFIG, schedule=replace(schedule, **changes)
    )


def trained(state: Path, point: str = "", **changes: Any) -> PixelCNN:
    """A model that has learnt; or die after the first record, after the third, which no state has,
    while the second state is written, or before it is put into its place."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = PixelCNN(CONFIG)
    for record in train(
        model, recipe(**changes), images(), state=state, record_every=1, save_every=SAVE_EVERY
    ):
        if (point, record.step) in (("unsaved", 1), ("between", 3)):
            die()
        if (point, record.step) == ("half", 3):
            die_at_byte(state.stat().st_size // 2)
        if (point, record.step) == ("whole", 3):
            die_before(2, state.name)  # after it was made
    return model


def train_until(state: Path, point: str) -> None:
    trained(state, point)


def run_command(arguments: list[str], data_folder: Path, word: str, change: int) -> None:
    os.environ["GM_DATA_DIR"] = str(data_folder)
    die_before(change, word)
    main(arguments)
