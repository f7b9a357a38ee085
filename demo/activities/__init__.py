"""What a student does with a model that draws pixel after pixel; the tabs are made of these.

An activity is a module with a TITLE and a function `build(tab)`, which adds its controls, its
pictures and its events. Its endpoints and element ids start with the tab's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo import inputs
from gm_core import checkpoints, data

ANY = "any"  # no class is given


@dataclass(frozen=True, slots=True)
class ModelTab:
    """A tab and the checkpoints it is about, the most important one first."""

    id: str
    models: tuple[str, ...]


# How checkpoints are called on buttons and over pictures.
TITLES = {
    "pixelcnn-mnist": "Gated PixelCNN",
    "pixelcnn-masked-mnist": "Masked PixelCNN",
    "pixelcnn-fashion": "Gated PixelCNN, clothes",
    "pixelcnn-pixelart": "Gated PixelCNN, pixel art",
    "pixelrnn-row-mnist": "Row LSTM",
    "pixelrnn-diagonal-mnist": "Diagonal BiLSTM",
    "vae-mnist": "VAE, 32 dimensions",
    "vae-mnist-2d": "VAE, 2 dimensions",
    "vae-mnist-beta0": "β = 0: autoencoder",
    "vae-mnist-beta1": "β = 1: VAE",
    "vae-mnist-beta4": "β = 4",
    "vae-mnist-beta10": "β = 10",
    "vae-fashion": "VAE, clothes",
    "vae-avatars": "VAE, avatars",
    "gan-mnist": "GAN",
    "gan-fashion": "GAN, clothes",
    "gan-avatars": "GAN, avatars",
    "gan-mnist-collapsed": "GAN, collapsed on purpose",
    "instruct-pix2pix-mini": "InstructPix2Pix, miniature",
    "paradigms-canvas": "Reader of canvases",
    "simclr-mnist": "SimCLR",
    "classifier-mnist": "Classifier",
    "classifier-fashion": "Classifier, clothes",
}


def headline(info: checkpoints.CheckpointInfo) -> str:
    """The first held-out figure of a checkpoint, and what it is."""
    figures = (info.metrics or {}).get("figures", [])
    if not figures:
        return "not yet measured"
    first = figures[0]
    means = first["name"]
    if "log p(x)" in means:  # a bound on it, or itself
        means = "−ELBO" if "ELBO" in means else "−log p(x)"
    spread = f" ± {first['spread']:.2f}" if first["spread"] is not None else ""
    value = f"{first['value']:.2f}{spread} {first['unit']}".strip()
    return f"{means} = {value} on {first['split']}"


def dataset_of(model: str) -> str:
    """The data set that a checkpoint was trained on."""
    return checkpoints.describe(model).dataset


def class_names(model: str) -> tuple[str, ...]:
    """What the class of a picture can be: any, or one of the data set's."""
    return (ANY, *data.DATASETS[dataset_of(model)].class_names)


def class_label(value: Any, model: str) -> int | None:
    """The label behind a class's name; None for "any"."""
    names = class_names(model)
    chosen = inputs.choice(value, "Class", names)
    return None if chosen == ANY else names.index(chosen) - 1


def level_names(levels: int) -> tuple[str, ...] | None:
    """Names of two levels; more are called by their numbers."""
    return ("black", "white") if levels == 2 else None


def model_dropdown(models: Sequence[str]) -> gr.Dropdown:
    """Which model does it: the value is a checkpoint's name."""
    return gr.Dropdown([(TITLES[name], name) for name in models], value=models[0], label="Model")
