"""Tiny random models of every task, saved as a run saves them, and servers over them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from burnish.recipe.task import CausalTask as CausalSection
from burnish.recipe.task import MaskedTask as MaskedSection
from burnish.recipe.task import PlainTextTask as PlainSection
from burnish.recipe.task import Seq2SeqTask as PairSection
from burnish.records import LabelSpace, PlainSpace, TextSpace
from burnish.serving.address import listeners, open_socket
from burnish.serving.app import build_app
from burnish.serving.engine import Engine
from burnish.serving.keys import KeyRing
from burnish.serving.lifecycle import Lifecycle
from burnish.serving.metrics import Metrics
from burnish.serving.models import Candidate, Models
from burnish.serving.reading import Named
from burnish.serving.server import Server
from burnish.serving.settings import Settings
from burnish.serving.torch_engine import TorchEngine
from burnish.tasks.base import Task
from burnish.tasks.causal_lm import CausalTask
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.masked_lm import MaskedTask
from burnish.tasks.plain_text import PlainTextTask
from burnish.tasks.seq2seq import Seq2SeqTask
from burnish.training.hardware import Hardware
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.sources import resolve
from burnish.training.version import model_version

WORDS = tuple(f"word{at}" for at in range(40))
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
HARDWARE = Hardware(
    device="cpu", precision="fp32", threads=1, matmul="highest", tokens_per_batch=64,
    allocator="system", notes=(),
)  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def _settings_of_this_process() -> Iterator[None]:
    """Undo what answering sets for the whole process."""
    threads, matmul = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul)


def encoder_tokenizer() -> Any:
    vocabulary = {name: at for at, name in enumerate(SPECIAL + WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[1]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    marks = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=64,
        **{f"{name}_token": mark for name, mark in marks.items()},
    )


ENCODER = {
    "vocab_size": 45, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 64, "pad_token_id": 0,
    "initializer_range": 0.5,
}  # fmt: skip


def classifier(folder: Path, *, seed: int = 7) -> Path:
    """A classifier of three labels, any number a text."""
    torch.manual_seed(seed)
    space = LabelSpace(names=("red", "green", "blue"), multi_label=True)
    task = ClassificationTask(space=space, max_length=16, thresholds=(0.5, 0.4, 0.6), tunes=False)
    config = transformers.BertConfig(**ENCODER, **task.head())
    model = transformers.BertForSequenceClassification(config).eval()
    return _saved(folder, model, encoder_tokenizer(), task)


def filler(folder: Path) -> Path:
    """An encoder that foretells hidden words."""
    torch.manual_seed(7)
    tokenizer = encoder_tokenizer()
    task = MaskedTask.from_recipe(MaskedSection(max_length=32), PlainSpace())
    rows = pl.DataFrame({"id": ["a"], "text": ["word1 word2"]})
    model = transformers.BertForMaskedLM(transformers.BertConfig(**ENCODER)).eval()
    return _saved(folder, model, tokenizer, task.measure(rows, tokenizer))


SIZES = {"vocab_size": 300, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LLAMA = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.3,
}  # fmt: skip


def decoder() -> Any:
    torch.manual_seed(7)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, **LLAMA)).eval()


def chatter(folder: Path, tokenizer: Any) -> Path:
    """A decoder with a chat template, of bytes."""
    section = CausalSection(max_input_length=48, max_output_length=12)
    tokenizer.chat_template = TEMPLATE
    return _saved(folder, decoder(), tokenizer, CausalTask.from_recipe(section, TextSpace()))


def reader(folder: Path, tokenizer: Any) -> Path:
    """A decoder of plain texts."""
    task = PlainTextTask.from_recipe(PlainSection(max_length=32), PlainSpace())
    return _saved(folder, decoder(), tokenizer, task)


def summarizer(folder: Path, tokenizer: Any) -> Path:
    """A tiny T5."""
    torch.manual_seed(7)
    section = PairSection(max_input_length=48, max_output_length=12, prefix="short: ")
    config = transformers.T5Config(
        **SIZES, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        decoder_start_token_id=0, initializer_factor=3.0,
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration(config).eval()
    return _saved(folder, model, tokenizer, Seq2SeqTask.from_recipe(section, TextSpace()))


def _saved(folder: Path, model: Any, tokenizer: Any, task: Task) -> Path:
    meta = {"name": folder.name, "base_model": "tiny", "method": "full", "scores": []}
    save_model_folder(folder, model, task.prepare_tokenizer(tokenizer), task, meta=meta)
    return folder


@pytest.fixture(scope="session")
def folders(
    tmp_path_factory: pytest.TempPathFactory, byte_level: Callable[..., Any]
) -> dict[str, Path]:
    """A saved model of every task, by name; the classifier first."""
    home = tmp_path_factory.mktemp("models")
    text = "the cat sat on the mat, äöü 🦙"
    return {
        "colours": classifier(home / "colours"),
        "words": filler(home / "words"),
        "chat": chatter(home / "chat", byte_level(text)),
        "plain": reader(home / "plain", byte_level(text)),
        "short": summarizer(home / "short", byte_level(text)),
    }


@pytest.fixture(scope="session")
def other_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another classifier of the same labels."""
    return classifier(tmp_path_factory.mktemp("other") / "colours", seed=8)


def open_engine(name: str, folder: Path) -> TorchEngine:
    """Load a model folder in fp32 on one thread."""
    source = resolve(str(folder))
    named = Named(name=name, reference=str(folder), version=model_version(source))
    return TorchEngine(Answerer.open(source, hardware=HARDWARE), named)


def candidate(name: str, folder: Path) -> Candidate:
    """Look a model folder up."""
    return Candidate(model_version(resolve(str(folder))), lambda: open_engine(name, folder))


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that runs in a thread, and a client of it."""

    url: str
    client: httpx.Client
    models: Models
    lifecycle: Lifecycle
    server: Server


Start = Callable[..., AbstractContextManager[Running]]


@contextmanager
def _started(
    finders: dict[str, Callable[[], Candidate]],
    keys: KeyRing | None = None,
    engines: dict[str, Engine] | None = None,
    **limits: Any,
) -> Iterator[Running]:
    settings = Settings(**({"deadline_s": 20.0} | limits))
    metrics, lifecycle = Metrics(), Lifecycle()
    models = Models(
        finders,
        max_queue=settings.max_queue,
        batch_tokens=settings.batch_tokens,
        observer_of=metrics.of_model,
    )
    if engines is None:
        models.load()
    for name, engine in (engines or {}).items():
        models.add(name, engine)
    app = build_app(
        models, settings=settings, keys=keys or KeyRing(), metrics=metrics, lifecycle=lifecycle
    )
    server = Server(app, models=models, settings=settings, lifecycle=lifecycle)
    listener = open_socket("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": listeners(listener)})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        with httpx.Client(base_url=url, timeout=30) as client:
            yield Running(url=url, client=client, models=models, lifecycle=lifecycle, server=server)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def start() -> Start:
    """Start a server: finders by name, or `engines` that are loaded; limits as keywords."""
    return _started


@pytest.fixture(scope="session")
def find(folders: dict[str, Path]) -> Callable[..., dict[str, Callable[[], Candidate]]]:
    """Return finders of the tiny models of some names, and of folders by name before them."""

    def make(*names: str, **others: Path) -> dict[str, Callable[[], Candidate]]:
        places = others | {name: folders[name] for name in names}
        return {name: partial(candidate, name, folder) for name, folder in places.items()}

    return make


@pytest.fixture(scope="session")
def all_served(start: Start, find: Any, folders: dict[str, Path]) -> Iterator[Running]:
    """A server of every tiny model, shared by tests that leave it as it is."""
    with start(find(*folders)) as running:
        yield running
