"""In which language a text is; the only importer of py3langid.

Only what is surely told is told: where the most likely language is less likely than not, as in
most texts of one or two words, or where there is no letter, the language is unknown. So nobody
condemns a row for a word that two languages share. Languages of one family and spelling (Bosnian,
Croatian and Serbian; Norwegian and Danish) are taken for each other more often than others.

The model is a naive Bayes classifier over runs of bytes, in the package; nothing is fetched.
Source: Lui and Baldwin 2011, "Cross-domain Feature Selection for Language Identification".
"""

from collections.abc import Callable
from functools import cache

import polars as pl

from burnish.recipe.languages import LANGUAGES

_SURE = 0.5  # probability from which a language is told; see docs/decisions
_MOST_CHARACTERS = 1_000  # of a text; what follows says nothing new
_NO_LANGUAGE = "zxx"  # the model's own word for numbers, markup and the like


def languages_of(texts: pl.Series) -> pl.Series:
    """Return the ISO 639-1 code of each text's language, String; null where it is not known.

    Args:
        texts: String, n of them; null gives null.

    Raises:
        TypeError: they are no texts.
    """
    if texts.dtype == pl.Null:
        return texts.cast(pl.String)
    if texts.dtype != pl.String:
        raise TypeError(f"a language is told of texts, and these are values of type {texts.dtype}")
    read = texts.str.head(_MOST_CHARACTERS)
    found = dict.fromkeys(read.filter(read.str.contains(r"\pL")).unique().to_list())
    identify = _identifier()
    for text in found:
        found[text] = _told(identify, text)
    return pl.Series(texts.name, [found.get(text) for text in read], dtype=pl.String)


def _told(identify: Callable[[str], tuple[str, float]], text: str) -> str | None:
    code, probability = identify(text)
    return code if probability >= _SURE and code != _NO_LANGUAGE else None


@cache
def _identifier() -> Callable[[str], tuple[str, float]]:
    """Return a function from a text to its likeliest language and how likely that is."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages([*LANGUAGES, _NO_LANGUAGE])
    identify: Callable[[str], tuple[str, float]] = found.classify
    return identify
