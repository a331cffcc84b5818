"""Text to token ids: clean-up inside the tokenizer, encoding, and an exact count of what is cut.

The clean-up lives in the tokenizer's own normalizer, not in Python around it, so that it is
saved with the model and every other program that opens the model does it too.

Called by the tasks; `tokenizer` is a fast tokenizer of transformers throughout.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tokenizers import Regex, normalizers

from burnish.tasks.encoded import Ragged

_PTB_SIGNS = (
    ("-lrb-", "("),
    ("-rrb-", ")"),
    ("-lsb-", "["),
    ("-rsb-", "]"),
    ("-lcb-", "{"),
    ("-rcb-", "}"),
    ("``", '"'),
    ("''", '"'),
)
_PTB_CLITICS = ("n't", "'s", "'re", "'ll", "'ve", "'d", "'m")
_CLOSING = (",", ".", ";", ":", "!", "?", ")", "]", "}", "%")
_OPENING = ("(", "[", "{")
_BLOCK_TEXTS = 4096  # encoded at once: enough to keep every core busy, few enough to hold


def _ptb() -> list[Any]:
    steps = []
    for written, meant in _PTB_SIGNS:
        forms = {written, written.upper()}
        steps += [normalizers.Replace(form, meant) for form in sorted(forms)]
    steps += [normalizers.Replace(f" {clitic}", clitic) for clitic in _PTB_CLITICS]
    steps += [normalizers.Replace(f" {sign}", sign) for sign in _CLOSING]
    return steps + [normalizers.Replace(f"{sign} ", sign) for sign in _OPENING]


_STEPS: dict[str, Callable[[], list[Any]]] = {
    "ptb": _ptb,
    "lowercase": lambda: [normalizers.Lowercase()],
    "nfkc": lambda: [normalizers.NFKC()],
    "whitespace": lambda: [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()],
}


def with_clean_up(tokenizer: Any, steps: Sequence[str]) -> Any:
    """Return a tokenizer that applies `steps` before its own normalizer, and saves them.

    The result is of the generic fast class: a model's own class rebuilds its normalizer when
    it is loaded and would silently lose ours.

    Args:
        tokenizer: a fast tokenizer; changed in place where `steps` is not empty.
        steps: names as in recipe key `task.normalise`.
    """
    if not steps:
        return tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer.backend_tokenizer
    ours = [one for step in steps for one in _STEPS[step]()]
    own = [backend.normalizer] if backend.normalizer else []
    backend.normalizer = normalizers.Sequence(ours + own)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        model_input_names=list(tokenizer.model_input_names),
        **tokenizer.special_tokens_map,
    )


def encode_texts(
    texts: Iterable[str], tokenizer: Any, *, max_length: int
) -> tuple[Ragged, int, int]:
    """Return the token ids of all texts, and what was cut.

    Args:
        texts: n of them.
        tokenizer: adds its special tokens.
        max_length: longest row kept, in tokens, special ones included.

    Returns:
        n rows of tokens; rows cut; tokens lost from them.
    """
    rows: list[list[int]] = []
    rows_cut = tokens_lost = 0
    texts = list(texts)
    for start in range(0, len(texts), _BLOCK_TEXTS):
        block = texts[start : start + _BLOCK_TEXTS]
        # The backend knows nothing of truncation unless told, so lengths here are the true ones.
        whole = tokenizer(block, truncation=False, verbose=False)["input_ids"]
        long = [i for i, ids in enumerate(whole) if len(ids) > max_length]
        if long:
            tokens_lost += sum(len(whole[i]) for i in long) - max_length * len(long)
            rows_cut += len(long)
            cut = tokenizer([block[i] for i in long], truncation=True, max_length=max_length)
            for i, ids in zip(long, cut["input_ids"], strict=True):
                whole[i] = ids
        rows += whole
    return Ragged.of(rows), rows_cut, tokens_lost
