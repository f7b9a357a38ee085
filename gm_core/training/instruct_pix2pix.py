"""How the miniature editor was trained: first its autoencoder, then its words, then its U-Net."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from gm_core.data import Images
from gm_core.edit_pairs import edits_of
from gm_core.instruct_pix2pix import InstructPix2Pix, InstructPix2PixConfig
from gm_core.instructions import is_held_out, phrase
from gm_core.scenes import EDITS, Edit
from gm_core.training.loop import Phase, Recipe, Schedule, Stage, Staged

REQUESTS = (0.2, 0.55, 0.25)  # of nothing known, of one edit, of two
WRONG_TOKENS = 0.04
UNKNOWN_SHARE = 0.04
CHANGED = 0.15  # of a latent cell, in any channel
CHANGE_WEIGHT, MOST_WEIGHT = 0.2, 8.0
# How often pairs come with an edit that is rare or changes little; of two edits, the more often.
FACES = (
    "glasses", "open eyes", "closed eyes", "wink", "beard", "goatee", "moustache",
    "smile", "laugh", "frown", "smirk", "lips", "surprise",
)  # fmt: skip
STYLES = ("long hair", "short hair", "curly hair", "bob hair", "mohawk hair", "bun hair")
TIMES: dict[str, int] = {**dict.fromkeys(FACES, 4), **dict.fromkeys((*STYLES, "moon"), 2)}


class Reconstruction(nn.Module):
    """The autoencoder as it is trained: there and back again."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self.config = {key: vae.config[key] for key in sorted(vae.config) if key[0] != "_"}

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> the same."""
        return self.vae.decode(self.vae.encode(images).latents).sample


def as_network_input(images: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return images / 127.5 - 1


def either_picture(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor]:
    """Of each pair (B, 6, H, W) the picture before or the one after."""
    del labels
    after = torch.rand(len(images), generator=generator) < 0.5
    chosen = torch.where(after[:, None, None, None], images[:, 3:], images[:, :3])
    return (as_network_input(chosen),)


def reconstruction_loss(model: nn.Module, images: Tensor) -> Tensor:
    """Mean absolute error, squared error, and error of the slopes, which are the edges."""
    output = model(images).float()
    slopes = sum(F.l1_loss(output.diff(dim=dim), images.diff(dim=dim)) for dim in (2, 3))
    return F.l1_loss(output, images) + 2 * F.mse_loss(output, images) + 0.25 * slopes


class Words(nn.Module):
    """The text encoder as it learns what instructions mean."""

    def __init__(self, editor: InstructPix2Pix) -> None:
        super().__init__()
        self.text_encoder, self.intent = editor.text_encoder, editor.intent
        self.config = editor.config

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 (B, tokens) -> logits (B, intents + 1): of the intents, and of all else."""
        return self.intent(self.text_encoder(tokens).pooler_output)


def requests(
    images: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    *,
    editor: InstructPix2Pix,
    count: int,
) -> tuple[Tensor, Tensor]:
    """Sentences of nothing known, one edit or two, and which; some of their tokens are wrong."""
    del images, labels
    draw = random.Random(int(torch.randint(2**62, (), generator=generator)))
    asked = [
        draw.sample(list(EDITS.values()), draw.choices((0, 1, 2), REQUESTS)[0])
        for _ in range(count)
    ]
    tokens = editor.tokens([_trained_on(edits, draw) for edits in asked])
    wrong = torch.rand(tokens.shape, generator=generator) < WRONG_TOKENS
    wrong &= (tokens != editor.tokenizer.eos_token_id) & (tokens != editor.tokenizer.bos_token_id)
    others = torch.randint(len(editor.tokenizer), tokens.shape, generator=generator)
    meant = torch.zeros(count, len(editor.intents) + 1)
    for row, edits in enumerate(asked):
        meant[row, [editor.intents.index(edit.name) for edit in edits] or -1] = 1
    return torch.where(wrong, others, tokens), meant


def _trained_on(edits: Sequence[Edit], draw: random.Random) -> str:
    """A wording that is not held out."""
    while is_held_out(words := phrase(edits, draw)):
        pass
    return words


def intent_loss(model: nn.Module, tokens: Tensor, meant: Tensor) -> Tensor:
    """Cross-entropy of all intents of a sentence, nats."""
    logits = model(tokens).float()
    return F.binary_cross_entropy_with_logits(logits, meant, reduction="none").sum(1).mean()


class Denoiser(nn.Module):
    """The U-Net as it is trained; the text encoder stays as it is."""

    def __init__(self, editor: InstructPix2Pix) -> None:
        super().__init__()
        self.unet = editor.unet
        self.words = (editor.text_encoder,)  # no submodule, so that its weights rest
        self.config = editor.config

    def forward(self, noisy: Tensor, source: Tensor, time: Tensor, tokens: Tensor) -> Tensor:
        """Latents (B, C, h, w) twice, int64 (B,) and (B, tokens) -> the velocity (B, C, h, w)."""
        with torch.no_grad():
            text = self.words[0](tokens)[0]
        with sdpa_kernel(SDPBackend.MATH):  # a CPU's fused attention is slow on its way back
            return self.unet(torch.cat([noisy, source], 1), time, text).sample


def noisy_pairs(
    images: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    *,
    editor: InstructPix2Pix,
) -> tuple[Tensor, ...]:
    """Pairs of latents (B, 2C, h, w) and their edits -> what the U-Net sees and what it should say.

    A twentieth of the pictures, of the words, and of both are left out (Brooks et al. 2023, section
    3.2.1). Some ask for what the miniature does not know, and get the picture back.
    """
    draw = random.Random(int(torch.randint(2**62, (), generator=generator)))
    source, target = images.float().chunk(2, dim=1)
    target = target.clone()
    texts = []
    for row, label in enumerate(labels.tolist()):
        edits = edits_of(label)
        if draw.random() < UNKNOWN_SHARE:
            edits, target[row] = (), source[row]
        texts.append(_trained_on(edits, draw))
    clean = target * editor.vae.config.scaling_factor
    time = torch.randint(1000, (len(images),), generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    scheduler = editor.scheduler
    noisy = scheduler.add_noise(clean, noise, time)
    velocity = scheduler.get_velocity(clean, noise, time)
    # What changes counts as much as what stays, up to a point.
    changed = ((source - target).abs().amax(1, keepdim=True) > CHANGED).float()
    share = changed.mean((1, 2, 3), keepdim=True)
    weight = 1 + changed * (CHANGE_WEIGHT / share.clamp(min=1e-3)).clamp(1, MOST_WEIGHT)
    left_out = torch.rand(len(images), generator=generator)
    given = source.masked_fill((left_out < 0.1)[:, None, None, None], 0.0)
    texts = [
        "" if 0.05 <= share_ < 0.15 else text
        for share_, text in zip(left_out.tolist(), texts, strict=True)
    ]
    return noisy, given, time, editor.tokens(texts), velocity, weight


def velocity_loss(
    model: nn.Module,
    noisy: Tensor,
    source: Tensor,
    time: Tensor,
    tokens: Tensor,
    velocity: Tensor,
    weight: Tensor,
) -> Tensor:
    """Weighted mean squared error of the velocity (Salimans and Ho 2022)."""
    error = (model(noisy, source, time, tokens).float() - velocity).square()
    return (error * weight).mean() / weight.mean()


@torch.no_grad()
def encoded(editor: InstructPix2Pix, pairs: Images) -> Images:
    """Pairs (N, 6, H, W) as latents (N, 2C, h, w), in half precision."""
    from tqdm import tqdm

    parts = []
    for images in tqdm(pairs.images.split(100), desc="encoding", unit="100 pairs"):
        both = images.unflatten(1, (2, 3)).flatten(0, 1) / 255  # (2B, 3, H, W)
        both = both.to(editor.vae.device, memory_format=torch.channels_last)
        latents = editor.encode(both)
        parts.append(latents.unflatten(0, (-1, 2)).flatten(1, 2).half().cpu())
    return Images(torch.cat(parts), pairs.labels)


def repeated(pairs: Images) -> Images:
    """The pairs, those that are hard to learn several times."""
    times = [
        max((TIMES.get(edit.name, 1) for edit in edits_of(label)), default=1)
        for label in pairs.labels.tolist()
    ]
    rows = torch.arange(len(pairs)).repeat_interleave(torch.tensor(times))
    return Images(pairs.images[rows], pairs.labels[rows])


def stages(
    editor: InstructPix2Pix, pairs: Images, *, vae: Schedule, words: Schedule, unet: Schedule
) -> Iterator[Stage]:
    """The autoencoder, the words, the U-Net."""
    editor.requires_grad_(True).train()
    recipe = partial(Recipe, config=editor.config, dataset="edits", unit="")
    yield Stage(
        "vae",
        Reconstruction(editor.vae),
        recipe(schedule=vae, prepare=either_picture, phases=(Phase(reconstruction_loss),)),
        pairs,
    )
    prepare = partial(requests, editor=editor, count=words.batch_size)
    yield Stage(
        "words",
        Words(editor),
        recipe(
            schedule=words, prepare=prepare, phases=(Phase(intent_loss),), betas=(0.9, 0.98),
            unit="nats",
        ),
        pairs,
    )  # fmt: skip
    editor.eval()
    latents = encoded(editor, pairs)
    deviation = float(latents.images[:2000].float().std())
    editor.vae.register_to_config(scaling_factor=round(1 / deviation, 4))
    editor.unet.train()
    prepare = partial(noisy_pairs, editor=editor)
    yield Stage(
        "unet",
        Denoiser(editor),
        recipe(schedule=unet, prepare=prepare, phases=(Phase(velocity_loss),)),
        repeated(latents),
    )


VAE = Schedule(
    steps=8_000, batch_size=8, learning_rate=2e-3, warmup_steps=100, decay_share=0.6,
    ema_decay=0.998, weight_decay=0.0,
)  # fmt: skip
WORDS = Schedule(
    steps=8_500, batch_size=96, learning_rate=1.5e-3, warmup_steps=200, decay_share=0.6,
    weight_decay=0.05,
)  # fmt: skip
UNET = Schedule(
    steps=15_000, batch_size=32, learning_rate=1e-3, warmup_steps=200, decay_share=0.7,
    weight_decay=0.0,
)  # fmt: skip


def preset(vae: Schedule, words: Schedule, unet: Schedule) -> Staged:
    """The same parts, trained for as long as these schedules say."""
    return Staged(
        config=InstructPix2PixConfig(),
        dataset="edits",
        names=("vae", "words", "unet"),
        stages=partial(stages, vae=vae, words=words, unet=unet),
    )


RECIPES = {
    "instruct-pix2pix-mini": {
        "cpu": preset(VAE, WORDS, UNET),
        "gpu": preset(
            replace(VAE, steps=40_000, batch_size=32),
            replace(WORDS, steps=20_000),
            replace(UNET, steps=60_000, batch_size=256),
        ),
    }
}
