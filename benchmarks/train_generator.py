"""Training of models that write, beside Hugging Face's Trainer and PEFT, in one run.

The same rows, model, epochs, adapters (rank, scale, dropout, layers), rows in a step, rate and
schedule. The peer runs with its usual settings (padding to the longest of the batch, fp32) and
with its best: lengths grouped or balanced, bf16 where the processor gains by it, the fastest of
a few batch sizes; smaller batches are accumulated to the same step. Its loss is that of the
answer alone, a mean over the tokens of the step, as ours.

Prints one JSON line: samples/s of each (the median of the rounds), ratios, peak memory, and the
loss a token on held-out rows before and after. It stops if the losses before differ.

Run: `make bench`, or `python benchmarks/train_generator.py --task seq2seq --rows 256`, or with
`--data FILE`, a JSON list of question and reply, for the causal task.
"""

import argparse
from pathlib import Path
from typing import Any

from contest import Figures, Spec, command_line, contestant, in_turn, machine, main, ratio
from pairs import model_folder, own_parts, rows
from trainer_peer import SPEED, figures, peer, training_recipe

USUAL_BATCH = 8  # Trainer's own default
SAME_LOSS = {"fp32": 1e-3, "bf16": 2e-2}  # relative


def ours(spec: Spec) -> Figures:
    """Train with Burnish and return its figures."""
    from burnish.tracking.base import MemoryTracker
    from burnish.training.fit import fit
    from burnish.training.hardware import probe
    from burnish.training.predict import raw_outputs
    from burnish.training.sources import resolve

    given = training_recipe(spec)
    source, hardware = resolve(spec["model"]), probe(given.training)
    task, _, (train, held_out) = own_parts(rows(spec), given, source)
    fitted = fit(
        given,
        task,
        source,
        train,
        None,
        hardware=hardware,
        tracker=MemoryTracker(),
        checkpoints=None,
    )
    told = figures(spec, fitted.seconds, int(train.lengths.sum())) | {
        "trained_weights": fitted.trainable_parameters,
        "steps": fitted.state.step,
    }

    def loss() -> float:
        return float(
            task.judge(raw_outputs(fitted.model, held_out, task, hardware), held_out)["loss"]
        )

    with fitted.model.disable_adapter():
        before = loss()
    return told | {"loss_before": before, "loss_after": loss()}


def race(given: argparse.Namespace, folder: Path) -> Figures:
    """Return every contestant's figures and the ratios between them."""
    from burnish.training.hardware import probe
    from burnish.training.processor import cores

    threads, usual_batch = cores(), min(USUAL_BATCH, given.batch)
    assert given.batch % usual_batch == 0, f"--batch is not a multiple of {usual_batch}"
    spec = shared_spec(given, folder) | {"threads": threads}
    hardware = probe(training_recipe(spec).training)
    spec |= {"precision": hardware.precision}
    plain = {"batch": usual_batch, "bf16": False, "matmul": "highest", "sampling": "random"}
    usual = spec | {"who": "peer"} | plain
    best, tried = best_settings(usual, hardware, given.allocator)
    results = in_turn(
        [usual, usual | best, spec | {"who": "burnish"}],
        rounds=given.rounds,
        allocator=given.allocator,
        by=SPEED,
    )
    return verdict(given, spec, results) | {
        "peer_usual_settings": plain,
        "peer_best_settings": best,
        "peer_tried": tried,
        **machine(given, threads),
    }


def shared_spec(given: argparse.Namespace, folder: Path) -> Spec:
    """Return what is the same for all: the rows, the model, and how it learns."""
    return {
        "task": given.task,
        "model": model_folder(given.task, folder),
        "data": given.data,
        "rows": given.rows,
        "held_out": max(8, given.rows // 4),
        "epochs": given.epochs,
        "batch_size": given.batch,
        "learning_rate": given.learning_rate,
        "lora": {"rank": given.rank, "alpha": 2 * given.rank, "dropout": given.dropout},
        "precision": "auto",
    }


def best_settings(usual: Spec, hardware: Any, allocator: str) -> tuple[Spec, dict[str, float]]:
    """Return the fastest settings of the peer in one epoch each, and what was tried."""
    step = usual["batch_size"]
    common = {"bf16": hardware.precision == "bf16", "matmul": hardware.matmul}
    tried: dict[str, float] = {}
    settings: dict[str, Spec] = {}
    for sampling in ("group_by_length", "batch_rebalance"):
        for batch in sorted({step // n for n in (4, 2, 1) if step % n == 0}):
            if sampling == "batch_rebalance" and batch == step:
                continue  # with a single batch a step there is nothing to balance
            name = f"{sampling}-{batch}"
            settings[name] = common | {"sampling": sampling, "batch": batch}
            tried[name] = contestant(usual | settings[name] | {"epochs": 1}, allocator)[SPEED]
    return settings[max(tried, key=lambda name: tried[name])], tried


def verdict(given: argparse.Namespace, spec: Spec, results: list[Figures]) -> Figures:
    """Return figures and ratios, once it is sure that all learned the same thing."""
    usual, best, own = results
    befores = [one["loss_before"] for one in results]
    apart = max(befores) / min(befores) - 1
    assert apart < SAME_LOSS[spec["precision"]], f"losses before training differ: {befores}"
    for name in ("trained_weights", "steps"):
        assert len({one[name] for one in results}) == 1, f"{name} differ: {results}"
    return {
        "benchmark": "train_generator",
        "task": given.task,
        "data": Path(given.data).name if given.data else "made up",
        **{name: spec[name] for name in ("rows", "held_out", "epochs", "batch_size", "lora")},
        "learning_rate": given.learning_rate,
        "precision": spec["precision"],
        "peer_usual": usual,
        "peer_best": best,
        "burnish": own,
        "ratio_usual": ratio(own, usual, SPEED),
        "ratio_best": ratio(own, best, SPEED),
        "memory_of_usual": ratio(own, usual, "peak_mb"),
        "memory_of_best": ratio(own, best, "peak_mb"),
        "loss_after_of_usual": ratio(own, usual, "loss_after"),
        "loss_after_of_best": ratio(own, best, "loss_after"),
    }


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--task", choices=["causal", "seq2seq"], default="causal")
    parser.add_argument("--data", help="JSON list or JSON Lines of question and reply; causal only")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16, help="rows in an optimizer step")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--rank", type=int, default=16, help="alpha is twice that")
    parser.add_argument("--dropout", type=float, default=0.05, help="of the adapters")
    return parser


if __name__ == "__main__":
    main(options(), one=lambda spec: peer(spec) if spec["who"] == "peer" else ours(spec), race=race)
