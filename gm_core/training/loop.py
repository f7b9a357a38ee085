"""The training loop that all models share, as a generator of records.

A step is one update for a model with one loss; where networks play against each other, it is one
update for each of them, in turn.

A step's batch and noise follow from (seed, step) alone, so a run that was stopped and resumed, or
spread over several processes by `accelerate launch`, sees the same data as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from safetensors import safe_open
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gm_core.data import Images
from gm_core.files import clear_leftovers, write_safetensors
from gm_core.frames import TrainingRecord, finite
from gm_core.randomness import stream


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: warm up, hold, then fall linearly to zero."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 300
    decay_share: float = 0.4  # of the steps, at the end
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    max_gradient_norm: float = 1.0

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        warmup = min(1.0, (step + 1) / self.warmup_steps)
        decay = min(1.0, (self.steps - step) / (self.decay_share * self.steps))
        return self.learning_rate * warmup * decay


@dataclass(frozen=True, slots=True)
class Phase:
    """One update of a step: which loss, of which part of the model."""

    loss: Callable[..., Tensor]  # model, *batch -> mean loss
    name: str = "loss"
    part: str = ""  # the submodule whose weights it changes; "" is the whole model
    weight: float = 1.0  # of the loss
    every: int = 1  # steps; where it is more than one, the loss counts so many times


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run but its data and its seed."""

    config: Any  # the model's own config
    dataset: str
    schedule: Schedule
    # images, labels, generator -> the tensors of a batch, each with the batch first
    prepare: Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, ...]]
    phases: tuple[Phase, ...]  # the updates of a step, in turn
    unit: str  # of the losses
    compiled: tuple[type[nn.Module], ...] = ()  # modules that are worth compiling
    betas: tuple[float, float] = (0.9, 0.99)  # of Adam's moments
    # The averaged model -> what is kept of it on the way, at the steps of `observed_at`.
    observe: Callable[[Any], dict[str, Tensor]] | None = None
    observed_at: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a model that is trained by itself, on data that earlier stages may have made."""

    name: str
    module: nn.Module
    recipe: Recipe
    data: Images


@dataclass(frozen=True, slots=True)
class Staged:
    """A recipe in several stages."""

    config: Any
    dataset: str
    names: tuple[str, ...]  # of the stages, in turn
    # The model, the data -> the stages, each asked for when those before it are done.
    stages: Callable[[Any, Images], Iterator[Stage]]


def train(
    model: nn.Module,
    recipe: Recipe,
    data: Images,
    *,
    validation: Images | None = None,
    seed: int = 0,
    state: Path | None = None,
    compiles: bool = False,
    record_every: int = 50,
    save_every: int = 500,
) -> Generator[TrainingRecord]:
    """Train `model` in place; at the end it holds the averaged weights.

    `state` is a file that the run is saved to and, where it exists, resumed from; several machines
    must share it. If it `compiles`, which needs a C++ compiler, so are the modules that the recipe
    names. Raises ValueError if it is of a run with another seed, config, batch size or
    number of images, or if the processes can't share a batch equally, FloatingPointError for a loss
    or a weight that is not finite, DiskFull.
    """
    schedule = recipe.schedule
    run = {
        "config": str(model.config),
        "seed": str(seed),
        "batch_size": str(schedule.batch_size),
        "images": str(len(data)),
    }
    # Weights that rest in a phase have no gradient there, which several processes must look for.
    rests = DistributedDataParallelKwargs(find_unused_parameters=len(recipe.phases) > 1)
    accelerator = Accelerator(mixed_precision="bf16", kwargs_handlers=[rests])
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    averaged = AveragedModel(model, multi_avg_fn=moving_average(schedule.ema_decay))
    averaged.to(accelerator.device)
    if compiles:
        for module in model.modules():
            if isinstance(module, recipe.compiled):
                module.compile()
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=schedule.learning_rate,
        betas=recipe.betas,
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    wrapped, optimiser = accelerator.prepare(model, optimiser)
    size = min(schedule.batch_size, len(data))
    if size % accelerator.num_processes:
        raise ValueError(
            f"A batch of {size} can't be shared equally by {accelerator.num_processes} processes: "
            "choose another --batch-size."
        )
    first = 0
    if state and accelerator.is_main_process:
        clear_leftovers(state)
    if state and state.exists():
        first = load_state(state, run, model, averaged, optimiser)

    losses: dict[str, list[Tensor]] = {phase.name: [] for phase in recipe.phases}
    started, images_seen = time.perf_counter(), 0
    try:
        for step in range(first, schedule.steps):
            batch = take_batch(data, recipe, seed, step)
            share = slice(accelerator.process_index, None, accelerator.num_processes)
            tensors = [tensor[share].to(accelerator.device) for tensor in batch]
            for group in optimiser.param_groups:
                group["lr"] = schedule.rate(step)
            for phase in recipe.phases:
                if step % phase.every:
                    continue
                trained = focus(model, phase.part)
                loss = phase.loss(wrapped, *tensors)
                accelerator.backward(phase.weight * phase.every * loss)
                accelerator.clip_grad_norm_(trained, schedule.max_gradient_norm)
                optimiser.step()
                optimiser.zero_grad()
                losses[phase.name].append(loss.detach())
            averaged.update_parameters(model)
            images_seen += len(batch[0])

            done = step + 1
            is_last = done == schedule.steps
            saves = done % save_every == 0 or is_last
            observed = None
            if recipe.observe and done in recipe.observed_at:
                observed = recipe.observe(averaged.module)
            if done % record_every == 0 or is_last or observed:
                measured = None
                if validation is not None and saves:
                    measured = evaluate_loss(averaged.module, recipe, validation, seed)
                means: dict[str, float] = {}
                for name, values in losses.items():
                    if values:
                        mean: Any = accelerator.reduce(torch.stack(values).mean(), "mean")
                        means[name] = float(mean)
                for name, value in means.items():
                    if not math.isfinite(value):
                        raise FloatingPointError(
                            f"The {name} is {value} at step {done}: lower the learning rate."
                        )
                yield TrainingRecord(
                    step=done,
                    total=schedule.steps,
                    losses=means,
                    unit=recipe.unit,
                    learning_rate=schedule.rate(step),
                    images_per_second=images_seen / (time.perf_counter() - started),
                    validation_loss=measured,
                    observed=observed,
                )
                losses = {name: [] for name in losses}
                started, images_seen = time.perf_counter(), 0
            # After the record, so that whoever keeps records has kept all that a resumed run skips.
            if state and saves and accelerator.is_main_process:
                save_state(state, run, model, averaged, optimiser, done)
        model.load_state_dict(averaged.module.state_dict())
    finally:
        model.requires_grad_(True)
        # Preparing patches the model's forward; whoever trained it wants float32 back.
        accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)


def focus(model: nn.Module, part: str) -> list[nn.Parameter]:
    """Let the weights of one part learn and the others rest; returns those of the part."""
    model.requires_grad_(False)
    return list(model.get_submodule(part).requires_grad_(True).parameters())


def moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """Exponential moving average for AveragedModel, which forgets the initial weights fast."""

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
        share = max(1 - decay, 9 / (10 + int(count)))
        for mean, value in zip(averaged, current, strict=True):
            mean.lerp_(value, share)

    return update


def take_batch(data: Images, recipe: Recipe, seed: int, step: int) -> tuple[Tensor, ...]:
    """The batch of a step: a new order of the data every epoch, noise of its own every step.

    What is left over at an epoch's end is left out, so that all batches are of one size.
    """
    size = min(recipe.schedule.batch_size, len(data))
    batches = len(data) // size
    index = torch.randperm(len(data), generator=stream(seed, 0, step // batches))
    index = index[step % batches * size :][:size]
    return recipe.prepare(data.images[index], data.labels[index], stream(seed, 1, step))


@torch.no_grad()
def evaluate_loss(
    model: nn.Module, recipe: Recipe, data: Images, seed: int, batch_size: int = 250
) -> float:
    """Mean of the first loss over `data`, with frozen noise."""
    device = next(model.parameters()).device
    noise = stream(seed, 2)
    total = 0.0
    for images, labels in zip(
        data.images.split(batch_size), data.labels.split(batch_size), strict=True
    ):
        tensors = [tensor.to(device) for tensor in recipe.prepare(images, labels, noise)]
        total += float(recipe.phases[0].loss(model, *tensors)) * len(images)
    return total / len(data)


def save_state(
    path: Path,
    run: dict[str, str],
    model: nn.Module,
    averaged: AveragedModel,
    optimiser: Any,
    step: int,
) -> None:
    """Everything a run needs to go on, in one safetensors file.

    Raises NotFinite rather than replace a state that a run can go on from by one that it can't, and
    DiskFull.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in averaged.module.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state[parameter].items():
            tensors[f"optimiser.{key}.{name}"] = value
    write_safetensors(path, finite(tensors, "state"), {**run, "step": str(step)})


def load_state(
    path: Path, run: dict[str, str], model: nn.Module, averaged: AveragedModel, optimiser: Any
) -> int:
    """Take up a run where `save_state` left it; returns the number of steps done."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    for key, value in run.items():
        if metadata.get(key) != value:
            raise ValueError(
                f"{path} is of another run: its {key} is {metadata.get(key)}, not {value}. "
                "Name another folder with --run, or delete it."
            )
    step = int(metadata["step"])

    def part(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }

    model.load_state_dict(part("model."))
    averaged.module.load_state_dict(part("averaged."))
    averaged.n_averaged.fill_(step)
    steps, means, squares = (part(f"optimiser.{key}.") for key in ("step", "exp_avg", "exp_avg_sq"))
    for name, parameter in model.named_parameters():
        # The fused optimiser walks raw memory: moments must be laid out as their parameter is.
        optimiser.state[parameter] = {
            "step": steps[name].to(parameter.device),
            "exp_avg": torch.empty_like(parameter.data).copy_(means[name]),
            "exp_avg_sq": torch.empty_like(parameter.data).copy_(squares[name]),
        }
    return step
