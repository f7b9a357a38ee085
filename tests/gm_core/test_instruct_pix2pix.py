"""The editor: its own loop against the pipeline, and what it promises."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gm_core import checkpoints
from gm_core.data import Images
from gm_core.edit_pairs import edits_of, label, random_pair
from gm_core.instruct_pix2pix import SAMPLERS, EditFrame, InstructPix2Pix, Sampler, read, write
from gm_core.randomness import stream
from gm_core.scenes import EDITS
from gm_core.training.instruct_pix2pix import RECIPES, repeated
from gm_core.training.loop import Schedule, train
from tests.gm_core.tiny import CONFIGS, tiny

HOW: dict[str, Any] = {
    "steps": 4, "guidance_scale": 3.0, "image_guidance_scale": 1.5, "seed": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def editor() -> InstructPix2Pix:
    """A tiny one whose pictures and words matter: as initialised, they hardly would."""
    editor: InstructPix2Pix = tiny("instruct-pix2pix")
    torch.manual_seed(1)
    for module in editor.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=1.2 / module.weight[0].numel() ** 0.5)
    return editor.requires_grad_(False)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))


def last(frames: Any) -> EditFrame:
    *_, frame = frames
    return frame


@pytest.fixture(scope="module")
def folder(editor: InstructPix2Pix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("editor")
    write(editor, folder)
    return folder


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_loop_is_the_pipelines(folder: Path, image: Tensor, sampler: Sampler):
    import diffusers

    library: Any = diffusers
    pipeline = library.StableDiffusionInstructPix2PixPipeline.from_pretrained(
        folder, dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    kind = getattr(library, SAMPLERS[sampler])
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    expected = pipeline(
        "make it night",
        image[None],
        num_inference_steps=HOW["steps"],
        guidance_scale=HOW["guidance_scale"],
        image_guidance_scale=HOW["image_guidance_scale"],
        generator=stream(HOW["seed"]),
        output_type="pt",
    ).images[0]
    found = last(read(folder).edit(image, "make it night", sampler=sampler, **HOW)).image
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_frames_lead_to_the_result(editor: InstructPix2Pix, image: Tensor):
    frames = list(editor.edit(image, "a beard", **HOW))
    assert [frame.step for frame in frames] == [1, 2, 3, 4]
    assert all(frame.total == 4 and frame.guesses is None for frame in frames)
    assert all(frame.images.shape == (1, 3, 32, 32) for frame in frames)
    assert all(0 <= frame.images.min() <= frame.images.max() <= 1 for frame in frames)
    sparse = list(editor.edit(image, "a beard", every=3, **HOW))
    assert [frame.step for frame in sparse] == [3, 4]
    assert torch.equal(sparse[-1].image, frames[-1].image)


def test_seed_words_picture_and_guidance_decide(editor: InstructPix2Pix, image: Tensor):
    first = last(editor.edit(image, "a beard", **HOW)).image
    assert torch.equal(first, last(editor.edit(image, "a beard", **HOW)).image)
    changes: list[tuple[Tensor, str, dict[str, Any]]] = [
        (image, "sunset", {}),
        (1 - image, "a beard", {}),
        (image, "a beard", {"seed": 6}),
        (image, "a beard", {"guidance_scale": 1.0}),
        (image, "a beard", {"image_guidance_scale": 1.0}),
    ]
    for picture, words, how in changes:
        other = last(editor.edit(picture, words, **(HOW | how))).image
        assert (other - first).abs().max() > 1e-3


def test_guidance_is_taken_apart(editor: InstructPix2Pix, image: Tensor):
    first = next(editor.edit(image, "a beard", takes_apart=True, **HOW))
    assert first.guesses is not None
    assert first.guesses.shape == (3, 3, 32, 32)
    nothing, picture, both = first.guesses
    assert not torch.equal(nothing, picture)
    assert not torch.equal(picture, both)
    # Without guidance, the result is what is foreseen with picture and words.
    plain: dict[str, Any] = HOW | {"guidance_scale": 1.0, "image_guidance_scale": 1.0}
    frame = next(editor.edit(image, "a beard", takes_apart=True, **plain))
    assert frame.guesses is not None
    torch.testing.assert_close(frame.guesses[2], frame.image, atol=1e-4, rtol=0)


def test_a_mask_keeps_the_rest(editor: InstructPix2Pix, image: Tensor):
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[8:20, 8:20] = True
    result = last(editor.edit(image, "a beard", mask=mask, **HOW)).image
    assert torch.equal(result[:, ~mask], image[:, ~mask])
    assert (result[:, mask] - image[:, mask]).abs().mean() > 0.01


def test_results_that_are_no_numbers_are_an_error(folder: Path, image: Tensor):
    broken = read(folder)
    with torch.no_grad():
        broken.unet.conv_out.bias.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="not finite at step 1"):
        next(broken.edit(image, "a beard", **HOW))


def test_the_scheduler_is_fresh_for_every_edit(editor: InstructPix2Pix, image: Tensor):
    alone = last(editor.edit(image, "a beard", **HOW)).image
    in_turns = zip(*(editor.edit(image, "a beard", **HOW) for _ in range(2)), strict=True)
    *_, (one, other) = in_turns
    assert torch.equal(one.image, alone)
    assert torch.equal(other.image, alone)


def test_long_instructions_are_cut(editor: InstructPix2Pix):
    tokens = editor.tokens(["a beard " * 500, ""])
    assert tokens.shape == (2, CONFIGS["instruct-pix2pix"].tokens)
    assert tokens[0, -1] == tokens[1, 1] == editor.tokenizer.eos_token_id


def test_what_is_understood_is_likelier_than_not(editor: InstructPix2Pix):
    found = editor.understand("a beard")
    assert found is not None
    assert set(found.intents) == set(EDITS)
    chances = list(found.intents.values())
    assert chances == sorted(chances, reverse=True)
    known = tuple(name for name, chance in found.intents.items() if chance > 0.5)
    assert found.edits == (() if found.outside > 0.5 else known)


def test_a_folder_of_something_else_is_refused(folder: Path, tmp_path: Path):
    index = json.loads((folder / "model_index.json").read_text())
    for changes, message in (
        ({"unet": None}, "lists no unet"),
        ({"unet": ["my_code", "Net"]}, "'my_code', which is none of ours"),
    ):
        (tmp_path / "model_index.json").write_text(json.dumps(index | changes))
        with pytest.raises(ValueError, match=message):
            read(tmp_path)


def test_a_changed_part_is_refused(editor: InstructPix2Pix, tmp_path: Path):
    folder = tmp_path / "instruct-pix2pix-mini"
    checkpoints.save(
        folder, editor, family="instruct-pix2pix", dataset="edits", training={"seed": 0}
    )
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(checkpoints.BadCheckpoint, match="unet"):
        checkpoints.read(folder)


# --- training ----------------------------------------------------------------------------------


def test_labels_of_edits_come_back():
    edits = list(EDITS.values())
    for asked in ([], edits[:1], edits[-1:], [edits[3], edits[70]], [edits[70], edits[3]]):
        assert edits_of(label(asked)) == tuple(asked)


def test_pairs_follow_from_their_seed():
    (pair, pictures), (_, same) = random_pair("one"), random_pair("one")
    assert torch.equal(pictures, same)
    assert torch.equal(pictures[:3], pair.before.draw())
    assert torch.equal(pictures[3:], pair.after.draw())


@pytest.fixture(scope="module")
def pairs() -> Images:
    drawn = [random_pair(f"tiny {index}") for index in range(8)]
    images = torch.stack([pictures for _, pictures in drawn])[:, :, ::2, ::2].contiguous()
    return Images(images, torch.tensor([label(pair.edits) for pair, _ in drawn]))


def test_pairs_that_are_hard_come_several_times():
    names = ([], ["red shirt"], ["smile"], ["red shirt", "long hair"])
    labels = torch.tensor([label([EDITS[name] for name in asked]) for asked in names])
    pictures = torch.arange(4)[:, None, None, None].expand(-1, 6, 2, 2)
    several = repeated(Images(pictures, labels))
    assert several.images[:, 0, 0, 0].tolist() == [0, 1, 2, 2, 2, 2, 3, 3]
    assert torch.equal(several.labels, labels[several.images[:, 0, 0, 0]])


def test_every_stage_teaches_its_part(pairs: Images):
    editor: InstructPix2Pix = tiny("instruct-pix2pix")
    brief = Schedule(steps=40, batch_size=8, learning_rate=4e-3, warmup_steps=1, ema_decay=0.5)
    staged = RECIPES["instruct-pix2pix-mini"]["cpu"]
    stages = staged.stages.func(editor, pairs, vae=brief, words=brief, unet=brief)  # pyright: ignore
    taught: set[str] = set()
    for stage in stages:
        before = {name: value.clone() for name, value in editor.named_parameters()}
        losses = [
            record.loss for record in train(stage.module, stage.recipe, stage.data, record_every=10)
        ]
        assert losses[-1] < 0.9 * losses[0], stage.name
        moved = {
            name
            for name, value in editor.named_parameters()
            if not torch.equal(value, before[name])
        }
        assert not moved & taught, stage.name  # what an earlier stage taught rests
        taught |= moved
    assert taught == {name for name, _ in editor.named_parameters()}
    assert editor.vae.config.scaling_factor != 1


def test_training_can_be_stopped(pairs: Images):
    editor: InstructPix2Pix = tiny("instruct-pix2pix")
    stage = next(iter(RECIPES["instruct-pix2pix-mini"]["cpu"].stages(editor, pairs)))
    records = list(islice(train(stage.module, stage.recipe, stage.data, record_every=1), 2))
    assert [record.step for record in records] == [1, 2]


def test_a_folder_does_not_tell_where_its_weights_were_read(tmp_path: Path):
    write(tiny("instruct-pix2pix"), tmp_path / "first")
    write(read(tmp_path / "first"), tmp_path / "second")
    texts = [path.read_text("utf-8") for path in (tmp_path / "second").rglob("*.json")]
    assert len(texts) >= 6
    assert not [text for text in texts if str(tmp_path) in text]
