"""Metrics of written answers: the libraries' own numbers, and cases worked by hand."""

import math
import random
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from burnish.errors import RecipeError
from burnish.evaluation.bootstrap import resample
from burnish.evaluation.metrics.base import by_row
from burnish.evaluation.metrics.table import METRICS, default_metric, metric_names, metrics_for
from burnish.evaluation.score import score
from burnish.evaluation.sentences import sentences
from burnish.evaluation.texts import Texts
from burnish.records import LabelSpace, Prediction, TextSpace

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
OF_LIKELIHOODS = ("loss", "perplexity", "top1", "top5")
OF_SUMS = (*ROUGE, "bleu", "chrf", "exact_match", *OF_LIKELIHOODS)


def texts_of(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    likelihood: Sequence[float] | None = None,
    tokens: Sequence[float] | None = None,
    tops: Sequence[Sequence[float]] | None = None,
) -> Texts:
    n = len(answers)
    absent = np.full(n, np.nan)
    return Texts(
        ids=tuple(map(str, range(n))),
        answers=tuple(answers),
        references=tuple(map(tuple, references)),
        log_likelihood=absent if likelihood is None else np.array(likelihood, dtype=float),
        tokens=absent if tokens is None else np.array(tokens, dtype=float),
        tops=np.full((n, 2), np.nan) if tops is None else np.array(tops, dtype=float),
        complete=absent,
    )


def value(metric: str, texts: Texts) -> float:
    return METRICS.get(metric).function(texts)


def made_up(n: int, words: int, seed: int, *, most_references: int = 1) -> Texts:
    """Sentences of inflected words, so that stems, orders and repetitions all matter."""
    rng = random.Random(seed)
    bank = [f"{stem}{end}" for stem in ("run", "Walk", "talk", "7") for end in ("", "s", "ing")]

    def text() -> str:
        parts = [" ".join(rng.choices([*bank, "the", "of"], k=rng.randint(1, 9))) for _ in "abc"]
        return "".join(part + rng.choice((". ", "! ", "\n", " ")) for part in parts)[: 6 * words]

    return texts_of(
        [text() for _ in range(n)],
        [[text() for _ in range(rng.randint(1, most_references))] for _ in range(n)],
    )


def streams(texts: Texts) -> list[list[str | None]]:
    """References as sacreBLEU takes them: the i-th of every row, None where a row has fewer."""
    most = max(map(len, texts.references))
    return [[(r[i] if i < len(r) else None) for r in texts.references] for i in range(most)]


WORDS = st.lists(
    st.sampled_from(["the", "cat", "cats", "sat", "sitting", "on.", "mat!", "A", "é", "9"]),
    max_size=12,
).map(" ".join)
ROWS = st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_rouge_is_that_of_the_library_row_by_row(rows: list[tuple[str, list[str]]]) -> None:
    texts = texts_of(*zip(*rows, strict=True))
    scorer = RougeScorer(list(ROUGE), use_stemmer=True)

    for metric in ROUGE:
        # Lsum reads sentences from line breaks, as the Hugging Face script hands them over.
        form = (lambda text: "\n".join(sentences(text))) if metric == "rougeLsum" else str
        expected = [
            scorer.score_multi(list(map(form, accepted)), form(answer))[metric].fmeasure
            for answer, accepted in rows
        ]
        assert by_row(METRICS.get(metric), texts) == pytest.approx(expected, abs=1e-12)
        assert value(metric, texts) == pytest.approx(float(np.mean(expected)), abs=1e-12)


def test_rouge_is_that_of_the_library_on_long_texts_too() -> None:
    texts = made_up(12, 200, 0, most_references=3)
    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    found = [
        scorer.score_multi(["\n".join(sentences(r)) for r in accepted], "\n".join(sentences(a)))
        for a, accepted in zip(texts.answers, texts.references, strict=True)
    ]

    for metric in ROUGE:
        expected = float(np.mean([row[metric].fmeasure for row in found]))
        assert value(metric, texts) == pytest.approx(expected, abs=1e-12)


def test_rouge_worked_by_hand() -> None:
    # answer a b c, reference b c d e: 2 of 3 and 2 of 4 shared; pairs: 1 of 2 and 1 of 3.
    texts = texts_of(["a b c"], [["b c d e"]])

    assert value("rouge1", texts) == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert value("rouge2", texts) == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    assert value("rougeL", texts_of(["c b a"], [["a b c"]])) == pytest.approx(1 / 3)


def test_of_several_references_the_best_counts_for_each_row() -> None:
    texts = texts_of(["the cat sat"], [["a dog barked", "the cat sat", ""]])

    assert value("rougeL", texts) == 1.0
    assert value("chrf", texts) == 1.0
    assert value("exact_match", texts) == 1.0


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_bleu_and_chrf_are_those_of_sacrebleu(rows: list[tuple[str, list[str]]]) -> None:
    texts = texts_of(*zip(*rows, strict=True))
    answers = list(texts.answers)

    expected = BLEU().corpus_score(answers, streams(texts)).score / 100
    assert value("bleu", texts) == pytest.approx(expected, abs=1e-9)
    expected = CHRF().corpus_score(answers, streams(texts)).score / 100
    assert value("chrf", texts) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_a_resample_scores_like_the_rows_it_drew(metric: str) -> None:
    texts = made_up(30, 60, 1, most_references=2)
    drawn = np.random.default_rng(0).integers(30, size=30)
    weights = np.bincount(drawn, minlength=30)[None].astype(float)
    taken = texts.take(drawn)
    counter = {"bleu": BLEU, "chrf": CHRF}[metric]()

    resampled = METRICS.get(metric).resample(texts)(weights)[0]

    expected = counter.corpus_score(list(taken.answers), streams(taken)).score / 100
    assert resampled == pytest.approx(expected, abs=1e-9)


def test_characters_outside_the_basic_plane_and_half_pairs_are_counted() -> None:
    texts = texts_of(["𝄞 é漢字", "half \ud83d"], [["𝄞é 漢字"], ["half \ud83d"]])
    assert value("chrf", texts) == 1.0


def test_exact_match_is_the_share_of_answers_to_the_letter() -> None:
    texts = texts_of([" yes ", "Yes", "no"], [["yes"], ["yes"], ["maybe", "no\n"]])
    assert value("exact_match", texts) == pytest.approx(2 / 3)


def test_loss_and_perplexity_weigh_rows_by_their_tokens() -> None:
    texts = texts_of(["", ""], [["a"], ["b"]], likelihood=[-6.0, -2.0], tokens=[3, 1])

    assert value("loss", texts) == pytest.approx(2.0)
    assert value("perplexity", texts) == pytest.approx(math.exp(2.0))
    assert by_row(METRICS.get("loss"), texts).tolist() == [2.0, 2.0]


def test_tokens_that_are_hit_are_counted_over_all_rows() -> None:
    texts = texts_of(["", ""], [["a"], ["b"]], tokens=[3, 1], tops=[[1, 3], [0, 0]])

    assert value("top1", texts) == pytest.approx(1 / 4)
    assert value("top5", texts) == pytest.approx(3 / 4)
    assert by_row(METRICS.get("top1"), texts).tolist() == [1 / 3, 0]
    assert value("top1", texts.take([1, 1, 0])) == pytest.approx(1 / 5)


@pytest.mark.parametrize("metric", OF_LIKELIHOODS)
def test_a_system_without_likelihoods_of_every_row_has_no_loss(metric: str) -> None:
    assert np.isnan(value(metric, texts_of(["a"], [["a"]])))
    partly = texts_of(
        ["", ""], [["a"], ["b"]], [-6.0, np.nan], [3, np.nan], [[1, 2], [np.nan, np.nan]]
    )
    assert np.isnan(value(metric, partly))
    assert METRICS.get(metric).higher_is_better == metric.startswith("top")


def test_a_hopeless_model_has_a_finite_perplexity() -> None:
    texts = texts_of([""], [["a"]], likelihood=[-9e5], tokens=[1])
    assert math.isfinite(value("perplexity", texts))


@pytest.mark.parametrize("metric", [m for m in OF_SUMS if m not in OF_LIKELIHOODS])
def test_empty_answers_score_nothing_and_perfect_ones_everything(metric: str) -> None:
    accepted = ["The cat sat on the mat. It purred."]

    assert value(metric, texts_of([""], [accepted])) == 0.0
    assert value(metric, texts_of(accepted, [accepted])) == pytest.approx(1.0)


def test_a_task_of_texts_has_the_metrics_of_texts_and_one_of_labels_has_its_own() -> None:
    labels = LabelSpace(names=("a", "b"), multi_label=True)

    assert set(metric_names(TextSpace())) == set(OF_SUMS)
    assert set(metric_names(labels)) & set(OF_SUMS) == {"loss"}  # which both tell
    assert default_metric(TextSpace()) == "rougeL"
    with pytest.raises(RecipeError, match="accuracy do not fit a text task"):
        metrics_for(["accuracy", "bleu"], TextSpace())
    with pytest.raises(RecipeError, match="bleu do not fit a multi-label task"):
        metrics_for(["bleu"], labels)


def test_scores_of_a_system_leave_out_what_it_does_not_allow() -> None:
    rows = [Prediction(example_id=str(i), answer=("a b",), reference=("a b",)) for i in range(8)]

    told = score("lead", "test", rows, TextSpace(), resamples=100)

    assert [s.metric for s in told] == sorted(set(OF_SUMS) - set(OF_LIKELIHOODS))
    assert all(s.low <= s.value <= s.high for s in told)


@pytest.mark.parametrize("metric", OF_SUMS)
def test_two_thousand_resamples_of_a_thousand_rows_take_no_time(metric: str) -> None:
    few = made_up(50, 60, 2)
    texts = texts_of(few.answers, few.references, [-9.0] * 50, [4] * 50, [[1, 2]] * 50)
    texts = texts.take([*range(50)] * 20)
    resampler = METRICS.get(metric).resample(texts)

    start = time.perf_counter()
    drawn = resample([resampler], len(texts), resamples=2000)

    assert drawn.shape == (1, 2000)
    assert time.perf_counter() - start < 3


def test_a_row_by_itself_is_found_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = made_up(7, 40, 3)
    whole = by_row(METRICS.get("chrf"), texts)
    monkeypatch.setattr("burnish.evaluation.metrics.base._CELLS", 15)

    assert np.array_equal(by_row(METRICS.get("chrf"), texts), whole)
    assert whole == pytest.approx([value("chrf", texts.take([i])) for i in range(7)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("No end", ["No end"]),
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("Version 2.5 is out", ["Version 2.5 is out"]),
        ("A: hi\r\nB: hello. Yes", ["A: hi", "B: hello.", "Yes"]),
        ("你好。再见！", ["你好。", "再见！"]),
    ],
)
def test_sentences_end_where_the_rule_says(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet="ab .!?\"')\n。", max_size=40))
def test_cutting_into_sentences_loses_nothing_but_white_space(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
