import numpy as np
import psutil

from burnish.training.estimate import Estimate
from burnish.training.memory import peak_memory_mb


def test_the_peak_is_in_megabytes_of_a_million_bytes() -> None:
    held = np.ones(40_000_000)  # 320 MB, so that the peak is now

    peak, now = peak_memory_mb("cpu"), psutil.Process().memory_info().rss

    assert held.nbytes / 1e6 < peak
    assert peak > 0.995 * now / 1e6


def test_an_estimate_tells_gigabytes_of_a_thousand_megabytes() -> None:
    found = Estimate(
        seconds=60.0,
        tokens_per_second=1000.0,
        peak_memory_mb=16_000.0,
        trainable_parameters=1,
        total_parameters=2,
    )

    assert "expected peak memory: 16.0 GB" in found.words()
