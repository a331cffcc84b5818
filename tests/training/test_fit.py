import os
import signal
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from burnish.errors import CheckpointError, RecipeError, TrainingError
from burnish.recipe.classification import ClassificationTask as Section
from burnish.recipe.recipe import Recipe
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tracking.base import MemoryTracker
from burnish.training.fit import FitResult, fit
from burnish.training.hardware import Hardware
from burnish.training.models import load_tokenizer
from burnish.training.predict import raw_outputs
from burnish.training.sources import ModelSource

Fit = Callable[..., FitResult]


def assert_same_weights(one: Any, other: Any) -> None:
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


class Interrupter(MemoryTracker):
    """Sends this process a signal once the run has come so far."""

    def __init__(self, number: int, *, step: int) -> None:
        super().__init__()
        self._number, self._step, self._sent = number, step, False

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        super().log_metrics(metrics, step=step)
        if step == self._step and not self._sent:
            self._sent = True
            os.kill(os.getpid(), self._number)


@pytest.mark.parametrize(
    "method",
    [
        {"kind": "full"},
        {"kind": "full", "freeze": 1},
        {"kind": "full", "freeze_embeddings": True},
        {"kind": "lora", "rank": 4},
    ],
    ids=["full", "frozen layer", "frozen embeddings", "lora"],
)
def test_training_lowers_the_loss(
    method: dict[str, Any], run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    # Dropout would let luck decide where embeddings do not move and little can be learned.
    result = run(
        make_recipe(method=method, epochs=8.0, learning_rate=0.01, warmup=0.0, dropout=0.0)
    )

    epochs = [line["metrics"] for line in result.history if line["kind"] == "epoch"]
    assert len(epochs) == 8
    assert epochs[-1]["train/loss"] < epochs[0]["train/loss"] * 0.99
    assert result.trainable_parameters <= result.total_parameters
    assert (result.trainable_parameters == result.total_parameters) == (method == {"kind": "full"})


def test_the_same_seed_gives_the_same_outputs_and_another_seed_gives_others(
    run: Fit, make_recipe: Callable[..., Recipe], choose: Encoded, hardware: Hardware
) -> None:
    results = [
        run(make_recipe(seed=seed), folder=f"{seed}{at}") for at, seed in enumerate((0, 0, 1))
    ]

    first, second, other = (raw_outputs(r.model, choose, r.task, hardware) for r in results)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "method", [{"kind": "full"}, {"kind": "qlora"}, {"kind": "qlora", "bits": 8}], ids=str
)
@pytest.mark.parametrize("average", [None, 0.9])
@pytest.mark.parametrize("stopped_at", [3, 6, 8])
def test_a_run_that_was_stopped_ends_with_the_very_weights_of_one_that_was_not(
    stopped_at: int,
    average: float | None,
    method: dict[str, Any],
    run: Fit,
    make_recipe: Callable[..., Recipe],
) -> None:
    recipe = make_recipe(method=method, average=average, dropout=0.1)
    whole = run(recipe, folder="whole")
    with pytest.raises(KeyboardInterrupt):
        run(recipe, folder="cut", tracker=Interrupter(signal.SIGINT, step=stopped_at))

    resumed = run(recipe, folder="cut", resume=True)

    assert resumed.state.step == whole.state.step == 12
    assert_same_weights(resumed.model, whole.model)
    assert resumed.state.best_value == whole.state.best_value


class InterrupterOfTheNextStep(Interrupter):
    """Sends the signal when the epoch that ends there was judged."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        if "validation/loss" in metrics:
            super().log_metrics(metrics, step=step)


@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize(
    "interrupter",
    [
        Interrupter(signal.SIGINT, step=4),
        Interrupter(signal.SIGINT, step=8),
        InterrupterOfTheNextStep(signal.SIGINT, step=6),
    ],
    ids=["step 4", "step 8", "step 7"],
)
def test_the_curve_of_a_run_that_was_stopped_is_that_of_one_that_was_not(
    every: int, interrupter: Interrupter, run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    made = make_recipe(dropout=0.1)
    recipe = made.model_copy(
        update={"tracking": made.tracking.model_copy(update={"every_steps": every})}
    )

    def curve(found: FitResult) -> list[dict[str, Any]]:
        return [
            {**line, "metrics": {k: v for k, v in line["metrics"].items() if "second" not in k}}
            for line in found.history
        ]

    whole = run(recipe, folder="whole")
    with pytest.raises(KeyboardInterrupt):
        run(recipe, folder="cut", tracker=deepcopy(interrupter))

    assert curve(run(recipe, folder="cut", resume=True)) == curve(whole)


class Held(MemoryTracker):
    """Keeps numbers back until it is asked, and notes what each checkpoint could rely on."""

    def __init__(self, checkpoints: Path) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self.flushed: list[tuple[int, bool]] = []  # last step told, whether one was named already
        self.went_on: list[tuple[list[int], int]] = []

    def flush(self) -> None:
        self.flushed.append((self.metrics[-1][0], (self._checkpoints / "last.json").is_file()))

    def go_on(self, history: Sequence[tuple[int, Mapping[str, float]]], *, step: int) -> None:
        self.went_on.append(([at for at, _ in history], step))


def test_what_was_told_is_kept_before_a_checkpoint_and_told_of_when_it_goes_on(
    run: Fit, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    whole, resumed = Held(tmp_path / "run" / "checkpoints"), Held(tmp_path / "cut" / "checkpoints")
    run(make_recipe(), tracker=whole)
    with pytest.raises(KeyboardInterrupt):
        run(make_recipe(), folder="cut", tracker=Interrupter(signal.SIGINT, step=8))
    run(make_recipe(), folder="cut", tracker=resumed, resume=True)

    assert whole.flushed == [(6, False), (12, True)]
    assert whole.went_on == [([], 0)]
    (history, step) = resumed.went_on[0]
    assert (step, history[-1]) == (8, 8)
    assert 6 in history


def test_a_checkpoint_of_another_run_is_refused(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    run(make_recipe())

    with pytest.raises(CheckpointError, match=r"a run of 12 steps, this one has 18"):
        run(make_recipe(epochs=3.0), resume=True)


@pytest.mark.parametrize("part", ["train", "choose"])
@pytest.mark.parametrize("change", ["order", "label", "token"])
def test_a_run_does_not_go_on_with_rows_that_have_changed(
    part: str,
    change: str,
    run: Fit,
    make_recipe: Callable[..., Recipe],
    train: Encoded,
    choose: Encoded,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(make_recipe(), tracker=Interrupter(signal.SIGINT, step=3))
    rows = train if part == "train" else choose
    if change == "order":
        other = rows.take([*range(1, len(rows)), 0])
    elif change == "label":
        other = replace(rows, targets=np.roll(rows.targets, 1, axis=1))
    else:
        tokens = rows.inputs.tokens.copy()
        tokens[1] += 1
        other = replace(rows, inputs=Ragged(tokens, rows.inputs.offsets))

    with pytest.raises(CheckpointError, match=r"BN502[\s\S]*the rows are others"):
        run(make_recipe(), resume=True, **{part: other})


def test_an_unknown_metric_to_stop_by_is_told_before_training(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    with pytest.raises(RecipeError, match=r"early_stopping.metric`[\s\S]*use 'macro_f1'"):
        run(make_recipe(early_stopping={"metric": "macro-f1"}))


def test_sigterm_ends_with_status_143_after_a_checkpoint(
    run: Fit, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        run(make_recipe(), tracker=Interrupter(signal.SIGTERM, step=2))

    assert stopped.value.code == 143
    assert (tmp_path / "run" / "checkpoints" / "last.json").is_file()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_finished_run_resumed_trains_no_more(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    first = run(make_recipe())

    again = run(make_recipe(), resume=True)

    assert again.state.step == first.state.step
    assert_same_weights(again.model, first.model)


def test_a_damaged_checkpoint_is_told_and_not_used(
    run: Fit, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    run(make_recipe())
    path = next((tmp_path / "run" / "checkpoints").glob("last-*.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))

    with pytest.raises(CheckpointError, match=r"BN502[\s\S]*is damaged"):
        run(make_recipe(), resume=True)


def test_cutting_steps_into_more_passes_changes_no_answer(
    task: ClassificationTask,
    make_recipe: Callable[..., Recipe],
    choose: Encoded,
    hardware: Hardware,
    tiny: ModelSource,
    train: Encoded,
    tmp_path: Path,
) -> None:
    recipe = make_recipe(dropout=0.0, learning_rate=1e-4, keep="last")
    outputs = []
    for tokens in (24, 4096):
        other = replace(hardware, tokens_per_batch=tokens)
        result = fit(
            recipe,
            task,
            tiny,
            train,
            choose,
            hardware=other,
            tracker=MemoryTracker(),
            checkpoints=tmp_path / str(tokens),
        )
        outputs.append(raw_outputs(result.model, choose, result.task, hardware))

    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)


def test_packed_and_padded_training_give_the_same_answers(
    run: Fit, make_recipe: Callable[..., Recipe], choose: Encoded, hardware: Hardware
) -> None:
    outputs = []
    for packing in ("on", "off"):
        recipe = make_recipe(packing=packing, dropout=0.0, learning_rate=1e-4, keep="last")
        result = run(recipe, folder=packing)
        outputs.append(raw_outputs(result.model, choose, result.task, hardware))

    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)


def test_the_best_epoch_is_kept_and_early_stopping_waits_its_patience(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    early = {"metric": "loss", "patience": 2}
    result = run(make_recipe(epochs=30.0, learning_rate=0.03, early_stopping=early))

    losses = [
        line["metrics"]["validation/loss"] for line in result.history if line["kind"] == "epoch"
    ]
    assert result.state.stop == "early"
    assert result.kept_epoch == int(np.argmin(losses)) + 1 == len(losses) - 2


def test_bf16_learns_about_what_fp32_learns(
    run: Fit,
    make_recipe: Callable[..., Recipe],
    tiny: ModelSource,
    task: ClassificationTask,
    train: Encoded,
    hardware: Hardware,
) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        result = fit(
            make_recipe(dropout=0.1),
            task,
            tiny,
            train,
            None,
            hardware=replace(hardware, precision=precision),
            tracker=MemoryTracker(),
            checkpoints=None,
        )
        of_steps = [line["metrics"] for line in result.history if line["kind"] == "step"]
        losses.append([one["train/loss_step"] for one in of_steps])

    np.testing.assert_allclose(losses[0], losses[1], atol=0.02)


def test_part_of_an_epoch_can_be_trained(run: Fit, make_recipe: Callable[..., Recipe]) -> None:
    result = run(make_recipe(epochs=1.5))

    assert result.cost()["epochs"] == 1.5
    assert [line["epoch"] for line in result.history if line["kind"] == "epoch"] == [1.0, 1.5]


def test_time_being_up_ends_the_run_with_a_judged_model(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    result = run(make_recipe(epochs=1000.0, max_time=1e-4))

    assert result.state.stop == "time"
    assert result.state.step < 10
    assert any("validation/loss" in line["metrics"] for line in result.history)


def test_a_loss_that_is_not_a_number_stops_the_run(
    run: Fit, make_recipe: Callable[..., Recipe], tiny: ModelSource
) -> None:
    path = tiny.folder / "model.safetensors"
    weights = load_file(path)
    weights["bert.embeddings.LayerNorm.bias"][:] = float("nan")
    save_file(weights, path, metadata={"format": "pt"})

    with pytest.raises(TrainingError, match=r"BN501[\s\S]*nan at step 1[\s\S]*learning_rate"):
        run(make_recipe())


def test_the_tracker_is_told_steps_and_epochs(run: Fit, make_recipe: Callable[..., Recipe]) -> None:
    tracker = MemoryTracker()

    result = run(make_recipe(), tracker=tracker)

    told = {name for _, metrics in tracker.metrics for name in metrics}
    judged = {"loss", "accuracy", "macro_f1", "precision", "recall"}
    assert {f"{part}/{name}" for part in ("train", "validation") for name in judged} <= told
    assert {f"train/{name}_step" for name in judged} | {"learning_rate"} <= told
    assert [step for step, _ in tracker.metrics] == [line["step"] for line in result.history]


def test_what_steps_come_to_is_told_apart_from_what_their_epoch_comes_to(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    history = run(make_recipe()).history

    names = {
        kind: {name for line in history if line["kind"] == kind for name in line["metrics"]}
        for kind in ("step", "epoch")
    }
    assert not names["step"] & names["epoch"]
    # Each step is told of here, and all are of as many rows, so the epoch's loss is their mean.
    steps = [one for one in history if one["kind"] == "step" and one["epoch"] <= 1]
    first = next(one for one in history if one["kind"] == "epoch")
    of_steps = [one["metrics"]["train/loss_step"] for one in steps]
    assert len(of_steps) == first["step"]
    assert first["metrics"]["train/loss"] == pytest.approx(np.mean(of_steps))


def test_what_is_told_of_steps_ends_with_their_epoch(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    recipe = make_recipe(epochs=3.0)  # six steps each
    seldom = recipe.tracking.model_copy(update={"every_steps": 4})

    history = run(recipe.model_copy(update={"tracking": seldom})).history

    told = [line["step"] for line in history if line["kind"] == "step"]
    assert told == [4, 6, 8, 12, 16, 18]


def test_every_epoch_can_be_kept_as_a_model_that_answers(
    run: Fit, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    from burnish.files import read_json
    from burnish.training.modelfolder import Answerer

    result = run(make_recipe(checkpoint_every_epoch=True))

    for epoch in (1, 2):
        folder = tmp_path / "run" / "checkpoints" / f"epoch-{epoch:03d}"
        assert read_json(folder / "metrics.json")["epoch"] == epoch
        answer = Answerer.open(folder).answer(["word0 word9"])[0]
        assert set(answer.scores) == set(result.task.space.names)


def test_no_rows_to_choose_on_keeps_the_last_epoch(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    result = run(make_recipe(keep="last"), choose=None)

    assert result.kept_epoch == result.plan.epochs
    assert not result.model.training


@pytest.mark.parametrize(
    "end",
    [{"keep": "best"}, {"keep": "last"}, {"keep": "last", "epochs": 1000.0, "max_time": 1e-4}],
    ids=["best", "last", "time"],
)
def test_what_was_judged_is_what_the_kept_weights_say(
    end: dict[str, Any],
    run: Fit,
    make_recipe: Callable[..., Recipe],
    choose: Encoded,
    hardware: Hardware,
) -> None:
    result = run(make_recipe(**{"epochs": 6.0, "learning_rate": 0.03, "average": 0.9} | end))

    again = raw_outputs(result.model, choose, result.task, hardware)
    assert result.choose_outputs is not None
    np.testing.assert_array_equal(result.choose_outputs, again)


def test_keeping_the_last_epoch_tells_the_last_though_another_scored_best(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    result = run(make_recipe(keep="last", epochs=12.0, learning_rate=0.03))

    assert result.state.best_epoch is not None
    assert result.state.best_epoch < 12
    assert result.cost()["kept_epoch"] == 12


def test_a_part_of_an_epoch_is_told_as_a_part(run: Fit, make_recipe: Callable[..., Recipe]) -> None:
    result = run(make_recipe(keep="best", epochs=0.5))

    assert result.cost()["epochs"] == result.cost()["kept_epoch"] == 0.5


def test_the_asymmetric_loss_is_refused_for_one_label_a_row(
    run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    with pytest.raises(RecipeError, match=r"class-weights"):
        run(make_recipe(imbalance={"loss": "asymmetric"}))


def test_a_frozen_part_does_not_move_and_its_outputs_are_computed_once(
    run: Fit, make_recipe: Callable[..., Recipe], tiny: ModelSource, task: ClassificationTask
) -> None:
    from burnish.training.models import load_model

    before = dict(load_model(tiny, task).named_parameters())

    result = run(make_recipe(method={"kind": "full", "freeze": 2}, keep="last"))

    for name, weight in result.model.named_parameters():
        moved = not torch.equal(weight, before[name])
        frozen = "embeddings" in name or "layer.0." in name or "layer.1." in name
        assert moved != frozen or "classifier" in name, name


def test_without_a_folder_nothing_is_written(
    run: Fit, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe, before = make_recipe(), sorted(tmp_path.rglob("*"))

    run(recipe, folder=None, choose=None)

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_model_itself_says_calibrated_probabilities(
    method: str,
    run: Fit,
    make_recipe: Callable[..., Recipe],
    task: ClassificationTask,
    tiny: ModelSource,
    made_rows: Callable[..., pl.DataFrame],
    hardware: Hardware,
) -> None:
    choose = task.encode(made_rows(120, seed=2), load_tokenizer(tiny, task))
    recipe = make_recipe(method={"kind": method}, epochs=6.0, learning_rate=0.01)
    labels = recipe.task
    assert isinstance(labels, Section)
    ready = ClassificationTask.from_recipe(labels, task.space)

    plain = run(recipe, folder="plain", task=replace(ready, scales=False), choose=choose)
    result = run(recipe, task=ready, choose=choose)

    assert result.task.to_json()["calibrated"]
    assert not plain.task.to_json()["calibrated"]
    before, after = (one.choose_outputs for one in (plain, result))
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(after, raw_outputs(result.model, choose, result.task, hardware))
    found = ready.scaling(before, choose)
    assert found is not None
    assert abs(found.slope - 1) > 0.02  # there was something to correct
    again = ready.scaling(after, choose)
    assert again is not None
    assert again.slope == pytest.approx(1, abs=1e-3)
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
