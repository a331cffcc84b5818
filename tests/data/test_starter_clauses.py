"""The starter data is what it says: eight matters, fair and unfair, no template on two sides."""

import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from burnish.data.keys import text_keys
from burnish.data.starter import TYPES, clauses, read_starter
from burnish.data.table import Kind
from burnish.errors import ColumnError, DataNotFoundError

PARTS = ("train", "validation", "test")
COLUMNS = {"text": Kind.TEXT, "labels": Kind.LABELS, "document": Kind.PLAIN}


@pytest.mark.parametrize("part", PARTS)
def test_every_class_and_none_is_frequent_enough_to_be_learned_and_scored(part: str) -> None:
    rows = clauses(part)
    counts = rows["labels"].explode().value_counts()
    assert set(counts["labels"].drop_nulls()) == set(TYPES)
    assert counts["count"].min() >= (90 if part == "train" else 15)  # type: ignore[operator]
    assert 0.3 < (rows["labels"].list.len() == 0).mean() < 0.6  # type: ignore[operator]
    assert (rows["labels"].list.len() == 2).sum() > 10


def test_no_text_and_no_document_is_in_two_parts() -> None:
    texts = [set(text_keys(clauses(part)["text"])) for part in PARTS]
    documents = [set(clauses(part)["document"]) for part in PARTS]
    assert sum(map(len, texts)) == len(set().union(*texts)) == 2300
    assert sum(map(len, documents)) == len(set().union(*documents))


def test_sentences_are_whole_and_no_slot_is_left_open() -> None:
    for part in PARTS:
        for text in clauses(part)["text"]:
            assert not re.search(r"[{}\[\]|]|  ", text), text
            assert text[0].isupper(), text
            assert text.endswith((".", "?")), text


def test_verbs_agree_with_the_party() -> None:
    texts = " ".join(t for part in PARTS for t in clauses(part)["text"])
    plural = "agree|waive|accept|do|have|keep|submit|are"
    assert not re.search(rf"\b[Tt]he (User|Customer|Member|Company|Operator) ({plural})\b", texts)
    assert not re.search(r"\b(you (agrees|waives|keeps)|we (reserves|disclaims|has))\b", texts)


def test_the_rows_are_the_same_each_time() -> None:
    first = clauses("test")
    clauses.cache_clear()
    assert clauses("test").equals(first)


def test_words_alone_get_one_somewhere_but_not_there() -> None:
    """A bag-of-words SVM must beat chance, for the labels follow the text, and fall well short."""
    train, test = clauses("train"), clauses("test")
    has = {p: [[t in row for t in TYPES] for row in clauses(p)["labels"]] for p in PARTS}
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    svm = OneVsRestClassifier(LinearSVC(C=0.1, class_weight="balanced"))
    svm.fit(words.fit_transform(train["text"].to_list()), np.array(has["train"]))
    answers = svm.predict(words.transform(test["text"].to_list()))
    assert 0.25 < f1_score(np.array(has["test"]), answers, average="macro") < 0.7


def test_only_the_columns_asked_for_come_back_numbered() -> None:
    table = read_starter("starter:clauses", "test", columns=COLUMNS)
    assert table.rows_in == table.frame.height == 400
    assert set(COLUMNS) < set(table.frame.columns)
    with pytest.raises(ColumnError, match="'label'"):
        read_starter("starter:clauses", "test", columns={"label": Kind.LABELS})


def test_another_starter_name_is_answered_with_the_one_there_is() -> None:
    with pytest.raises(DataNotFoundError) as caught:
        read_starter("starter:tweets", "train", columns=COLUMNS)
    assert "starter:clauses" in caught.value.fix
