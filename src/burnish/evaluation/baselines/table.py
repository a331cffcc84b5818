"""The table of baselines.

To add one: write a subclass of `Baseline` and add a row here, or an entry point
`burnish.baselines`.
"""

from burnish.evaluation.baselines.base import Baseline
from burnish.registry import Registry

_HERE = "burnish.evaluation.baselines"

BASELINES: Registry[type[Baseline]] = Registry(
    "baseline",
    {
        "majority": f"{_HERE}.majority:Majority",
        "lexglue-svm": f"{_HERE}.lexglue_svm:LexglueSvm",
        "tfidf-svm": f"{_HERE}.tfidf_svm:TfidfSvm",
        "frozen-encoder": f"{_HERE}.frozen_encoder:FrozenEncoder",
    },
    where="recipe key `evaluation.baselines`",
)
