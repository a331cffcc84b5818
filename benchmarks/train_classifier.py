"""Training speed beside Hugging Face's Trainer: same rows, model, epochs and quality, one run.

Each contestant trains in a process of its own, so that peak memory and allocator are its own.
The peer runs with its usual settings (dynamic padding, batch 8, fp32) and with its best
(length grouping, bf16 where the processor has it, the best batch size of three). Prints one
JSON line: samples/s of each (the median of the rounds), ratios, quality on held-out rows, peak
memory, and useful model FLOPs as a share of the matrix-product peak measured in the same run.

Run: `make bench`, or `python benchmarks/train_classifier.py --encoder 66m --rows 512`.
tcmalloc, where installed, is preloaded under every contestant with `--allocator tcmalloc`.
"""

import argparse
import json
import time
from math import sqrt
from pathlib import Path
from typing import Any

from contest import (
    Figures,
    Spec,
    command_line,
    contestant,
    fastest,
    in_turn,
    machine,
    main,
    peak_gflops,
    peak_mb,
    ratio,
    trainer_arguments,
    trainer_clock,
)

SPEED = "samples_per_s"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
RATE = 1e-4
MAX_LENGTH = 512


def rows(data: str, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return `count` training rows and as many held-out ones, text with 0/1 label."""
    if data == "starter":
        from burnish.data.starter import clauses

        every = clauses("train").to_dicts()
        found = [{"text": r["text"], "label": int(bool(r["labels"]))} for r in every]
    else:
        lines = (Path(data) / "train.jsonl").read_text("utf-8").split("\n")
        found = [json.loads(line) for line in lines if line]
        found = [{"text": r["text"], "label": int(bool(r["labels"]))} for r in found]
    # Positives are rare in the corpus: take both classes alike, so that quality means something.
    half = [
        [r for r in found if r["label"] == label][: count if len(found) > 2 * count else None]
        for label in (0, 1)
    ]
    mixed = [row for pair in zip(*half, strict=False) for row in pair]
    cut = min(count, len(mixed) // 2)
    return mixed[:cut], mixed[cut : 2 * cut]


def model_folder(encoder: str, folder: Path) -> str:
    """Return MiniLM's id, or make a DistilBERT-sized encoder (66M) with random weights."""
    if encoder == "minilm":
        return MINILM
    import torch
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertForSequenceClassification

    from burnish.training.sources import resolve

    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=30522, num_labels=2)
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(resolve(MINILM).folder).save_pretrained(folder)
    return str(folder)


def peer(spec: Spec) -> Figures:
    """Train with Hugging Face's Trainer and return its figures."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
    )

    from burnish.training.sources import resolve

    torch.set_num_threads(spec["threads"])
    source = resolve(spec["model"]).folder
    tokenizer = AutoTokenizer.from_pretrained(source)
    train, held_out = rows(spec["data"], spec["rows"])

    def encoded(part: list[dict[str, Any]]) -> list[dict[str, Any]]:
        texts = [r["text"] for r in part]
        found = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
        return [
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": r["label"]}
            for ids, r in zip(found, part, strict=True)
        ]

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=2)
    arguments = trainer_arguments(
        num_train_epochs=spec["epochs"],
        per_device_train_batch_size=spec["batch"],
        learning_rate=RATE,
        warmup_steps=0.1,
        bf16=spec["bf16"],
        train_sampling_strategy="group_by_length" if spec["group"] else "random",
    )
    training_rows, clock = encoded(train), trainer_clock()
    trainer = Trainer(
        model,
        arguments,
        train_dataset=training_rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[clock],
    )
    trainer.train()
    peak = peak_mb()
    answers = trainer.predict(encoded(held_out)).predictions.argmax(1)
    tokens = sum(len(item["input_ids"]) for item in training_rows)
    return figures(clock.seconds, peak, spec, len(train), tokens) | {
        "quality": accuracy(answers.tolist(), held_out)
    }


def ours(spec: Spec) -> Figures:
    """Train with Burnish and return its figures."""
    import polars as pl

    from burnish.recipe.recipe import Recipe
    from burnish.records import LabelSpace
    from burnish.tasks.base import TASKS
    from burnish.tracking.base import MemoryTracker
    from burnish.training.fit import fit
    from burnish.training.hardware import probe
    from burnish.training.models import load_tokenizer
    from burnish.training.predict import raw_outputs
    from burnish.training.sources import resolve

    recipe = Recipe.model_validate_json(
        json.dumps(
            {
                "task": {
                    "kind": "text-classification",
                    "labels": ["0", "1"],
                    "max_length": MAX_LENGTH,
                    "threshold": 0.5,
                },
                "model": spec["model"],
                "data": {"from": "-"},
                "training": {
                    "epochs": spec["epochs"],
                    "learning_rate": RATE,
                    "batch_size": spec["batch"],
                    "keep": "last",
                    "threads": spec["threads"],
                },
            }
        )
    )
    space = LabelSpace(names=("0", "1"), multi_label=False, positive="1")
    task = TASKS.get("text-classification").from_recipe(recipe.task, space)
    source, hardware = resolve(spec["model"]), probe(recipe.training)
    tokenizer = load_tokenizer(source, task)
    train, held_out = (
        task.encode(
            pl.DataFrame(
                {
                    "id": [str(i) for i in range(len(part))],
                    "text": [r["text"] for r in part],
                    "labels": [[str(r["label"])] for r in part],
                }
            ),
            tokenizer,
        )
        for part in rows(spec["data"], spec["rows"])
    )
    tracker = MemoryTracker()
    start = time.perf_counter()
    fitted = fit(
        recipe, task, source, train, None, hardware=hardware, tracker=tracker, checkpoints=None
    )
    seconds = time.perf_counter() - start
    peak = peak_mb()
    answers = task.decode(raw_outputs(fitted.model, held_out, fitted.task, hardware), held_out)
    right = [p.answer == p.reference for p in answers]
    tokens = len(train.inputs.tokens)
    return figures(fitted.seconds, peak, spec, len(train), tokens) | {
        "quality": sum(right) / len(right),
        "seconds_with_loading": round(seconds, 2),
        "precision": hardware.precision,
    }


def accuracy(answers: list[int], held_out: list[dict[str, Any]]) -> float:
    """Return the share of held-out rows answered right."""
    pairs = zip(answers, held_out, strict=True)
    return sum(a == r["label"] for a, r in pairs) / len(held_out)


def figures(seconds: float, peak: float, spec: Spec, count: int, tokens: int) -> Figures:
    """Return speed, useful FLOP/s and peak memory of one contestant."""
    flops = 6 * spec["weights"] * tokens * spec["epochs"]
    return {
        SPEED: round(count * spec["epochs"] / seconds, 2),
        "useful_gflops": round(flops / seconds / 1e9, 1),
        "peak_mb": round(peak),
    }


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--encoder", choices=["minilm", "66m"], default="minilm")
    parser.add_argument("--data", default="starter", help="starter, or a folder with train.jsonl")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=2)
    return parser


def race(given: argparse.Namespace, folder: Path) -> Figures:
    """Return every contestant's figures and the ratios between them."""
    from burnish.training.processor import cores, processor_flags

    threads, has_bf16 = cores(), "avx512_bf16" in processor_flags()
    spec = {
        "model": model_folder(given.encoder, folder),
        "data": given.data,
        "rows": given.rows,
        "epochs": given.epochs,
        "threads": threads,
        # Linear layers only.
        "weights": 10_646_784 if given.encoder == "minilm" else 42_527_232,
    }
    peers, own, tried = contestants(spec, has_bf16, given.allocator)
    raced = in_turn(
        peers | {"burnish": own}, rounds=given.rounds, allocator=given.allocator, by=SPEED
    )
    mine, peak = raced["burnish"], peak_gflops(threads)
    return {
        "benchmark": "train_classifier",
        "encoder": given.encoder,
        "data": Path(given.data).name,
        "rows": given.rows,
        "epochs": given.epochs,
        **machine(given, threads),
        "bf16": has_bf16,
        "burnish": mine | settings_of(own),
        **{f"peer_{name}": raced[name] | settings_of(one) for name, one in peers.items()},
        **{f"ratio_{name}": ratio(mine, raced[name], SPEED) for name in peers},
        "peer_tried": {name: [one[SPEED], one["quality"]] for name, one in tried.items()},
        "peak_gflops": peak,
        "useful_share_of_peak": round(mine["useful_gflops"] / max(peak.values()), 3),
    }


def contestants(
    spec: Spec, has_bf16: bool, allocator: str
) -> tuple[dict[str, Spec], Spec, dict[str, Figures]]:
    """Return the peers that run in turn, Burnish's own settings, and what the peer was tried at.

    Burnish learns from as many rows a step as the peer at its best. A trial of both tells whether
    the peer at its best learns as much; if not, its fastest settings that do are a peer as well, or
    those that learn most where none learns as much.
    """
    usual = spec | {"who": "peer", "batch": 8, "bf16": False, "group": False}
    settings, tried = trials(usual, has_bf16, allocator)
    speeds = {name: one[SPEED] for name, one in tried.items()}
    best = fastest(speeds, "grouped")
    own = spec | {"who": "burnish", "batch": settings[best]["batch"]}
    aim = contestant(own, allocator)["quality"]
    peers = {"usual": usual, "best": usual | settings[best]}
    quality = {name: one["quality"] for name, one in tried.items()}
    equal = [name for name in tried if as_good(quality[name], aim, spec["rows"])]
    if not equal:
        peers["nearest"] = usual | settings[max(tried, key=lambda name: quality[name])]
    elif best not in equal:
        peers["equal"] = usual | settings[fastest({name: speeds[name] for name in equal})]
    return peers, own, tried


def settings_of(spec: Spec) -> Spec:
    """Return what tells one contestant from another."""
    return {name: spec[name] for name in ("batch", "bf16", "group") if name in spec}


def trials(
    usual: Spec, has_bf16: bool, allocator: str
) -> tuple[dict[str, Spec], dict[str, Figures]]:
    """Return settings of the peer by name, and the figures of each."""
    settings = {
        f"{name}-{batch}": {"batch": batch, "bf16": has_bf16, "group": name == "grouped"}
        for name in ("grouped", "random")
        for batch in (8, 16, 32)
    }
    return settings, {name: contestant(usual | one, allocator) for name, one in settings.items()}


def as_good(quality: float, aim: float, rows: int) -> bool:
    """Return whether a share of rows answered right is not below another by more than luck."""
    luck = 1.96 * sqrt((quality * (1 - quality) + aim * (1 - aim)) / rows)
    return quality >= aim - luck


if __name__ == "__main__":
    main(options(), one=lambda spec: peer(spec) if spec["who"] == "peer" else ours(spec), race=race)
