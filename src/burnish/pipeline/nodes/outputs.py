"""What a program asks the graph for, by the names of the outputs."""

from pathlib import Path

import polars as pl

from burnish.pipeline.stage import Parts
from burnish.pipeline.start import only
from burnish.pipeline.tuned import TunedAnswers, Validated, answer_table
from burnish.recipe.recipe import Recipe

TRAIN = "train"
VALIDATION = "validation"


@only("base")
def save_best_models(model_folder: Path, split_files: list[Path], history_file: Path) -> Path:
    """The folder of the fitted model, in a run folder that can be a start again."""
    return model_folder


def finetuned_model_on_validation_set(
    recipe: Recipe, splits: Parts, tuned_answers: TunedAnswers
) -> Validated:
    """The tuned model's answers on validation, with their metrics."""
    return Validated(
        answers=answer_table(
            tuned_answers.predictions(VALIDATION), splits[VALIDATION], asked=recipe.task.asked
        ),
        metrics=tuned_answers.metrics(VALIDATION, answers=True),
    )


def training_and_validation_set_metrics(tuned_answers: TunedAnswers) -> dict[str, dict[str, float]]:
    """Loss of the tuned model on training and validation rows, and every metric on validation."""
    return {
        TRAIN: tuned_answers.metrics(TRAIN, answers=False),
        VALIDATION: tuned_answers.metrics(VALIDATION, answers=True),
    }


def hold_out_set_predictions(
    recipe: Recipe, splits: Parts, judged_split: str, tuned_answers: TunedAnswers
) -> pl.DataFrame:
    """The tuned model's answers on the judged split: id, input, references, answer."""
    return answer_table(
        tuned_answers.predictions(judged_split), splits[judged_split], asked=recipe.task.asked
    )
