"""Training of models that write, beside Hugging Face's Trainer and PEFT, in one run.

The same rows, model, epochs, adapters (rank, scale, dropout, layers), rows in a step, rate and
schedule. The peer runs with its usual settings (padding to the longest of the batch, fp32) and
with its best: lengths grouped or balanced, bf16 where the processor gains by it, the fastest of
a few batch sizes; smaller batches are accumulated to the same step. Lengths grouped, the best
that is commonly set, runs by itself where balancing is faster. The peer's loss is that of the
answer alone, a mean over the tokens of the step, as ours.

Prints one JSON line: samples/s of each (the median of the rounds), ratios, peak memory, and the
loss a token on held-out rows before and after. It stops if the losses before differ.

Run: `make bench`, or `python benchmarks/train_generator.py --task seq2seq --rows 256`, or with
`--data FILE`, a JSON list of question and reply, for the causal task.
"""

import argparse
from pathlib import Path
from typing import Any

from contest import Figures, Spec, command_line, contestant, fastest, in_turn, machine, main, ratio
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
    settings, tried = trials(usual, hardware, given.allocator)
    peers = {"usual": plain, "best": settings[fastest(tried)]}
    grouped = settings[fastest(tried, "group_by_length")]
    if grouped != peers["best"]:
        peers["grouped"] = grouped
    raced = in_turn(
        {name: usual | one for name, one in peers.items()} | {"burnish": spec | {"who": "burnish"}},
        rounds=given.rounds,
        allocator=given.allocator,
        by=SPEED,
    )
    return verdict(given, spec, raced) | {
        **{f"peer_{name}_settings": one for name, one in peers.items()},
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


def trials(usual: Spec, hardware: Any, allocator: str) -> tuple[dict[str, Spec], dict[str, float]]:
    """Return settings of the peer by name, and how fast each was in an epoch."""
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
    return settings, tried


def verdict(given: argparse.Namespace, spec: Spec, raced: dict[str, Figures]) -> Figures:
    """Return figures and ratios, once it is sure that all learned the same thing."""
    own, results = raced["burnish"], list(raced.values())
    befores = [one["loss_before"] for one in results]
    apart = max(befores) / min(befores) - 1
    assert apart < SAME_LOSS[spec["precision"]], f"losses before training differ: {befores}"
    for name in ("trained_weights", "steps"):
        assert len({one[name] for one in results}) == 1, f"{name} differ: {results}"
    told = {
        "benchmark": "train_generator",
        "task": given.task,
        "data": Path(given.data).name if given.data else "made up",
        **{name: spec[name] for name in ("rows", "held_out", "epochs", "batch_size", "lora")},
        "learning_rate": given.learning_rate,
        "precision": spec["precision"],
        "burnish": own,
    }
    for name, other in raced.items():
        if name != "burnish":
            told |= beside(name, other, own)
    return told


def beside(name: str, other: Figures, own: Figures) -> Figures:
    """Return a peer's figures and how ours stand to them."""
    return {
        f"peer_{name}": other,
        f"ratio_{name}": ratio(own, other, SPEED),
        f"memory_of_{name}": ratio(own, other, "peak_mb"),
        f"loss_after_of_{name}": ratio(own, other, "loss_after"),
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
