"""Gaps between each rep and the team's other reps, in activities that the evidence backs and in conversions.

A gap is measured against the mean of the peers, with an interval from the rep's own week-to-week (or deal-to-deal)
variation, and a one-sided p-value for "behind the peers". Nothing here chooses: coaching does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis import words
from analysis.management.book import Book
from analysis.management.deals import deal_numbers, timed
from analysis.management.intervals import Floats
from analysis.management.levers import levers
from analysis.management.plan import Effect
from analysis.management.records import attempt_places, attempts, dates, rep_weeks_worked
from analysis.management.roster import day_numbers, place_in, roster
from analysis.management.survival import OPEN, cell_conversions

RATE_WEEKS = 26
SPREAD_WEEKS = 52
CONVERSION_WEEKS = 52
CONVERSIONS = ("opportunity_to_won", "meaningful_share")


def gap_name(metric: str, locale: str = words.ENGLISH) -> str:
    """What the gap of a rep is in: a conversion, or a kind of activity (``demos``)."""
    if metric in CONVERSIONS:
        return words.text(f"management.gaps.{metric}", locale=locale)
    return words.kinds_name(metric, locale=locale)


@dataclass(frozen=True, slots=True)
class RepWeeks:
    """Weekly attempts by rep: counts[kind], meaningful[kind] and worked are reps x weeks; worked is NaN when not employed."""

    rep_id: np.ndarray
    team_id: np.ndarray
    weeks: pd.DatetimeIndex
    worked: Floats
    counts: dict[str, Floats]
    meaningful: dict[str, Floats] | None


def rep_weeks_by_kind(book: Book) -> RepWeeks:
    """Attempts and worked weeks of every rep, as matrices over complete weeks."""
    return book.shared("rep_weeks_by_kind", lambda: _rep_weeks_by_kind(book))


def _rep_weeks_by_kind(book: Book) -> RepWeeks:
    people, grid, tried = roster(book), rep_weeks_worked(book), attempt_places(book)
    seen, monday = np.unique(grid.rep), np.unique(grid.monday)
    worked = np.full((len(seen), len(monday)), np.nan)
    worked[np.searchsorted(seen, grid.rep), np.searchsorted(monday, grid.monday)] = grid.share
    rep, week = place_in(seen, tried.rep), place_in(monday, tried.day - (tried.day + 3) % 7)
    kind, kinds = tried.kind, tried.kinds
    inside = (rep >= 0) & (week >= 0) & (kind >= 0)
    cell = ((kind * worked.shape[0] + rep) * worked.shape[1] + week)[inside]
    size, shape = len(kinds) * worked.size, (len(kinds), *worked.shape)
    cube = np.bincount(cell, minlength=size).reshape(shape).astype(float)
    meaningful: dict[str, Floats] | None = None
    if book.has("activities", "is_meaningful"):
        good = np.bincount(cell, attempts(book)["is_meaningful"].to_numpy()[inside], size).reshape(shape)
        meaningful = {str(name): good[number] for number, name in enumerate(kinds)}
    names = np.append(people.teams, np.nan)  # the place of an unknown team, -1, is the last
    counts = {str(name): cube[number] for number, name in enumerate(kinds)}
    weeks = pd.DatetimeIndex(dates(monday))
    return RepWeeks(people.reps[seen], names[people.now[seen]], weeks, worked, counts, meaningful)


def candidates(book: Book, kinds: list[str], team_id: str) -> dict[str, float]:
    """Kinds that the study grades A or B for this team or the company, with the money of one more."""
    effects = levers(book, team_id)
    return {kind: effect.money for kind, effect in effects.items() if kind in kinds and isinstance(effect, Effect)}


def rate_gaps(panel: RepWeeks, kind: str, last: int, window: int = RATE_WEEKS) -> pd.DataFrame:
    """Gap in weekly attempts of one kind over the `window` weeks that end with column `last`.

    Returns rep_id, team_id, value (per worked week), peers (mean of the others in the team), gap, conf_low, conf_high,
    p_behind. Teams with fewer than three such reps are left out, as are reps who worked less than half of the window.
    """
    # Spread and persistence are learned from a year, the level from the window alone.
    year = slice(max(last - SPREAD_WEEKS + 1, 0), last + 1)
    counts, worked = panel.counts[kind][:, year], np.nan_to_num(panel.worked[:, year])
    recent = worked[:, -window:]
    enough = recent.sum(axis=1) >= recent.shape[1] / 2
    parts = [
        _team_gaps(panel.rep_id[rows], team, counts[rows], worked[rows], window)
        for team, rows in _teams(panel.team_id, enough)
        if len(rows) >= 3
    ]
    return _judged(parts)


def _teams(team_id: np.ndarray, keep: np.ndarray) -> list[tuple[str, np.ndarray]]:
    rows = np.flatnonzero(keep)
    return [(str(team), rows[team_id[rows] == team]) for team in pd.unique(team_id[rows]) if isinstance(team, str)]


def _team_gaps(rep_id: np.ndarray, team: str, counts: Floats, worked: Floats, window: int) -> _Gaps:
    phi, freedom = _dispersion(counts, worked, counts.sum(axis=1) / worked.sum(axis=1))
    weeks = worked[:, -window:].sum(axis=1)
    rate = counts[:, -window:].sum(axis=1) / weeks
    # Variance of a mean of counts that spread phi times their mean (persistence included); an idle rep borrows
    # half a count so that zero does not look certain.
    variance = phi * np.maximum(rate, 0.5 / weeks) / weeks
    reps = len(rate)
    peers = (rate.sum() - rate) / (reps - 1)
    error = np.sqrt(variance + (variance.sum() - variance) / (reps - 1) ** 2)
    return _Gaps(rep_id, team, rate, peers, error, freedom, rate - peers)


def _dispersion(counts: Floats, worked: Floats, rate: Floats) -> tuple[float, float]:
    """Long-run variance of weekly counts as a multiple of their mean, pooled over the team, and its degrees of freedom.

    Residuals are taken from rep level times the team's week; their autocorrelations carry persistence.
    """
    expected = rate[:, None] * worked
    week = np.where(expected.sum(axis=0) > 0, counts.sum(axis=0) / np.maximum(expected.sum(axis=0), 1e-9), 1.0)
    mean = expected * week
    scaled = np.where(mean > 0, (counts - mean) / np.sqrt(np.maximum(mean, 1e-9)), 0.0)
    reps, weeks = counts.shape
    cells = float((mean > 0).sum())
    # Rep levels and week factors were fitted: that many degrees of freedom are gone.
    freedom = max(cells - reps - weeks + 1, 1.0)
    base = (scaled**2).sum() / freedom
    # Flat-top weights (Politis & Romano 1995): full to four lags, then down to none at ten.
    reach = min(10, weeks // 5)
    weight = np.clip((reach - np.arange(1, reach)) / max(reach - min(4, reach), 1), 0, 1)
    total = max((scaled**2).sum(), 1e-9)
    rho = np.array([(scaled[:, lag:] * scaled[:, :-lag]).sum() / total for lag in range(1, reach)])
    # Residuals about a fitted level look less persistent than the counts: each autocorrelation by long_run / weeks.
    long_run = max((1 + 2 * weight @ rho) / max(1 - 2 * weight.sum() / weeks, 0.3), 1.0)
    return max(base * long_run, 1.0), max(freedom / long_run**2, 3.0)


def meaningful_gaps(panel: RepWeeks, last: int, window: int = RATE_WEEKS) -> pd.DataFrame:
    """Gap in the meaningful share of attempts, each rep's mix of kinds held fixed; see `rate_gaps`.

    peers: the share the other reps of the team would have reached with this rep's mix of kinds.
    """
    if panel.meaningful is None or not panel.counts:
        return pd.DataFrame()
    span = slice(max(last - window + 1, 0), last + 1)
    tried = np.stack([panel.counts[kind][:, span] for kind in panel.counts])
    good = np.stack([panel.meaningful[kind][:, span] for kind in panel.counts])
    enough = tried.sum(axis=(0, 2)) >= 30
    parts = [
        _mix_gaps(panel.rep_id[rows], team, good[:, rows], tried[:, rows])
        for team, rows in _teams(panel.team_id, enough)
        if len(rows) >= 3
    ]
    return _judged(parts)


def _mix_gaps(rep_id: np.ndarray, team: str, good: Floats, tried: Floats) -> _Gaps:
    """kinds x reps x weeks, good ones of those tried."""
    g, n = good.sum(axis=2), tried.sum(axis=2)
    others_n = n.sum(axis=1, keepdims=True) - n
    share = (g.sum(axis=1, keepdims=True) - g + 0.5) / (others_n + 1)
    expected, total = (n * share).sum(axis=0), n.sum(axis=0)
    spread = share * (1 - share)
    own = (g / np.maximum(n, 1))[:, :, None]
    chi = ((good - tried * own).sum(axis=0) ** 2).sum()
    design = max(chi / max((tried * own * (1 - own)).sum(), 1e-9), 1.0)
    variance = design * ((n * spread).sum(axis=0) + (n**2 * spread / np.maximum(others_n, 1)).sum(axis=0)) / total**2
    value, peers = g.sum(axis=0) / total, expected / total
    return _Gaps(rep_id, team, value, peers, np.sqrt(variance), np.inf, value - peers)


def won_gaps(book: Book, month_end: pd.Timestamp, weeks: int = CONVERSION_WEEKS) -> pd.DataFrame:
    """Gap in deals won per opportunity between each rep and the other reps of the team together; see `rate_gaps`."""
    made, people = deal_numbers(book, "created_on"), roster(book)
    end = int(day_numbers(pd.Series([month_end]))[0])
    recent = np.flatnonzero((made <= end) & (made > end - 7 * weeks))
    cases = timed(book, recent, made[recent], month_end)
    cases = cases.loc[cases["team"] >= 0]
    if cases.empty:
        return pd.DataFrame()
    days, ends = cases["days"].to_numpy(), cases["end"].to_numpy()
    cell = cases["team"].to_numpy() * len(people.reps) + cases["rep"].to_numpy()
    ended = days[ends != OPEN]
    found = cell_conversions(cell, days, ends, float(np.quantile(ended, 0.95)) if len(ended) else 0.0)
    found = found.loc[found["effective_n"] >= 5]
    team, rep = np.divmod(found["cell"].to_numpy(), len(people.reps))
    share, n = found["conversion"].to_numpy(), found["effective_n"].to_numpy()
    mine = [team == number for number in np.unique(team)]
    parts = [
        _share_gaps(str(people.teams[team[rows][0]]), people.reps[rep[rows]], share[rows], n[rows])
        for rows in mine
        if rows.sum() >= 3
    ]
    return _judged(parts)


def _share_gaps(team: str, rep_id: np.ndarray, share: Floats, n: Floats) -> _Gaps:
    wins = share * n
    others_n = n.sum() - n
    peers = (wins.sum() - wins) / others_n
    # Agresti & Caffo (2000): one success and one failure more in each group keep the interval honest at small n.
    p1, p2 = (wins + 1) / (n + 2), (peers * others_n + 1) / (others_n + 2)
    error = np.sqrt(p1 * (1 - p1) / (n + 2) + p2 * (1 - p2) / (others_n + 2))
    return _Gaps(rep_id, team, share, peers, error, np.inf, p1 - p2)


@dataclass(frozen=True, slots=True)
class _Gaps:
    """One team's gaps as arrays; centre is the gap the interval is built around."""

    rep_id: np.ndarray
    team_id: str
    value: Floats
    peers: Floats
    error: Floats
    freedom: float
    centre: Floats


def _judged(parts: list[_Gaps]) -> pd.DataFrame:
    """All teams in one frame, with intervals and the one-sided p-value for behind the peers; empty without a team."""
    if not parts:
        return pd.DataFrame()
    size = [len(part.value) for part in parts]
    value, peers, error, centre = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("value", "peers", "error", "centre")
    )
    freedom = np.repeat([part.freedom for part in parts], size)
    half = special.stdtrit(freedom, 0.975) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        behind = special.stdtr(freedom, centre / error)
    return pd.DataFrame(
        {
            "rep_id": np.concatenate([part.rep_id for part in parts]),
            "team_id": np.repeat([part.team_id for part in parts], size),
            "value": value,
            "peers": peers,
            "gap": value - peers,
            "conf_low": centre - half,
            "conf_high": centre + half,
            "p_behind": behind,
        }
    )
