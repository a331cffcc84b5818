"""The LightningModule: one call is one optimizer step made of several forward passes.

It is handed task, model, optimizer and state and builds none of them. What happens around a
step (the curve, judging, checkpoints, progress, stopping) is in `recorder`, `callbacks`, `saving`.
"""

from dataclasses import dataclass, field
from typing import Any

import lightning as L  # noqa: N812  (the name its own documentation uses)
import numpy as np
import torch
from torch import Tensor

from burnish.errors import TrainingError
from burnish.recipe.training import Training
from burnish.tasks.base import Batch, Task
from burnish.training import forward, packing
from burnish.training.cache import HiddenCache
from burnish.training.datamodule import Step
from burnish.training.dropout import Noise
from burnish.training.frozen import RoundedWeights
from burnish.training.hardware import Hardware
from burnish.training.learned import Learned
from burnish.training.optim import Averaging, rate_factor
from burnish.training.predict import to_device
from burnish.training.segments import Segments
from burnish.training.sharpness import moved_uphill
from burnish.training.state import Plan, RunState


@dataclass(slots=True, kw_only=True)
class Parts:
    """What a training run consists of."""

    task: Task
    model: Any
    optimizer: torch.optim.Optimizer
    training: Training
    hardware: Hardware
    plan: Plan
    state: RunState
    learned: Learned = field(default_factory=Learned)
    average: Averaging | None = None
    cache: HiddenCache | None = None
    noise: Noise | None = None  # of the dropout layers, where they are ours
    frozen: tuple[Any, ...] = ()  # modules that stay in eval mode
    trainable: int = 0  # weights the method trains, a count
    rows: tuple[str, ...] = ()  # digests of the rows that are learned, and of those that choose
    rounded: RoundedWeights | None = None  # those that do not move, where they are held in bf16

    @property
    def is_mid_epoch(self) -> bool:
        """Whether steps of the present epoch are still to be done."""
        return 0 < self.state.step_in_epoch < self.plan.steps_per_epoch and (
            self.state.step < self.plan.steps
        )


class TrainingModule(L.LightningModule):  # type: ignore[misc]  # Lightning has no types
    """Trains the model of `parts`, a step at a time."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = parts.model
        self.parts = parts
        self.weights = [one for group in parts.optimizer.param_groups for one in group["params"]]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer that was handed in."""
        return self.parts.optimizer

    def on_train_epoch_start(self) -> None:
        """Turn dropout on, but not in layers that do not move."""
        self.model.train()
        for part in self.parts.frozen:
            part.eval()

    def transfer_batch_to_device(self, batch: Step, device: Any, dataloader_idx: int) -> Step:  # noqa: ARG002
        """Leave the step where it is; each forward pass is moved when its turn comes."""
        return batch

    def forward(self, batch: Batch) -> Tensor:
        """Return raw outputs, shape (rows, width), starting above frozen layers where cached."""
        with self.parts.hardware.autocast():
            if self.parts.cache is None:
                return forward.outputs(self.model, batch, self.parts.task)
            segments = Segments.of(batch["lengths"], batch["input_ids"].shape[1])
            hidden = self.parts.cache.hidden(batch, segments)
            return packing.from_hidden(self.model, hidden, segments, start=self.parts.cache.upto)

    def training_step(self, step: Step, _: int) -> dict[str, Any]:
        """Make one optimizer step; return its loss, gradient norm and raw outputs."""
        state, training = self.parts.state, self.parts.training
        losses, outputs = self._learn(step)
        loss_value = float(torch.stack(losses).sum())
        self._check(loss_value, step)
        if training.sharpness_radius:
            with moved_uphill(self.weights, training.sharpness_radius):
                self._learn(step)
        norm = self._clip(training.gradient_clip)
        self._optimize()
        state.step += 1
        state.step_in_epoch += 1
        state.tokens += step.tokens
        state.rows += len(step.rows)
        if self.parts.average:
            self.parts.average.update(state.step)
        return {"loss": torch.tensor(loss_value), "norm": norm, "outputs": torch.cat(outputs)}

    def _learn(self, step: Step) -> tuple[list[Tensor], list[Tensor]]:
        """Gather the gradients of a step's passes; return their losses and raw outputs."""
        # Dropout of a step depends on (seed, step) alone, so a resumed run draws the same.
        seed = np.random.SeedSequence([self.parts.training.seed, self.parts.state.step])
        number = int(seed.generate_state(1)[0])
        torch.manual_seed(number)
        if self.parts.noise:
            self.parts.noise.restart(number)
        losses, outputs = [], []
        for batch in step.passes:
            batch = to_device(batch, self.parts.hardware.device)  # noqa: PLW2901
            out = self(batch)
            loss = self.parts.task.loss(out, batch) / step.weight
            self.manual_backward(loss)
            losses.append(loss.detach())
            outputs.append(out.detach().float().cpu())
        return losses, outputs

    def _check(self, loss: float, step: Step) -> None:
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {self.parts.state.step + 1}",
                where=f"epoch {self.parts.state.epoch + 1}, {len(step.rows)} rows",
                fix=f"lower `training.learning_rate` (now {self.parts.training.learning_rate})"
                ", or set `training.precision: fp32`",
            )

    def _clip(self, limit: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.weights, limit or float("inf"), foreach=True)
        return float(norm)

    def _optimize(self) -> None:
        parts = self.parts
        factor = rate_factor(parts.state.step, parts.plan.steps, parts.training)
        for group in parts.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        optimizer: Any = self.optimizers()
        optimizer.step()
        optimizer.zero_grad()
