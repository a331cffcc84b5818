"""Rows for models that write: an input and its answer, from a file or made up.

Also the models: SmolLM2, and a T5 of the size of T5-small with random weights and a tokenizer
of whole words. Rows become tokens here twice, as Burnish's task does it and as a user of plain
transformers does; that both start training from the same loss shows that they are the same.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"
T5_WORDS = 32_128
SPECIAL = ("<pad>", "</s>", "<unk>")
COMMON = (
    "the of and to in is for that with on as are this by be from at or was an not it have can "
    "all more new will you one has time their if we about when out also which up other its our "
    "they some what there would no so only like into just your first than two use make how work "
    "people may even most after over good years many where way because well"
)  # each is one token of SmolLM2 when a space stands before it
# Median, spread of the logarithm, shortest, longest, in tokens: those of Taskmaster-4's
# questions and replies, and of news articles and their one-sentence summaries.
LENGTHS = {
    "causal": ((9, 0.64, 1, 65), (15, 0.42, 4, 120)),
    "seq2seq": ((360, 0.45, 50, 1000), (24, 0.3, 6, 60)),
}
LABELS_LEFT_OUT = -100  # what transformers does not learn

Pair = tuple[str, str]
Tokens = dict[str, list[int]]


def rows(spec: dict[str, Any]) -> tuple[list[Pair], list[Pair]]:
    """Return the training rows and the held-out ones that a spec asks for."""
    wanted = spec["rows"] + spec["held_out"]
    if spec["data"]:
        assert spec["task"] == "causal", "the random T5 knows none of the words of a file"
        read = _read(Path(spec["data"]))
        found = [(one["question"], one["reply"]) for one in read if one["reply"].strip()]
        order = np.random.default_rng(0).permutation(len(found))[:wanted]
        found = [found[at] for at in order]
    else:
        found = list(_made_up(spec["task"], wanted))
    assert len(found) == wanted, f"{spec['data']} has {len(found)} rows, {wanted} are needed"
    return found[: spec["rows"]], found[spec["rows"] :]


def _read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n") if line]
    return list(json.loads(text))


def _made_up(task: str, count: int) -> Iterator[Pair]:
    """Yield inputs of skewed words, and answers that repeat how they begin."""
    rng = np.random.default_rng(0)
    names = (
        COMMON.split() if task == "causal" else [f"w{at}" for at in range(len(SPECIAL), T5_WORDS)]
    )
    often = 1 / np.arange(1, len(names) + 1)
    sizes = [
        np.clip(rng.lognormal(np.log(middle), spread, count), low, high).astype(int)
        for middle, spread, low, high in LENGTHS[task]
    ]
    for asked, answered in zip(*sizes, strict=True):
        drawn = rng.choice(len(names), size=max(asked, answered), p=often / often.sum())
        text = [names[at] for at in drawn]
        yield " ".join(text[:asked]), " ".join(text[:answered])


def model_folder(task: str, folder: Path) -> str:
    """Return SmolLM2's id, or make a random T5 with its tokenizer in an empty folder."""
    if task == "causal":
        return SMOLLM
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    names = [*SPECIAL, *(f"w{at}" for at in range(len(SPECIAL), T5_WORDS))]
    words = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    roles = dict(zip(("pad_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=words, **roles).save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=T5_WORDS,
        d_model=512,
        d_ff=2048,
        num_layers=6,
        num_heads=8,
        decoder_start_token_id=0,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return str(folder)


def peer_parts(spec: dict[str, Any]) -> tuple[Any, Any]:
    """Return model and tokenizer as transformers opens them, in fp32."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    from burnish.training.sources import resolve

    source = resolve(spec["model"]).folder
    loader = AutoModelForCausalLM if spec["task"] == "causal" else AutoModelForSeq2SeqLM
    return loader.from_pretrained(source, dtype="float32"), AutoTokenizer.from_pretrained(source)


def peer_tokens(pairs: list[Pair], task: str, tokenizer: Any) -> list[Tokens]:
    """Return rows as Trainer takes them: what is not the answer has the label -100."""
    answers = tokenizer([answer for _, answer in pairs], add_special_tokens=False)["input_ids"]
    answers = [[*one, tokenizer.eos_token_id] for one in answers]
    asked = peer_prompts(pairs, task, tokenizer)
    if task == "seq2seq":
        whole, labels = asked, answers
    else:
        both = list(zip(asked, answers, strict=True))
        whole = [prompt + answer for prompt, answer in both]
        labels = [[LABELS_LEFT_OUT] * len(prompt) + answer for prompt, answer in both]
    return [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": learned}
        for ids, learned in zip(whole, labels, strict=True)
    ]


def peer_prompts(pairs: list[Pair], task: str, tokenizer: Any) -> list[list[int]]:
    """Return what a model is asked, through the chat template where it has one."""
    texts = [text for text, _ in pairs]
    if task == "seq2seq":
        return list(tokenizer(texts)["input_ids"])
    chats = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        for text in texts
    ]
    return list(tokenizer(chats, add_special_tokens=False)["input_ids"])


def recipe(spec: dict[str, Any], **sections: Any) -> Any:
    """Return a recipe for the task and model of a spec; sections are added to it."""
    from burnish.recipe.recipe import Recipe

    kind = {"causal": "causal-lm", "seq2seq": "seq2seq"}[spec["task"]]
    task = {"kind": kind, "max_input_length": "p100"} | sections.pop("task", {})
    base = {"task": task, "model": spec["model"], "data": {"from": "-"}}
    return Recipe.model_validate_json(json.dumps(base | sections))


def own_parts(pairs: tuple[list[Pair], ...], recipe: Any, source: Any) -> tuple[Any, Any, Any]:
    """Return Burnish's task, its tokenizer, and the rows of each list as tokens."""
    import polars as pl

    from burnish.records import TextSpace
    from burnish.tasks.base import TASKS
    from burnish.training.models import load_tokenizer

    columns = {"id": pl.String, "text": pl.String, "labels": pl.List(pl.String)}
    frames = [
        pl.DataFrame(
            [(str(at), text, [answer]) for at, (text, answer) in enumerate(part)],
            schema=columns,
            orient="row",
        )
        for part in pairs
    ]
    task = TASKS.get(recipe.task.kind).from_recipe(recipe.task, TextSpace())
    tokenizer = load_tokenizer(source, task)
    # Lengths of all rows, so that nothing is cut.
    task = task.measure(pl.concat(frames), tokenizer)
    return task, tokenizer, [task.encode(frame, tokenizer) for frame in frames]
