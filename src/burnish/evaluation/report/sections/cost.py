"""What the run cost: time by stage, speed, memory, the machine, and what was chosen for it."""

from typing import Any

from burnish.evaluation.report.runfiles import RunFiles
from burnish.evaluation.report.words import count, duration, figures, is_number, megabytes, share

_LEAST_SHARE = 0.005  # of the whole time, for a stage to be told on its own


def view(run: RunFiles) -> dict[str, Any]:
    """Return the headline figures, time by stage, and what machine it was."""
    training, hardware = run.section("training"), run.section("hardware")
    timings = _timings(run)
    longest = max((seconds for _, seconds in timings), default=0.0) or 1.0
    return {
        "figures": [
            ("Training time", duration(training.get("seconds"))),
            ("Tokens a second", figures(training.get("tokens_per_second"))),
            ("Rows a second", figures(training.get("samples_per_second"))),
            ("Peak memory", megabytes(training.get("peak_memory_mb"))),
        ],
        "timings": [(name, seconds, 100 * seconds / longest) for name, seconds in timings],
        "total": sum(seconds for _, seconds in timings),
        "machine": [(label, value) for label, value in _machine(run) if value is not None],
        "notes": [str(note) for note in hardware.get("notes") or ()],
    }


def _timings(run: RunFiles) -> list[tuple[str, float]]:
    """Return stage and seconds in the order they ran; stages too short to matter are joined."""
    found = {k: v for k, v in run.section("timings").items() if is_number(v)}
    least = _LEAST_SHARE * sum(found.values())
    long = [(k.replace("_", " "), v) for k, v in found.items() if v >= least]
    short = [v for v in found.values() if v < least]
    return [*long, ("all else", sum(short))] if short else long


def _machine(run: RunFiles) -> list[tuple[str, Any]]:
    machine, hardware, model = (run.section(k) for k in ("machine", "hardware", "model"))
    memory, tokens = machine.get("memory_gb"), hardware.get("tokens_per_batch")
    return [
        ("Model", model.get("reference")),
        ("Trained weights", _weights(model.get("trainable"), model.get("parameters"))),
        ("Processor", machine.get("processor")),
        ("Cores", machine.get("cores")),
        ("Memory", f"{figures(memory)} GB" if is_number(memory) else None),
        ("Platform", machine.get("platform")),
        ("Device", hardware.get("device")),
        ("Precision", hardware.get("precision")),
        ("Threads", hardware.get("threads")),
        ("Matrix products", hardware.get("matmul")),
        ("Memory allocator", hardware.get("allocator")),
        ("Tokens a forward pass", count(tokens) if is_number(tokens) else tokens),
    ]


def _weights(trainable: Any, total: Any) -> str | None:
    if not (is_number(trainable) and is_number(total)):
        return None
    return f"{count(trainable)} of {count(total)} ({share(trainable, total)})"
