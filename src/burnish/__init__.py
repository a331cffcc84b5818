"""Fine-tune a language model on your own data and prove whether it is worth shipping."""

import os
from typing import Any

# ONNX Runtime (from 1.29 on Linux too) notes each model that is opened and sends it to its makers,
# unless this is set before it is loaded, by whomever. Nothing of a user's leaves the machine here.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["Signal", "__version__"]


def __getattr__(name: str) -> Any:
    """Load what is public when it is asked for, so that `burnish --help` need not wait for it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("burnish")
    if name == "Signal":
        from burnish.data.signals.signal import Signal

        return Signal
    raise AttributeError(f"module 'burnish' has no attribute {name!r}")
