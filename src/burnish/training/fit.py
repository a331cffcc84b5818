"""Fine-tune a model: put the parts together, hand them to Lightning, return what came out."""

import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812  (the name its own documentation uses)
import numpy as np
import torch
from numpy.typing import NDArray

from burnish.recipe.recipe import Recipe
from burnish.recipe.training import FullMethod, Training
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import Tracker
from burnish.training.batching import epoch_rows
from burnish.training.cache import HiddenCache
from burnish.training.callbacks import Judge, Stopper
from burnish.training.checkpoint import BEST, has_checkpoint, load_checkpoint, restore_weights
from burnish.training.datamodule import Feed, StepData
from burnish.training.dropout import use_fast_dropout, use_plain_dropout
from burnish.training.forward import caches, packs
from burnish.training.frozen import RoundedWeights
from burnish.training.hardware import Hardware, applied
from burnish.training.memory import peak_memory_mb
from burnish.training.methods import METHODS
from burnish.training.methods.full import frozen_parts
from burnish.training.models import load_model
from burnish.training.module import Parts, TrainingModule
from burnish.training.optim import Averaging, build_optimizer
from burnish.training.packing import padding_id, plain
from burnish.training.pair_attention import use_dropped_attention, use_own_attention
from burnish.training.pooler import average_tokens
from burnish.training.predict import raw_outputs
from burnish.training.progress import Meter
from burnish.training.quiet import quiet_lightning
from burnish.training.recorder import Recorder
from burnish.training.rescaling import calibrated
from burnish.training.saving import Keeper, Saver, resume_from
from burnish.training.sources import ModelSource
from burnish.training.state import Plan, RunState
from burnish.training.stopping import check_stopping
from burnish.training.vocabulary import train_used_rows, use_whole_table
from burnish.training.weights import weight_count, weight_mb

_SAVE_SECONDS = 600.0  # a killed run loses at most this much of an epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """The trained model and how it got there."""

    model: Any  # in eval mode; PEFT-wrapped under LoRA
    task: Task  # with the thresholds chosen
    state: RunState
    plan: Plan
    trainable_parameters: int
    total_parameters: int
    weights_mb: tuple[float, float]  # MB that frozen weights held in training, and trained ones
    kept_epoch: float  # whose weights the model has; 1 after the first
    choose_outputs: NDArray[np.float32] | None  # on the rows that choose, (n, classes)
    peak_memory_mb: float  # of this process so far; of the GPU where there is one

    @property
    def history(self) -> list[dict[str, Any]]:
        """The training curve, one entry for each logged step and epoch."""
        return self.state.history

    @property
    def seconds(self) -> float:
        """Seconds of training, over all sittings."""
        return self.state.seconds

    @property
    def tokens_per_second(self) -> float:
        """Tokens learned from in a second of training, padding not counted."""
        return self.state.tokens / max(self.state.seconds, 1e-9)

    @property
    def is_last(self) -> bool:
        """Whether the weights are those that training ended with."""
        return self.kept_epoch == _epochs(self.state, self.plan)

    def cost(self) -> dict[str, Any]:
        """Return the manifest's entry: seconds, epochs, the epoch kept, speed, memory.

        The memory of weights is theirs alone, without gradients and the optimizer's state.
        """
        state = self.state
        seconds = max(state.seconds, 1e-9)
        frozen_mb, trained_mb = self.weights_mb
        return {
            "seconds": round(state.seconds, 3),
            "epochs": _epochs(state, self.plan),
            "steps": state.step,
            "kept_epoch": self.kept_epoch,
            "stopped": state.stop,
            "tokens_per_second": round(self.tokens_per_second, 1),
            "samples_per_second": round(state.rows / seconds, 2),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
            "frozen_weights_mb": round(frozen_mb, 1),
            "trained_weights_mb": round(trained_mb, 1),
        }


def fit(
    recipe: Recipe,
    task: Task,
    source: ModelSource,
    train: Encoded,
    choose: Encoded | None,
    *,
    hardware: Hardware,
    tracker: Tracker,
    checkpoints: Path | None,
    resume: bool = False,
) -> FitResult:
    """Train the model of `source` on `train` as the recipe says.

    Args:
        recipe: sections `method`, `training` and `tracking` are used.
        task: made from the recipe and the labels of the data.
        source: the model to start from.
        train: rows that are learned.
        choose: rows that choose the epoch and the thresholds; None: the last epoch is kept.
        hardware: as `training.hardware.probe` found it.
        tracker: is told the curve.
        checkpoints: folder of the run's checkpoints; None: none are written, and the last
            epoch is kept.
        resume: go on from the last checkpoint there, if there is one.

    Raises:
        TrainingError: BN501, the loss is not a number, or no weight moves.
        CheckpointError: BN502, the checkpoint to resume from is damaged, or of another run or rows.
        KeyboardInterrupt: SIGINT came; a checkpoint was written.
        SystemExit: 143, SIGTERM came; a checkpoint was written.
    """
    check_stopping(recipe.training, task)
    with applied(hardware):
        task = task.for_training(recipe.training, train)
        parts, feed = _assemble(recipe, task, source, train, hardware)
        if checkpoints:
            parts.rows = tuple(rows.digest for rows in (train, choose) if rows is not None)
        if resume and checkpoints:
            resume_from(parts, checkpoints)
        recorder = Recorder(parts, train, tracker, every_steps=recipe.tracking.every_steps)
        judge = Judge(parts, feed, train, choose, recorder)
        stopper = Stopper(parts)
        callbacks = [recorder, judge, stopper, Meter(parts)]
        if checkpoints:
            callbacks.insert(3, _keeper(recipe, source, parts, judge, recorder, checkpoints))
        data = StepData(train, task, recipe.training, feed=feed, plan=parts.plan, state=parts.state)
        if parts.state.step < parts.plan.steps and parts.state.stop is None:
            _run(parts, data, callbacks, stopper)
        return _finish(parts, feed, judge, choose, checkpoints)


def _keeper(
    recipe: Recipe,
    source: ModelSource,
    parts: Parts,
    judge: Judge,
    recorder: Recorder,
    folder: Path,
) -> Keeper:
    saver = Saver(
        parts=parts, source=source, folder=folder, name=recipe.name, method=recipe.method.kind
    )
    every_epoch = recipe.training.checkpoint_every_epoch
    return Keeper(saver, judge, recorder, every_epoch=every_epoch, every_seconds=_SAVE_SECONDS)


def _assemble(
    recipe: Recipe, task: Task, source: ModelSource, train: Encoded, hardware: Hardware
) -> tuple[Parts, Feed]:
    training, method = recipe.training, METHODS.get(recipe.method.kind)
    reopen = partial(_opened, source, task, training, train)
    model = method.prepare(reopen(), recipe.method)
    model.to(hardware.device)
    trainable = sum(one.numel() for one in model.parameters() if one.requires_grad)
    train_used_rows(model, train.inputs.tokens, pad_id=padding_id(model))
    noise = use_fast_dropout(model) if hardware.device == "cpu" else None
    if noise and plain(model).config.is_encoder_decoder:
        use_dropped_attention(model, noise)
    packed = packs(model, task, training.packing, device=hardware.device)
    freeze = recipe.method.freeze if isinstance(recipe.method, FullMethod) else 0
    optimizer = build_optimizer(model, training)
    weights = [one for group in optimizer.param_groups for one in group["params"]]
    still = method.still(model) if hardware.precision == "bf16" else {}
    parts = Parts(
        task=task,
        model=model,
        optimizer=optimizer,
        training=training,
        hardware=hardware,
        plan=_plan(train, training),
        state=RunState(),
        average=Averaging(weights, training.average) if training.average else None,
        cache=HiddenCache(model, upto=freeze) if freeze and packed and caches(task) else None,
        noise=noise,
        frozen=tuple(frozen_parts(model, freeze)) if freeze else (),
        trainable=trainable,
        rounded=RoundedWeights.hold(still, model, reopen=reopen) if still else None,
    )
    feed = Feed(packed=packed, pad_id=padding_id(model), tokens_per_batch=hardware.tokens_per_batch)
    return parts, feed


def _opened(source: ModelSource, task: Task, training: Training, train: Encoded) -> Any:
    """Open the model; what is new in it depends on seed and rows, so each time it is the same."""
    torch.manual_seed(training.seed)
    model = load_model(source, task, dropout=training.dropout)
    average_tokens(model, train, task)
    return model


def _plan(train: Encoded, training: Training) -> Plan:
    ratio = training.imbalance.majority_ratio
    rows = epoch_rows(train.targets, ratio=ratio, seed=training.seed, epoch=0)
    return Plan.of(rows_per_epoch=len(rows), batch_size=training.batch_size, epochs=training.epochs)


def _run(parts: Parts, data: StepData, callbacks: list[L.Callback], stopper: Stopper) -> None:
    with quiet_lightning(), stopper.listening():
        trainer = L.Trainer(
            accelerator="gpu" if parts.hardware.device == "cuda" else "cpu",
            devices=1,
            max_epochs=parts.plan.epochs - parts.state.epoch,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
        )
        trainer.fit(TrainingModule(parts), datamodule=data)
    if stopper.signal == signal.SIGINT:
        raise KeyboardInterrupt
    if stopper.signal == signal.SIGTERM:
        raise SystemExit(128 + signal.SIGTERM)


def _finish(
    parts: Parts, feed: Feed, judge: Judge, choose: Encoded | None, checkpoints: Path | None
) -> FitResult:
    """Put the chosen weights in place and choose the thresholds for them."""
    keeps_best = parts.training.keep == "best" and choose is not None
    done, outputs = _epochs(parts.state, parts.plan), judge.latest
    kept_epoch = done
    if keeps_best and checkpoints and has_checkpoint(checkpoints, BEST):
        best = load_checkpoint(checkpoints, BEST)
        restore_weights(parts.model, best.weights, where=checkpoints)
        # The last epoch may be a part of one.
        kept_epoch, outputs = min(parts.state.best_epoch or done, done), judge.best
    elif parts.average:
        parts.average.swap()
    parts.model.eval()
    use_whole_table(parts.model)
    weights_mb = weight_mb(parts.model)
    _put_back(parts)
    task = parts.task
    if choose is not None:

        def ask() -> NDArray[np.float32]:
            return raw_outputs(parts.model, choose, task, parts.hardware, packed=feed.packed)

        if outputs is None:  # judged in an earlier sitting
            outputs = ask()
        task, outputs = calibrated(parts.model, task, outputs, choose, ask=ask)
        task = task.tune(outputs, choose)
    return FitResult(
        model=parts.model,
        task=task,
        state=parts.state,
        plan=parts.plan,
        trainable_parameters=parts.trainable,
        total_parameters=weight_count(parts.model),
        weights_mb=weights_mb,
        kept_epoch=kept_epoch,
        choose_outputs=outputs,
        peak_memory_mb=peak_memory_mb(parts.hardware.device),
    )


def _put_back(parts: Parts) -> None:
    """Undo what only training needs."""
    if parts.rounded:
        parts.rounded.undo()
    use_plain_dropout(parts.model)
    use_own_attention(parts.model)


def _epochs(state: RunState, plan: Plan) -> float:
    return round(state.step / plan.steps_per_epoch, 4)
