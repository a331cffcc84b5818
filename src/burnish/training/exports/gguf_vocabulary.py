"""A byte-level vocabulary as llama.cpp holds it: texts of tokens, their kinds, merges, ends.

How a text is cut before its pieces are merged is not in a GGUF file: the file only names one of
the ways that llama.cpp knows. So the name is found by what the model's own pre-tokenizer makes of
a text that tells the ways apart; one that matches none is refused, for llama.cpp would then read
other tokens than the model learned from.

Called by `training.exports.gguf`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tokenizers import Regex, pre_tokenizers

from burnish.errors import ModelTaskError

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5  # llama.cpp's numbers for kinds of tokens
_PROBE = (
    "I'm sure THEY'LL say: \"we'Ve 3 33 333 3333 of 10,000\"…\n\n\t x = f(y);  # a_b \r\n"
    "  Ünïcødé, нещо, 中文字, ½ ²! don't🦙🚀 \u200d end.  "
)
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _by_pattern(numbers: str) -> Any:
    split = pre_tokenizers.Split(Regex(_WORDS + numbers + _REST), behavior="isolated")
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([split, bytewise])


def _gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _digits_first() -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


# llama.cpp's name for it, and whether whole words of the vocabulary are taken unmerged.
_KNOWN: dict[str, tuple[Callable[[], Any], bool]] = {
    "gpt-2": (_gpt2, False),
    "smollm": (_digits_first, False),
    "qwen2": (lambda: _by_pattern(r"\p{N}"), False),
    "llama-bpe": (lambda: _by_pattern(r"\p{N}{1,3}"), True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a GGUF file tells of a tokenizer."""

    tokens: tuple[str, ...]  # by id, one for each row of the embedding
    kinds: tuple[int, ...]  # of each token, llama.cpp's numbers
    merges: tuple[str, ...]  # two pieces with a space between, best first
    pre: str  # llama.cpp's name for how texts are cut
    special: dict[str, int]  # bos, eos, unk, pad: those there are
    add_bos: bool  # whether a text gets a start mark of its own
    add_eos: bool
    chat_template: str | None


def read_vocabulary(tokenizer: Any, rows: int) -> Vocabulary:
    """Return the vocabulary of a fast tokenizer.

    Args:
        tokenizer: the model's own.
        rows: of the embedding; those that no token has are filled up.

    Raises:
        ModelTaskError: BN304, llama.cpp would make other tokens of a text.
    """
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    _check_byte_level(told)
    texts = {at: text for text, at in tokenizer.get_vocab().items()}
    added = {one["id"]: one for one in told["added_tokens"]}
    if len(texts) > rows:
        raise _refused(f"the tokenizer has {len(texts)} tokens, the model only {rows}")
    example = tokenizer("a")["input_ids"]
    return Vocabulary(
        tokens=tuple(texts.get(at, f"[PAD{at}]") for at in range(rows)),
        kinds=tuple(_kind(at, texts, added) for at in range(rows)),
        merges=tuple(
            one if isinstance(one, str) else " ".join(one) for one in told["model"]["merges"]
        ),
        pre=_pre_tokenizer(tokenizer.backend_tokenizer, bool(told["model"].get("ignore_merges"))),
        special=_special(tokenizer),
        add_bos=example[0] == tokenizer.bos_token_id,
        add_eos=example[-1] == tokenizer.eos_token_id,
        chat_template=tokenizer.get_chat_template() if tokenizer.chat_template else None,
    )


def _check_byte_level(told: dict[str, Any]) -> None:
    model, decoder = told["model"], told["decoder"] or {}
    normalizer = (told["normalizer"] or {}).get("type")
    if model["type"] != "BPE" or decoder.get("type") != "ByteLevel":
        raise _refused("the tokenizer is not a byte-level BPE, as GPT-2's is")
    if normalizer not in (None, "NFC"):
        raise _refused(f"the tokenizer changes texts before it cuts them ({normalizer})")


def _kind(at: int, texts: dict[int, str], added: dict[int, dict[str, Any]]) -> int:
    if at not in texts:
        return _UNUSED
    if at not in added:
        return _NORMAL
    return _CONTROL if added[at]["special"] else _USER_DEFINED


def _pre_tokenizer(backend: Any, takes_whole_words: bool) -> str:
    own = _pieces(backend.pre_tokenizer) if backend.pre_tokenizer else []
    for name, (make, whole) in _KNOWN.items():
        if whole == takes_whole_words and own == _pieces(make()):
            return name
    raise _refused("the tokenizer cuts texts in a way that Burnish knows no name of llama.cpp for")


def _pieces(pre_tokenizer: Any) -> list[str]:
    return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(_PROBE)]


def _special(tokenizer: Any) -> dict[str, int]:
    found = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "unk", "pad")}
    return {name: at for name, at in found.items() if at is not None}


def _refused(what: str) -> ModelTaskError:
    return ModelTaskError(
        what, where="the model's tokenizer, for llama.cpp", fix="use `--format merged`"
    )
