"""Whether answers have anything to do with the rows they were given for.

A system that learnt nothing can still beat another in F1, just by giving rare labels more
often: F1 rewards guessing. So the verdict first asks how well the same answers do when they
are handed out to the rows at random. A system that is not clearly above that is never shipped,
which is what keeps shuffled labels from being "learnt".

Handing out labels is a matter of indices. Handing out texts means scoring as many new pairs of
texts each time, so there the fewest shuffles that can reach LEVEL are drawn, on at most 200
rows chosen with the seed (`most_shuffled`); the answers' value is then that on the same rows.
Fewer rows can only hide skill, never feign it: chance is measured on the very rows judged.

Source: permutation test, Ojala and Garriga 2010, "Permutation Tests for Studying Classifier
Performance", test 1; stopping early: Besag and Clifford 1991, "Sequential Monte Carlo p-values".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.evaluation.answered import A
from burnish.evaluation.groups import Groups, permutation, renumbered
from burnish.evaluation.metrics.base import Metric

LEVEL = 0.005  # real skill is far beyond it, so being strict costs nothing
_PERMUTATIONS = 999
_FEWER = 199  # where each one is costly; the least that can reach LEVEL
_MANY_ROWS = 20_000
_CLEARLY_CHANCE = 20  # shuffled pairings as good as the real one after which no more are drawn

Rechoose = Callable[[Any], Any]  # answers with thresholds → the same, chosen anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """How a system does on its rows and on shuffled ones, in one metric."""

    n: int  # rows it was tested on
    value: float  # on the real pairing of answers and rows
    by_chance: float  # mean when the answers are handed out at random
    p: float  # share of random pairings that do as well, in (0, 1]

    @property
    def is_shown(self) -> bool:
        """Whether the answers are better than the same answers given at random."""
        return self.p <= LEVEL


def skill(
    answers: A,
    metric: Metric[A],
    *,
    seed: int,
    rechoose: Rechoose | None = None,
    groups: Groups | None = None,
) -> Skill:
    """Return how the system's answers compare with the same answers given at random.

    The metric must have a value on them and on other pairings (`Metric.pairs`). Where thresholds
    were chosen on these very rows, `rechoose` chooses them again for each shuffled pairing, so
    that what choosing alone gains is not taken for skill; see `thresholds.rechoose`. With
    groups, shape (n,), the rows of one stay together: see `groups.permutation`.
    """
    sign = 1 if metric.higher_is_better else -1
    rng = np.random.default_rng(seed)
    costly = rechoose is not None or len(answers) > _MANY_ROWS
    if answers.most_shuffled is not None:
        costly, answers, groups = True, *_drawn(answers, groups, answers.most_shuffled, rng)
    value = metric.function(answers)
    shuffled: list[float] = []
    as_good = 0
    for _ in range(_FEWER if costly else _PERMUTATIONS):
        pairing = answers.shuffled(permutation(len(answers), groups, rng))
        shuffled.append(metric.function(rechoose(pairing) if rechoose else pairing))
        as_good += sign * shuffled[-1] >= sign * value
        if as_good == _CLEARLY_CHANCE:
            p = as_good / len(shuffled)
            break
    else:
        p = (1 + as_good) / (1 + len(shuffled))
    return Skill(n=len(answers), value=value, by_chance=float(np.mean(shuffled)), p=p)


def _drawn(
    answers: A, groups: Groups | None, most: int, rng: np.random.Generator
) -> tuple[A, Groups | None]:
    """Return at most so many rows, drawn without replacement, in their order; and their groups."""
    if len(answers) <= most:
        return answers, groups
    rows = np.sort(rng.choice(len(answers), most, replace=False))
    return answers.take(rows), None if groups is None else renumbered(groups[rows])
