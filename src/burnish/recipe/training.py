"""Recipe sections `method` and `training`: which weights move, and how."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from burnish.recipe.section import Section, Seed, Share


class FullMethod(Section):
    """Train the model's own weights, all or the upper ones."""

    kind: Literal["full"] = Field("full", description="The registered method.")
    freeze: int = Field(
        0,
        ge=0,
        le=1000,
        description="How many of the lowest layers stay as they are, in layers; "
        "1 or more freezes the embeddings too.",
    )
    freeze_embeddings: bool = Field(False, description="Keep the token embeddings as they are.")


class AdapterMethod(Section):
    """What methods that train low-rank adapters have in common."""

    kind: str = Field(description="The registered method.")
    rank: int = Field(16, ge=1, le=1024, description="Rank of each update, in dimensions.")
    alpha: float = Field(
        32, gt=0, le=4096, description="Scale of the update: alpha / rank, a factor."
    )
    dropout: Share = Field(0.0, description="Share of adapter inputs dropped, in [0, 1).")
    targets: Literal["auto"] | tuple[str, ...] = Field(
        "auto",
        description="Module names that get adapters; auto: every linear layer of the body, "
        "which leaves out a classifier's output layer and a generator's layer of words.",
    )


class LoraMethod(AdapterMethod):
    """Train low-rank adapters beside frozen weights (Hu et al. 2021)."""

    kind: Literal["lora"] = Field("lora", description="The registered method.")


class QloraMethod(AdapterMethod):
    """Train low-rank adapters beside weights held in 4 or 8 bits (Dettmers et al. 2023)."""

    kind: Literal["qlora"] = Field("qlora", description="The registered method.")
    bits: Literal[4, 8] = Field(4, description="Size of a frozen weight, in bits.")
    quantisation: Literal["auto", "nf4", "absmax"] = Field(
        "auto",
        description="Form of the frozen weights. auto: the one there is of so many bits; nf4, of "
        "4: 16 values, normally distributed; absmax, of 8: whole numbers to 127, scaled by the "
        "largest weight of their row.",
    )

    @model_validator(mode="after")
    def _form_is_of_so_many_bits(self) -> Self:
        form = {4: "nf4", 8: "absmax"}[self.bits]
        if self.quantisation not in ("auto", form):
            raise ValueError(
                f"quantisation ({self.quantisation}) is not a form of bits ({self.bits}); "
                f"`quantisation: auto`, which is {form} there, would do"
            )
        return self


Method = Annotated[FullMethod | LoraMethod | QloraMethod, Field(discriminator="kind")]


class EarlyStopping(Section):
    """Stop when the rows that choose no longer improve."""

    metric: str = Field("loss", description="Metric to watch; `loss` or one of the task's.")
    patience: int = Field(3, ge=1, le=1000, description="Epochs without improvement, in epochs.")
    min_delta: float = Field(
        0.0, ge=0, le=1, description="Smallest change that counts, in the metric's own unit."
    )


class Imbalance(Section):
    """What to do when some classes are rare."""

    loss: Literal["plain", "class-weights", "asymmetric"] = Field(
        "plain",
        description="class-weights: rare classes count more; asymmetric: easy negatives count "
        "less (Ridnik et al. 2021), multi-label only.",
    )
    weight_power: float = Field(
        0.5, ge=0, le=1, description="Class weight = (mean count / count) ** this power, in [0, 1]."
    )
    gamma_negative: float = Field(
        2.0, ge=0, le=10, description="Asymmetric loss: focusing power on negatives, no unit."
    )
    clip: Share = Field(
        0.05, description="Asymmetric loss: probability shift of negatives, in [0, 1)."
    )
    majority_ratio: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Each epoch sees every row of the minority and this many times as many of "
        "the most frequent class, another part each epoch; a ratio. Null: all rows.",
    )


class Training(Section):
    """The optimizer, the schedule, and when to stop."""

    epochs: float = Field(
        4, gt=0, le=10_000, description="Passes over the training rows, in epochs."
    )
    max_time: float | None = Field(
        None, gt=0, description="Stop training after this long, in minutes; null: no limit."
    )
    learning_rate: float = Field(1e-4, gt=0, le=1, description="Peak learning rate, per step.")
    head_learning_rate: float | None = Field(
        None, gt=0, le=1, description="Peak rate of the new output layer, per step; null: the same."
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Each layer below the top learns at this factor of the one "
        "above, in (0, 1]; 1 is off.",
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW decay, a factor per step.")
    warmup: Share = Field(0.1, description="Share of steps to reach the peak, in [0, 1).")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="How the learning rate falls after the warm-up."
    )
    gradient_clip: float = Field(
        1.0, ge=0, description="Largest gradient norm, in the loss's unit; 0 is off."
    )
    batch_size: int = Field(
        32,
        ge=1,
        le=65_536,
        description="Rows in one optimizer step, in rows, however many forward passes that takes.",
    )
    tokens_per_batch: Annotated[int, Field(gt=0)] | Literal["auto"] = Field(
        "auto",
        description="Tokens in one forward pass, padding included; auto: what is "
        "fast on this machine.",
    )
    packing: Literal["auto", "on", "off"] = Field(
        "auto", description="Join rows without padding where the architecture allows it."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="Of training. auto: bf16 where the processor has instructions for it, else "
        "fp32. On a processor answers are always in fp32, as other programs open the model.",
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="Processor threads, in threads; auto: one a core."
    )
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of activations dropped, in [0, 1); null: the model's own.",
    )
    label_smoothing: Share = Field(0.0, description="Target mass moved, in [0, 1).")
    imbalance: Imbalance = Field(Imbalance(), description="Handling of rare classes.")
    sharpness_radius: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Sharpness-aware minimisation (Foret et al. 2021): a step takes the gradient "
        "this far uphill, in the weights' unit, and takes twice as long. Null: where they are.",
    )
    average: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Decay per step of an exponential average of the weights, in (0, 1); the "
        "average is what is evaluated and kept. Null: no averaging.",
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="Which epoch becomes the model; best: by `early_stopping.metric` or "
        "the task's own metric on the rows that choose.",
    )
    checkpoint_every_epoch: bool = Field(
        False,
        description="Keep a checkpoint of every epoch with its metrics, not only best and last.",
    )
    early_stopping: EarlyStopping | None = Field(None, description="Null: train all epochs.")
    seed: Seed = Field(0, description="Seed of weights, order and dropout, a whole number.")

    @model_validator(mode="after")
    def _last_is_not_stopped_early(self) -> Self:
        if self.keep == "last" and self.early_stopping:
            raise ValueError(
                "keep (last) and early_stopping contradict each other; "
                "`keep: best` or `early_stopping: null` would do"
            )
        return self
