"""Small, fast fits with one effect per unit, made to be repeated hundreds of times on growing windows.

Used by the out-of-sample comparison and the carry-over search, where nearly the same model is fitted at every origin
or grid point. The unit effects are concentrated out, so only the slopes are iterated, starting from the last
solution; a smaller model starts from the larger one's quadratic and reuses its curvature. Standard errors are not
computed here: the panel engine does that."""

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
    return _newton(rows, np.zeros(k) if start is None else start, None, np.ones(k, dtype=bool))


def refit_without(rows: UnitRows, family: str, fit: UnitFit, keep: Flags) -> UnitFit:
    """The same model with only the columns in keep, (k,), from the larger model's fit on the same rows."""
    if rows.codes.size == 0:
        return fit
    out = ~keep
    inner = fit.information[np.ix_(keep, keep)]
    slopes = np.zeros(keep.size)
    slopes[keep] = fit.slopes[keep] + solve(inner, fit.information[np.ix_(keep, out)] @ fit.slopes[out])
    if family == "gaussian":
        return _gaussian(rows, slopes, fit.information)
    return _newton(rows, slopes, inner, keep)


def solve(gram: Floats, right: Floats) -> Floats:
    """gram^-1 right for a positive semi-definite gram: columns without variation get 0, exact copies share theirs."""
    if right.size == 0:
        return right
    diagonal = gram.diagonal()
    nudged = gram.copy()
    nudged.flat[:: right.size + 1] += 1e-9 * np.maximum(diagonal, 1e-6 * diagonal.max()) + 1e-300
    _, solution, failed = lapack.dposv(nudged, right, lower=1)
    return np.asarray(np.linalg.solve(nudged, right) if failed else solution, dtype=float)


def _gaussian(rows: UnitRows, slopes: Floats, information: Floats) -> UnitFit:
    left = rows.y - rows.x @ slopes
    means = np.add.reduceat(left, rows.begins) / rows.counts
    residual = left - means[rows.position]
    return UnitFit(slopes, _by_code(rows, means), information, -0.5 * float(residual @ residual))


def _newton(rows: UnitRows, slopes: Floats, curvature: Floats | None, keep: Flags) -> UnitFit:
    """Maximise the concentrated likelihood; with a borrowed curvature, by chord steps for as long as they improve."""
    value, mu, log_mass = _likelihood(rows, slopes)
    information = curvature
    for _ in range(MAX_STEPS):
        if curvature is None or information is None:
            information = _information(rows, mu)[np.ix_(keep, keep)]
        step = np.zeros(keep.size)
        score = (rows.x.T @ (rows.y - mu))[keep]
        step[keep] = solve(information, score)
        promised = float(score @ step[keep])
        last = promised <= (LAST_NEWTON_GAIN if curvature is None else LAST_CHORD_GAIN)
        trial = _likelihood(rows, slopes + step)
        if curvature is not None and trial[0] < value:
            curvature = None  # the borrowed curvature has stopped helping
            continue
        while trial[0] < value - 1e-9 * (1 + abs(value)) and np.abs(step).max() > 1e-9:
            step = step / 2
            trial = _likelihood(rows, slopes + step)
        slopes = slopes + step
        value, mu, log_mass = trial
        if last:
            break
    full = np.zeros((keep.size, keep.size))
    full[np.ix_(keep, keep)] = information
    return UnitFit(slopes, _by_code(rows, np.log(rows.total) - log_mass), full, value)


def _likelihood(rows: UnitRows, slopes: Floats) -> tuple[float, Floats, Floats]:
    eta = rows.x @ slopes
    top = np.maximum.reduceat(eta, rows.begins)
    weight = np.exp(eta - top[rows.position])
    mass = np.add.reduceat(weight, rows.begins)
    log_mass = np.log(mass) + top
    return float(rows.y @ eta - rows.total @ log_mass), weight * (rows.total / mass)[rows.position], log_mass


def _information(rows: UnitRows, mu: Floats) -> Floats:
    weighted = rows.x * mu[:, None]
    mean = np.add.reduceat(weighted, rows.begins, axis=0) / np.sqrt(rows.total)[:, None]
    return rows.x.T @ weighted - mean.T @ mean


def _by_code(rows: UnitRows, values: Floats) -> Floats:
    levels = np.full(int(rows.codes[-1]) + 1, np.nan)
    levels[rows.codes] = values
    return levels
