"""Labels in doubt, rivals on the same rows, scores with intervals, and the verdict."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.evaluation.answered import Answered
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.baselines.base import Baseline, Rows, from_frame
from burnish.evaluation.baselines.table import baselines_for
from burnish.evaluation.caveats import choosing_caveats
from burnish.evaluation.gates import BASE, CONTROL, LAST, TUNED
from burnish.evaluation.groups import Groups, groups_of
from burnish.evaluation.score import score_answers
from burnish.evaluation.spaces import is_labels
from burnish.evaluation.thresholds import rechoose
from burnish.evaluation.verdict import decide
from burnish.pipeline.arms import GENERAL, Arm
from burnish.pipeline.label_doubts import LEARNED, LabelDoubts, doubts_of_run
from burnish.pipeline.stage import Parts
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction, Score, Space
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.training.hardware import Hardware
from burnish.training.predict import embeddings
from burnish.training.sources import ModelSource


def label_doubts(recipe: Recipe, splits: Parts, label_space: Space) -> LabelDoubts | None:
    """The rows that are learned, by how doubtful their label is; nothing where there are none."""
    return doubts_of_run(recipe, splits, label_space) if is_labels(label_space) else None


def rivals(recipe: Recipe, label_space: Space) -> dict[str, Baseline[Any]]:
    """The baselines of the recipe, by name, not yet fitted."""
    return baselines_for(recipe.rivals, label_space)


def features(
    rivals: dict[str, Baseline[Any]],
    model_source: ModelSource,
    encoded: dict[str, Encoded],
    hardware: Hardware,
) -> dict[str, NDArray[Any]]:
    """The untouched encoder's view of each split, shape (n, hidden); only if a rival asks."""
    if not any(rival.needs_features for rival in rivals.values()):
        return {}
    exact = hardware.for_answers()
    return {name: embeddings(model_source, part, exact) for name, part in encoded.items()}


def rival_rows(
    splits: Parts, label_space: Space, features: dict[str, NDArray[Any]], judged_split: str
) -> tuple[Rows, Rows]:
    """What a rival learns from, and what it is judged on.

    Rows that only chose the tuned model's epoch (`tune`) are training rows to a rival, which
    chooses by folds: no system may choose on the rows it is judged on, and none gets fewer.
    """
    learns = [name for name in LEARNED if name in splits]
    vectors = [features[name] for name in learns if name in features]
    rows = pl.concat([splits[name] for name in learns])
    return (
        from_frame(rows, label_space, np.concatenate(vectors) if vectors else None),
        from_frame(splits[judged_split], label_space, features.get(judged_split)),
    )


def rival_predictions(
    recipe: Recipe,
    rivals: dict[str, Baseline[Any]],
    rival_rows: tuple[Rows, Rows],
    label_space: Space,
) -> dict[str, list[Prediction]]:
    """What each baseline, trained on the same rows, answers on the judged split."""
    learned, judged = rival_rows
    answers = {}
    for name, rival in rivals.items():
        rival.fit(learned, None, label_space, recipe.training.seed)
        answers[name] = rival.predict(judged)
    return answers


def arms(
    tuned_arm: Arm,
    base_answers: Arm | None,
    control_answers: Arm | None,
    last_answers: Arm | None,
) -> dict[str, Arm]:
    """Every model of the run by name: before tuning, the control, at the end, and tuned."""
    named = {
        BASE: base_answers,
        CONTROL: control_answers,
        LAST: last_answers,
        TUNED: tuned_arm,
    }
    return {name: arm for name, arm in named.items() if arm is not None}


def predictions(
    tuned_predictions: dict[str, list[Prediction]],
    arms: dict[str, Arm],
    rival_predictions: dict[str, list[Prediction]],
    judged_split: str,
) -> dict[tuple[str, str], list[Prediction]]:
    """Every system's answers by (system, split)."""
    answers = {(TUNED, split): rows for split, rows in tuned_predictions.items()}
    answers |= {(name, judged_split): arm.judged for name, arm in arms.items()}
    answers |= {(name, GENERAL): arm.general for name, arm in arms.items() if arm.general}
    return answers | {(name, judged_split): rows for name, rows in rival_predictions.items()}


def answered(
    predictions: dict[tuple[str, str], list[Prediction]], label_space: Space
) -> dict[tuple[str, str], Answered]:
    """Every system's answers made ready to be judged: once, for scores and verdict."""
    return {
        (system, split): from_predictions(
            rows, label_space, where=f"predictions of {system} on {split}"
        )
        for (system, split), rows in predictions.items()
    }


def scores(recipe: Recipe, answered: dict[tuple[str, str], Answered], splits: Parts) -> list[Score]:
    """Every metric of every system with its 95 % interval, by groups where the rows are of any."""
    return [
        one
        for (system, split), answers in answered.items()
        for one in score_answers(
            system,
            split,
            answers,
            metrics=recipe.evaluation.metrics,
            resamples=recipe.evaluation.resamples,
            seed=recipe.evaluation.seed,
            groups=_groups(recipe, splits, split, answers),
        )
    ]


def verdict(
    recipe: Recipe,
    answered: dict[tuple[str, str], Answered],
    judged_split: str,
    choosing_split: str | None,
    label_space: Space,
    task: Task,
    splits: Parts,
) -> dict[str, Any]:
    """Ship, keep the cheap one, or need more data; with reasons."""
    systems = {
        system: answers for (system, split), answers in answered.items() if split == judged_split
    }
    same_rows, tunes = judged_split == choosing_split, recipe.task.tunes_thresholds
    decided = decide(
        recipe.evaluation.gates,
        systems,
        label_space,
        task.metric,
        split=judged_split,
        resamples=recipe.evaluation.resamples,
        seed=recipe.evaluation.seed,
        groups=_groups(recipe, splits, judged_split, systems[TUNED]),
        rechoose=rechoose if same_rows and tunes else None,
    )
    return decided | {"caveats": choosing_caveats(recipe, judged_split, choosing_split)}


def _groups(recipe: Recipe, splits: Parts, split: str, answers: Answered) -> Groups | None:
    """Return the group of each answered row, shape (n,); None where the recipe names no group."""
    if recipe.data.group is None or split not in splits:
        return None
    return groups_of(splits[split], answers.ids)
