"""The one table of model families: what a checkpoint's name stands for.

A checkpoint is called `<family>-<dataset>`, with what sets it apart behind, if anything does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gm_core import (
    autoregressive,
    classifier,
    edit_success,
    gan,
    instruct_pix2pix,
    masked_pixelcnn,
    metrics,
    paradigms,
    pixelcnn,
    pixelrnn,
    readings,
    realism,
    separation,
    simclr,
    vae,
)


@dataclass(frozen=True, slots=True)
class Family:
    """What belongs to one kind of model."""

    title: str
    paper: str
    config: type[Any]
    model: Callable[[Any], Any]  # config -> model with fresh weights
    golden: Callable[[Any], dict[str, Tensor]]  # a seeded output that weights must reproduce
    measure: Callable[..., list[metrics.Figure]]  # (model, test images) -> held-out figures
    recipes: str  # the module whose RECIPES train this family
    # Where a checkpoint is more than one file of weights: folder, config -> model; model, folder.
    read: Callable[[Path, Any], Any] | None = None
    write: Callable[[Any, Path], None] | None = None


FAMILIES = {
    "pixelcnn": Family(
        title="Gated PixelCNN",
        paper="van den Oord et al. 2016b",
        config=pixelcnn.PixelCNNConfig,
        model=pixelcnn.PixelCNN,
        golden=autoregressive.golden,
        measure=metrics.likelihood,
        recipes="gm_core.training.pixelcnn",
    ),
    "pixelcnn-masked": Family(
        title="PixelCNN with a blind spot",
        paper="van den Oord et al. 2016a",
        config=masked_pixelcnn.MaskedPixelCNNConfig,
        model=masked_pixelcnn.MaskedPixelCNN,
        golden=autoregressive.golden,
        measure=metrics.likelihood,
        recipes="gm_core.training.pixelcnn",
    ),
    "pixelrnn-row": Family(
        title="PixelRNN, Row LSTM",
        paper="van den Oord et al. 2016a",
        config=pixelrnn.PixelRNNConfig,
        model=pixelrnn.PixelRNN,
        golden=autoregressive.golden,
        measure=metrics.likelihood,
        recipes="gm_core.training.pixelrnn",
    ),
    "pixelrnn-diagonal": Family(
        title="PixelRNN, Diagonal BiLSTM",
        paper="van den Oord et al. 2016a",
        config=pixelrnn.PixelRNNConfig,
        model=pixelrnn.PixelRNN,
        golden=autoregressive.golden,
        measure=metrics.likelihood,
        recipes="gm_core.training.pixelrnn",
    ),
    "vae": Family(
        title="VAE",
        paper="Kingma and Welling 2014",
        config=vae.VAEConfig,
        model=vae.VAE,
        golden=vae.golden,
        measure=metrics.bound,
        recipes="gm_core.training.vae",
    ),
    "gan": Family(
        title="GAN",
        paper="Huang et al. 2024",
        config=gan.GANConfig,
        model=gan.GAN,
        golden=gan.golden,
        measure=realism.measure,
        recipes="gm_core.training.gan",
    ),
    "classifier": Family(
        title="Classifier",
        paper="LeCun et al. 1998",
        config=classifier.ClassifierConfig,
        model=classifier.Classifier,
        golden=classifier.golden,
        measure=realism.accuracy,
        recipes="gm_core.training.classifier",
    ),
    "paradigms": Family(
        title="Reader of canvases",
        paper="Zhou et al. 2019; Vaswani et al. 2017",
        config=paradigms.ParadigmsConfig,
        model=paradigms.Paradigms,
        golden=paradigms.golden,
        measure=readings.measure,
        recipes="gm_core.training.paradigms",
    ),
    "simclr": Family(
        title="SimCLR",
        paper="Chen et al. 2020",
        config=simclr.SimCLRConfig,
        model=simclr.SimCLR,
        golden=simclr.golden,
        measure=separation.measure,
        recipes="gm_core.training.simclr",
    ),
    "instruct-pix2pix": Family(
        title="InstructPix2Pix",
        paper="Brooks et al. 2023",
        config=instruct_pix2pix.InstructPix2PixConfig,
        model=instruct_pix2pix.build,
        golden=instruct_pix2pix.golden,
        measure=edit_success.measure,
        recipes="gm_core.training.instruct_pix2pix",
        read=instruct_pix2pix.read_miniature,
        write=instruct_pix2pix.write,
    ),
}


def split_name(name: str) -> tuple[str, str]:
    """A checkpoint's family and data set: "pixelrnn-row-mnist" -> ("pixelrnn-row", "mnist").

    Raises ValueError for a name that starts with no family.
    """
    fitting = [family for family in FAMILIES if name.startswith(f"{family}-")]
    if not fitting:
        raise ValueError(f"{name!r} starts with no family; there are {', '.join(FAMILIES)}.")
    family = max(fitting, key=len)
    return family, name.removeprefix(f"{family}-").partition("-")[0]
