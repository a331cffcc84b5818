"""How values of a metric are told to people, and how small a gain is not worth having."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What the values of a metric are measured in."""

    noun: str  # stands behind a number; empty where the number stands alone
    write: Callable[[float], str]
    worth_having: float  # a gain smaller than this does not pay for a larger model

    def told(self, value: float) -> str:
        """Return a value with its unit: "4.3 points"."""
        return f"{self.write(value)} {self.noun}".rstrip()


def points(fraction: float) -> str:
    """Return a fraction as points, as people say metrics: 0.043 → "4.3", −0.01 → "−1.0"."""
    return _signed(f"{100 * fraction:z.1f}")


def _signed(number: str) -> str:
    return number.replace("-", "−")


POINTS = Unit(noun="points", write=points, worth_having=0.02)
# 0.02 nats a token are 2 % of a perplexity, whatever that is; 0.2 are 2 % of a perplexity of 10.
NATS = Unit(noun="nats", write=lambda v: _signed(f"{v:z.3f}"), worth_having=0.02)
PLAIN = Unit(noun="", write=lambda v: _signed(f"{v:z.2f}"), worth_having=0.2)
