"""The view of the laboratory: the plane with both players' work, the losses, and all controls.

Its value is a plain dictionary, `LabView.payload()`. What the student wants goes out by "input", as
a value of its own kind:

    {"ask": number, "do": "play" | "discriminator" | "generator" | "reset",
     "settings": {...}, "data": name, "strokes": [[[x, y], ...], ...], "seed": number,
     "setup": [...]}

and what comes of it comes back as a `LabView` with that number. Playing is the browser asking for
one turn after another, never for two at once: whoever pauses, or leaves, just asks no more.

"setup" is what the address says: the data's name, the seed, and the settings in the order of
`SETTINGS`; None with data that were drawn by hand. {"begin": {"data", "seed", "settings"}} besides
the rest of a `LabView` has the script begin anew with them, as an address asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from demo.components import serial, source
from demo.components.player import encode
from demo.components.setting import Setting, in_address
from gm_core.gan_lab import REACH, LabRecord, LabSettings

FULL_ARROW = 0.5  # slope of G's loss whose arrow has its full length
FULL_SCALE = 0.98  # share of the plane whose scores the relativistic map tells apart
SHORTS = 2**15 - 1
SETTINGS = ("loss", "d_rate", "g_rate", "d_steps", "gamma", "head_start")


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings that a student may begin with."""

    name: str
    settings: LabSettings
    words: str
    question: str = ""  # that is to be answered before it is played
    reveal_after: int = 0  # steps of G


@dataclass(frozen=True, slots=True)
class LabView:
    """What is shown."""

    record: LabRecord
    settings: LabSettings
    data: str | None  # what is learned; None: what was drawn by hand
    seed: int
    history: tuple[LabRecord, ...] = ()  # before the record, since the beginning
    ask: int = 0  # the number of what this is the answer to
    seconds: float = 0.0  # that the work took
    begins: bool = False  # anew: the browser forgets the curves it has
    note: str = ""

    def payload(self) -> dict[str, Any]:
        """As the browser takes it."""
        record = self.record
        scores, scale = _as_bytes(record.scores, self.settings)
        return {
            "serial": serial(),
            "ask": self.ask,
            "begins": self.begins,
            "note": self.note,
            "seconds": round(self.seconds, 4),
            "settings": asdict(self.settings),
            "setup": setup(self.data, self.seed, self.settings),
            "real": _as_shorts(record.real / REACH),
            "generated": _as_shorts(record.generated / REACH),
            "arrows": _as_shorts(arrow_lengths(record.arrows)),
            "scores": encode(scores),
            "scale": scale,
            "history": [_numbers(each) for each in (*self.history, record)],
        }


def setup(data: str | None, seed: int, settings: LabSettings) -> list[str] | None:
    """What an address says of a training, as the script writes it."""
    if data is None:
        return None

    def written(part: str | float) -> str:
        return part if isinstance(part, str) else f"{part + 0.0:.6f}".rstrip("0").rstrip(".")

    return [written(part) for part in (data, seed, *(getattr(settings, name) for name in SETTINGS))]


def arrow_lengths(arrows: Tensor) -> Tensor:
    """As they are drawn, 1 at most: the root tells small slopes from none."""
    length = arrows.norm(dim=1, keepdim=True)
    drawn = (length / FULL_ARROW).sqrt().clamp(max=1)
    return torch.where(length > 0, arrows * (drawn / length.clamp(min=1e-30)), 0.0)


def _numbers(record: LabRecord) -> dict[str, Any]:
    return {
        "dSteps": record.state.discriminator_steps,
        "gSteps": record.state.generator_steps,
        "dLoss": record.d_loss,
        "gLoss": record.g_loss,
        "margin": record.margin,
        "push": record.push,
        "covered": record.covered,
        "parts": record.parts,
        "near": record.near,
    }


def _as_bytes(scores: Tensor, settings: LabSettings) -> tuple[np.ndarray, float | None]:
    """D's map from 0, generated, to 255, real; and the difference that is the end of its scale.

    None where a score means a chance: then 0 and 255 are chances of 0 and 1.
    """
    if settings.loss == "relativistic":
        end = max(float(scores.abs().quantile(FULL_SCALE)), 1e-3)
        shares, scale = (scores / end).clamp(-1, 1) / 2 + 0.5, end
    else:
        shares, scale = torch.sigmoid(scores), None
    return (255 * shares).round().byte().numpy(), scale


def _as_shorts(shares: Tensor) -> str:
    """Numbers from -1 to 1, two bytes each."""
    return encode((SHORTS * shares.clamp(-1, 1)).round().short().numpy())


def lab_view(
    value: dict[str, Any],
    presets: tuple[Preset, ...],
    *,
    data: tuple[tuple[str, str, str], ...],
    first: str,
    drawn: str,
    losses: tuple[tuple[str, str], ...],
    predictions: tuple[str, ...],
    limits: dict[str, float],
    label: str,
    elem_id: str,
    read: Callable[[str], tuple[str, int, LabSettings]],
) -> gr.HTML:
    """The laboratory, with the first thing to show.

    data: what can be learned, as name, title and what its parts are called; `first` is the one that
    is shown, `drawn` the one that is drawn by hand. read: a `setup` with commas -> data,
    seed and settings.
    """
    component = gr.HTML(
        value=value,
        label=label,
        elem_id=elem_id,
        html_template=source("lab_view.html"),
        css_template=source("lab_view.css"),
        js_on_load=source("lab_view.js"),
        apply_default_css=False,
        presets=[asdict(preset) for preset in presets],
        sets=data,
        first=first,
        drawn=drawn,
        losses=losses,
        predictions=predictions,
        limits=limits,
        order=SETTINGS,
        reach=REACH,
    )

    def begin(text: str, held: dict[str, Any]) -> dict[str, Any]:
        name, seed, settings = read(text)
        wanted = {"data": name, "seed": seed, "settings": asdict(settings)}
        said = setup(name, seed, settings)
        return held | {"begin": wanted, "setup": said, "serial": serial()}

    return in_address(component, Setting("settings", ("setup",), begin, by_script=True))
