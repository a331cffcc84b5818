"""QLoRA beside LoRA on a processor: memory of the weights, time of a step, and the loss reached.

Both train the same model on the same rows in the same order, each in a process of its own, in
turn. Prints one JSON line: MB of frozen and trained weights, and their ratio to LoRA with its
frozen weights in bf16; the median over the steps of the ratio of their times; the loss a token
of the last steps and on held-out rows. The ratios of time compare runs of one precision, the
one that is fast on this machine unless `--precision` says otherwise. `--bits` is the size of
a frozen weight of QLoRA.

Run: `python benchmarks/qlora.py --data FILE --steps 200`, of a JSON list of question and reply.
Without `--data` the rows are made up: they show time and memory as well, but nothing of language.
"""

import argparse
from pathlib import Path
from statistics import fmean, median
from typing import Any

from contest import Figures, Spec, command_line, contestant, machine, main
from pairs import SMOLLM, Pair, rows

TAIL = 20  # last steps whose mean loss is told
HELD_OUT = 100  # rows


def frame(pairs: list[Pair]) -> Any:
    """Return rows as a task reads them."""
    import polars as pl

    every = enumerate(pairs)
    return pl.DataFrame(
        [{"id": str(at), "text": text, "labels": [answer]} for at, (text, answer) in every]
    )


def trained(spec: Spec) -> Figures:
    """Train with one method and return its figures."""
    import torch

    from burnish.recipe.recipe import Recipe
    from burnish.records import TextSpace
    from burnish.tasks.base import TASKS
    from burnish.tracking.base import MemoryTracker
    from burnish.training.fit import fit
    from burnish.training.hardware import probe
    from burnish.training.models import load_tokenizer
    from burnish.training.predict import raw_outputs
    from burnish.training.sources import resolve
    from burnish.training.weights import weight_mb

    recipe = Recipe.model_validate(recipe_values(spec))
    task = TASKS.get("causal-lm").from_recipe(recipe.task, TextSpace())
    source, hardware = resolve(SMOLLM), probe(recipe.training)
    tokenizer = load_tokenizer(source, task)
    wanted = {"task": "causal", "data": spec["data"], "held_out": HELD_OUT}
    parts = rows(wanted | {"rows": spec["steps"] * spec["batch"]})
    train, held_out = (task.encode(frame(part), tokenizer) for part in parts)
    result = fit(recipe, task, source, train, None, hardware=hardware, tracker=MemoryTracker(),
                 checkpoints=None)  # fmt: skip
    steps = [line["metrics"] for line in result.history if line["kind"] == "step"]
    cost = result.cost()
    summed = raw_outputs(result.model, held_out, result.task, hardware).sum(axis=0)
    for weight in result.model.parameters():  # what is frozen as others hold it
        if not weight.requires_grad:
            weight.data = weight.data.to(torch.bfloat16)
    return {
        "frozen_mb": cost["frozen_weights_mb"],
        "trained_mb": cost["trained_weights_mb"],
        "bf16_mb": round(sum(weight_mb(result.model)), 1),
        "peak_mb": cost["peak_memory_mb"],
        "precision": hardware.precision,
        "trainable": result.trainable_parameters,
        "losses": [one["train/loss_step"] for one in steps],
        "rates": [one["tokens_per_second"] for one in steps],
        "held_out_loss": float(summed[0] / summed[1]),
    }


def recipe_values(spec: Spec) -> dict[str, Any]:
    """Return the recipe of one contestant."""
    return {
        "task": {"kind": "causal-lm", "max_input_length": 256, "max_output_length": 256},
        "model": SMOLLM,
        "data": {"from": "-"},
        "method": {"rank": spec["rank"], "alpha": 2 * spec["rank"]} | spec["method"],
        "training": {
            "epochs": 1,
            "batch_size": spec["batch"],
            "learning_rate": 1e-3,
            "precision": spec["precision"],
            "keep": "last",
            "seed": spec["seed"],
        },
        "tracking": {"every_steps": 1},
    }


def told(one: Figures) -> Figures:
    """Return the figures of a contestant without its curves."""
    tail = one["losses"][-TAIL:]
    return {name: one[name] for name in ("frozen_mb", "trained_mb", "peak_mb", "trainable")} | {
        "loss_first": round(one["losses"][0], 4),
        "loss_last": round(fmean(tail), 4),
        "loss_held_out": round(one["held_out_loss"], 4),
        "tokens_per_s": round(median(one["rates"]), 1),
    }


def race(given: argparse.Namespace, _: Path) -> Figures:
    """Return both contestants' figures and the ratios between them."""
    from burnish.training.processor import cores

    names = ("data", "steps", "batch", "rank", "precision", "seed")
    spec = {name: getattr(given, name) for name in names}
    methods = ({"kind": "lora"}, {"kind": "qlora", "bits": given.bits})
    # In turn, so that whatever else the machine does falls on both.
    rounds = [
        [contestant(spec | {"method": method}, given.allocator) for method in methods]
        for _ in range(given.rounds)
    ]
    times = [
        whole / packed
        for lora, qlora in rounds
        for whole, packed in zip(lora["rates"][1:], qlora["rates"][1:], strict=True)
    ]
    lora, qlora = rounds[-1]
    losses = told(lora), told(qlora)
    return machine(given, cores()) | spec | {
        "benchmark": "qlora",
        "bits": given.bits,
        "model": SMOLLM,
        "precision": qlora["precision"],
        "lora": losses[0] | {"weights_mb_in_bf16": lora["bf16_mb"]},
        "qlora": losses[1],
        "ratio_weights": round((qlora["frozen_mb"] + qlora["trained_mb"]) / lora["bf16_mb"], 3),
        "ratio_step_time": round(median(times), 3),
        "ratio_loss": round(losses[1]["loss_last"] / losses[0]["loss_last"], 3),
        "ratio_loss_held_out": round(qlora["held_out_loss"] / lora["held_out_loss"], 3),
    }  # fmt: skip


if __name__ == "__main__":
    parser = command_line(__doc__)
    parser.add_argument("--data", help="JSON list or JSON Lines of question and reply")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8, help="rows a step")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    parser.add_argument("--bits", type=int, choices=[4, 8], default=4, help="of a frozen weight")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(rounds=1)
    main(parser, one=trained, race=race)
