"""A hub on this machine, which serves a tiny pipeline and misbehaves as it is told."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from gm_core import hub

UNET = "unet/diffusion_pytorch_model.safetensors"
PICKLE = "unet/diffusion_pytorch_model.bin"
DECOYS = (
    PICKLE, "unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/pytorch_model.bin",
    "tiny.ckpt", "tiny.safetensors", "README.md", "unet/code.py",
)  # fmt: skip


class StandIn(ThreadingHTTPServer):
    """A hub on this machine: what it holds, what it was asked, and how it misbehaves."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], repo: str, revision: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repo, self.revision = repo, revision
        self.files = {**files, **dict.fromkeys(DECOYS, b"never asked for")}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.faults: dict[str, Callable[[Answer, bytes], None]] = {}  # by file, "" is the listing
        self.may_go_on = threading.Event()
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def listing(self) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = []
        for name, data in self.files.items():
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git}
            if name.endswith((".safetensors", ".bin", ".ckpt")):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            siblings.append(entry)
        return {"id": self.repo, "sha": self.revision, "siblings": siblings}

    def once(self, file: str, fault: Callable[[Answer, bytes], None]) -> None:
        def only_now(answer: Answer, data: bytes) -> None:
            del self.faults[file]
            fault(answer, data)

        self.faults[file] = only_now

    def fetched(self) -> list[str]:
        """The files it was asked for."""
        return [path.split(f"{self.revision}/")[1] for path in self.asked if "/resolve/" in path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever stops a download closes the connection."""


class Answer(BaseHTTPRequestHandler):
    """One request to the stand-in."""

    protocol_version = "HTTP/1.1"
    server: StandIn  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        repo, revision = self.server.repo, self.server.revision
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.path.startswith(f"/api/models/{repo}/revision/{revision}"):
            self.reply("", json.dumps(self.server.listing()).encode())
        elif self.path.startswith(f"/{repo}/resolve/{revision}/"):
            file = self.path.split(f"{revision}/")[1]
            if file.endswith(".safetensors"):  # large files lie elsewhere
                self.send(302, b"", {"location": f"/elsewhere/{file}"})
            else:
                self.reply(file, self.server.files[file])
        elif self.path.startswith("/elsewhere/"):
            file = self.path.removeprefix("/elsewhere/")
            self.reply(file, self.server.files[file])
        else:
            self.send(404, b"")

    def reply(self, file: str, data: bytes) -> None:
        if file in self.server.faults:
            self.server.faults[file](self, data)
        else:
            start = self.start
            part = {"content-range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            self.send(206 if start else 200, data[start:], part)

    @property
    def start(self) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(asked[1]) if asked else 0

    def send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self, data: bytes) -> None:
        """Announce all that is left, send what is missing of the first half."""
        self.send_response(206 if self.start else 200)
        self.send_header("content-length", str(len(data) - self.start))
        self.end_headers()
        self.wfile.write(data[self.start : len(data) // 2])
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(files: dict[str, bytes], repo: str, revision: str) -> Iterator[StandIn]:
    server = StandIn(files, repo, revision)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.may_go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def instead_of_the_hub(
    files: dict[str, bytes], cache: Path, patch: pytest.MonkeyPatch
) -> Iterator[StandIn]:
    """Serves the full-size model, with an empty cache; a CPU is asked for."""
    with serving(files, hub.FULL_SIZE.repo, hub.FULL_SIZE.revision) as server:
        url = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.endpoint)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        patch.setattr(constants, "ENDPOINT", server.endpoint)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setenv("GM_DEVICE", "cpu")
        yield server
    hub._state.loaded, hub._state.shortages = None, 0


def contents(folder: Path | None) -> dict[str, bytes]:
    """Every file of a folder by its path there."""
    assert folder is not None
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def tiny_pipeline(folder: Path) -> None:
    """Real components of a few numbers each, in the layout of the pinned commit."""
    import diffusers
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTokenizer,
    )

    parts: Any = diffusers  # whose annotations take many a fitting argument for a wrong one
    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    written = folder.with_name("words")
    written.mkdir()
    (written / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (written / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": words[-2], "eos_token": words[-1], "unk_token": words[-1]}
    (written / "special_tokens_map.json").write_text(json.dumps(special))
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 8}
    (written / "tokenizer_config.json").write_text(json.dumps(settings))
    small: dict[str, Any] = {
        "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2
    }  # fmt: skip
    parts.StableDiffusionInstructPix2PixPipeline(
        vae=parts.AutoencoderKL(
            block_out_channels=(4, 4, 4, 8),
            norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(words),
                max_position_embeddings=8,
                bos_token_id=len(words) - 2,
                eos_token_id=len(words) - 1,
                **small,
            )
        ),
        tokenizer=CLIPTokenizer.from_pretrained(written, model_max_length=8),
        unet=parts.UNet2DConditionModel(
            sample_size=16,
            in_channels=8,
            out_channels=4,
            block_out_channels=(4, 8),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=8,
            attention_head_dim=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        scheduler=parts.EulerAncestralDiscreteScheduler(beta_schedule="scaled_linear"),
        safety_checker=StableDiffusionSafetyChecker(
            CLIPConfig(
                text_config=small,
                vision_config={**small, "image_size": 16, "patch_size": 8},
                projection_dim=8,
            )
        ),
        feature_extractor=CLIPImageProcessor(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
        ),
    ).save_pretrained(folder)
    shutil.rmtree(folder / "tokenizer")
    written.rename(folder / "tokenizer")
