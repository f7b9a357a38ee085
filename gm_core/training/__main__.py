"""Train a checkpoint: `python -m gm_core.training NAME --preset cpu|gpu`.

A run saves itself under `runs/NAME` and goes on from there when it is started again. To continue
from weights that were exported earlier, name their folder with `--from-checkpoint`. On several
processes or machines: `accelerate launch -m gm_core.training NAME ...`.
"""

from __future__ import annotations

import argparse
import importlib
import time
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from gm_core import checkpoints, data
from gm_core.families import FAMILIES, split_name
from gm_core.files import write_safetensors
from gm_core.training import history
from gm_core.training.loop import Recipe, train


def recipes() -> dict[str, dict[str, Recipe]]:
    """All recipes: checkpoint name -> preset -> recipe."""
    found: dict[str, dict[str, Recipe]] = {}
    for family in FAMILIES.values():
        found |= importlib.import_module(family.recipes).RECIPES
    return found


def main(argv: list[str] | None = None) -> None:
    table = recipes()
    parser = argparse.ArgumentParser(prog="python -m gm_core.training", description=__doc__)
    parser.add_argument("name", choices=sorted(table))
    parser.add_argument("--preset", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--batch-size", type=int, help="instead of the preset's")
    parser.add_argument(
        "--validation", type=int, default=0, metavar="N",
        help="hold out the last N training images and print their loss",
    )  # fmt: skip
    parser.add_argument("--from-checkpoint", type=Path, help="start from this folder's weights")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler")
    parser.add_argument("--data", help="folder of the full data (default: $GM_DATA_DIR)")
    parser.add_argument("--run", type=Path, help="where the run's state lies (default: runs/NAME)")
    parser.add_argument("--output", type=Path, help="default: checkpoints/NAME")
    arguments = parser.parse_args(argv)

    recipe = table[arguments.name][arguments.preset]
    changes = {"steps": arguments.steps, "batch_size": arguments.batch_size}
    changes = {key: value for key, value in changes.items() if value is not None}
    recipe = replace(recipe, schedule=replace(recipe.schedule, **changes))
    with PartialState().local_main_process_first():  # one process downloads, the others read
        images = data.load(recipe.dataset, "train", arguments.data)
    held_out = None
    if arguments.validation:
        cut = len(images) - arguments.validation
        images, held_out = images[:cut], images[cut:]

    family, dataset = split_name(arguments.name)
    state = (arguments.run or Path("runs") / arguments.name) / "state.safetensors"
    torch.manual_seed(arguments.seed)
    if arguments.from_checkpoint:
        if state.exists():
            parser.error(f"{state} is of a run that has begun; name another folder with --run")
        model = checkpoints.read(arguments.from_checkpoint).train().requires_grad_(True)
    else:
        model = FAMILIES[family].model(recipe.config)

    is_main = PartialState().is_main_process
    started = time.perf_counter()
    with tqdm(total=recipe.schedule.steps, unit="step", disable=not is_main) as bar:
        for record in train(
            model,
            recipe,
            images,
            validation=held_out,
            seed=arguments.seed,
            state=state,
            compiles=arguments.compile,
        ):
            bar.update(record.step - bar.n)
            losses = ", ".join(f"{name} {value:.2f}" for name, value in record.losses.items())
            bar.set_postfix_str(f"{losses} {record.unit}")
            if is_main:
                history.keep(state.parent, record)
            if is_main and record.validation_loss is not None:
                tqdm.write(
                    f"step {record.step}: validation {record.validation_loss:.3f} {record.unit}"
                )
    if is_main:
        output = arguments.output or checkpoints.root() / arguments.name
        checkpoints.save(
            output,
            model,
            family=family,
            dataset=dataset,
            training={
                "preset": arguments.preset,
                "seed": arguments.seed,
                "steps": recipe.schedule.steps,
                "batch_size": recipe.schedule.batch_size,
                "images": len(images),
            },
        )
        if kept := history.gather(state.parent, recipe.schedule.steps):
            write_safetensors(output / checkpoints.HISTORY, kept)
        print(f"{output} written after {(time.perf_counter() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
