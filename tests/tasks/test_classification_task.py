import math
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.special import expit, softmax

from burnish.recipe.classification import Abstention
from burnish.recipe.classification import ClassificationTask as Section
from burnish.recipe.training import Imbalance, Training
from burnish.records import LabelSpace
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.objective import Objective, class_weights

BINARY = LabelSpace(names=("fair", "unfair"), multi_label=False, positive="unfair")
CLASSES = LabelSpace(names=("a", "b", "c"), multi_label=False)
LABELS = LabelSpace(names=("a", "b", "c"), multi_label=True)


def made_task(space: LabelSpace, **keys: Any) -> ClassificationTask:
    return ClassificationTask.from_recipe(Section(labels=space.names, **keys), space)


def encoded(targets: list[list[int]], names: tuple[str, ...]) -> Encoded:
    matrix = np.array(targets, np.float32)
    return Encoded(
        ids=tuple(f"r{at}" for at in range(len(matrix))),
        inputs=Ragged.of([[]] * len(matrix)),
        targets=matrix,
        references=tuple(tuple(names[at] for at in np.flatnonzero(row)) for row in matrix),
        rows_cut=0,
        tokens_lost=0,
    )


def characters(texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
    return {"input_ids": [[ord(one) for one in text] for text in texts]}


def test_rows_become_tokens_targets_and_references() -> None:
    rows = pl.DataFrame({"id": ["x", "y"], "text": ["ab", None], "labels": [["c", "a"], []]})

    found = made_task(LABELS).encode(rows, characters)

    assert found.ids == ("x", "y")
    assert found.inputs.tokens.tolist() == [97, 98]
    assert found.targets.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert found.references == (("c", "a"), ())


def test_rows_without_labels_have_no_reference() -> None:
    found = made_task(LABELS).encode(pl.DataFrame({"id": ["x"], "text": ["a"]}), characters)

    assert found.references == (None,)


def test_binary_answers_follow_the_threshold_on_the_class_of_interest() -> None:
    task = made_task(BINARY, threshold=0.3)
    scores = np.log(np.array([[0.69, 0.31], [0.71, 0.29]], np.float32))

    found = task.decode(scores, encoded([[0, 1], [1, 0]], BINARY.names))

    assert [one.answer for one in found] == [("unfair",), ("fair",)]
    assert found[0].scores == pytest.approx({"fair": 0.69, "unfair": 0.31})


def test_one_of_several_classes_is_the_most_probable() -> None:
    found = made_task(CLASSES).decode(
        np.array([[0.1, 0.3, 0.2]], np.float32), encoded([[0, 0, 1]], CLASSES.names)
    )

    assert found[0].answer == ("b",)
    assert sum(found[0].scores.values()) == pytest.approx(1)


def test_multi_label_answers_hold_every_label_at_or_over_its_threshold() -> None:
    found = made_task(LABELS, threshold=0.5).decode(
        np.array([[0.0, 1.0, -1.0], [-1.0, -1.0, -1.0]], np.float32),
        encoded([[1, 1, 0], [0, 0, 0]], LABELS.names),
    )

    assert [one.answer for one in found] == [("a", "b"), ()]


@pytest.mark.parametrize("space", [BINARY, LABELS], ids=["binary", "multi-label"])
def test_thresholds_are_chosen_only_where_the_recipe_says_tuned(space: LabelSpace) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (200, len(space.names)))
    if not space.multi_label:
        truth[:, 0] = 1 - truth[:, 1]
    outputs = (truth * 2 - 4 + rng.normal(size=truth.shape)).astype(np.float32)
    rows = encoded(truth.tolist(), space.names)

    tuned = made_task(space).tune(outputs, rows)
    fixed = made_task(space, threshold=0.5).tune(outputs, rows)

    assert fixed.thresholds == made_task(space, threshold=0.5).thresholds
    before = made_task(space).score(made_task(space).decode(outputs, rows))
    assert tuned.score(tuned.decode(outputs, rows))[tuned.metric] >= before[tuned.metric]


def overconfident(space: LabelSpace, rows: int = 4000) -> tuple[np.ndarray, Encoded]:
    """Return logits that are three times too large, and labels drawn with the odds they say."""
    random = np.random.default_rng(5)
    logits = random.normal(0, 1.5, size=(rows, len(space.names)))
    if space.multi_label:
        truth = random.random(logits.shape) < expit(logits)
    else:
        drawn = softmax(logits, axis=1).cumsum(axis=1) > random.random((rows, 1))
        truth = np.eye(len(space.names), dtype=bool)[drawn.argmax(axis=1)]
    return (3 * logits).astype(np.float32), encoded(truth.astype(int).tolist(), space.names)


@pytest.mark.parametrize("space", [BINARY, CLASSES, LABELS])
def test_the_scaling_makes_probabilities_what_came_true(space: LabelSpace) -> None:
    outputs, rows = overconfident(space)
    task = made_task(space)

    found = task.scaling(outputs, rows)

    assert found is not None
    scaled = outputs * found.slope
    scaled[:, list(task.shifted)] += found.shift
    ece = {name: task.judge(these, rows)["ece"] for name, these in
           (("before", outputs), ("after", scaled.astype(np.float32)))}  # fmt: skip
    assert ece["after"] < 0.03 < ece["before"]


def test_a_fixed_threshold_is_a_cut_of_the_models_own_probabilities() -> None:
    outputs, rows = overconfident(LABELS)

    assert made_task(LABELS, threshold=0.65).scaling(outputs, rows) is None
    assert made_task(LABELS, calibrated=False).scaling(outputs, rows) is None


@pytest.mark.parametrize(("space", "risk"), [(BINARY, 0.1), (CLASSES, 0.25), (LABELS, 0.5)])
def test_answers_below_the_least_confidence_are_marked(space: LabelSpace, risk: float) -> None:
    outputs, rows = overconfident(space)
    asked = Abstention(max_risk=risk, sure=0.9)

    task = made_task(space, abstention=asked).tune(outputs, rows)
    found = ClassificationTask.from_json(task.to_json()).decode(outputs, rows)

    alone = [one for one in found if not one.abstains]
    assert 0.05 < len(alone) / len(found) < 0.95
    assert np.mean([set(one.answer) != set(one.reference or ()) for one in alone]) <= risk
    assert {one.abstains for one in made_task(space).decode(outputs, rows)} == {None}


@pytest.mark.parametrize("space", [BINARY, CLASSES, LABELS])
def test_a_task_survives_being_written_down(space: LabelSpace) -> None:
    task = made_task(space, threshold=0.25, max_length=99, normalise=("ptb",))

    again = ClassificationTask.from_json(task.to_json())

    assert again.to_json() == task.to_json()
    assert again.space == space


@pytest.mark.parametrize(("space", "metric"), [(BINARY, "f1"), (CLASSES, "macro_f1")])
def test_the_metric_that_chooses_is_among_the_scores(space: LabelSpace, metric: str) -> None:
    task = made_task(space)
    rows = encoded(np.eye(len(space.names), dtype=int).tolist(), space.names)
    predictions = task.decode(np.eye(len(space.names), dtype=np.float32), rows)

    assert task.metric == metric
    assert task.score(predictions)[metric] == 1
    assert task.higher_is_better(metric)
    assert not task.higher_is_better("ece")
    assert not task.higher_is_better("loss")


def batch_of(targets: list[list[float]]) -> dict[str, torch.Tensor]:
    return {"targets": torch.tensor(targets)}


def test_plain_losses_are_cross_entropy_summed_over_rows() -> None:
    logits = torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, 0.0]])
    one = batch_of([[1, 0, 0], [0, 1, 0]])
    expected = F.cross_entropy(logits, torch.tensor([0, 1]), reduction="sum")
    assert made_task(CLASSES).loss(logits, one) == pytest.approx(float(expected))

    several = batch_of([[1.0, 0, 1], [0, 0, 0]])
    expected = F.binary_cross_entropy_with_logits(logits, several["targets"]) * 2
    assert made_task(LABELS).loss(logits, several) == pytest.approx(float(expected))


def test_rare_classes_count_more() -> None:
    targets = np.array([[1, 0]] * 9 + [[0, 1]], np.float32)

    single = class_weights(targets, 0.5, multi_label=False)
    multi = class_weights(targets, 1.0, multi_label=True)

    assert single.tolist() == pytest.approx([math.sqrt(5 / 9), math.sqrt(5)])
    assert multi.tolist() == pytest.approx([1 / 9, 9])


def test_an_epoch_is_judged_by_the_loss_it_learned_and_answers_by_their_probabilities() -> None:
    rows = encoded([[1, 0], [1, 0], [1, 0], [0, 1]], BINARY.names)
    training = Training(imbalance=Imbalance(loss="class-weights", weight_power=1.0))
    plain = made_task(BINARY)
    weighed = plain.for_training(training, rows)
    outputs = np.tile(np.float32([1, 0]), (4, 1))

    surprise = np.log(1 + np.e) - np.array([1, 1, 1, 0])
    assert plain.judge(outputs, rows)["loss"] == pytest.approx(surprise.mean())
    assert weighed.judge(outputs, rows)["loss"] > surprise.mean() * 1.1
    assert weighed.score(weighed.decode(outputs, rows))["loss"] == pytest.approx(surprise.mean())


def test_class_weights_reach_the_loss() -> None:
    training = Training(imbalance=Imbalance(loss="class-weights", weight_power=1.0))
    rows = encoded([[1, 0, 0]] * 8 + [[0, 1, 0]] * 2, LABELS.names)
    weighed = made_task(LABELS).for_training(training, rows)
    logits = torch.zeros(1, 3)

    positive = weighed.loss(logits, batch_of([[0, 1, 0]]))

    assert float(positive) == pytest.approx(math.log(2) * (1 + 4 + 1) / 3)


def test_the_asymmetric_loss_of_hand_worked_values() -> None:
    objective = Objective(kind="asymmetric", gamma_negative=2.0, clip=0.05)
    logits = torch.tensor([[0.0, 0.0]])  # probabilities of a half

    found = objective.multiple(logits, torch.tensor([[1.0, 0.0]]))

    shifted = 0.5 - 0.05
    expected = -(math.log(0.5) + shifted**2 * math.log(1 - shifted)) / 2
    assert float(found) == pytest.approx(expected)


def test_smoothing_moves_the_target() -> None:
    task = made_task(LABELS).for_training(
        Training(label_smoothing=0.2), encoded([[1, 0, 0]], LABELS.names)
    )
    logits = torch.tensor([[3.0, -3.0, 0.0]])
    soft = torch.tensor([[0.9, 0.1, 0.1]])

    found = task.loss(logits, batch_of([[1, 0, 0]]))

    assert float(found) == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, soft)))
