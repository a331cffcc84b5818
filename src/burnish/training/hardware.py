"""What this machine is, and how it is best used: device, precision, threads, batch size.

Everything that is chosen is told in words. Choices rest on what the processor has, never on how
long something took: two runs on one machine choose alike, however busy it is, and give the same
answers.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from burnish.errors import HardwareError
from burnish.recipe.training import Training
from burnish.training.processor import cores, processor_flags

_CPU_TOKENS = 1024  # larger passes take more memory and are no faster (docs/log.md)
_GPU_TOKENS = 16_384
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # without them bf16 is ten times slower than fp32
_PROBE_SHAPE = (1024, 384, 1536)  # one feed-forward layer of a small encoder
_FP32_ERROR = 1e-5  # largest, relative, of a product; bf16 has about 1e-3
_ALLOCATORS = ("tcmalloc", "jemalloc", "mimalloc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """How this machine is used in a run."""

    device: str  # cpu or cuda
    precision: str  # fp32 or bf16 (autocast)
    threads: int
    matmul: str  # torch's float32 matrix product precision: highest, high, medium
    tokens_per_batch: int
    allocator: str
    notes: tuple[str, ...]  # what was chosen and why, in words

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the manifest."""
        answers = self.for_answers().precision
        return asdict(self) | {"notes": list(self.notes), "answers": answers}

    def for_answers(self) -> "Hardware":
        """Return how the machine is used to answer, whatever it was trained in.

        A saved model is opened in fp32 by every other program, so on a processor that is what it is
        judged in. On a GPU, where it is served in what it was trained in, it is judged in that.
        """
        if self.device != "cpu":
            return self
        return replace(self, precision="fp32", matmul=_matmul("cpu", "fp32"))

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context a forward pass runs in."""
        if self.precision == "bf16":
            return torch.autocast(self.device, dtype=torch.bfloat16)
        return nullcontext()


def computing_dtype(inputs: Tensor) -> torch.dtype:
    """Return the precision that a linear layer computes in: autocast's where it is on."""
    device = inputs.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else inputs.dtype


def probe(training: Training) -> Hardware:
    """Look at the machine and choose; takes under a second, most of it the first time.

    Raises:
        HardwareError: BN404, more threads asked for than there are cores.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    threads, threads_note = _threads(training)
    precision, precision_note = _precision(training, device)
    allocator = loaded_allocator()
    tokens = training.tokens_per_batch
    if tokens == "auto":
        tokens = _CPU_TOKENS if device == "cpu" else _GPU_TOKENS
    notes = [_device_note(device), threads_note, precision_note, f"{tokens} tokens a forward pass"]
    if allocator == "system" and device == "cpu":
        notes.append("system memory allocator; preloading tcmalloc makes training faster")
    return Hardware(
        device=device,
        precision=precision,
        threads=threads,
        matmul=_matmul(device, precision),
        tokens_per_batch=tokens,
        allocator=allocator,
        notes=tuple(notes),
    )


@contextmanager
def applied(hardware: Hardware) -> Iterator[None]:
    """Run the block with the threads and the matrix products of `hardware`; both are the process's.

    They are put back afterwards: what a program computes beside a training is its own affair.
    """
    with _settings(hardware.threads, hardware.matmul):
        yield


def loaded_allocator() -> str:
    """Return the name of the preloaded memory allocator, or `system`."""
    maps = Path("/proc/self/maps")
    loaded = maps.read_text("utf-8", errors="replace") if maps.exists() else ""
    return next((name for name in _ALLOCATORS if name in loaded), "system")


def _matmul(device: str, precision: str) -> str:
    """Return how fp32 products are made. A GPU's "high" keeps 10 bits, which its users expect.

    A run in bf16 on a processor has few of them, all small and of many shapes: the programs that
    oneDNN would prepare for each take more time and memory than they save.
    """
    if device != "cpu":
        return "high"
    return "highest" if precision == "bf16" else _exact_products()


@lru_cache(maxsize=1)
def _exact_products() -> str:
    """Return the fastest way to make fp32 products that keeps the precision of fp32.

    "medium" routes them through oneDNN, up to twice as fast where that is built in. But on a
    processor with bf16 tiles oneDNN rounds to bf16: 3 digits in place of 7, and that behind the
    back of a run that says fp32.
    """
    tokens, inputs, outputs = _PROBE_SHAPE
    given = torch.Generator().manual_seed(0)
    left = torch.rand(tokens, inputs, generator=given)
    right = torch.rand(outputs, inputs, generator=given)
    exact = torch.nn.functional.linear(left.double(), right.double())
    with _settings(torch.get_num_threads(), "medium"):
        found = torch.nn.functional.linear(left, right)
    error = ((found - exact).abs().max() / exact.abs().max()).item()
    return "medium" if error < _FP32_ERROR else "highest"


@contextmanager
def _settings(threads: int, matmul: str) -> Iterator[None]:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    _set(threads, matmul)
    try:
        yield
    finally:
        _set(*before)


def _set(threads: int, matmul: str) -> None:
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul)


def _threads(training: Training) -> tuple[int, str]:
    available = cores()
    if training.threads == "auto":
        return available, f"{available} thread(s), one a core"
    if training.threads > available:
        raise HardwareError(
            f"{training.threads} threads asked for, {available} core(s) available",
            where="recipe key `training.threads`",
            fix=f"set `training.threads: {available}` or `auto`",
        )
    return training.threads, f"{training.threads} thread(s), as the recipe says"


def _precision(training: Training, device: str) -> tuple[str, str]:
    if training.precision != "auto":
        return training.precision, f"{training.precision}, as the recipe says"
    if device == "cuda":
        if torch.cuda.is_bf16_supported():
            return "bf16", "bf16, which the GPU has instructions for"
        return "fp32", "fp32; the GPU has no bf16 instructions"
    if found := sorted(processor_flags() & _BF16):
        return "bf16", f"bf16, which the processor has instructions for ({', '.join(found)})"
    return "fp32", "fp32; the processor has no bf16 instructions"


def _device_note(device: str) -> str:
    if device == "cuda":
        return f"GPU: {torch.cuda.get_device_name()}"
    return f"processor only, {torch.backends.cpu.get_cpu_capability()} kernels"
