"""Recipe sections `evaluation` and `tracking`: how the result is judged and where it is kept."""

from typing import Literal, Self

from pydantic import Field, model_validator

from burnish.recipe.classification import ClassificationTask
from burnish.recipe.section import Section, Seed
from burnish.recipe.task import CausalTask, Seq2SeqTask


class Gate(Section):
    """One condition for the verdict `ship`: better than a rival, beyond doubt."""

    metric: str | None = Field(None, description="Metric compared; null: the task's own.")
    over: str = Field(
        "best-baseline",
        description="The rival: a system's name, or best-baseline (the best but `base`); never "
        "`last`, which is this model too.",
    )
    margin: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="How much better the lower end of the paired 95 % interval "
        "must be, in the metric's unit.",
    )


class Probes(Section):
    """Sentences with masks that are filled before and after tuning, to see what was learned."""

    sentences: tuple[str, ...] = Field(
        (), description="Sentences with the model's mask in them, such as `We [MASK] shoes`."
    )
    hide: str | None = Field(
        None,
        description="Column whose value is hidden where it stands in the text of the judged rows, "
        "which makes further sentences; null: none.",
    )
    rows: int = Field(
        200, ge=1, le=100_000, description="Rows whose value is hidden, at most, a count."
    )
    top_k: int = Field(5, ge=1, le=100, description="Words looked at for each mask, a count.")
    wanted: str | None = Field(
        None,
        description="Formula over `data.signals` that is true of a wanted word, such as `tone > "
        "0`; how many of the words are wanted is told for each system. Null: no count.",
    )

    @model_validator(mode="after")
    def _there_are_some(self) -> Self:
        if not self.sentences and self.hide is None:
            raise ValueError("neither sentences nor hide are set; give some sentences")
        return self


class Evaluation(Section):
    """Metrics, rivals, slices, and the gates of the verdict."""

    metrics: tuple[str, ...] = Field((), description="Metrics to report; empty: all of the task's.")
    baselines: tuple[str, ...] = Field(
        ClassificationTask.default_rivals,
        description="Rivals trained and scored on the same rows. If not written: "
        + "; ".join(
            f"{kind.model_fields['kind'].default}: {', '.join(kind.default_rivals)}"
            for kind in (ClassificationTask, CausalTask, Seq2SeqTask)
        )
        + "; none where plain texts are learned.",
    )
    base: bool = Field(True, description="Score the untouched model too, where it can answer.")
    last: bool = Field(
        False,
        description="Score the weights as they were at the end of training too, as `last`, beside "
        "those of the epoch kept, with thresholds of their own. Where the last epoch is the one "
        "kept, both names have the same answers.",
    )
    control: bool = Field(
        False,
        description="Train once more, the same way, on as many rows drawn from those before "
        "`data.select`, as a rival called `control`.",
    )
    probes: Probes | None = Field(
        None, description="Sentences to be filled before and after; masked-lm alone. Null: none."
    )
    general: str | None = Field(
        None,
        description="File of plain texts of another kind, or `starter:sentences`, on which the "
        "model is judged before and after, to tell what it forgot; where plain texts are "
        "learned. Null: not told.",
    )
    label_errors: bool | Literal["auto"] = Field(
        "auto",
        description="Rank the rows that are learned by how doubtful their label is, for a person "
        "to look through; auto: where texts and labels are few enough for it to take about a "
        "minute, and the report says so where they are not.",
    )
    golden_rows: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Judged rows that are kept in the model folder with their answers, for a "
        "server to prove that it answers alike, a count. 0: the folder keeps no texts; null: 32, "
        "or 8 of a task that writes.",
    )
    slices: tuple[str, ...] = Field((), description="Columns by whose values the metrics are told.")
    gates: tuple[Gate, ...] = Field(
        (Gate(),),
        description="All must hold for the verdict `ship`. If not written: better than every "
        "baseline, and than `base` where plain texts are learned.",
    )
    resamples: int = Field(
        2000, ge=100, le=100_000, description="Bootstrap resamples behind each interval, a count."
    )
    seed: Seed = Field(0, description="Seed of the bootstrap, a whole number.")


class Tracking(Section):
    """Where parameters, metrics and files of the run are kept besides the run folder."""

    trackers: tuple[str, ...] = Field(
        ("mlflow",), description="Registered trackers: mlflow, tensorboard; empty: none."
    )
    uri: str = Field("sqlite:///burnish.db", min_length=1, description="MLflow store or server.")
    experiment: str | None = Field(None, description="MLflow experiment; null: the recipe's name.")
    register_: str | None = Field(
        None, alias="register", description="Registered model name in MLflow; null: not registered."
    )
    description: str = Field("", description="A note kept with the run.")
    folder: str = Field("burnish-tensorboard", description="Folder of TensorBoard's event files.")
    every_steps: int = Field(
        10,
        ge=1,
        le=100_000,
        description="Training metrics are sent every so many optimizer steps, and as an epoch "
        "ends, in steps.",
    )
    system_metrics: bool = Field(True, description="Sample CPU, memory, disk and network use.")
