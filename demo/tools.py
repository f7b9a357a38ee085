"""What `app.py --mcp` offers to language models: a few endpoints, each with one answer.

The app's other endpoints answer with what its players and maps need, which tells a language model
nothing. A tool answers with a picture or with sentences, and with nothing beside: only then does
Gradio pass the picture on as one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
import torch
from gradio.mcp import GradioMCPServer
from PIL import Image

from demo import engine, inputs, render
from demo.activities import TITLES, headline
from demo.editor import EDITORS, EXAMPLES, sources
from demo.gan.generate import as_bytes
from demo.overview.prompt import FAMILIES, FIRST, PROMPTS, ask, in_turn
from gm_core import checkpoints, data
from gm_core.families import FAMILIES as KINDS
from gm_core.prompt import Reply

MISSING = "--mcp needs more of Gradio: pip install 'gradio[mcp]>=6.31,<6.32'"
EDITOR = "instruct-pix2pix-mini"
MOST_PICTURES = 36


def list_models() -> str:
    """List the generative models that run here: what each is, its data, its measured figure."""
    lines = []
    for name in checkpoints.available():
        info = checkpoints.describe(name)
        kind, dataset = KINDS[info.family], data.DATASETS[info.dataset]
        lines.append(
            f"{name}: {TITLES.get(name, kind.title)} ({kind.paper}), trained on {dataset.title}, "
            f"{info.parameters / 1e6:.2f} M parameters, {headline(info)}"
        )
    return "\n".join(lines)


def draw_pictures(prompt: str, family: str, count: float, seed: float) -> Image.Image:
    """Draw small pictures of a digit or a piece of clothing, as one picture.

    Args:
        prompt: what to draw
        family: which kind of generative model draws
        count: how many pictures, 1 to 36
        seed: the same seed gives the same pictures
    """
    asked = PROMPTS[inputs.choice(prompt, "Prompt", tuple(PROMPTS))]
    model = asked.models()[inputs.choice(family, "Family", tuple(FAMILIES))]
    if model is None:
        raise inputs.refusal(f"No {family} draws {asked.text}: ask another family.")
    *_, reply = engine.stream(
        "ask",
        model=model,
        label=asked.label,
        count=inputs.whole(count, "Count", 1, MOST_PICTURES),
        seed=inputs.seed(seed),
    )
    if not len(reply.images):
        raise inputs.refusal(f"None of {reply.tried} pictures shows {asked.text}: try another.")
    pixels = as_bytes(reply.images)
    return render.grid(pixels, render.export_scale(pixels))


def compare_families(prompt: str, seed: float) -> str:
    """Let each family of generative models draw 16 pictures of the same class; report the time, the
    passes through the network, and how probable the model finds its own pictures.

    Args:
        prompt: what to draw
        seed: the same seed gives the same pictures
    """
    asked = PROMPTS[inputs.choice(prompt, "Prompt", tuple(PROMPTS))]
    number = inputs.seed(seed)
    lines = []
    for family, model in in_turn(asked).items():
        *_, reply = ask(model, asked, number)
        lines.append(f"{family} ({model}): {in_words(reply, asked.given)}")
    return "\n".join(lines)


def in_words(reply: Reply, given: str) -> str:
    """What is known of a family's pictures."""
    line = f"{len(reply.images)} pictures in {reply.seconds:.3f} s, {reply.total} passes each"
    if not reply.is_told:
        line += f", of {reply.tried} drawn, for it knows no classes"
    if reply.nats is None:
        return f"{line}; it gives no likelihood"
    bound = "at most " if reply.likelihood == "bound" else ""
    return f"{line}; -log p({given}) is {bound}{float(reply.nats.mean()):.1f} nats a picture"


def edit_picture(
    instruction: str, picture: float, text_guidance: float, image_guidance: float, seed: float
) -> Image.Image:
    """Edit a drawn avatar or landscape as an instruction says: source left, result right.

    Args:
        instruction: what to change in plain words, e.g. "give her sunglasses and make it night"
        picture: 1 to 6 are avatars, 7 to 12 landscapes
        text_guidance: how strongly the instruction counts, 0 to 6
        image_guidance: how strongly the picture is kept, 0 to 3
        seed: the same seed gives the same result
    """
    editor = EDITORS[EDITOR]
    words = sources.instruction(instruction)
    place = inputs.whole(picture, "Picture", 1, sources.COUNT) - 1
    source = sources.picture(place, editor.size).float() / 255  # (3, H, W)
    with sources.refusing():
        *_, frame = engine.stream(
            "edit",
            model=EDITOR,
            image=source.tolist(),
            instruction=words,
            steps=editor.best.steps,
            guidance_scale=inputs.number(
                text_guidance, "Text guidance", editor.text.low, editor.text.high
            ),
            image_guidance_scale=inputs.number(
                image_guidance, "Image guidance", editor.image.low, editor.image.high
            ),
            seed=inputs.seed(seed),
            every=editor.best.steps,
        )
    pixels = as_bytes(torch.stack([source, frame.image]))
    return render.grid(pixels, render.export_scale(pixels), columns=2)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function, its cost, and what it takes, from which Gradio reads its types and defaults."""

    answer: Callable[..., str | Image.Image]
    group: engine.Group
    takes: Callable[[], list[Any]]
    gives: Callable[[], Any] = gr.Textbox


def asked_for() -> gr.Dropdown:
    return gr.Dropdown(list(PROMPTS), value=FIRST, label="Prompt")


def one_of_them() -> gr.Dropdown:
    return gr.Dropdown(list(FAMILIES), value="GAN", label="Family")


def picture() -> gr.Image:
    return gr.Image(format="png")


def guidances() -> list[gr.Slider]:
    editor = EDITORS[EDITOR]
    return [
        gr.Slider(editor.text.low, editor.text.high, editor.best.guidance_scale),
        gr.Slider(editor.image.low, editor.image.high, editor.best.image_guidance_scale),
    ]


TOOLS = (
    Tool(list_models, "quick", list),
    Tool(
        draw_pictures,
        "sampling",
        lambda: [
            asked_for(),
            one_of_them(),
            gr.Number(16),
            gr.Number(7),
        ],
        picture,
    ),
    Tool(compare_families, "sampling", lambda: [asked_for(), gr.Number(7)]),
    Tool(
        edit_picture,
        "editing",
        lambda: [gr.Textbox(EXAMPLES[0]), gr.Number(1), *guidances(), gr.Number(0)],
        picture,
    ),
)


def are_possible() -> bool:
    """Whether Gradio's part for them is installed, in a version that it can use."""
    return hasattr(getattr(GradioMCPServer, "Server", None), "call_tool")


def offer() -> None:
    """Add the tools to the app that is being built, out of sight."""
    with gr.Row(visible=False):
        for tool in TOOLS:
            gr.Button().click(
                tool.answer,
                tool.takes(),
                tool.gives(),
                api_name=tool.answer.__name__,
                preprocess=False,  # they validate, whoever calls
                **engine.event(tool.group),
            )


@contextmanager
def launching() -> Iterator[None]:
    """Gradio warns of all endpoints with a state, none of which is a tool."""
    said = "This MCP server includes a tool that has a gr.State"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=said)
        yield


def keep_to_them(demo: gr.Blocks) -> None:
    """Once the app is launched: of all its endpoints, language models get these."""
    server: Any = demo.mcp_server_obj
    names = [tool.answer.__name__ for tool in TOOLS]
    server.tool_to_endpoint = {name: f"/{name}" for name in names}
