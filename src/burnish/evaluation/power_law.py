"""A power law through a few scores, with all that a few scores leave open.

Scores mostly follow score(n) = a − b·n^(−c) in the rows n that were learned from; losses follow
it with b below 0. Four sizes cannot settle three unknowns, so what comes out is no single curve
but one for each bootstrap draw of the judged rows, and the draws differ by all that is not known:

- which rows are judged: each draw has its own scores, the same rows drawn at every size;
- the luck of a training, which no judged row tells. Each draw moves each score by as much as
  trainings stray, and how far that is is drawn too: from what the seeds showed, from how far the
  scores lie off a smooth curve, and from a prior worth a single training. It is taken to fall
  with the fourth root of the rows, between not at all and as errors of a mean do, so the
  largest sizes say most; beyond them it is not taken to fall;
- the exponent c, drawn from [0.03, 2] by how well it fits. At its lower end each doubling brings
  about as much as the one before; at its upper end next to nothing is left to gain.

For one c the curve is linear in its values at the smallest and at the largest size, so it is
fitted by generalised least squares; moving the scores by noise of the right covariance and
fitting again draws from the posterior of those two under a flat prior.
Sources: Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically"; Viering and
Loog 2023, "The Shape of Learning Curves: a Review", section 4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.metrics.base import Values

_EXPONENTS = np.geomspace(0.03, 2.0, 24)
_NOISES = np.geomspace(1 / 8, 16, 24)  # times the usual noise
_TRIES = 8  # curves drawn for each draw, of which the first within bounds counts
_FALLS = 0.25  # power of the rows with which luck falls
_FAR = 16.0  # times the rows; up to there a curve stays within the bounds of its metric

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Scores at K sizes by S seeds, and the same under D draws of the judged rows."""

    rows: Floats  # shape (K,), rising; rows learned from
    values: Floats  # shape (S, K)
    drawn: Floats  # shape (S, K, D), finite

    @property
    def mean(self) -> Floats:
        """Scores averaged over seeds, shape (K,)."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def mean_drawn(self) -> Floats:
        """Draws averaged over seeds, shape (K, D), their mean moved onto the scores.

        A resample has fewer distinct rows than the data, which biases some metrics a little.
        """
        drawn = self.drawn.mean(axis=0)
        return np.asarray(drawn - drawn.mean(axis=1, keepdims=True) + self.mean[:, None])

    @property
    def spread(self) -> Floats:
        """How much further than at the largest size trainings stray at each, shape (K,)."""
        return np.asarray((self.rows[-1] / self.rows) ** _FALLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLaw:
    """D curves, one a draw; every array has shape (D,)."""

    least: float  # rows of the smallest size
    most: float  # rows of the largest
    first: Values  # of each curve at the smallest size
    last: Values  # and at the largest
    exponent: Values  # c
    noise: Values  # standard deviation of one training at the largest size
    luck: Values  # standard normal: of the one training that is foretold
    bounds: tuple[float, float]  # of the metric

    def at(self, rows: float) -> Values:
        """Return where each curve stands with so many rows, within the bounds of the metric."""
        start = _share(self.least / self.most, self.exponent)
        part = _share(rows / self.most, self.exponent) / start
        return np.asarray(np.clip(self.last + part * (self.first - self.last), *self.bounds))

    def trained_on(self, rows: float) -> Values:
        """Return what one training on so many rows may come to: the curve and its luck."""
        return np.asarray(np.clip(self.at(rows) + self.luck * self.noise, *self.bounds))

    @property
    def limit(self) -> Values:
        """The score that each curve comes near with ever more rows: a."""
        start = _share(self.least / self.most, self.exponent)
        return np.asarray(self.last + (self.last - self.first) / start)

    @property
    def factor(self) -> Values:
        """What is lacking to the limit with one row: b."""
        return np.asarray((self.limit - self.last) * self.most**self.exponent)


def fit(
    points: Points, *, usual_noise: float, bounds: tuple[float, float], seed: int = 0
) -> PowerLaw:
    """Return a curve for each draw.

    Args:
        points: scores at 3 sizes or more.
        usual_noise: how far the score of a training strays by chance where nothing is known of
            it, a standard deviation in the metric's unit; worth as much as one more training.
        bounds: the least and the greatest value there can be.
        seed: of what is drawn here.
    """
    rng = np.random.default_rng(seed)
    grid = _grid(points, _NOISES * usual_noise, usual_noise)
    draws = points.drawn.shape[2]
    cells = rng.choice(grid.weights.size, size=(_TRIES, draws), p=grid.weights.ravel())
    exponent, noise = np.divmod(cells, len(_NOISES))
    strays = usual_noise * _NOISES[noise] / np.sqrt(len(points.values))
    moved = rng.normal(size=(_TRIES, draws, len(points.rows))) * points.spread * strays[..., None]
    ends = np.einsum(
        "tdek,tdk->tde", grid.projections[exponent, noise], points.mean_drawn.T + moved
    )
    curves = PowerLaw(
        least=float(points.rows[0]),
        most=float(points.rows[-1]),
        last=ends[..., 0],
        first=ends[..., 1],
        exponent=_EXPONENTS[exponent],
        noise=usual_noise * _NOISES[noise],
        luck=rng.normal(size=(_TRIES, draws)),
        bounds=bounds,
    )
    return _first_within(curves)


def _first_within(tried: PowerLaw) -> PowerLaw:
    """Return, for each draw, the first curve that stays within bounds; (tries, D) → (D,).

    A draw without one keeps its last, which `at` cuts off at the bound.
    """
    start = _share(tried.least / tried.most, tried.exponent)
    far = tried.last + _share(_FAR, tried.exponent) / start * (tried.first - tried.last)
    within = (far >= tried.bounds[0]) & (far <= tried.bounds[1])
    within[-1] = True
    chosen = within.argmax(axis=0), np.arange(within.shape[1])
    return PowerLaw(
        least=tried.least,
        most=tried.most,
        first=tried.first[chosen],
        last=tried.last[chosen],
        exponent=tried.exponent[chosen],
        noise=tried.noise[chosen],
        luck=tried.luck[chosen],
        bounds=tried.bounds,
    )


def _share(times: float, exponent: Floats) -> Floats:
    """Return times^(−c) − 1: 0 at the largest size, below 0 beyond it."""
    return np.asarray(np.expm1(-exponent * np.log(times)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """For each exponent and noise, how likely they are and how scores become a curve's ends."""

    weights: Floats  # shape (exponents, noises), summing to 1
    projections: Floats  # shape (exponents, noises, 2, K): last and first from K scores


def _grid(points: Points, noises: Floats, usual_noise: float) -> _Grid:
    """Return the grid by the likelihood of the scores, the two ends integrated out."""
    sizes, seeds = len(points.rows), len(points.values)
    part = np.stack([_share(n / points.rows[-1], _EXPONENTS) for n in points.rows], axis=1)
    part = part / part[:, :1]  # 1 at the smallest size, 0 at the largest
    design = np.stack([1 - part, part], axis=2)  # (exponents, K, 2)
    judged = np.atleast_2d(np.cov(points.mean_drawn))
    own = np.diag(points.spread**2) * (noises**2 / seeds)[:, None, None]
    precision = np.linalg.inv(judged + own)  # (noises, K, K)
    seen = np.einsum("cke,nkl->cnel", design, precision)
    normal = np.einsum("cnel,clf->cnef", seen, design)
    projections = np.linalg.solve(normal, seen)
    ends = projections @ points.mean
    off = points.mean - np.einsum("cke,cne->cnk", design, ends)
    found = (
        np.linalg.slogdet(precision)[1]
        - np.linalg.slogdet(normal)[1]
        - np.einsum("cnk,nkl,cnl->cn", off, precision, off)
    ) / 2
    between = (((points.values - points.mean) / points.spread) ** 2).sum()
    found += -sizes * (seeds - 1) * np.log(noises) - between / (2 * noises**2)
    found += -np.log(noises) - usual_noise**2 / (2 * noises**2)  # inverse chi-square of 1 degree
    weights = np.exp(found - found.max())
    return _Grid(weights=weights / weights.sum(), projections=projections)
