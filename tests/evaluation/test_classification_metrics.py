"""Every metric against scikit-learn, and the cases that can be worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from burnish.errors import RecipeError, UnknownPluginError
from burnish.evaluation.answers import Answers
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.table import METRICS, default_metric, metric_names, metrics_for
from burnish.records import LabelSpace

TAGS = LabelSpace(names=("a", "b", "c"), multi_label=True)
CLASSES = LabelSpace(names=("x", "y", "z"), multi_label=False)
BINARY = LabelSpace(names=("yes", "no"), multi_label=False, positive="yes")


def tagged(rng: np.random.Generator, n: int = 60) -> Answers:
    truth, scores = rng.random((n, 3)) < (0.5, 0.2, 0.05), rng.random((n, 3)).round(1)
    return Answers(
        ids=tuple(map(str, range(n))), space=TAGS, truth=truth, answer=scores >= 0.6, scores=scores
    )


def classed(rng: np.random.Generator, space: LabelSpace, n: int = 60) -> Answers:
    size = len(space.names)
    scores = rng.dirichlet(np.ones(size), n)
    return Answers(
        ids=tuple(map(str, range(n))),
        space=space,
        truth=np.eye(size, dtype=bool)[rng.integers(size, size=n)],
        answer=np.eye(size, dtype=bool)[scores.argmax(axis=1)],
        scores=scores,
    )


def value(name: str, answers: Answers) -> float:
    return METRICS.get(name).function(answers)


def log_loss(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Return scikit-learn's, where the scores are kept away from 0 and 1 as far as files can."""
    return float(sk.log_loss(truth, scores.clip(5e-9, 1 - 5e-9), labels=[False, True]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_multi_label_metrics_equal_scikit_learn(seed: int) -> None:
    a = tagged(np.random.default_rng(seed))
    ninth = [np.column_stack([m, ~m.any(axis=1)]) for m in (a.truth, a.answer)]
    held = [j for j in range(3) if 0 < a.truth[:, j].sum() < len(a)]
    expected = {
        "accuracy": sk.accuracy_score(a.truth, a.answer),
        "micro_f1": sk.f1_score(a.truth, a.answer, average="micro", zero_division=0),
        "macro_f1": sk.f1_score(a.truth, a.answer, average="macro", zero_division=0),
        "precision": sk.precision_score(a.truth, a.answer, average="macro", zero_division=0),
        "recall": sk.recall_score(a.truth, a.answer, average="macro", zero_division=0),
        "lexglue_micro_f1": sk.f1_score(*ninth, average="micro", zero_division=0),
        "lexglue_macro_f1": sk.f1_score(*ninth, average="macro", zero_division=0),
        "roc_auc": sk.roc_auc_score(a.truth[:, held], a.scores[:, held], average="macro"),
        "loss": np.mean([log_loss(a.truth[:, j], a.scores[:, j]) for j in range(3)]),
    }

    assert {name: value(name, a) for name in expected} == pytest.approx(expected)
    assert set(expected) | {"ece"} == set(metric_names(TAGS))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_multi_class_metrics_equal_scikit_learn(seed: int) -> None:
    a = classed(np.random.default_rng(seed), CLASSES)
    truth, answer = a.truth.argmax(axis=1), a.answer.argmax(axis=1)
    kind = {"average": "macro", "labels": [0, 1, 2], "zero_division": 0}
    expected = {
        "accuracy": sk.accuracy_score(truth, answer),
        "micro_f1": sk.f1_score(truth, answer, average="micro"),
        "macro_f1": sk.f1_score(truth, answer, **kind),
        "precision": sk.precision_score(truth, answer, **kind),
        "recall": sk.recall_score(truth, answer, **kind),
        "roc_auc": sk.roc_auc_score(truth, a.scores, multi_class="ovr"),
        "loss": sk.log_loss(truth, a.scores, labels=[0, 1, 2]),
    }

    assert {name: value(name, a) for name in expected} == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_binary_metrics_equal_scikit_learn_for_the_positive_class(seed: int) -> None:
    a = classed(np.random.default_rng(seed), BINARY)
    truth, answer = a.truth[:, 0], a.answer[:, 0]
    expected = {
        "f1": sk.f1_score(truth, answer, zero_division=0),
        "precision": sk.precision_score(truth, answer, zero_division=0),
        "recall": sk.recall_score(truth, answer, zero_division=0),
        "macro_f1": sk.f1_score(truth, answer, average="macro", zero_division=0),
        "roc_auc": sk.roc_auc_score(truth, a.scores[:, 0]),
        "loss": sk.log_loss(truth, a.scores[:, 0]),
    }

    assert {name: value(name, a) for name in expected} == pytest.approx(expected)


def test_lexglue_counts_a_row_without_labels_as_right_when_nothing_is_answered() -> None:
    # Rows: truth a / answer a · none / none · none / a. Worked by hand:
    # a: tp 1, fp 1, fn 0 → F1 2/3; "no label": tp 1, fp 0, fn 1 → 2/3; b and c: 0.
    a = Answers(
        ids=("1", "2", "3"),
        space=TAGS,
        truth=np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=bool),
        answer=np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0]], dtype=bool),
        scores=np.full((3, 3), np.nan),
    )

    assert value("lexglue_macro_f1", a) == pytest.approx((2 / 3 + 2 / 3) / 4)
    assert value("lexglue_micro_f1", a) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert value("macro_f1", a) == pytest.approx(2 / 9)


def test_multi_label_calibration_error_is_the_mean_over_labels() -> None:
    # a: 0.75 three times, true twice → gap 1/12; b: 0.5, never true → 0.5; c: sure and right → 0.
    a = Answers(
        ids=("1", "2", "3"),
        space=TAGS,
        truth=np.array([[1, 0, 1], [1, 0, 1], [0, 0, 1]], dtype=bool),
        answer=np.zeros((3, 3), dtype=bool),
        scores=np.tile([0.75, 0.5, 1.0], (3, 1)),
    )

    assert value("ece", a) == pytest.approx((1 / 12 + 0.5 + 0) / 3)


def test_metrics_that_need_probabilities_are_nan_without_them() -> None:
    bare = tagged(np.random.default_rng(0))
    bare.scores[:] = np.nan
    needy = [name for name in metric_names(TAGS) if METRICS.get(name).needs_scores]

    assert sorted(needy) == ["ece", "loss", "roc_auc"]
    assert all(np.isnan(value(name, bare)) for name in needy)
    assert not any(np.isnan(value(n, bare)) for n in metric_names(TAGS) if n not in needy)


@pytest.mark.parametrize(
    ("name", "space"),
    [(name, space) for space in (TAGS, CLASSES, BINARY) for name in metric_names(space)],
)
def test_resampling_by_weights_equals_taking_the_rows(name: str, space: LabelSpace) -> None:
    metric = METRICS.get(name)
    rng = np.random.default_rng(1)
    a = tagged(rng, 40) if space.multi_label else classed(rng, space, 40)
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=5).astype(float)

    fast = metric.resample(a)(weights)
    slow = Metric(words="", function=metric.function).resample(a)(weights)

    assert fast == pytest.approx(slow, nan_ok=True)


def test_only_fitting_metrics_are_listed_and_others_are_refused_by_name() -> None:
    assert "f1" not in metric_names(TAGS)
    assert "lexglue_macro_f1" not in metric_names(BINARY)
    assert (default_metric(BINARY), default_metric(TAGS)) == ("f1", "macro_f1")
    with pytest.raises(RecipeError, match="f1 do not fit a multi-label task"):
        metrics_for(["f1"], TAGS)
    with pytest.raises(UnknownPluginError, match="use 'macro_f1'"):
        metrics_for(["makro_f1"], TAGS)
