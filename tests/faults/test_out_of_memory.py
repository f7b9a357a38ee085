"""Memory runs out while a model is loaded, while it works, and while it decodes.

All that was worked on is given back while the error is still held, one sentence is said, and the
next request gives what it always gave. The full-size model, which is given back itself, has tests
of its own in tests/gm_core/test_hub.py.
"""

from __future__ import annotations

import copy
import weakref
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

import gm_core
from demo import engine
from gm_core import gan_lab, memory
from gm_core.memory import OutOfMemory
from tests.faults.test_not_finite import EDIT, EDITOR, ramp

CHECKPOINTS = Path(gm_core.__file__).parent.parent / "checkpoints"
DECODE: dict[str, Any] = {"model": "vae-mnist", "z": ramp(2, 32)}
TRAIN: dict[str, Any] = {
    "state": gan_lab.begin(seed=0), "data": gan_lab.eight_gaussians(),
    "settings": gan_lab.BALANCED, "rounds": 1,
}  # fmt: skip
DRAW: dict[str, Any] = {
    "model": "pixelcnn-mnist", "count": 1, "seed": 0, "label": None, "temperature": 1.0,
    "every": 28,
}  # fmt: skip


class Shortage(NamedTuple):
    """A call, and the function of a library that finds no memory while it runs."""

    call: str
    arguments: dict[str, Any]
    owner: Any
    name: str
    while_loading: bool = False


SHORTAGES = {
    "load": Shortage("decode", DECODE, torch.nn.Module, "load_state_dict", True),
    "load, editor": Shortage(
        "edit", {"model": EDITOR, **EDIT}, torch.nn.Module, "load_state_dict", True
    ),
    "step, editor": Shortage("edit", {"model": EDITOR, **EDIT}, UNet2DConditionModel, "forward"),
    "step, pixels": Shortage("sample", DRAW, torch, "addmm"),
    "step, training": Shortage("train_gan", TRAIN, torch.autograd, "grad"),
    "decode, editor": Shortage("edit", {"model": EDITOR, **EDIT}, AutoencoderTiny, "decode"),
    "decode": Shortage("decode", DECODE, torch.nn.functional, "linear"),
}


def pictures(shortage: Shortage) -> Tensor:
    """The first record's, or points."""
    first = next(engine.stream(shortage.call, **shortage.arguments))
    return first.generated if shortage.call == "train_gan" else first.images


@pytest.mark.parametrize("where", SHORTAGES)
def test_memory_comes_back_and_the_next_request_works(where: str, tmp_path: Path, monkeypatch):
    shortage = SHORTAGES[where]
    expected = pictures(shortage)
    if shortage.while_loading:
        (tmp_path / "checkpoints").symlink_to(CHECKPOINTS)  # from where nothing is loaded yet
        monkeypatch.setenv("GM_CHECKPOINTS", str(tmp_path / "checkpoints"))
    left: list[weakref.ref[Any]] = []

    def fail(*given: Any, **_: Any) -> None:
        kinds = (torch.nn.Module,) if shortage.while_loading else (Tensor,)
        held = [each for each in given if isinstance(each, kinds)]
        # A model that is loaded stays, and so do its weights.
        left.extend(weakref.ref(each) for each in held if not isinstance(each, torch.nn.Parameter))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    with monkeypatch.context() as patched:
        patched.setattr(shortage.owner, shortage.name, fail)
        with pytest.raises(gr.Error, match="There is not enough memory for this") as caught:
            pictures(shortage)
    assert isinstance(caught.value.__context__, OutOfMemory)
    assert caught.value.__context__.__context__ is None
    assert left
    assert not [each() for each in left if each() is not None]
    torch.testing.assert_close(pictures(shortage), expected, rtol=0, atol=0)


def test_it_is_one_sentence_and_crosses_processes():
    error = copy.copy(OutOfMemory())  # by what sends it, __reduce__
    assert isinstance(error, OutOfMemory)
    assert str(error).count(". ") == 0
    assert str(error).endswith(".")


def test_other_errors_pass_as_they_are():
    def records() -> Any:
        yield 1
        raise RuntimeError("The size of tensor a must match that of b.")

    with pytest.raises(RuntimeError, match="size of tensor"):
        list(memory.spared(records()))
