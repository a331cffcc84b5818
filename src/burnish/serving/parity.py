"""Before a model is served: prove on the golden rows of its folder that it answers as judged."""

from dataclasses import replace
from pathlib import Path

from burnish.errors import ParityError
from burnish.evaluation.parity import Bounds, Parity, bounds, compare, is_exact
from burnish.serving.engine import Ask, Engine
from burnish.training.golden import FILE, Golden

_UNPROVED = f"not proved: the model folder keeps no {FILE}"


def prove(engine: Engine, folder: Path) -> str:
    """Return in words how an engine's answers compare with those that were judged.

    Args:
        engine: ready to answer.
        folder: of the model; without golden rows there is nothing to compare with, and an engine
            that rounds its weights is refused.

    Raises:
        ParityError: BN603, it answers otherwise, or cannot be proved to answer alike.
    """
    golden = Golden.read(folder)
    if golden is not None and golden.rows:
        parity = _compare(engine, golden)
        if parity.holds:
            return parity.words
        raise ParityError(
            f"the model answers otherwise than it was judged: {parity.words}",
            where=f"{folder / FILE}, precision {engine.facts.precision}",
            fix="serve it with `--precision fp32`, or train it anew on this machine",
        )
    if engine.rounding is None:
        return _UNPROVED
    raise ParityError(
        f"in {engine.facts.precision} a model is served only with a proof; the model folder "
        f"keeps no {FILE}",
        where=str(folder),
        fix="serve it with `--precision fp32`, or make the folder anew with `burnish run`",
    )


def _compare(engine: Engine, golden: Golden) -> Parity:
    reads = engine.read([Ask(text=row.text, turns=row.turns) for row in golden.rows])
    judged = [replace(row.judged, example_id=str(at)) for at, row in enumerate(golden.rows)]
    answers = {str(at): one.prediction for at, one in enumerate(engine.answer(reads))}
    exact = golden.exact and is_exact(engine.facts.precision, engine.facts.device)
    allowed = bounds(engine.facts.space.asked, exact=exact).widened(engine.rounding or Bounds())
    split = f"golden rows of {golden.split}"
    return compare(judged, answers, split=split, allowed=allowed.of_few())
