"""Small, fast fits with one effect per unit, made to be repeated hundreds of times on growing windows.

Used by the out-of-sample comparison, where nearly the same model is fitted at every origin, whole and without each group of
columns. The unit effects are concentrated out, so only the slopes are iterated, starting from the last solution; smaller
models start from the larger one's quadratic, reuse its curvature and are stepped side by side. Standard errors are not
computed here: the panel engine does that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from analysis.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

MAX_STEPS = 50
# Newton's own estimate of the log likelihood still to gain; after a last step from here the error is about its square.
LAST_NEWTON_GAIN = 1e-5
# A step with borrowed curvature ends only linearly close, so it has to come nearer before it stops.
LAST_CHORD_GAIN = 1e-7


@dataclass(frozen=True, slots=True)
class UnitRows:
    """Rows sorted by unit, ready for `fit_units`.

    y: (n,); x: (n, k); unit: (n,) codes. codes, counts, begins, total: one entry per unit present: its code, number
    of rows, first row, summed outcome. position: (n,) place of each row's unit in those.
    """

    y: Floats
    x: Floats
    unit: Ints
    codes: Ints
    counts: Ints
    begins: Ints
    total: Floats
    position: Ints


@dataclass(frozen=True, slots=True)
class UnitFit:
    """slopes: (k,), 0 for columns left out. levels: log mean (poisson) or intercept (gaussian) by unit code, NaN for
    a unit that cannot have one. information: (k, k) curvature in the slopes. objective: log likelihood up to a
    constant (poisson) or minus half the residual sum of squares (gaussian)."""

    slopes: Floats
    levels: Floats
    information: Floats
    objective: float


def unit_rows(y: Floats, x: Floats, unit: Ints, family: str) -> UnitRows:
    """Index rows that are already sorted by unit; for poisson, units whose outcome is always zero are left out.

    y: (n,); x: (n, k); unit: (n,) codes 0, 1, ..., non-decreasing. Raises InputError for unsorted rows or an unknown
    family.
    """
    if family not in ("poisson", "gaussian"):
        raise InputError(f"family {family!r} is not known: use 'poisson' or 'gaussian'")
    step = np.diff(unit)
    if (step < 0).any():
        raise InputError("unit effects: rows must be sorted by unit")
    begins = np.flatnonzero(np.concatenate([[True], step > 0])) if unit.size else np.zeros(0, dtype=np.int64)
    counts = np.diff(np.append(begins, unit.size))
    total = np.add.reduceat(y, begins) if unit.size else np.zeros(0)
    if family == "poisson" and (total <= 0).any():
        keep = np.repeat(total > 0, counts)
        return unit_rows(y[keep], x[keep], unit[keep], family)
    return UnitRows(y, x, unit, unit[begins], counts, begins, total, np.repeat(np.arange(begins.size), counts))


def fit_units(rows: UnitRows, family: str, start: Floats | None = None) -> UnitFit:
    """Slopes and unit effects by least squares or Poisson quasi-likelihood.

    rows: from `unit_rows`; start: (k,) slopes to begin from (poisson). Columns without variation inside any unit get
    slope 0. Source: the conditional (multinomial) likelihood of Hausman, Hall & Griliches (1984).
    """
    k = rows.x.shape[1]
    if rows.codes.size == 0:
        return UnitFit(np.zeros(k), np.zeros(0), np.zeros((k, k)), 0.0)
    if family == "gaussian":
        z = rows.x - (np.add.reduceat(rows.x, rows.begins, axis=0) / rows.counts[:, None])[rows.position]
        information = z.T @ z
        return _gaussian(rows, solve(information, z.T @ rows.y), information)
    return _newton(rows, np.zeros(k) if start is None else start, np.ones(k, dtype=bool))


def refit_without(rows: UnitRows, family: str, fit: UnitFit, keeps: Sequence[Flags]) -> list[UnitFit]:
    """The same model with only some of its columns, from the larger model's fit on the same rows.

    keeps: for each smaller model the columns (k,) it keeps.
    """
    if rows.codes.size == 0:
        return [fit for _ in keeps]
    slopes, inverses = np.zeros((len(keeps), fit.slopes.size)), np.zeros((len(keeps), *fit.information.shape))
    for j, keep in enumerate(keeps):
        inner = np.ix_(keep, keep)
        pulled = fit.information[np.ix_(keep, ~keep)] @ fit.slopes[~keep]
        solved = solve(fit.information[inner], np.column_stack([pulled, np.eye(int(keep.sum()))]))
        slopes[j, keep], inverses[j][inner] = fit.slopes[keep] + solved[:, 0], solved[:, 1:]
    if family == "gaussian":
        return [_gaussian(rows, each, fit.information) for each in slopes]
    return _chords(rows, slopes, inverses, fit.information, keeps)


def solve(gram: Floats, right: Floats) -> Floats:
    """gram^-1 right, (k,) or (k, m), for a positive semi-definite gram: columns without variation get 0, exact copies share
    theirs."""
    if right.size == 0:
        return right
    diagonal = gram.diagonal()
    nudged = gram.copy()
    nudged.flat[:: diagonal.size + 1] += 1e-9 * np.maximum(diagonal, 1e-6 * diagonal.max()) + 1e-300
    _, solution, failed = lapack.dposv(nudged, right, lower=1)
    return np.asarray(np.linalg.solve(nudged, right) if failed else solution, dtype=float)


def _gaussian(rows: UnitRows, slopes: Floats, information: Floats) -> UnitFit:
    left = rows.y - rows.x @ slopes
    means = np.add.reduceat(left, rows.begins) / rows.counts
    residual = left - means[rows.position]
    return UnitFit(slopes, _by_code(rows, means), information, -0.5 * float(residual @ residual))


def _newton(rows: UnitRows, slopes: Floats, keep: Flags) -> UnitFit:
    """Maximise the concentrated likelihood over the columns in keep."""
    value, mu, log_mass = _likelihood(rows, slopes[None])
    for _ in range(MAX_STEPS):
        information = _information(rows, mu[0])[np.ix_(keep, keep)]
        step = np.zeros(keep.size)
        score = ((rows.y - mu[0]) @ rows.x)[keep]
        step[keep] = solve(information, score)
        last = float(score @ step[keep]) <= LAST_NEWTON_GAIN
        trial = _likelihood(rows, (slopes + step)[None])
        while trial[0][0] < value[0] - 1e-9 * (1 + abs(value[0])) and np.abs(step).max() > 1e-9:
            step = step / 2
            trial = _likelihood(rows, (slopes + step)[None])
        slopes = slopes + step
        value, mu, log_mass = trial
        if last:
            break
    full = np.zeros((keep.size, keep.size))
    full[np.ix_(keep, keep)] = information
    return UnitFit(slopes, _by_code(rows, np.log(rows.total) - log_mass[0]), full, float(value[0]))


def _chords(
    rows: UnitRows, slopes: Floats, inverses: Floats, information: Floats, keeps: Sequence[Flags]
) -> list[UnitFit]:
    """Maximise several concentrated likelihoods side by side with borrowed curvatures: slopes (m, k), inverses (m, k, k).

    A model that its borrowed curvature stops helping ends by Newton's own steps.
    """
    value, mu, log_mass = _likelihood(rows, slopes)
    found: list[UnitFit | None] = [None] * len(keeps)
    going = np.arange(len(keeps))
    for _ in range(MAX_STEPS):
        score = (rows.y - mu) @ rows.x
        step = np.matmul(inverses[going], score[:, :, None])[:, :, 0]
        last = np.einsum("mk,mk->m", score, step) <= LAST_CHORD_GAIN
        trial, mu, log_mass = _likelihood(rows, slopes[going] + step)
        worse = trial < value[going]
        slopes[going[~worse]] += step[~worse]
        value[going] = trial
        for j in np.flatnonzero(worse):
            found[going[j]] = _newton(rows, slopes[going[j]], keeps[going[j]])
        for j in np.flatnonzero(last & ~worse):
            inner = np.where(np.outer(keeps[going[j]], keeps[going[j]]), information, 0.0)
            levels = _by_code(rows, np.log(rows.total) - log_mass[j])
            found[going[j]] = UnitFit(slopes[going[j]], levels, inner, float(trial[j]))
        on = ~(worse | last)
        going, mu = going[on], mu[on]
        if not going.size:
            break
    return [fit or _newton(rows, slopes[j], keeps[j]) for j, fit in enumerate(found)]


def _likelihood(rows: UnitRows, slopes: Floats) -> tuple[Floats, Floats, Floats]:
    """Log likelihoods (m,), means (m, n) and log sums of exp (m, u) for slopes (m, k)."""
    eta = slopes @ rows.x.T
    top = np.maximum.reduceat(eta, rows.begins, axis=1)
    weight = np.exp(eta - top.take(rows.position, axis=1))
    mass = np.add.reduceat(weight, rows.begins, axis=1)
    log_mass = np.log(mass) + top
    weight *= (rows.total / mass).take(rows.position, axis=1)
    return eta @ rows.y - log_mass @ rows.total, weight, log_mass


def _information(rows: UnitRows, mu: Floats) -> Floats:
    weighted = rows.x * mu[:, None]
    mean = np.add.reduceat(weighted, rows.begins, axis=0) / np.sqrt(rows.total)[:, None]
    return rows.x.T @ weighted - mean.T @ mean


def _by_code(rows: UnitRows, values: Floats) -> Floats:
    levels = np.full(int(rows.codes[-1]) + 1, np.nan)
    levels[rows.codes] = values
    return levels
