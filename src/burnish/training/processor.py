"""What the processor has: cores, and instructions."""

import os
from pathlib import Path
from platform import machine

_X86 = ("x86_64", "AMD64", "i686")
_BYTE_SUMS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_flags() -> frozenset[str]:
    """Return the instruction sets of the processor, as Linux names them; else empty."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return frozenset()
    for line in info.read_text("utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()


def sums_bytes() -> bool:
    """Return whether the processor sums products of 8-bit integers in 32 bits."""
    return machine() not in _X86 or bool(_BYTE_SUMS & processor_flags())
