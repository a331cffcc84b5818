"""Write two tiny models of random weights, for a server to be tried with.

python tiny_models.py FOLDER    # FOLDER/colours classifies, FOLDER/chat writes
"""

import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from burnish.recipe.task import CausalTask as CausalSection
from burnish.records import LabelSpace, TextSpace
from burnish.tasks.base import Task
from burnish.tasks.causal_lm import CausalTask
from burnish.tasks.classification import ClassificationTask
from burnish.training.modelfolder import save_model_folder

WORDS = ("red", "green", "blue", "sky", "grass", "fire")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def classifier(folder: Path) -> None:
    """A classifier of three labels."""
    torch.manual_seed(7)
    vocabulary = {name: at for at, name in enumerate(SPECIAL + WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[1]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    marks = dict(zip(("pad", "unk", "cls", "sep"), SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=32,
        **{f"{name}_token": mark for name, mark in marks.items()},
    )
    task = ClassificationTask(
        space=LabelSpace(names=WORDS[:3], multi_label=True),
        max_length=16, thresholds=(0.5, 0.4, 0.6), tunes=False,
    )  # fmt: skip
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=32, pad_token_id=0, **task.head(),
    )  # fmt: skip
    _save(folder, transformers.BertForSequenceClassification(config), tokenizer, task)


def chat(folder: Path) -> None:
    """A decoder of bytes with a chat template."""
    torch.manual_seed(7)
    special = ["<pad>", "<s>", "</s>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    backend.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=special[0], bos_token=special[1], eos_token=special[2]
    )
    tokenizer.chat_template = TEMPLATE
    config = transformers.LlamaConfig(
        vocab_size=280, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    section = CausalSection(max_input_length=48, max_output_length=12)
    task = CausalTask.from_recipe(section, TextSpace())
    _save(folder, transformers.LlamaForCausalLM(config), tokenizer, task)


def _save(folder: Path, model: Any, tokenizer: Any, task: Task) -> None:
    meta = {"name": folder.name, "base_model": "tiny", "method": "full", "scores": []}
    save_model_folder(folder, model.eval(), task.prepare_tokenizer(tokenizer), task, meta=meta)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    classifier(place / "colours")
    chat(place / "chat")
