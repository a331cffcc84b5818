"""Causal language model: the answer follows its prompt, and only the answer is learned.

The prompt is the model's own chat template, or a plain template with `{input}`; an input may be
a conversation of several turns, to which the answer is what is said next. Prompt and answer
become tokens apart from each other, so that training sees the very tokens from which generation
starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from jinja2 import TemplateError

from burnish.data.conversation import TURNS, Conversation, messages
from burnish.errors import ModelTaskError
from burnish.recipe.task import CausalTask as Section
from burnish.records import TextSpace
from burnish.tasks import batch
from burnish.tasks.base import Batch
from burnish.tasks.encoded import Encoded
from burnish.tasks.lengths import Lost, cut_conversations, known, message_tokens, plain_tokens
from burnish.tasks.likelihood import supervised
from burnish.tasks.writing import WritingTask

_SLOT = "{input}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalTask(WritingTask):
    """How a prompt is put together, and how long it and its answer may be."""

    family: ClassVar[str] = "causal-lm"
    kind: ClassVar[str] = "causal-lm"
    joins: ClassVar[bool] = True

    prompt: str | None = None  # plain template; None: the chat template
    system: str | None = None  # system message of the chat template

    @classmethod
    def from_recipe(cls, section: Section, space: TextSpace) -> Self:  # noqa: ARG003
        """Build the task of a recipe."""
        return cls(**cls.shared(section), prompt=section.prompt, system=section.system)

    @property
    def prompt_form(self) -> dict[str, Any]:
        """The plain template, or that the chat template is taken, and with which system message."""
        if self.prompt is None:
            return {"kind": "chat", "system": self.system}
        return {"kind": "template", "template": self.prompt}

    def prepare_tokenizer(self, tokenizer: Any) -> Any:
        """Return the tokenizer.

        Raises:
            ModelTaskError: BN304, it has no end mark, or no chat template where one is needed.
        """
        if self.prompt is None and not tokenizer.chat_template:
            raise ModelTaskError(
                "the model has no chat template",
                where="recipe key `task.prompt`",
                fix='set a plain one, such as `task.prompt: "Question: {input}\\nAnswer:"`',
            )
        # A dataclass with slots is built anew, which super() without arguments does not survive.
        return WritingTask.prepare_tokenizer(self, tokenizer)

    def _input_lengths(self, rows: pl.DataFrame, tokenizer: Any) -> list[int]:
        if not self._converses(rows):
            return WritingTask._input_lengths(self, rows, tokenizer)
        return [sum(one) for one in message_tokens(_conversations(rows), tokenizer)]

    def _asked(self, rows: pl.DataFrame, tokenizer: Any) -> tuple[list[list[int]], Lost]:
        if not self._converses(rows):
            return WritingTask._asked(self, rows, tokenizer)
        turns, lost = cut_conversations(_conversations(rows), tokenizer, known(self.max_input))
        return self._chats(turns, tokenizer), lost

    def _converses(self, rows: pl.DataFrame) -> bool:
        """Return whether rows are conversations, of which a plain template takes the transcript."""
        return self.prompt is None and TURNS in rows.columns

    def _prompts(self, texts: list[str], tokenizer: Any) -> list[list[int]]:
        if self.prompt is None:
            return self._chats([messages(text) for text in texts], tokenizer)
        written = [self.prompt.replace(_SLOT, text) for text in texts]
        found: list[list[int]] = tokenizer(written, verbose=False)["input_ids"] if written else []
        return _begun(found, tokenizer)

    def _chats(self, conversations: Sequence[Conversation], tokenizer: Any) -> list[list[int]]:
        written = [self._chat(turns, tokenizer) for turns in conversations]
        return _begun(plain_tokens(written, tokenizer), tokenizer)

    def _chat(self, turns: Conversation, tokenizer: Any) -> str:
        """Return a conversation as the model's template has it; its own system message goes first.

        Raises:
            ModelTaskError: BN304, the template refuses it.
        """
        if self.system is not None and not (turns and turns[0]["role"] == "system"):
            turns = [{"role": "system", "content": self.system}, *turns]
        try:
            rendered: str = tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, TypeError, ValueError) as err:
            raise ModelTaskError(
                f"the model's chat template refuses a conversation: {err}",
                where=f"the roles {', '.join(one['role'] for one in turns)}",
                fix="bring the messages into the order the template wants, or set `task.prompt`",
            ) from err
        return rendered

    def _written(self, answer: str) -> str:
        # Most vocabularies write a word with the space before it as one token.
        glued = self.prompt is not None and not self.prompt[-1].isspace()
        return f" {answer}" if glued else answer

    def collate(self, encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:
        """Return prompts and answers joined, and which outputs are learned."""
        return joined(encoded, rows, packed=packed, pad_id=pad_id)

    def ask(self, encoded: Encoded, rows: Sequence[int], *, pad_id: int) -> Batch:
        """Return prompts filled up on the left, so that answers go on from the end."""
        return batch.padded([encoded.inputs.row(at) for at in rows], pad_id=pad_id, left=True)


def _begun(prompts: list[list[int]], tokenizer: Any) -> list[list[int]]:
    """Return prompts of one token at least: the first of an answer is foretold from one of its own.

    An empty text begins as a text of the model does, or after the end of another.
    """
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    return [prompt or [end if begin is None else begin] for prompt in prompts]


def joined(encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:
    """Return rows of inputs and answers, each in one sequence; only the answers are learned."""
    if encoded.answers is None:
        raise ValueError("rows of a task that learns tokens have answers")
    prompts = [encoded.inputs.row(at) for at in rows]
    answers = [encoded.answers.row(at) for at in rows]
    # Nothing is predicted from the last token, so it does not go in.
    whole = [np.concatenate([p, a[:-1]]) for p, a in zip(prompts, answers, strict=True)]
    if packed:
        # The last token of a prompt stays in its row: the first of the answer comes from it.
        prefix = batch.common_prefix([prompt[:-1] for prompt in prompts])
        tensors = batch.packed(whole, pad_id=pad_id, prefix=prefix)
        firsts = np.cumsum([0, *(len(row) - prefix for row in whole[:-1])])
    else:
        tensors = batch.padded(whole, pad_id=pad_id)
        firsts = np.arange(len(rows)) * tensors["input_ids"].shape[1]
    starts = [int(at) + len(p) - 1 for at, p in zip(firsts, prompts, strict=True)]
    return tensors | supervised(answers, starts)


def _conversations(rows: pl.DataFrame) -> list[Conversation]:
    """Return the messages of each row; of a plain text, it as a user's."""
    return [
        messages(text or "") if turns is None else turns
        for text, turns in rows.select("text", TURNS).iter_rows()
    ]
