"""Wild cluster bootstraps computed from cluster sums: no draw touches a row.

Least squares: the restricted wild cluster bootstrap with Webb's six-point weights (Cameron, Gelbach & Miller 2008;
Webb 2023). Refitting y* = fitted + v_g * residual changes the estimate and the cluster scores linearly in the weights v,
effects included, so a draw costs one product with a clusters x clusters matrix and equals the refit exactly.
Poisson: the same statistic from scores and information at the restricted estimate (Kline & Santos 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.errors import ParameterError, Refused
from analysis.models.absorb import Table, cross_sums, level_sums, to_array
from analysis.models.design import Floats
from analysis.models.fit import Fit, net_regressor, sums_by
from analysis.models.inference import require_clusters
from analysis.models.ppml import fit_restricted
from analysis.models.shift import circular_shift as circular_shift

WEBB = np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)])
CHUNK_VALUES = 2_000_000
LARGEST_MATRIX = 800
SAME = 1e-10


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """statistic: squared t, or a Wald statistic of q contrasts (its scale does not matter); p_value = (1+k)/(draws+1)
    with k draws at least as large; conf_low, conf_high: 95 % interval of one contrast by inverting the test (least
    squares only, else NaN)."""

    p_value: float
    statistic: float
    draws: int
    q: int
    conf_low: float
    conf_high: float


@dataclass(frozen=True, slots=True)
class Response:
    """How residuals enter a draw: own (q, G), each cluster's part of a contrast; and, for each contrast, either the
    matrix (G, G) from weights to the cluster scores of the refit, or the pair (left, right) whose product is what
    refitting coefficients and effects takes away from own * weights."""

    own: Floats
    turn: tuple[tuple[Floats, Floats | None], ...]


def wild_cluster(fit: Fit, weights: ArrayLike, draws: int = 9_999, seed: int = 0, interval: bool = True) -> Bootstrap:
    """Restricted wild cluster bootstrap of contrasts of a least-squares fit.

    weights: (p,) for one contrast or (q, p) for a joint test. Raises Refused with fewer clusters than q + 1,
    ParameterError for a Poisson fit (use score_bootstrap).
    """
    if fit.family != "ols":
        raise ParameterError("wild_cluster needs a least-squares fit; use score_bootstrap for a Poisson fit")
    matrix = _contrasts(fit, weights)
    net = net_regressor(fit, matrix.T)
    value = matrix @ fit.coef
    # The residual under the null is the residual plus what the contrast explains (Frisch, Waugh & Lovell).
    slope = net @ np.linalg.inv(matrix @ fit.bread @ matrix.T)
    if matrix.shape[0] == 1 and interval:
        return _with_interval(fit, net, slope[:, 0], float(value[0]), draws, seed)
    under_null = respond(fit, net, fit.residual + slope @ value)
    return _test(under_null, fit.n_clusters, draws, seed)


def score_bootstrap(fit: Fit, weights: ArrayLike, draws: int = 9_999, seed: int = 0) -> Bootstrap:
    """Restricted wild score bootstrap of contrasts of a Poisson fit; weights (p,) or (q, p).

    Refits once under the null. Raises Refused with fewer clusters than q + 1, ParameterError for least squares.
    """
    if fit.family != "ppml":
        raise ParameterError("score_bootstrap needs a Poisson fit; use wild_cluster for least squares")
    matrix = _contrasts(fit, weights)
    null = fit_restricted(fit, matrix)
    return _test(respond(null, net_regressor(null, matrix.T), null.residual), fit.n_clusters, draws, seed)


def _contrasts(fit: Fit, weights: ArrayLike) -> Floats:
    matrix = np.atleast_2d(np.asarray(weights, np.float64))
    if matrix.shape[1] != fit.n_coef:
        raise ParameterError(f"weights for {matrix.shape[1]} coefficients, the fit has {fit.n_coef}")
    require_clusters(fit.n_clusters)
    if fit.n_clusters <= matrix.shape[0]:
        raise Refused(f"{fit.n_clusters} clusters cannot carry a joint test of {matrix.shape[0]} contrasts")
    return matrix


def respond(fit: Fit, net: Floats, residual: Floats) -> Response:
    """Everything a draw needs from the rows. net: (n, q) net regressors of the contrasts; residual: (n,)."""
    system, plan = fit.system, fit.system.work.plan
    weight = np.ones(fit.n_obs) if system.weight is None else system.weight
    cluster = plan.cells.cluster
    scores = sums_by(system, cluster, residual)
    kept_right, gone_right = _effect_sums(fit, residual)
    own, turn = [], []
    for column in net.T:
        own.append(level_sums(cluster, column * residual, plan.clusters))
        kept_left, gone_left = _effect_sums(fit, weight * column)
        left = np.hstack([kept_left, sums_by(system, cluster, weight * column) @ fit.bread])
        right = np.vstack([system.work.solve_kept(kept_right.T), scores.T])
        through_gone = None
        if gone_left is not None and gone_right is not None:
            through_gone = to_array((gone_left / system.work.gone_weight) @ gone_right.T)
        turn.append(_pair(own[-1], left, right, through_gone))
    return Response(np.array(own), tuple(turn))


def _pair(own: Floats, left: Floats, right: Floats, through_gone: Floats | None) -> tuple[Floats, Floats | None]:
    if through_gone is None and own.size > LARGEST_MATRIX and left.shape[1] * 2 < own.size:
        return left, right
    matrix = np.diag(own) - left @ right
    return matrix if through_gone is None else matrix - through_gone, None


def _effect_sums(fit: Fit, values: Floats) -> tuple[Floats, Table | None]:
    """Sums by (cluster, kept level) after elimination, and by (cluster, eliminated level); None when all are zero."""
    work, plan = fit.system.work, fit.system.work.plan
    unit, effect, cluster = plan.cells.unit, plan.cells.effect, plan.cells.cluster
    gone, kept = (unit, effect) if plan.by_unit else (effect, unit)
    by_kept = to_array(cross_sums(cluster, kept, values, (plan.clusters, work.system.shape[0])))
    if plan.unit_nested and plan.by_unit:
        # Net values sum to zero within every unit, and a unit lies in one cluster: nothing goes through the units.
        return by_kept, None
    by_gone = cross_sums(cluster, gone, values, (plan.clusters, work.gone_weight.size))
    return by_kept - (by_gone / work.gone_weight) @ work.link, by_gone


def webb_weights(clusters: int, draws: int, seed: int) -> Iterator[Floats]:
    """Webb's six-point weights in blocks (clusters, some draws); the seed fixes them for a number of clusters."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK_VALUES // clusters)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        yield WEBB[rng.integers(0, 6, size=(size, clusters), dtype=np.int8)].T


def _parts(response: Response, draws: Floats) -> tuple[Floats, Floats]:
    """Numerators (q, b) and cluster scores of the refit (q, G, b) for weights (G, b)."""
    numerators = response.own @ draws
    scores = np.empty((response.own.shape[0], *draws.shape))
    for position, (left, right) in enumerate(response.turn):
        if right is None:
            np.matmul(left, draws, out=scores[position])
        else:
            np.multiply(response.own[position][:, None], draws, out=scores[position])
            scores[position] -= left @ (right @ draws)
    return numerators, scores


def _wald(numerators: Floats, scores: Floats) -> Floats:
    """Wald statistics (b,)."""
    if numerators.shape[0] == 1:
        return numerators[0] ** 2 / np.einsum("gb,gb->b", scores[0], scores[0])
    meat = np.einsum("igb,jgb->bij", scores, scores, optimize=True)
    solved = np.linalg.solve(meat, numerators.T[:, :, None])[:, :, 0]
    return np.einsum("bi,ib->b", solved, numerators)


def _test(response: Response, clusters: int, draws: int, seed: int) -> Bootstrap:
    observed = float(_wald(*_parts(response, np.ones((clusters, 1))))[0])
    below = 0
    for block in webb_weights(clusters, draws, seed):
        below += int((_wald(*_parts(response, block)) < observed * (1 - SAME)).sum())
    nan = float("nan")
    return Bootstrap((1 + draws - below) / (draws + 1), observed, draws, response.own.shape[0], nan, nan)


def _with_interval(fit: Fit, net: Floats, slope: Floats, value: float, draws: int, seed: int) -> Bootstrap:
    """One contrast: a draw's statistic is a ratio of quadratics in the null value, so all nulls share the draws."""
    base, tilt = respond(fit, net, fit.residual), respond(fit, net, slope)
    top, bottom = [], []
    for block in webb_weights(fit.n_clusters, draws, seed):
        (n0,), (s0,) = _parts(base, block)
        (n1,), (s1,) = _parts(tilt, block)
        top.append(np.array([n0, n1]))
        bottom.append(np.array([(s0 * s0).sum(0), (s0 * s1).sum(0), (s1 * s1).sum(0)]))
    (linear, quadratic) = np.hstack(top), np.hstack(bottom)
    spread = float((_parts(base, np.ones((fit.n_clusters, 1)))[1][0] ** 2).sum())

    def p_value(null: float) -> float:
        gap = value - null
        drawn = (linear[0] + gap * linear[1]) ** 2
        scale = quadratic[0] + 2 * gap * quadratic[1] + gap**2 * quadratic[2]
        below = int((drawn < (1 - SAME) * gap**2 / spread * scale).sum())
        return (1 + draws - below) / (draws + 1)

    reach = np.sqrt(spread)
    low, high = (_invert(p_value, value, sign * reach) for sign in (-1.0, 1.0))
    return Bootstrap(p_value(0.0), value**2 / spread, draws, 1, low, high)


def _invert(p_value: Callable[[float], float], value: float, step: float) -> float:
    """The null farthest from the estimate, in the direction of `step`, that is not rejected at 5 %."""
    inside, outside = value, value + 2 * step
    for _ in range(20):
        if p_value(outside) <= 0.05:
            break
        inside, outside = outside, value + 2 * (outside - value)
    else:
        return float(np.sign(step) * np.inf)
    for _ in range(40):
        middle = (inside + outside) / 2
        if p_value(middle) <= 0.05:
            outside = middle
        else:
            inside = middle
    return float(inside + outside) / 2
