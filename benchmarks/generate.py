"""Writing of many answers, beside one-at-a-time `model.generate`: same model, fp32, greedy.

Prints one JSON line: answers/s of both (the median of the rounds), their ratio, peak memory, and
in how many rows the answers differ in any token. Tokens are compared, not texts: the tokenizer
that Burnish is handed here names tokens by their numbers.

Run: `make bench`, or `python benchmarks/generate.py --rows 200`, with `--data FILE` for the
questions of a JSON list of question and reply, with `--task seq2seq` for a random T5.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contest import Figures, Spec, command_line, in_turn, machine, main, peak_mb, ratio
from pairs import model_folder, own_parts, peer_parts, peer_prompts, recipe, rows

SPEED = "answers_per_s"


class TokenNames:
    """Stands in for a tokenizer where answers become text: an answer is the list of its tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self.eos_token_id = tokenizer.eos_token_id
        self.pad_token_id = tokenizer.pad_token_id

    def decode(self, tokens: Sequence[int], **_: Any) -> str:
        """Return the numbers of the tokens."""
        return " ".join(map(str, tokens))


def written_by(spec: Spec) -> tuple[Any, Any]:
    """Return the recipe, and the hardware's settings, which both sides use."""
    import torch

    from burnish.training.hardware import probe

    given = recipe(
        spec,
        task={"generation": {"max_new_tokens": spec["max_new_tokens"]}},
        training={"precision": "fp32", "threads": spec["threads"]},
    )
    hardware = probe(given.training)
    torch.set_num_threads(hardware.threads)
    torch.set_float32_matmul_precision(hardware.matmul)
    return given, hardware


def ours(spec: Spec) -> Figures:
    """Write with Burnish and return its figures and answers."""
    from burnish.training.generate import write
    from burnish.training.models import load_model
    from burnish.training.sources import resolve

    given, hardware = written_by(spec)
    source = resolve(spec["model"])
    task, tokenizer, (asked, _) = own_parts(rows(spec), given, source)
    model = load_model(source, task)
    start = time.perf_counter()
    answers = write(model, asked, task, hardware, TokenNames(tokenizer))
    return figures(time.perf_counter() - start, [one.text for one in answers])


def peer(spec: Spec) -> Figures:
    """Write one answer after the other by `model.generate`."""
    import torch

    written_by(spec)
    model, tokenizer = peer_parts(spec)
    model.eval()
    names, answers = TokenNames(tokenizer), []
    prompts = peer_prompts(rows(spec)[0], spec["task"], tokenizer)
    start = time.perf_counter()
    for prompt in prompts:
        ids = torch.tensor([prompt])
        made = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=spec["max_new_tokens"],
            do_sample=False,
            eos_token_id=names.eos_token_id,
            pad_token_id=names.pad_token_id,
        )[0].tolist()
        # An encoder-decoder's output begins with its start token.
        fresh = made if spec["task"] == "seq2seq" else made[len(prompt) :]
        ends = [at for at, token in enumerate(fresh) if token == names.eos_token_id]
        answers.append(names.decode(fresh[: ends[0]] if ends else fresh))
    return figures(time.perf_counter() - start, answers)


def figures(seconds: float, answers: list[str]) -> Figures:
    """Return speed, peak memory, and the answers as numbers of tokens."""
    tokens = sum(len(one.split()) for one in answers)
    return {
        SPEED: round(len(answers) / seconds, 3),
        "tokens_per_s": round(tokens / seconds, 1),
        "seconds": round(seconds, 2),
        "peak_mb": round(peak_mb()),
        "answers": answers,
    }


def race(given: argparse.Namespace, folder: Path) -> Figures:
    """Return both figures, their ratio, and how many answers differ."""
    from burnish.training.processor import cores

    threads = cores()
    spec: Spec = {
        "task": given.task,
        "model": model_folder(given.task, folder),
        "data": given.data,
        "rows": given.rows,
        "held_out": 0,
        "max_new_tokens": given.max_new_tokens,
        "threads": threads,
    }
    found = in_turn(
        {who: spec | {"who": who} for who in ("peer", "burnish")},
        rounds=given.rounds,
        allocator=given.allocator,
        by=SPEED,
    )
    one_by_one, own = found["peer"], found["burnish"]
    theirs, answers = one_by_one.pop("answers"), own.pop("answers")
    return {
        "benchmark": "generate",
        "task": given.task,
        "data": Path(given.data).name if given.data else "made up",
        "rows": given.rows,
        "max_new_tokens": given.max_new_tokens,
        "one_by_one": one_by_one,
        "burnish": own,
        "ratio": ratio(own, one_by_one, SPEED),
        "memory": ratio(own, one_by_one, "peak_mb"),
        "differing_rows": sum(a != b for a, b in zip(theirs, answers, strict=True)),
        **machine(given, threads),
    }


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--task", choices=["causal", "seq2seq"], default="causal")
    parser.add_argument("--data", help="JSON list or JSON Lines of question and reply; causal only")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    return parser


if __name__ == "__main__":
    main(options(), one=lambda spec: peer(spec) if spec["who"] == "peer" else ours(spec), race=race)
