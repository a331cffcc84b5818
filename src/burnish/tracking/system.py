"""CPU, memory, disk, network and GPU use, sampled in a thread while a run goes on.

The names are those of MLflow's own monitor, so its "System metrics" page shows them; the
monitor itself is not used because it asks the server for the run before every sample and
logs through the global client. GPUs are read from `nvidia-smi`, which every driver brings,
so no Python binding is needed.
"""

import logging
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psutil

_log = logging.getLogger(__name__)

_MEGABYTE = 1e6
_GPU_FIELDS = ("utilization.gpu", "memory.used", "memory.total", "power.draw")
_GPU_QUERY_TIMEOUT_S = 5.0
_MIB_IN_MEGABYTES = 1.048576


class SystemUse:
    """Reads what the machine is doing; rates and network totals count from construction."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._network: Any = psutil.net_io_counters()  # None where a container has no network
        self._smi = shutil.which("nvidia-smi")
        psutil.cpu_percent()  # the first answer is always 0.0; later ones cover the time between

    def read(self) -> dict[str, float]:
        """Return one sample: percentages in 0-100, sizes in megabytes of 10^6 bytes, watts."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(".")
        sample = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / _MEGABYTE,
            "system_memory_usage_percentage": memory.percent,
            "process_memory_usage_megabytes": self._process.memory_info().rss / _MEGABYTE,
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / _MEGABYTE,
            "disk_available_megabytes": disk.free / _MEGABYTE,
        }
        return sample | self._read_network() | self._read_gpus()

    def _read_network(self) -> dict[str, float]:
        start, now = self._network, psutil.net_io_counters()
        if now is None or start is None:
            return {}
        return {
            "network_receive_megabytes": (now.bytes_recv - start.bytes_recv) / _MEGABYTE,
            "network_transmit_megabytes": (now.bytes_sent - start.bytes_sent) / _MEGABYTE,
        }

    def _read_gpus(self) -> dict[str, float]:
        if self._smi is None:
            return {}
        fields = f"--query-gpu={','.join(_GPU_FIELDS)}"
        query = [self._smi, fields, "--format=csv,noheader,nounits"]
        try:
            told = subprocess.run(  # noqa: S603
                query, capture_output=True, text=True, timeout=_GPU_QUERY_TIMEOUT_S, check=True
            ).stdout
            return parse_gpus(told)
        except (OSError, ValueError, subprocess.SubprocessError) as err:
            _log.warning("GPU use is not recorded: nvidia-smi failed: %s", err)
            self._smi = None
            return {}


def parse_gpus(told: str) -> dict[str, float]:
    """Return the figures in nvidia-smi's answer, a line a GPU; `[N/A]` fields are left out.

    Raises:
        ValueError: a line has another number of fields, or a field is no number.
    """
    sample: dict[str, float] = {}
    for index, line in enumerate(told.strip().splitlines()):
        values = [None if "N/A" in part else float(part) for part in line.split(",")]
        busy, used, total, power = values
        found = {
            "utilization_percentage": busy,
            "memory_usage_megabytes": None if used is None else used * _MIB_IN_MEGABYTES,
            "memory_usage_percentage": 100 * used / total if used is not None and total else None,
            "power_usage_watts": power,
        }
        sample |= {f"gpu_{index}_{name}": v for name, v in found.items() if v is not None}
    return sample


class SystemSampler:
    """A thread that hands a sample to `report` at an interval, and one at the end at the latest."""

    def __init__(
        self,
        report: Callable[[Mapping[str, float], int], None],
        *,
        every_s: float = 10.0,
        first: int = 0,  # number of the first sample; a run that goes on has some already
    ) -> None:
        self._report, self._every_s, self._first = report, every_s, first
        self._use = SystemUse()
        self._samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="burnish-system", daemon=True)

    def start(self) -> None:
        """Begin sampling; the first sample comes after one interval."""
        self._thread.start()

    def stop(self) -> None:
        """End sampling. A run shorter than the interval still gets one sample."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_GPU_QUERY_TIMEOUT_S + 1)

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every_s):
                self._sample()
            if not self._samples:
                self._sample()
        except Exception as err:  # noqa: BLE001 - a sample is never worth a run
            _log.warning("system metrics stop after %d samples: %s", self._samples, err)

    def _sample(self) -> None:
        sample = {f"system/{name}": value for name, value in self._use.read().items()}
        self._report(sample, self._first + self._samples)
        self._samples += 1
