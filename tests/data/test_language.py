"""The language of a text is told where it is sure, and is unknown where nobody could be."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.data.language import languages_of
from burnish.recipe.languages import LANGUAGES, language_fault

SENTENCES = {
    "en": ("The battery does not last long.", "Where did I leave my keys this morning?",
           "You may close your account at any time without giving a reason."),
    "de": ("Sehr gute Qualität, gerne wieder.", "Leider passt die Hose nicht.",
           "Der Vertrag kann jederzeit mit einer Frist von vier Wochen gekündigt werden."),
    "fr": ("La livraison est arrivée en retard.", "Je n'ai pas commandé cela.",
           "Veuillez nous envoyer une photo de l'article endommagé."),
    "es": ("Los pantalones me quedan pequeños.", "Mi cuenta ha sido bloqueada.",
           "La factura le será enviada por correo en los próximos días."),
    "it": ("La consegna è arrivata in ritardo.", "Il mio conto è stato bloccato.",
           "Dopo l'aggiornamento il dispositivo non si avvia e lo schermo resta nero."),
    "nl": ("De schoenen zitten lekker.", "De batterij gaat niet lang mee.",
           "We hebben de kamer voor twee nachten geboekt en waren erg tevreden."),
    "pl": ("Przesyłka dotarła za późno.", "Wszystko w porządku, dziękuję!",
           "Latem wiele rodzin w weekendy chodzi po górach."),
    "ru": ("Батарея держится недолго.",), "el": ("Πού είναι το κλειδί μου;",),
    "ja": ("お元気ですか",), "zh": ("你好，请问现在几点？",), "ko": ("안녕하세요",),
}  # fmt: skip
PAIRS = [(code, text) for code, texts in SENTENCES.items() for text in texts]


def told(*texts: str | None) -> list[str | None]:
    return languages_of(pl.Series("said", texts, dtype=pl.String)).to_list()


@pytest.mark.parametrize(("code", "text"), PAIRS)
def test_short_sentences_are_told_in_their_language(code: str, text: str) -> None:
    assert told(text) == [code]


def test_a_column_keeps_its_order_its_name_and_its_gaps() -> None:
    texts = [text for _, text in PAIRS]

    found = languages_of(pl.Series("said", [*texts, None, *texts[::-1]]))

    codes = [code for code, _ in PAIRS]
    assert (found.name, found.dtype) == ("said", pl.String)
    assert found.to_list() == [*codes, None, *codes[::-1]]


@pytest.mark.parametrize(
    "text",
    [None, "", "  ", "12 345,67", "???", "😀😀", "ok", "I", "radio", "Hamburger", "Max Mustermann",
     "iPhone 14 Pro Max 256GB", "https://example.com/a/b?c=d", "hahaha"],
)  # fmt: skip
def test_what_could_be_any_language_is_unknown(text: str | None) -> None:
    assert told(text) == [None]


def test_a_long_text_is_told_by_how_it_begins() -> None:
    assert told("Der Akku hält nicht lange. " * 200 + "Muy buena calidad. " * 5_000) == ["de"]
    assert told("WHERE DID I LEAVE MY KEYS THIS MORNING?") == ["en"]


@given(st.lists(st.text(max_size=40) | st.none(), max_size=8))
def test_any_text_has_a_known_code_or_none(texts: list[str | None]) -> None:
    kept = [None if text is None else text.encode(errors="ignore").decode() for text in texts]

    found = told(*kept)

    assert len(found) == len(kept)
    assert set(found) <= {None, *LANGUAGES}
    assert all(code is None for text, code in zip(kept, found, strict=True) if text is None)


def test_what_is_no_text_is_refused_and_no_value_at_all_is_unknown() -> None:
    with pytest.raises(TypeError, match=r"told of texts, and these are .* Int64"):
        languages_of(pl.Series([1, 2]))
    assert languages_of(pl.Series("a", [None, None])).to_list() == [None, None]
    assert languages_of(pl.Series("a", [], dtype=pl.String)).to_list() == []


def test_the_codes_of_a_recipe_are_those_that_the_library_tells() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = LanguageIdentifier.from_model_file(MODEL_FILE).labels

    assert set(LANGUAGES) == {label for label in labels if len(label) == 2}


@pytest.mark.parametrize(
    ("written", "near"),
    [("english", "`en` (English)"), ("German", "`de` (German)"), ("eng", "`en` (English)"),
     ("en-GB", "`en` (English)"), ("EN", "`en` (English)"), ("deu", "`de` (German)"),
     ("polnish", "`pl` (Polish)")],
)  # fmt: skip
def test_a_code_that_is_none_is_told_with_the_nearest(written: str, near: str) -> None:
    fault = language_fault(written)

    assert fault is not None
    assert fault.startswith(f"{written!r} is no ISO 639-1 code")
    assert fault.endswith(f"did you mean {near}?")
    assert language_fault("en") is None
    assert "these can: af, am, " in str(language_fault("xx"))
