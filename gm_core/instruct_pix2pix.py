"""InstructPix2Pix: a diffusion model that edits a picture as an instruction says.

The picture is encoded into latents c_I, the instruction into c_T. Starting from noise z_T, a U-Net
that sees both predicts at every step what is to be taken away, and it is asked three times: knowing
nothing, knowing the picture, and knowing picture and instruction. Two scales stretch the steps from
one answer to the next:

    e(z, c_I, c_T) =  e(z, 0, 0)
                   + s_I (e(z, c_I, 0)   - e(z, 0, 0))      image guidance: keep the picture
                   + s_T (e(z, c_I, c_T) - e(z, c_I, 0))    text guidance: do as you are told

Brooks, Holynski and Efros 2023, arXiv:2211.09800, equation 3.

Weights are folders in the layout of diffusers' StableDiffusionInstructPix2PixPipeline: the
miniature of this repository and the hub's full-size model alike. The miniature also knows what it
knows: a linear layer on the words' last state tells its edits apart.
"""

from __future__ import annotations

import copy
import importlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor, nn

from gm_core.files import write_bytes, write_safetensors
from gm_core.frames import Frame, NotFinite
from gm_core.instructions import phrase
from gm_core.randomness import stream
from gm_core.scenes import EDITS

Sampler = Literal["ddim", "euler ancestral"]
SAMPLERS: Mapping[Sampler, str] = {
    "ddim": "DDIMScheduler",
    "euler ancestral": "EulerAncestralDiscreteScheduler",
}
INTENTS = "intents.safetensors"
REQUIRED = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
WEIGHTS = ("unet", "vae", "text_encoder", "safety_checker")
# As a folder's index calls them -> where they are.
LIBRARIES = {
    "diffusers": "diffusers",
    "transformers": "transformers",
    "stable_diffusion": "diffusers.pipelines.stable_diffusion",
}


@dataclass(frozen=True, slots=True)
class InstructPix2PixConfig:
    """The miniature's parts; the full-size model brings configs of its own."""

    size: int = 64  # of the pictures, pixels
    channels: tuple[int, ...] = (48, 96, 120)  # of the U-Net's levels, the coarser ones attend
    heads: int = 4
    encoder_channels: int = 32  # of the autoencoder
    decoder_channels: int = 48
    text_width: int = 144
    text_layers: int = 2
    tokens: int = 48  # of an instruction, at most
    vocabulary: int = 1200
    sentences: int = 60_000  # that the vocabulary is made from
    intents: tuple[str, ...] = tuple(EDITS)


@dataclass(frozen=True, slots=True)
class EditFrame(Frame):
    """A frame of an edit: `images` (1, 3, H, W) is the result as the model sees it now."""

    # What it would be knowing nothing, the picture, picture and instruction: float32 (3, 3, H, W).
    guesses: Tensor | None

    @property
    def image(self) -> Tensor:
        """(3, H, W)."""
        return self.images[0]


@dataclass(frozen=True, slots=True)
class Understanding:
    """What the miniature takes an instruction for: probabilities, of each intent by itself."""

    intents: Mapping[str, float]  # the likeliest first
    outside: float  # that it asks for something the miniature does not know

    @property
    def edits(self) -> tuple[str, ...]:
        """Those that are likelier than not; none for what it does not know."""
        found = tuple(name for name, probability in self.intents.items() if probability > 0.5)
        return () if self.outside > 0.5 else found


class Flagged(ValueError):
    """The safety checker holds a result back."""


class InstructPix2Pix(nn.Module):
    """The parts of an editor, and the loop that edits."""

    def __init__(
        self,
        *,
        unet: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
        safety_checker: Any = None,
        feature_extractor: Any = None,
        intents: tuple[str, ...] = (),
        config: InstructPix2PixConfig | None = None,
    ) -> None:
        super().__init__()
        self.unet, self.vae, self.text_encoder = unet, vae, text_encoder
        self.tokenizer, self.scheduler = tokenizer, scheduler
        self.safety_checker, self.feature_extractor = safety_checker, feature_extractor
        self.intents = intents
        self.config = config
        width = text_encoder.config.hidden_size
        self.intent: Any = nn.Linear(width, len(intents) + 1) if intents else None

    @property
    def factor(self) -> int:
        """Pixels of a picture a cell of its latents, in each direction."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @torch.no_grad()
    def edit(
        self,
        image: Tensor,
        instruction: str,
        *,
        steps: int,
        guidance_scale: float,
        image_guidance_scale: float,
        seed: int,
        mask: Tensor | None = None,
        sampler: Sampler = "ddim",
        every: int = 1,
        takes_apart: bool = False,
    ) -> Iterator[EditFrame]:
        """Edit a picture: frames after every `every` steps and the last, whose image is the result.

        image: float (3, H, W) in [0, 1], H and W multiples of `factor` times what the U-Net halves.
        mask: bool (H, W), where the picture may change; None is everywhere. `takes_apart` adds what
        each of the three predictions amounts to. Raises NotFinite if a result is not finite,
        Flagged if the safety checker objects.
        """
        device, dtype = self.unet.device, self.unet.dtype
        generator = stream(seed)
        scheduler = self._scheduler(sampler)
        scheduler.set_timesteps(steps, device=device)
        source = self.encode(image[None].to(device, dtype))  # (1, C, h, w)
        given = torch.cat([torch.zeros_like(source), source, source])
        nothing, words = self.embed(["", instruction])
        text = torch.stack([nothing, nothing, words])
        start = torch.randn(source.shape, generator=generator)
        latents = start.to(device, dtype) * scheduler.init_noise_sigma
        inside = None if mask is None else self._cells(mask).to(device)

        for step, time in enumerate(scheduler.timesteps, 1):
            # Ask three times.
            noisy = scheduler.scale_model_input(torch.cat([latents] * 3), time)
            answers = self.unet(torch.cat([noisy, given], 1), time, text).sample
            nothing, picture, both = answers.chunk(3)
            # Stretch the steps between the answers.
            prediction = (
                nothing
                + image_guidance_scale * (picture - nothing)
                + guidance_scale * (both - picture)
            )
            before, seen = latents, copy.copy(scheduler)
            # Take one step towards the result.
            output = _step(scheduler, prediction, time, latents, generator)
            latents, guess = output.prev_sample, output.pred_original_sample
            if inside is not None:
                known = self._noised(scheduler, source * self._scale, start, step)
                latents = torch.where(inside, latents, known)
            is_last = step == steps
            if is_last or step % every == 0:
                result = self.decode(latents if is_last else guess)
                if not result.isfinite().all():
                    raise NotFinite(f"The edit's picture is not finite at step {step}.")
                if is_last:
                    self._check(result)
                guesses = None
                if takes_apart:
                    parts = [
                        _step(copy.copy(seen), part, time, before, torch.Generator())
                        for part in (nothing, picture, both)
                    ]
                    guesses = self.decode(torch.cat([part.pred_original_sample for part in parts]))
                if mask is not None:
                    result = torch.where(mask, result, image.cpu())
                yield EditFrame(result, step, steps, f"step {step} of {steps}", guesses)

    def encode(self, images: Tensor) -> Tensor:
        """float (B, 3, H, W) in [0, 1] -> latents (B, C, h, w), as the U-Net is given them."""
        encoded = self.vae.encode(images * 2 - 1)
        return encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()

    def decode(self, latents: Tensor) -> Tensor:
        """Latents of unit variance (B, C, h, w) -> float32 (B, 3, H, W) in [0, 1], on the CPU."""
        images = self.vae.decode(latents / self._scale).sample
        return (images.float() / 2 + 0.5).clamp(0, 1).cpu()

    def embed(self, instructions: list[str]) -> Tensor:
        """Instructions -> (B, tokens, width)."""
        return self.text_encoder(self.tokens(instructions).to(self.text_encoder.device))[0]

    def tokens(self, instructions: list[str]) -> Tensor:
        """Instructions -> int64 (B, tokens), filled up with the end token; what is over is lost."""
        return self.tokenizer(
            instructions,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids

    @torch.no_grad()
    def understand(self, instruction: str) -> Understanding | None:
        """What it takes an instruction for; None if it has no list of what it knows."""
        if self.intent is None:
            return None
        ids = self.tokens([instruction]).to(self.text_encoder.device)
        pooled = self.text_encoder(ids).pooler_output
        *known, outside = self.intent(pooled)[0].sigmoid().tolist()
        named = sorted(zip(self.intents, known, strict=True), key=lambda item: -item[1])
        return Understanding(dict(named), outside)

    @property
    def _scale(self) -> float:
        return self.vae.config.scaling_factor

    def _scheduler(self, sampler: Sampler) -> Any:
        """A fresh one, for it counts its steps."""
        import diffusers

        return getattr(diffusers, SAMPLERS[sampler]).from_config(self.scheduler.config)

    def _cells(self, mask: Tensor) -> Tensor:
        """bool (H, W) -> (h, w): the cells in which any pixel may change."""
        pooled = nn.functional.max_pool2d(mask[None, None].float(), self.factor)
        return pooled[0, 0] > 0

    def _noised(self, scheduler: Any, clean: Tensor, noise: Tensor, step: int) -> Tensor:
        """Latents with as much noise as there is left after `step` steps."""
        if step == len(scheduler.timesteps):
            return clean
        time = scheduler.timesteps[step : step + 1]
        return scheduler.add_noise(clean, noise.to(clean), time)

    def _check(self, images: Tensor) -> None:
        """Raises Flagged for pictures that the safety checker objects to."""
        if self.safety_checker is None:
            return
        arrays = images.permute(0, 2, 3, 1).numpy()
        inputs = self.feature_extractor(
            [(array * 255).round().astype("uint8") for array in arrays], return_tensors="pt"
        )
        _, flagged = self.safety_checker(
            images=arrays, clip_input=inputs.pixel_values.to(self.unet.device, self.unet.dtype)
        )
        if any(flagged):
            raise Flagged("The model's safety checker held the result back. Try another wording.")


def _step(scheduler: Any, prediction: Tensor, time: Tensor, latents: Tensor, generator: Any) -> Any:
    """A scheduler's step: what it leads to, and the result as it is foreseen."""
    return scheduler.step(prediction, time, latents, generator=generator)


def build_tokenizer(config: InstructPix2PixConfig) -> Any:
    """Byte pairs (Sennrich et al. 2016) of what the grammar says."""
    from transformers import CLIPTokenizer

    draw = random.Random(0)
    edits = list(EDITS.values())
    sentences = [
        phrase(draw.sample(edits, draw.choice((0, 1, 1, 1, 2))), draw).lower()
        for _ in range(config.sentences)
    ]
    tokenizer = CLIPTokenizer().train_new_from_iterator(sentences, config.vocabulary)
    tokenizer.model_max_length = config.tokens
    return tokenizer


def build(config: InstructPix2PixConfig) -> InstructPix2Pix:
    """A miniature with fresh weights."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = build_tokenizer(config)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(config.encoder_channels,) * 3,
        decoder_block_out_channels=(config.decoder_channels,) * 3,
        num_encoder_blocks=(1, 2, 3),
        num_decoder_blocks=(3, 3, 1),
        latent_channels=4,
    )
    attends = len(config.channels) - 1
    unet = UNet2DConditionModel(
        sample_size=config.size // 4,
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * attends),
        up_block_types=(*["CrossAttnUpBlock2D"] * attends, "UpBlock2D"),
        block_out_channels=config.channels,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=config.text_width,
        attention_head_dim=config.heads,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.text_width,
            intermediate_size=4 * config.text_width,
            num_hidden_layers=config.text_layers,
            num_attention_heads=4,
            max_position_embeddings=config.tokens,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,  # Lin et al. 2024: the last step is noise alone
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
    return InstructPix2Pix(
        unet=unet,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=scheduler,
        intents=config.intents,
        config=config,
    )


def read(folder: Path, dtype: torch.dtype = torch.float32) -> InstructPix2Pix:
    """The editor of a folder in the pipeline's layout; no code of the folder's own is run.

    Raises OSError or ValueError for a folder that holds none.
    """
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    missing = [name for name in REQUIRED if not isinstance(index.get(name), list)]
    if missing:
        raise ValueError(f"{folder} lists no {missing[0]}: it holds no InstructPix2Pix.")
    parts = {name: _read_part(folder, name, index[name], dtype) for name in REQUIRED}
    if index.get("safety_checker", [None])[0] is not None:
        for name in ("safety_checker", "feature_extractor"):
            parts[name] = _read_part(folder, name, index[name], dtype)
    if not (folder / INTENTS).exists():
        return InstructPix2Pix(**parts)
    with safe_open(folder / INTENTS, framework="pt") as file:
        intents = tuple(json.loads(file.metadata()["intents"]))
        weights = {name: file.get_tensor(name).to(dtype) for name in ("weight", "bias")}
    editor = InstructPix2Pix(**parts, intents=intents)
    editor.intent.load_state_dict(weights)
    return editor


def _read_part(folder: Path, name: str, listed: list[str], dtype: torch.dtype) -> Any:
    """A part, by the library and the class that the folder's index lists."""
    library, kind = listed
    if library not in LIBRARIES:
        raise ValueError(f"{folder} wants {kind} of {library!r}, which is none of ours.")
    part: Any = getattr(importlib.import_module(LIBRARIES[library]), kind)
    options: dict[str, Any] = {"local_files_only": True}
    if library == "transformers":
        importlib.import_module("transformers.utils.logging").disable_progress_bar()
    if name in WEIGHTS:
        named = "dtype" if library == "transformers" else "torch_dtype"
        options |= {"use_safetensors": True, named: dtype}
    return part.from_pretrained(folder / name, **options)


def write(editor: InstructPix2Pix, folder: Path) -> None:
    """Write an editor in the pipeline's layout, in half precision."""
    import diffusers

    halves = copy.deepcopy(editor).half()
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionInstructPix2PixPipeline",
        "_diffusers_version": diffusers.__version__,
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
    }
    for name in REQUIRED:
        part = getattr(halves, name)
        part.save_pretrained(folder / name)
        index[name] = [type(part).__module__.partition(".")[0], type(part).__name__]
    for name in ("unet", "vae"):
        path = folder / name / "config.json"
        settings = json.loads(path.read_text("utf-8"))
        settings.pop("_name_or_path", None)  # where it was read from, on whichever machine
        if name == "vae":  # AutoencoderTiny writes down more than it reads, and complains about it
            settings.pop("block_out_channels", None)
        write_bytes(path, (json.dumps(settings, indent=2) + "\n").encode())
    write_bytes(folder / "model_index.json", (json.dumps(index, indent=2) + "\n").encode())
    if halves.intent is not None:
        names = {"intents": json.dumps(editor.intents)}
        write_safetensors(folder / INTENTS, halves.intent.state_dict(), names)


def read_miniature(folder: Path, config: InstructPix2PixConfig) -> InstructPix2Pix:
    """The editor of a checkpoint folder. Raises ValueError if it is not what its config says."""
    editor = read(folder)
    if editor.intents != config.intents:
        raise ValueError(f"{folder} does not know the edits that its config lists.")
    editor.config = config
    return editor


def golden(editor: InstructPix2Pix) -> dict[str, Tensor]:
    """What weights must reproduce: an edit in two steps, and what an instruction is taken for."""
    ramp = torch.linspace(0, 1, 64)
    image = torch.stack(
        [ramp.expand(64, 64), ramp[:, None].expand(64, 64), ramp.flip(0).expand(64, 64)]
    )
    *_, last = editor.edit(
        image, "make it night", steps=2, guidance_scale=1.5, image_guidance_scale=1.1, seed=0
    )
    understanding = editor.understand("give her sunglasses")
    assert understanding is not None
    probabilities = [understanding.intents[name] for name in editor.intents]
    return {"image": last.image, "intents": torch.tensor(probabilities)}
