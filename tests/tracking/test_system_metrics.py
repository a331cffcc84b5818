"""System use is sampled beside a run, and never gets in its way."""

import logging
import stat
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from burnish.tracking.system import SystemSampler, SystemUse, parse_gpus

SMI_ANSWER = "37, 1024, 4096, 120.5\n0, 0, 4096, [N/A]\n"


def put_smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = folder / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n{script}\n")
    smi.chmod(smi.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_sample_holds_cpu_memory_disk_and_network_in_plausible_ranges() -> None:
    sample = SystemUse().read()

    assert all(0 <= value <= 100 for name, value in sample.items() if name.endswith("percentage"))
    assert sample["process_memory_usage_megabytes"] > 1
    assert sample["system_memory_usage_megabytes"] > sample["process_memory_usage_megabytes"]
    assert sample["disk_available_megabytes"] >= 0
    assert {"network_receive_megabytes", "network_transmit_megabytes"} <= set(sample)


def test_a_run_shorter_than_the_interval_still_gets_one_sample() -> None:
    samples: list[tuple[int, Mapping[str, float]]] = []
    sampler = SystemSampler(lambda sample, n: samples.append((n, sample)), every_s=60)
    sampler.start()
    sampler.stop()

    assert [number for number, _ in samples] == [0]
    assert all(name.startswith("system/") for name in samples[0][1])


def test_samples_are_numbered_while_the_run_goes_on() -> None:
    numbers: list[int] = []
    enough = threading.Event()

    def note(_: Mapping[str, float], number: int) -> None:
        numbers.append(number)
        if number == 2:
            enough.set()

    sampler = SystemSampler(note, every_s=0.01)
    sampler.start()
    assert enough.wait(10)
    sampler.stop()

    assert numbers == list(range(len(numbers)))


def test_numbering_goes_on_where_an_earlier_sitting_ended() -> None:
    numbers: list[int] = []
    sampler = SystemSampler(lambda _, number: numbers.append(number), every_s=60, first=7)
    sampler.start()
    sampler.stop()

    assert numbers == [7]


def test_a_report_that_fails_ends_sampling_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_: Mapping[str, float], number: int) -> None:
        raise OSError("disk full")

    sampler = SystemSampler(refuse, every_s=60)
    sampler.start()
    sampler.stop()

    assert "system metrics stop after 0 samples: disk full" in caplog.text


def test_each_gpu_is_told_by_number_and_fields_a_card_lacks_are_left_out() -> None:
    assert parse_gpus(SMI_ANSWER) == {
        "gpu_0_utilization_percentage": 37,
        "gpu_0_memory_usage_megabytes": pytest.approx(1073.74, abs=0.01),
        "gpu_0_memory_usage_percentage": 25,
        "gpu_0_power_usage_watts": 120.5,
        "gpu_1_utilization_percentage": 0,
        "gpu_1_memory_usage_megabytes": 0,
        "gpu_1_memory_usage_percentage": 0,
    }


def test_gpus_are_read_from_the_drivers_own_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_smi(tmp_path, f"printf '{SMI_ANSWER}'", monkeypatch)

    assert SystemUse().read()["gpu_0_utilization_percentage"] == 37


def test_a_broken_driver_is_told_once_and_the_rest_is_still_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put_smi(tmp_path, "exit 9", monkeypatch)
    use = SystemUse()
    with caplog.at_level(logging.WARNING):
        samples = [use.read(), use.read()]

    assert caplog.text.count("GPU use is not recorded") == 1
    assert all("cpu_utilization_percentage" in sample for sample in samples)
