"""A tiny random model with its tokenizer, and made rows a model can learn from."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from burnish.recipe.recipe import Recipe
from burnish.recipe.training import LoraMethod
from burnish.records import LabelSpace, Prediction
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import MemoryTracker
from burnish.training.fit import FitResult, fit
from burnish.training.hardware import Hardware
from burnish.training.methods import METHODS
from burnish.training.modelfolder import Answerer
from burnish.training.models import load_tokenizer
from burnish.training.sources import ModelSource, resolve

WORDS = tuple(f"word{at}" for at in range(40))
PAD, UNKNOWN, START, END, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LABELS = ("red", "green", "blue")
CONFIGS: dict[str, Any] = {
    "bert": transformers.BertConfig,
    "roberta": transformers.RobertaConfig,
    "xlm-roberta": transformers.XLMRobertaConfig,
    "camembert": transformers.CamembertConfig,
    "electra": transformers.ElectraConfig,
}


@pytest.fixture(autouse=True)
def _settings_of_this_process() -> Iterator[None]:
    """Undo what training sets for the whole process, and begin with what PyTorch begins with.

    A server that another test opened may have left its own; how precise products are depends on it.
    """
    threads, matmul = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul)


def tiny_config(kind: str, **changes: Any) -> Any:
    """Return the configuration of a three-layer model of an architecture."""
    if kind == "distilbert":
        sizes = {"dim": 32, "hidden_dim": 64, "n_layers": 3, "n_heads": 4}
        return transformers.DistilBertConfig(
            vocab_size=45, max_position_embeddings=64, pad_token_id=0, **(sizes | changes)
        )
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    }
    narrow = {"embedding_size": 16} if kind == "electra" else {}
    return CONFIGS[kind](vocab_size=45, **(sizes | narrow | changes))


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of whole words."""
    vocabulary = {name: at for at, name in enumerate(SPECIAL + WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        mask_token=MASK,
    )


def save_tiny_model(folder: Path, kind: str = "bert", **changes: Any) -> Path:
    """Write a random model with tokenizer to a folder."""
    torch.manual_seed(7)
    model = transformers.AutoModelForSequenceClassification.from_config(
        tiny_config(kind, **({"num_labels": 2} | changes))
    )
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> ModelSource:
    """A resolved tiny BERT."""
    return resolve(str(save_tiny_model(tmp_path / "tiny")))


@pytest.fixture
def hardware() -> Hardware:
    """One thread, fp32, passes of 64 tokens so that steps are cut."""
    return Hardware(
        device="cpu",
        precision="fp32",
        threads=1,
        matmul="highest",
        tokens_per_batch=64,
        allocator="system",
        notes=(),
    )


def made_rows(count: int, *, seed: int = 0, labels: tuple[str, ...] = LABELS) -> pl.DataFrame:
    """Return rows whose single label follows from one word in the text."""
    rng = np.random.default_rng(seed)
    texts, answers = [], []
    for _ in range(count):
        label = int(rng.integers(len(labels)))
        words = rng.choice(WORDS[len(labels) :], size=int(rng.integers(2, 14))).tolist()
        words.insert(int(rng.integers(len(words))), WORDS[label])
        texts.append(" ".join(words))
        answers.append([labels[label]])
    ids = [f"row{at}" for at in range(count)]
    return pl.DataFrame({"id": ids, "text": texts, "labels": answers})


@pytest.fixture
def space() -> LabelSpace:
    """Three colours, one a text."""
    return LabelSpace(names=LABELS, multi_label=False)


@pytest.fixture(name="tiny_config")
def _tiny_config() -> Callable[..., Any]:
    """The maker of tiny configurations."""
    return tiny_config


@pytest.fixture(name="save_tiny_model")
def _save_tiny_model() -> Callable[..., Path]:
    """The writer of tiny model folders."""
    return save_tiny_model


@pytest.fixture(name="made_rows")
def _made_rows() -> Callable[..., pl.DataFrame]:
    """The maker of rows."""
    return made_rows


ECHOED = (
    "the cat sat on the mat", "don't sit there, cat!", "10 cats and 3 mats", "sat", "a mat?\n\nno",
    "the the the cat", "on the mat sat 25 cats", "Ünïcødé 🦙 and tabs\tin it", "cat, mat; sat.",
    "where is the mat of the cat",
)  # fmt: skip


@pytest.fixture
def echoed() -> pl.DataFrame:
    """Ten rows of a task that writes: texts of all sorts, each its own answer."""
    ids = [str(at) for at in range(len(ECHOED))]
    return pl.DataFrame({"id": ids, "text": ECHOED, "labels": [[one] for one in ECHOED]})


@pytest.fixture
def assert_alike() -> Callable[..., None]:
    """Ask that an export finds answers as likely as its model, and writes the same ones."""

    def likelihoods(predictions: list[Prediction]) -> list[float]:
        return [one.scores["log_likelihood"] / one.scores["tokens"] for one in predictions]

    def check(
        before: list[Prediction], after: list[Prediction], *, atol: float, same: bool = True
    ) -> None:
        if same:
            assert len({one.answer for one in before}) > 5
            assert [one.answer for one in after] == [one.answer for one in before]
        np.testing.assert_allclose(likelihoods(after), likelihoods(before), atol=atol)

    return check


@pytest.fixture
def adapted() -> Callable[[Answerer], Answerer]:
    """Give a model adapters that change what it writes."""

    def make(plain: Answerer) -> Answerer:
        model = METHODS.get("lora").prepare(plain.model, LoraMethod(rank=2)).eval()
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
        return dataclasses.replace(plain, model=model)

    return make


RecipeMaker = Callable[..., Recipe]
Fit = Callable[..., FitResult]


@pytest.fixture
def make_recipe(tiny: ModelSource) -> RecipeMaker:
    """Make a recipe for the tiny model; keywords replace training keys."""

    def make(
        *, method: dict[str, Any] | None = None, task: dict[str, Any] | None = None, **training: Any
    ) -> Recipe:
        usual = {
            "epochs": 2.0,
            "batch_size": 8,
            "learning_rate": 3e-3,
            "precision": "fp32",
            "threads": 1,
            "tokens_per_batch": 64,
        }
        return Recipe.model_validate(
            {
                "task": {"labels": LABELS, "max_length": 16} | (task or {}),
                "model": tiny.reference,
                "data": {"from": "unused"},
                "method": method or {"kind": "full"},
                "training": usual | training,
                "tracking": {"every_steps": 1},
            }
        )

    return make


@pytest.fixture
def task(make_recipe: RecipeMaker, space: LabelSpace) -> ClassificationTask:
    """The task of the made rows."""
    return ClassificationTask.from_recipe(make_recipe().task, space)


@pytest.fixture
def train(task: ClassificationTask, tiny: ModelSource) -> Encoded:
    """Forty-five rows to learn from: five whole steps and a short one."""
    return task.encode(made_rows(45), load_tokenizer(tiny, task))


@pytest.fixture
def choose(task: ClassificationTask, tiny: ModelSource) -> Encoded:
    """Twenty other rows."""
    return task.encode(made_rows(20, seed=1), load_tokenizer(tiny, task))


@pytest.fixture
def run(
    tiny: ModelSource,
    task: ClassificationTask,
    train: Encoded,
    choose: Encoded,
    hardware: Hardware,
    tmp_path: Path,
) -> Fit:
    """Fit the tiny model on the made rows; keywords replace the rows and the task."""

    def go(
        recipe: Recipe,
        *,
        tracker: Any = None,
        folder: str | None = "run",
        resume: bool = False,
        **other: Any,
    ) -> FitResult:
        parts: dict[str, Any] = {"task": task, "train": train, "choose": choose} | other
        return fit(
            recipe,
            parts["task"],
            tiny,
            parts["train"],
            parts["choose"],
            hardware=hardware,
            tracker=tracker or MemoryTracker(),
            checkpoints=tmp_path / folder / "checkpoints" if folder else None,
            resume=resume,
        )

    return go
