"""What happens on a full disk: `python -m tests.faults.small_disk FOLDER` prints it as JSON.

`on_small_disk` lets it run where FOLDER is a disk of 3 MB of its own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIZE = 3_000_000  # bytes
MOUNT = f'mount -t tmpfs -o size={SIZE} tmpfs "$0" && exec "$@"'
# Disks are mounted by whoever is root, if only of a name space of his own.
WAYS = (["unshare", "-rm", "sh", "-c", MOUNT], ["unshare", "-m", "sh", "-c", MOUNT])


def on_small_disk(folder: Path, command: list[str]) -> list[str]:
    """A command that finds a small disk in a folder, on a machine that lets us mount one."""
    for way in WAYS if shutil.which("unshare") else ():
        if subprocess.run([*way, str(folder), "true"], capture_output=True).returncode == 0:
            return [*way, str(folder), *command]
    return command


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not a byte fits on the disk of a folder. Where that is not a small one, no file may grow,
    which whoever writes cannot tell from a full disk but by the number of the error."""
    filler = folder / "filler"
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    if os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize > 2 * SIZE:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, usual[1]))
    else:
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    filler.unlink(missing_ok=True)


def said(work: Callable[[], Any]) -> list[str]:
    """The kind of the error in which work ends, and what it says."""
    try:
        work()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return []


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.name != "filler")


def save_checkpoint(folder: Path) -> dict[str, Any]:
    from tests.faults.children import save
    from tests.faults.test_killed import seed_of

    checkpoint = folder / "checkpoints" / "pixelcnn-mnist"
    save(checkpoint, 0)
    before = names(folder)
    with full(folder):
        error = said(lambda: save(checkpoint, 1))
        left, kept = names(folder), seed_of(checkpoint)
    save(checkpoint, 2)
    return {
        "error": error, "names": str(checkpoint), "whole": left == before and kept == 0,
        "next": seed_of(checkpoint) == 2,
    }  # fmt: skip


def save_state(folder: Path) -> dict[str, Any]:
    import torch

    from tests.faults.children import trained

    straight = trained(folder / "straight" / "state").state_dict()
    state = folder / "run" / "state"
    trained(state, steps=2)
    before = state.read_bytes()
    with full(folder):
        error = said(lambda: trained(state))
        whole = state.read_bytes() == before and names(state.parent) == ["state"]
    weights = trained(state).state_dict()
    same = all(torch.equal(weights[name], value) for name, value in straight.items())
    return {"error": error, "names": str(state), "whole": whole, "next": same}


def keep_history(folder: Path) -> dict[str, Any]:
    import torch

    from gm_core.frames import TrainingRecord
    from gm_core.training import history

    def keep(step: int) -> None:
        seen = {"images": torch.zeros(1, 1, 2, 2, dtype=torch.uint8), "scores": torch.zeros(1)}
        losses = {"d": step / 10, "g": step / 10}
        history.keep(run, TrainingRecord(step, 3, losses, "nats", 0.1, 1.0, observed=seen))

    run = folder / "history"
    keep(1)
    with (run / history.LOSSES).open("a") as file:  # as far as a disk may have had room
        file.write('\n{"step": 2, "d": 0.')
    with full(folder):
        error = said(lambda: keep(2))
        whole = names(run) == sorted(["losses.jsonl", "observed", "00000001.safetensors"])
    keep(2)
    kept = history.gather(run, 3)
    assert kept is not None
    return {
        "error": error, "names": str(run), "whole": whole,
        "next": kept["loss_steps"].tolist() == [1, 2],
    }  # fmt: skip


def save_pipeline(folder: Path) -> dict[str, Any]:
    """As diffusers saves: safetensors has errors of its own."""
    import torch
    from safetensors.torch import save_file

    from gm_core.files import room_for

    def save() -> None:
        with room_for(path):
            save_file({"weights": torch.zeros(1000)}, path)

    path = folder / "weights.safetensors"
    with full(folder):
        error = said(save)
    path.unlink(missing_ok=True)
    save()
    return {"error": error, "names": str(path), "whole": True, "next": path.exists()}


def upload(folder: Path) -> dict[str, Any]:
    """An app whose temporary folder, and whose user's, is full as it starts."""
    os.environ |= {"GRADIO_TEMP_DIR": str(folder / "uploads"), "HOME": str(folder)}
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

    import gradio as gr
    import httpx
    from starlette.middleware import Middleware

    from demo.serving.uploads import RoomForUploads

    def send(size: int, *, tells_its_length: bool = True) -> httpx.Response:
        files = {"files": ("picture.png", bytes(size))}
        request = httpx.Request("POST", f"{url}gradio_api/upload", files=files)
        if not tells_its_length:
            body = request.read()
            headers = {"content-type": request.headers["content-type"]}
            request = httpx.Request("POST", request.url, headers=headers, content=iter([body]))
        return client.send(request)

    with gr.Blocks() as demo:
        gr.Button().click(lambda: "here", None, gr.Textbox(), api_name="answer")
    with full(folder), httpx.Client(trust_env=False, verify=False) as client:
        _, url, _ = demo.launch(
            prevent_thread_lock=True, quiet=True,
            app_kwargs={"middleware": [Middleware(RoomForUploads)]},
        )  # fmt: skip
        opened = client.get(url).status_code
        refused = send(100_000)
        left = names(folder)
        unforeseen = send(100_000, tells_its_length=False)
        called = client.post(f"{url}gradio_api/call/answer", json={"data": []}).json()
        answered = client.get(f"{url}gradio_api/call/answer/{called['event_id']}").text
    with httpx.Client(trust_env=False, verify=False) as client:
        fits, too_large = send(100_000), send(2 * SIZE)
    demo.close(verbose=False)
    return {
        "opened": opened,
        "refused": [refused.status_code, refused.text],
        "left": left,
        "unforeseen": [unforeseen.status_code, unforeseen.text],
        "answered": answered,
        "fits": fits.status_code,
        "too_large": too_large.status_code,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    found: dict[str, Any] = {"is_small": os.statvfs(folder).f_blocks < 10_000}
    for work in (save_checkpoint, save_state, keep_history, save_pipeline, upload):
        own = folder / work.__name__
        own.mkdir()
        found[work.__name__] = work(own)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
