"""Where a run of training stands: what is kept in a checkpoint besides weights."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

StopReason = Literal["signal", "time", "early"]


@dataclass(slots=True, kw_only=True)
class RunState:
    """Counters, the best epoch so far, and the training curve."""

    step: int = 0  # optimizer steps done
    epoch: int = 0  # whole epochs done
    step_in_epoch: int = 0
    tokens: int = 0  # without padding
    rows: int = 0
    seconds: float = 0.0  # of training, over all sittings
    best_epoch: int | None = None  # 1 for the first
    best_value: float | None = None  # of the metric that chooses
    waited: int = 0  # epochs without improvement
    history: list[dict[str, Any]] = field(default_factory=list)
    stop: StopReason | None = None  # why the run ends before its last epoch

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "RunState":
        """Return the state that `to_json` told of, ready to go on."""
        known = {one.name for one in fields(cls)}
        state = cls(**{key: value[key] for key in value if key in known})
        # A signal ends a sitting; time and early stopping end the run.
        state.stop = None if state.stop == "signal" else state.stop
        return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many optimizer steps a run takes."""

    steps: int  # in all
    steps_per_epoch: int

    @classmethod
    def of(cls, *, rows_per_epoch: int, batch_size: int, epochs: float) -> "Plan":
        """Plan the steps; a last, part-filled step of an epoch counts as one."""
        per_epoch = max(1, -(-rows_per_epoch // batch_size))
        return cls(steps=max(1, round(per_epoch * epochs)), steps_per_epoch=per_epoch)

    @property
    def epochs(self) -> int:
        """Epochs begun."""
        return -(-self.steps // self.steps_per_epoch)
