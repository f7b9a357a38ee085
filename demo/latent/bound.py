"""The bound: what a VAE can say of p(x), taken apart, and how more samples of z make it tighter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import TITLES, ModelTab, dataset_of
from demo.components.curve import Curve, curve
from demo.components.pad import Drawing, pad, read
from demo.components.status import status
from demo.latent import examples, name_picture
from gm_core.latent import Bound
from gm_core.surprise import nearest_levels

TITLE = "The bound"
FAVOURITES = ("vae-mnist", "vae-mnist-beta1")  # opens with the first of them that the tab has
EXACT = "pixelcnn-mnist"  # a model that knows its p(x)
SAMPLES = (100, 1_000, 5_000)
MOST_SAMPLES = SAMPLES[-1]
LIVE_SAMPLES = SAMPLES[0]  # after every stroke
FIRST_EXAMPLE = 7
NOTHING_DRAWN = "Nothing is drawn yet: draw something, or pick a test image."

QUESTION = """
<div class="both">
<p><b>Why can't a VAE say p(x)?</b> Every code z could have made the picture, some more likely than
others. p(x) adds up p(x | z) p(z) over all of them, and nobody can try them all. So the encoder
names codes that fit, q(z | x), and one such code at a time gives a bound, the ELBO: −log p(x) is at
most −ELBO.</p>
<p><b>Why do more samples help?</b> Try K codes and take the mean of their weights, p(x | z) p(z) /
q(z | x), <i>before</i> the logarithm: the codes that explain the picture best count most.
<b>On average the bound never gets worse:</b> the logarithm of a mean is never less than the mean of
the logarithms. With ever more codes it would reach −log p(x).</p>
</div>
"""
QUESTION_CSS = """
.both {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: .5rem 2.5rem;
}
.both p { margin: 0; line-height: 1.5; }
"""

SUM_CSS = """
.bars { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .4rem .7rem;
  align-items: center; font-variant-numeric: tabular-nums; }
.bars .of { min-width: 5.6em; font-weight: 600; }
.bar { display: flex; height: 38px; }
.bar i { container-type: inline-size; display: grid; align-items: center; box-sizing: border-box;
  font-style: normal; font-weight: 600; white-space: nowrap; color: #1c1917; }
/* Words that do not fit stand in the table alone. */
.bar i span { display: none; justify-self: start; margin-left: .45rem; }
.bar .kl span { padding: .1rem .35rem; border-radius: 4px; background: #ffe3a6; }
@container (min-width: 6em) { .bar .kl span { display: block; } }
@container (min-width: 8em) { .bar .bound span { display: block; } }
@container (min-width: 12em) { .bar .reconstruction span { display: block; } }
.reconstruction { background: var(--gm-generated); }
.kl { background: repeating-linear-gradient(-45deg, var(--gm-generated) 0 5px, #ffe3a6 5px 10px); }
.bound { background: #ffe3a6; border: 2px solid var(--gm-generated); }
.hidden { border: 2px dashed var(--gm-unknown); }
table { width: 100%; max-width: 46rem; margin: .7rem 0 0; border-collapse: collapse;
  font-variant-numeric: tabular-nums; line-height: 1.35; }
td { padding: .2rem .6rem .2rem 0; border: 0; vertical-align: baseline; }
td:first-child { width: 1.1em; }
td:last-child { text-align: right; white-space: nowrap; padding-right: 0; }
tr.total td { border-top: 1px solid var(--body-text-color-subdued); font-weight: 600; }
td i { display: inline-block; box-sizing: border-box; width: 1.05em; height: 1.05em;
  vertical-align: -.15em; }
small { font-size: .88rem; color: var(--body-text-color-subdued); font-weight: 400; }
"""


# --- the numbers ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parts:
    """The bounds as they are written: rounded to 0.1 nats so that the rounded numbers add up."""

    elbo: float  # -ELBO: the bound with K = 1, mean over all samples
    kl: float
    tightest: float  # the bound with all samples as one group
    samples: int

    @property
    def reconstruction(self) -> float:
        """-E log p(x | z). As E log q(z | x) / p(z) is the KL, -ELBO less the KL estimates it with
        less noise than its own mean."""
        return self.elbo - self.kl

    @property
    def hidden(self) -> float:
        """How much the ELBO is known to be off."""
        return self.elbo - self.tightest


def parts_of(bound: Bound, kl: float) -> Parts:
    elbo, tightest = -bound.nats[0], -bound.nats[-1]
    return Parts(round(elbo, 1), round(kl, 1), round(tightest, 1), bound.samples[-1])


def nats(number: float) -> str:
    """One digit after the point, and a true minus."""
    return f"{number:,.1f}".replace("-", "−")


def show_sum(parts: Parts) -> str:
    """The ELBO as a bar of its two parts, the tighter bound as another, and all numbers."""
    whole = max(parts.elbo, parts.kl)

    def segment(kind: str, part: float, words: str) -> str:
        share = 100 * max(0.0, part) / whole
        return f'<i class="{kind}" style="width:{share:.3f}%"><span>{words}</span></i>'

    count = f"K = {parts.samples:,}"
    said = (
        f"−ELBO {nats(parts.elbo)} nats = reconstruction {nats(parts.reconstruction)} + KL "
        f"{nats(parts.kl)}; bound with {count}: {nats(parts.tightest)} nats"
    )
    bars = (
        f'<div class="bars" role="img" aria-label="{said}">'
        '<span class="of">K = 1</span><div class="bar">'
        + segment(
            "reconstruction", parts.reconstruction, f"reconstruction {nats(parts.reconstruction)}"
        )
        + segment("kl", parts.kl, f"KL {nats(parts.kl)}")
        + f'</div><span class="of">{count}</span><div class="bar">'
        + segment("bound", parts.tightest, f"bound {nats(parts.tightest)}")
        + segment("hidden", parts.hidden, "")
        + "</div></div>"
    )

    def row(kind: str, sign: str, name: str, words: str, number: float, total: bool) -> str:
        key = f'<i class="{kind}"></i>' if kind else ""
        return (
            f"<tr{' class=total' * total}><td>{key}</td><td>{sign} {name} <small>{words}</small>"
            f"</td><td>{nats(number)} nats</td></tr>"
        )

    return (
        bars
        + "<table><tbody>"
        + row(
            "reconstruction", "", "reconstruction, −log p(x | z)",
            "how badly z describes the picture", parts.reconstruction, False,
        )
        + row("kl", "+", "KL(q(z | x) ‖ p(z))", "what z costs", parts.kl, False)
        + row("", "=", "−ELBO", "the bound with K = 1", parts.elbo, True)
        + row("hidden", "−", "what the ELBO hid", "at least", parts.hidden, False)
        + row("bound", "=", f"bound with {count}", "≥ −log p(x)", parts.tightest, True)
        + "</tbody></table>"
    )  # fmt: skip


def show_curve(bound: Bound) -> dict[str, Any]:
    """-bound at every K so far. A single group has no spread."""
    groups = [bound.samples[-1] // size for size in bound.samples]
    spread = [
        half if count > 1 else math.nan for half, count in zip(bound.spread, groups, strict=True)
    ]
    return Curve(
        x=bound.samples,
        y=tuple(-number for number in bound.nats),
        spread=tuple(spread),
        end=MOST_SAMPLES,
        x_name="K",
        y_name="bound on −log p(x) by K samples of z",
        band_name="how far groups of K samples differ (± one standard deviation)",
        unit="nats",
    ).payload()


def status_line(parts: Parts, what: str, model: str) -> str:
    """The three numbers that count."""
    return (
        f"{what[:1].upper()}{what[1:]} ({TITLES[model]}): −ELBO = {nats(parts.elbo)} nats; the "
        f"bound with K = {parts.samples:,} is {nats(parts.tightest)} nats. The ELBO hid "
        f"{nats(parts.hidden)} nats."
    )


def exact_note(levels: Tensor) -> str:
    """What a model that can add up says of the same picture."""
    if EXACT not in gm_core.available():
        return ""
    record = next(engine.stream("surprise", model=EXACT, levels=levels.tolist(), label=None))
    return (
        f'<p class="gm-quiet">For comparison: the {TITLES[EXACT]} says −log p(x) = '
        f"{nats(record.unlabelled)} nats of this picture. It is another model, and its number is "
        "exact: it multiplies the probabilities of the pixels and has no z to add up over. So it "
        "is not where this curve ends.</p>"
    )


def tighten(levels: Tensor, model: str, samples: int, seed: int) -> Iterator[tuple[Bound, Parts]]:
    """The bounds on an image of two levels (1, H, W), as samples are drawn."""
    image = levels.float()
    (code,) = engine.stream("encode", model=model, images=[image.tolist()], seed=seed)
    kl = float(code.kl.sum())
    for bound in engine.stream(
        "tighten", model=model, image=image.tolist(), samples=samples, seed=seed
    ):
        yield bound, parts_of(bound, kl)


def stopped(line: str) -> str:
    """What the status line says once the work was stopped."""
    return f"Stopped. {line}"


def build(tab: ModelTab) -> None:
    """The activity's contents, with a test digit bounded by the real model."""
    models = tuple(name for name in tab.models if dataset_of(name) == "mnist")
    first_model = next((name for name in FAVOURITES if name in models), models[0])
    shelf = examples(models)
    height, width = shelf.pixels.shape[1:]

    def levels_on(drawing: dict[str, Any]) -> tuple[Tensor, str]:
        """The picture in black and white, int64 (1, H, W), and what it is called."""
        picture = read(drawing, height, width)
        levels = nearest_levels(torch.from_numpy(picture.pixels), 2)[None]
        return levels, name_picture(picture.pixels, shelf)

    def run(
        drawing: dict[str, Any], model: str, samples: float, seed: float
    ) -> Iterator[tuple[Any, Any, Any, Any, Any]]:
        """Bound −log p(x) of a picture: the sum, the curve, a status line, another model's number,
        and the status line again; after every K."""
        model = inputs.choice(model, "Model", models)
        most = inputs.whole(samples, "Samples", 1, MOST_SAMPLES)
        number = inputs.seed(seed)
        levels, what = levels_on(drawing)
        if not levels.any():
            yield gr.skip(), gr.skip(), NOTHING_DRAWN, gr.skip(), NOTHING_DRAWN
            return
        note = exact_note(levels)
        for bound, parts in tighten(levels, model, most, number):
            line = status_line(parts, what, model)
            is_last = bound.step == bound.total
            told = line if is_last else f"Up to K = {most:,} ... {line}"
            yield show_sum(parts), show_curve(bound), told, note, line

    def begin(drawing: dict[str, Any], model: str, seed: float) -> tuple[Any, Any, Any, Any, Any]:
        """The same with few samples, at once."""
        *_, last = run(drawing, model, LIVE_SAMPLES, seed)
        return last

    drawing = Drawing(shelf.pixels[FIRST_EXAMPLE], np.zeros((height, width), np.bool_))
    first_sum, first_curve, first_line, first_note, _ = begin(drawing.payload(), first_model, 0)
    last_line = gr.State(first_line)

    gr.HTML(QUESTION, css_template=QUESTION_CSS, elem_classes="prose", padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=345):
            with gr.Row():
                start = gr.Button("Draw samples", variant="primary", scale=2, min_width=120)
                stop = gr.Button("Stop", scale=1, min_width=90)
            model = gr.Dropdown(
                [(TITLES[name], name) for name in models], value=first_model, label="Model",
                info="of black and white pictures: a grey of one half or more is white",
            )  # fmt: skip
            samples = gr.Radio(
                [(f"{count:,}", count) for count in SAMPLES], value=MOST_SAMPLES,
                label="Samples of z, K",
                info=f"a new picture gets the first {LIVE_SAMPLES} at once",
            )  # fmt: skip
            image = pad(
                drawing.payload(), label="Your image", elem_id=f"{tab.id}-bound-pad",
                hideable=False, examples=shelf.pixels, example_names=shelf.names,
            )  # fmt: skip
            with gr.Accordion("More", open=False):
                seed = gr.Number(0, label="Seed", info="the same seed draws the same codes")
        with gr.Column(scale=5, min_width=336):
            total = gr.HTML(
                first_sum, label="The parts", elem_id=f"{tab.id}-bound-sum", css_template=SUM_CSS,
                apply_default_css=False,
            )  # fmt: skip
            curves = curve(
                first_curve, label="The bound as K grows", elem_id=f"{tab.id}-bound-curve"
            )
            told = status(first_line, elem_id=f"{tab.id}-bound-status")
            note = gr.HTML(
                first_note, label="Another model", elem_id=f"{tab.id}-bound-exact", padding=False
            )

    shown = [total, curves, told, note, last_line]
    running = start.click(
        run,
        [image, model, samples, seed],
        shown,
        api_name=f"{tab.id}_bound",
        preprocess=False,  # the handlers validate, whoever calls
        show_progress="hidden",
        **engine.event("sampling"),
    )
    # Two listeners each: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running], api_visibility="private")
    stop.click(
        stopped, last_line, told, api_visibility="private", show_progress="hidden", queue=False
    )
    changed = [image.input, model.input, seed.input]
    gr.on(changed, None, cancels=[running], api_visibility="private")
    gr.on(
        changed,
        begin,
        [image, model, seed],
        shown,
        api_visibility="private",
        preprocess=False,
        show_progress="hidden",
        trigger_mode="always_last",  # or the end of a stroke would be lost
        **engine.event("quick"),
    )
