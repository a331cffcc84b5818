"""Turn numbers and names into the words a reader of the report understands.

Every function is a Jinja filter of the same name. A value that is absent or not a number
becomes an en dash, so a template never has to ask.
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

ABSENT = "–"
_SMALLEST_P = 0.001

METRICS: Mapping[str, tuple[str, str]] = {
    "accuracy": ("Accuracy", "share of rows answered exactly right"),
    "micro_f1": ("Micro F1", "F1 over all labels together; frequent labels count more"),
    "macro_f1": (
        "Macro F1",
        "mean F1 of the labels; a rare label counts as much as a frequent one",
    ),
    "f1": ("F1", "balance of precision and recall for the class of interest"),
    "precision": ("Precision", "of what the model flags, the share that is right"),
    "recall": ("Recall", "of what there is to find, the share the model finds"),
    "lexglue_micro_f1": ("LexGLUE micro F1", "micro F1 with “no label” counted as one more label"),
    "lexglue_macro_f1": ("LexGLUE macro F1", "macro F1 with “no label” counted as one more label"),
    "roc_auc": ("ROC AUC", "chance that a right label gets a higher score than a wrong one"),
    "ece": ("Calibration error", "mean gap between stated confidence and accuracy; 0 is best"),
    "rouge1": ("ROUGE-1", "words shared with the reference"),
    "rouge2": ("ROUGE-2", "pairs of words shared with the reference"),
    "rougeL": ("ROUGE-L", "words shared with the reference in the same order, gaps allowed"),
    "rougeLsum": ("ROUGE-Lsum", "ROUGE-L sentence by sentence"),
    "bleu": ("BLEU", "runs of up to four words that a reference has too"),
    "chrf": ("chrF", "runs of up to six characters shared with the reference"),
    "exact_match": ("Exact match", "share of answers that are a reference to the letter"),
    "loss": ("Loss", "mean surprise at what is right; 0 is best"),
    "perplexity": ("Perplexity", "how many tokens the model wavers between; 1 is best"),
    "top1": ("Top 1", "share of tokens that the model itself would have put first"),
    "top5": ("Top 5", "share of tokens among the five that the model finds likeliest"),
}
_SYSTEMS: Mapping[str, str] = {
    "tuned": "this run’s fine-tuned model",
    "base": "the model before fine-tuning",
    "last": "this run’s model as it was at the end of training",
    "control": "tuned the same way on rows from before the selection",
    "majority": "always the most frequent answer",
    "lexglue-svm": "word counts + SVM, by LexGLUE’s protocol",
    "tfidf-svm": "word and character counts + SVM",
    "frozen-encoder": "untouched encoder + logistic regression",
    "lead": "first sentence of the input",
    "retrieval": "reply to the most similar training input",
}
_LOWER_IS_BETTER = frozenset({"ece", "loss", "perplexity"})
_NO_SHARES: Mapping[str, str] = {"loss": "nats", "perplexity": ""}  # metric → its unit


def metric_label(name: str) -> str:
    """Return the name of a metric as written in a heading; unknown ones as they are."""
    return METRICS.get(name, (name, ""))[0]


def metric_words(name: str) -> str:
    """Return what a metric means, in a phrase; empty for unknown ones."""
    return METRICS.get(name, (name, ""))[1]


def system_words(name: str) -> str:
    """Return what a system is, in a phrase; empty for unknown ones."""
    return _SYSTEMS.get(name, "")


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of the metric is the better one."""
    return metric in _LOWER_IS_BETTER


def is_share(metric: str) -> bool:
    """Whether a metric is told out of 100, and its differences in points."""
    return metric not in _NO_SHARES


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number (a bool is not one)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def or_dash(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """Let a function of a number answer an en dash to whatever is none."""

    @wraps(write)
    def written(value: Any) -> str:
        return write(value) if is_number(value) else ABSENT

    return written


@or_dash
def out_of_100(value: float) -> str:
    """Return a share in [0, 1] as a figure out of 100 with one decimal."""
    return f"{100 * value:.1f}"


def tick(value: float) -> str:
    """Return a share as written on an axis: out of 100, whole where it can be."""
    return out_of_100(value).removesuffix(".0")


@or_dash
def points(value: float) -> str:
    """Return a difference of two shares in points, always with its sign."""
    text = f"{abs(100 * value):.1f}"
    sign = "" if text == "0.0" else "+" if value > 0 else "−"
    return sign + text


@or_dash
def p_value(value: float) -> str:
    """Return a p value as one reads it in a paper."""
    return "< 0.001" if value < _SMALLEST_P else f"{value:.3f}"


@or_dash
def count(value: float) -> str:
    """Return a whole number with separators."""
    return f"{value:,.0f}"


@or_dash
def figures(value: float) -> str:
    """Return a number with about three significant figures and separators."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004


def measured(value: Any, metric: str) -> str:
    """Return a metric's value: a share out of 100, another as it is."""
    return out_of_100(value) if is_share(metric) else figures(value)


def interval(low: Any, high: Any, metric: str = "") -> str:
    """Return a 95 % interval of a metric; empty where there is none."""
    there = is_number(low) and is_number(high)
    return f"{measured(low, metric)} to {measured(high, metric)}" if there else ""


@or_dash
def _signed_figures(value: float) -> str:
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return sign + figures(abs(value))


def changes_of(metric: str) -> Callable[[Any], str]:
    """Return how differences of a metric are written: in points, or in its own unit."""
    return points if is_share(metric) else _signed_figures


def change(value: Any, metric: str) -> str:
    """Return a difference of two values of a metric, always with its sign."""
    return changes_of(metric)(value)


def ticks_of(metric: str) -> Callable[[float], str]:
    """Return how values of a metric are written on an axis."""
    return tick if is_share(metric) else figures


def change_told(value: Any, metric: str) -> str:
    """Return a difference with its unit: "+4.3 points"."""
    return f"{change(value, metric)} {_NO_SHARES.get(metric, 'points')}".rstrip()


def of_difference(metric: str) -> str:
    """Return what stands below a difference: "points of difference", or "difference"."""
    unit = _NO_SHARES.get(metric, "points")
    return f"{unit} of difference" if unit else "difference"


@or_dash
def duration(seconds: float) -> str:
    """Return a time span in the two largest units that matter."""
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@or_dash
def megabytes(value: float) -> str:
    """Return an amount of memory given in megabytes."""
    return f"{value / 1000:.1f} GB" if value >= 1000 else f"{value:.0f} MB"  # noqa: PLR2004


def moment(value: Any) -> str:
    """Return an ISO 8601 time as a date a person reads; anything else as it is."""
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    zone = time.strftime(" %Z") if time.tzinfo else ""
    return f"{time.day} {time:%B %Y, %H:%M}{zone}"


def share(part: Any, whole: Any) -> str:
    """Return part of whole as a percentage; an en dash when there is no whole."""
    if not (is_number(part) and is_number(whole) and whole):
        return ABSENT
    return f"{100 * part / whole:.1f} %"


def clipped(text: Any, limit: int) -> str:
    """Return at most `limit` characters of a text, with a mark where it was cut."""
    text = f"{text}"
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def plural(number: Any, one: str, many: str = "") -> str:
    """Return `1 row`, `2 rows`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        metric_label, metric_words, system_words, lower_is_better, is_number, out_of_100, points,
        measured, change, change_told, of_difference, interval, p_value, count, figures, duration,
        megabytes, moment, share, clipped, plural,
    )
}  # fmt: skip
