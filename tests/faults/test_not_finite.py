"""A NaN from any model is an error by name: never a black picture, never an answer like any other.

Each case sets numbers of one model to NaN and asks for what the app would ask for.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import pytest
import torch
from torch import Tensor

import gm_core
from demo import engine
from gm_core import checkpoints, clusters, data, gan_lab, label_budget
from gm_core.frames import Frame, NotFinite, finite
from gm_core.unlabelled import ENCODERS
from tests.gm_core.tiny import PIXEL_FAMILIES, tiny

# --- the check ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Nested:
    """Numbers in every place in which a record may have them."""

    plain: float = 0.0
    nothing: Tensor | None = None
    numbers: tuple[float, ...] = ()
    named: dict[str, float] | None = None
    frames: tuple[Frame, ...] = ()


def frame(value: float) -> Frame:
    return Frame(torch.tensor([[0.0, value]]), 1, 1, "note")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("plain", lambda value: Nested(plain=value)),
        ("nothing", lambda value: Nested(nothing=torch.tensor([1.0, value]).double())),
        ("nothing", lambda value: Nested(nothing=torch.tensor([1.0, value]).half())),
        ("numbers", lambda value: Nested(numbers=(0.0, value))),
        ("named.loss", lambda value: Nested(named={"loss": value})),
        ("frames.images", lambda value: Nested(frames=(frame(0.0), frame(value)))),
    ],
)
def test_the_error_names_the_field(field: str, make: Any, value: float):
    with pytest.raises(NotFinite, match=rf"\(Nested\.{field} is not finite\)") as caught:
        finite(make(value))
    assert str(copy.copy(caught.value)) == str(caught.value)


def test_a_record_of_numbers_passes_as_it_is():
    record = Nested(
        plain=1.0, nothing=torch.tensor([-1, 2]), numbers=(1e308,), named={}, frames=(frame(1.0),)
    )
    assert finite(record) is record
    assert finite(None) is None


# --- the models -----------------------------------------------------------------------------------


class Case(NamedTuple):
    """A call of the engine, and the weights that hold a NaN: those whose names begin so."""

    call: str
    model: str
    weights: str
    arguments: dict[str, Any]


def case(call: str, model: str, weights: str, **arguments: Any) -> Case:
    return Case(call, model, weights, arguments)


def ramp(*shape: int) -> list[Any]:
    return torch.linspace(0, 1, math.prod(shape)).view(shape).tolist()


DIGIT = data.load("mnist", "sample").images[0]
LEVELS = [[[(row + column) % 2 for column in range(9)] for row in range(8)]]
LATENT, PICTURE = ramp(1, 3), ramp(1, 8, 12)
DRAW: dict[str, Any] = {"seed": 0, "label": None}
BUDGET: dict[str, Any] = {"dataset": "mnist", "source": "sample", "seeds": 1}
EDIT: dict[str, Any] = {
    "image": ramp(3, 64, 64), "instruction": "make it night", "steps": 2, "guidance_scale": 1.5,
    "image_guidance_scale": 1.1, "seed": 0,
}  # fmt: skip
EDITOR = "instruct-pix2pix-mini"
TINY = (
    *(
        case("sample", family, "logits.bias", count=1, temperature=1.0, every=9, **DRAW)
        for family in PIXEL_FAMILIES
    ),
    case("dependency", "pixelcnn", "logits.weight", levels=[LEVELS], row=5, column=5),
    case("surprise", "pixelrnn-row", "logits.bias", levels=LEVELS, label=None),
    case("race", "pixelcnn-masked", "logits.bias", **DRAW),
    case(
        "forcing", "pixelrnn-diagonal", "logits.bias", levels=LEVELS, given_rows=3,
        temperature=1.0, **DRAW,
    ),
    case("encode", "vae", "encoder.", images=[PICTURE]),
    case("decode", "vae", "decoder.", z=LATENT),
    case("tighten", "vae", "decoder.", image=PICTURE, samples=3, seed=0),
    case("forge", "gan", "generator.", z=LATENT),
    case("judge", "gan", "discriminator.score.", images=[PICTURE]),
    case("invert", "gan", "generator.", image=PICTURE, starts=2, steps=2, every=1, **DRAW),
    case("classify", "classifier", "head.bias", images=[PICTURE]),
)  # fmt: skip
SHIPPED = (
    case("edit", EDITOR, "unet.", **EDIT),
    case("edit", EDITOR, "vae.decoder.", takes_apart=True, **EDIT),
    case("survey", "vae-mnist", "decoder.", count=2, seed=0, reach=3.0, cells=4),
    case("outliers", "pixelcnn-mnist", "logits.bias", kind="upside down", count=2),
    case("outliers", "classifier-mnist", "head.bias", kind="upside down", count=2),
    case("measure", "gan-mnist", "generator.", z=ramp(5, 64)),
    case("measure", "classifier-mnist", "head.bias", z=ramp(5, 64)),
    case(
        "nearest", "classifier-mnist", "body.", dataset="mnist", image=(DIGIT / 255).tolist(),
        by="features", count=3,
    ),
    case("ask", "vae-mnist", "decoder.", label=3, count=2, seed=0),
    case("ask", "classifier-mnist", "head.bias", label=3, count=2, seed=0),
    case(
        "chart", ENCODERS["mnist"], "body.", dataset="mnist", clusters=3, method="PCA",
        grouping="k-means",
    ),
    case("nine", "paradigms-canvas", "points.1.bias"),
    case("nine", "paradigms-canvas", "captioner."),
    case("nine", "vae-mnist-2d", "encoder."),
    case("nine", "pixelcnn-mnist", "logits.bias"),
    case("label_budget", ENCODERS["mnist"], "body.", methods=["probe"], budgets=[1], **BUDGET),
    case(
        "label_noise", ENCODERS["mnist"], "body.", methods=["clustering"], shares=[0.0], **BUDGET,
    ),
)  # fmt: skip
CANVAS = torch.zeros(64, 64, dtype=torch.uint8)
CANVAS[18:46, 18:46] = DIGIT[0]


def arguments_of(case: Case) -> dict[str, Any]:
    """All that the call takes: who names a model in which way depends on the call."""
    if case.call == "nine":
        return {"image": CANVAS.tolist()}
    named: dict[str, Any] = {"model": case.model}
    if case.call in ("dependency", "survey"):
        named = {"models": [case.model]}
    elif case.call == "race":
        named = {"contestants": [("one", case.model, "cached")]}
    elif case.call == "outliers":
        named = {"density": "pixelcnn-mnist", "classifier": "classifier-mnist"}
    elif case.call == "measure":
        named = {"model": "gan-mnist"}
    elif case.call == "ask":
        named = {"model": "vae-mnist"}
    elif case.call in ("nearest", "chart", "label_budget", "label_noise"):
        named = {}
    return named | case.arguments


def spoil(case: Case) -> None:
    """Set the first number of the weights to NaN, in every copy that a call may be given."""
    for model in (gm_core.load(case.model), gm_core.load(case.model, "cpu")):
        weights = [each for name, each in model.named_parameters() if name.startswith(case.weights)]
        assert weights
        for each in weights:
            each.view(-1)[0] = math.nan


@pytest.fixture(scope="module")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    for family in {case.model for case in TINY}:
        checkpoints.save(root / family, tiny(family), family=family, dataset="mnist", training={})
    return root


@pytest.fixture
def own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models are loaded from anew, so that nobody else's are spoilt."""
    root = tmp_path / "checkpoints"
    monkeypatch.setenv("GM_CHECKPOINTS", str(root))
    return root


@pytest.fixture
def nothing_kept() -> None:
    """What was computed before by the weights as they ship would not be computed again."""
    for module in (clusters, label_budget):
        for kept in vars(module).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()


@pytest.mark.parametrize("case", TINY, ids=lambda case: f"{case.call}-{case.model}")
def test_a_tiny_model_that_has_a_nan(case: Case, tiny_models: Path, own_copy: Path):
    own_copy.symlink_to(tiny_models)
    spoil(case)
    with pytest.raises(gr.Error, match="is not finite"):
        list(engine.stream(case.call, **arguments_of(case)))


@pytest.mark.parametrize("case", SHIPPED, ids=lambda case: f"{case.call}-{case.model}")
@pytest.mark.usefixtures("nothing_kept")
def test_a_shipped_model_that_has_a_nan(case: Case, own_copy: Path):
    own_copy.symlink_to(Path(gm_core.__file__).parent.parent / "checkpoints")
    spoil(case)
    with pytest.raises(gr.Error, match="is not finite"):
        list(engine.stream(case.call, **arguments_of(case)))


def test_a_game_that_has_a_nan():
    state = gan_lab.begin(seed=0)
    state.generator[-1] = math.nan
    records = engine.stream(
        "train_gan", state=state, data=gan_lab.eight_gaussians(), settings=gan_lab.BALANCED,
        rounds=1,
    )  # fmt: skip
    with pytest.raises(gr.Error, match=r"LabRecord\.state\.generator is not finite"):
        list(records)


def test_every_call_that_takes_a_model_is_spoilt_once():
    tried = {case.call for case in (*TINY, *SHIPPED)} | {"train_gan"}
    assert tried == engine.CALLS.keys() - {"train_masks"}  # whose networks are its own
    spoilt = {case.model for case in TINY}
    spoilt |= {checkpoints.describe(case.model).family for case in SHIPPED}
    assert spoilt >= {checkpoints.describe(name).family for name in gm_core.available()}
