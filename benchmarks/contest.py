"""Run contestants beside each other: each in a fresh process, in turn; the middle round counts.

A process of its own gives each one its own peak memory and allocator. Taking turns lets
whatever else the machine does fall on all of them. What every benchmark with a peer shares is
here: its command line, its processes, and the facts of the machine.
"""

import argparse
import ctypes.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
Spec = dict[str, Any]


def command_line(docstring: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all have; the first line of the docstring is help."""
    parser = argparse.ArgumentParser(description=docstring.splitlines()[0])
    parser.add_argument("--allocator", choices=["system", "tcmalloc"], default="system")
    parser.add_argument("--rounds", type=int, default=3, help="how often each one runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


def main(
    parser: argparse.ArgumentParser,
    *,
    race: Callable[[argparse.Namespace, Path], Figures],
    one: Callable[[Spec], Figures] | None = None,
) -> None:
    """Be one contestant, if asked to, or run them all; print one JSON line.

    Args:
        parser: from `command_line`, with the benchmark's own options.
        race: runs all contestants; is given an empty folder.
        one: runs the contestant that a spec tells of, in this process; for `contestant`.
    """
    given = parser.parse_args()
    if one and given.one:
        print(json.dumps(one(json.loads(given.one))))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(race(given, Path(folder))))


def contestant(spec: Spec, allocator: str) -> Figures:
    """Run one contestant of the present benchmark in a fresh process."""
    done = subprocess.run(
        [sys.executable, sys.argv[0], "--one", json.dumps(spec)],
        env=environment(allocator),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def environment(allocator: str) -> dict[str, str]:
    """Return the environment of a contestant's process: no network, the allocator that is named."""
    found = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if allocator == "tcmalloc":
        library = ctypes.util.find_library("tcmalloc_minimal") or ctypes.util.find_library(
            "tcmalloc"
        )
        assert library, "install tcmalloc first (Debian: libtcmalloc-minimal4)"
        found["LD_PRELOAD"] = library
    return found


def in_turn(
    specs: Mapping[str, Spec], *, rounds: int, allocator: str, by: str
) -> dict[str, Figures]:
    """Return the figures of each contestant in its round of middle speed; `by` names the speed."""
    every = [
        {name: contestant(spec, allocator) for name, spec in specs.items()} for _ in range(rounds)
    ]
    return {name: median([one[name] for one in every], by) for name in specs}


def fastest(speeds: Mapping[str, float], kind: str = "") -> str:
    """Return the name of the fastest among those whose name begins so."""
    return max((name for name in speeds if name.startswith(kind)), key=lambda name: speeds[name])


def median(results: Sequence[Figures], by: str) -> Figures:
    """Return the result that is in the middle by one of its figures."""
    return sorted(results, key=lambda one: one[by])[len(results) // 2]


def ratio(figures: Figures, other: Figures, name: str) -> float:
    """Return how many times the other's figure the first one is."""
    return round(figures[name] / other[name], 2)


def peak_mb() -> float:
    """Return the largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_gflops(threads: int) -> dict[str, float]:
    """Return the fastest matrix product this machine does, per precision, in GFLOP/s.

    The best of many: one slow moment here would make every share of the peak look better.
    """
    import torch

    torch.set_num_threads(threads)
    best = {}
    for kind in ("highest", "medium", "bf16"):
        dtype = torch.bfloat16 if kind == "bf16" else torch.float32
        torch.set_float32_matmul_precision("highest" if kind == "highest" else "medium")
        left, right = (torch.ones(n, 768, dtype=dtype) for n in (1024, 3072))
        seconds = []
        for _ in range(30):
            start = time.perf_counter()
            torch.nn.functional.linear(left, right)
            seconds.append(time.perf_counter() - start)
        best[kind] = round(2 * 1024 * 768 * 3072 / min(seconds) / 1e9, 1)
    return best


def machine(given: argparse.Namespace, threads: int) -> Figures:
    """Return what a result must be read with: commit, processor, threads, allocator, rounds."""
    from burnish.pipeline.manifest import git_commit

    return {
        "commit": git_commit(),
        "rounds": given.rounds,
        "allocator": given.allocator,
        "processor": platform.processor() or platform.machine(),
        "threads": threads,
    }


def trainer_arguments(kind: str = "", **own: Any) -> Any:
    """Return arguments for Trainer on the processor that write and tell nothing, with own ones.

    Args:
        kind: what the name of the class begins with: "Seq2Seq", or nothing.
        own: what a contestant sets by itself.
    """
    import transformers

    return getattr(transformers, f"{kind}TrainingArguments")(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        logging_strategy="no",
        disable_tqdm=True,
        seed=0,
        **own,
    )


def trainer_clock() -> Any:
    """Return a callback for Trainer whose `seconds` are of training alone, as Burnish counts."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        seconds = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self._start = time.perf_counter()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.seconds = time.perf_counter() - self._start

    return Clock()
