"""Losses of classification, with what the recipe offers against rare classes.

Every loss is a mean over labels and a sum over rows, so that dividing by the rows of an
optimizer step gives the usual mean whatever way the step was cut into batches.

Called by `tasks.classification`. Source of the asymmetric loss: Ridnik et al. 2021,
"Asymmetric Loss For Multi-Label Classification", section 2.2 (with positive focusing 0).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from burnish.errors import RecipeError
from burnish.recipe.training import Training

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST = 1e-6  # keeps log() finite where the shifted probability is 0 or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The loss of a classifier; the default is plain cross-entropy."""

    kind: str = "plain"  # plain, class-weights, asymmetric
    weights: tuple[float, ...] = ()  # one a class; multi-label: of the positives
    gamma_negative: float = 2.0
    clip: float = 0.05
    smoothing: float = 0.0  # target mass moved, in [0, 1)

    @classmethod
    def from_recipe(
        cls, training: Training, targets: NDArray[np.float32], *, multi_label: bool
    ) -> Self:
        """Fit the recipe's loss to the classes of the training rows.

        Args:
            training: recipe section.
            targets: shape (n, classes), 0 or 1.
            multi_label: whether a row may have any number of classes.

        Raises:
            RecipeError: BN101, the asymmetric loss for a single-label task.
        """
        imbalance = training.imbalance
        if imbalance.loss == "asymmetric" and not multi_label:
            raise RecipeError(
                "the asymmetric loss is for multi-label tasks; this one has one label a row",
                where="recipe key `training.imbalance.loss`",
                fix="set `training.imbalance.loss: class-weights`",
            )
        weights = class_weights(targets, imbalance.weight_power, multi_label=multi_label)
        return cls(
            kind=imbalance.loss,
            weights=tuple(weights.tolist()) if imbalance.loss == "class-weights" else (),
            gamma_negative=imbalance.gamma_negative,
            clip=imbalance.clip,
            smoothing=training.label_smoothing,
        )

    def single(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the summed loss of rows with one class each; both shape (rows, classes)."""
        import torch.nn.functional as F  # noqa: N812

        weight = logits.new_tensor(self.weights) if self.weights else None
        classes = targets.argmax(dim=1)
        return F.cross_entropy(
            logits, classes, weight=weight, label_smoothing=self.smoothing, reduction="sum"
        )

    def multiple(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the summed loss of rows with any number of classes, a mean over classes."""
        import torch.nn.functional as F  # noqa: N812

        # Smoothed towards a half on both sides, as for a two-class softmax.
        targets = targets * (1 - self.smoothing) + self.smoothing / 2
        if self.kind == "asymmetric":
            return self._asymmetric(logits, targets) / logits.shape[1]
        weight = logits.new_tensor(self.weights) if self.weights else None
        summed = F.binary_cross_entropy_with_logits(
            logits, targets, pos_weight=weight, reduction="sum"
        )
        return summed / logits.shape[1]

    def _asymmetric(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        import torch.nn.functional as F  # noqa: N812

        shifted = (logits.sigmoid() - self.clip).clamp(min=0)
        easy = shifted**self.gamma_negative * (1 - shifted).clamp(min=_SMALLEST).log()
        return -(targets * F.logsigmoid(logits) + (1 - targets) * easy).sum()


def class_weights(
    targets: NDArray[np.float32], power: float, *, multi_label: bool
) -> NDArray[np.float64]:
    """Return one weight a class, shape (classes,); a class never seen counts as seen once.

    Single-label: (mean count / count) ** power. Multi-label: (negatives / positives) ** power,
    the weight of a positive.
    """
    counts = np.maximum(targets.sum(axis=0, dtype=np.float64), 1)
    usual = len(targets) - counts if multi_label else np.full_like(counts, counts.mean())
    return np.asarray((np.maximum(usual, 1) / counts) ** power)
