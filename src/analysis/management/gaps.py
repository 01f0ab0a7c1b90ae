"""Gaps between each rep and the team's other reps, in activities that the evidence backs and in conversions.

A gap is measured against the mean of the peers, with an interval from the rep's own week-to-week (or deal-to-deal)
variation, and a one-sided p-value for "behind the peers". Nothing here chooses: coaching does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import Book
from analysis.management.deals import deal_numbers, timed
from analysis.management.intervals import Floats
from analysis.management.levers import levers
from analysis.management.plan import Effect
from analysis.management.records import attempt_places, attempts, dates, rep_weeks_worked
from analysis.management.roster import Places, day_numbers, mondays, place_in, roster
from analysis.management.survival import OPEN, cell_conversions
from analysis.models.tails import t_quantile, t_upper

RATE_WEEKS = 26
SPREAD_WEEKS = 52
CONVERSION_WEEKS = 52
MIN_PEERS = 3  # reps of a team below which nobody is compared
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
    rep, week = place_in(seen, tried.rep), place_in(monday, mondays(tried.day))
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
    peers = _peers(panel.team_id, recent.sum(axis=1) >= recent.shape[1] / 2)
    if not len(peers.row):
        return pd.DataFrame()
    counts, worked = counts[peers.row], worked[peers.row]
    phi, freedom = _dispersion(counts, worked, peers)
    weeks = worked[:, -window:].sum(axis=1)
    rate = counts[:, -window:].sum(axis=1) / weeks
    # Variance of a mean of counts that spread phi times their mean (persistence included); an idle rep borrows
    # half a count so that zero does not look certain.
    variance = phi[peers.team] * np.maximum(rate, 0.5 / weeks) / weeks
    others = peers.size[peers.team] - 1
    mean = (peers.total(rate) - rate) / others
    error = np.sqrt(variance + (peers.total(variance) - variance) / others**2)
    return _judged(panel.rep_id[peers.row], panel.team_id[peers.row], rate, mean, error, freedom[peers.team])


@dataclass(frozen=True, slots=True)
class _Peers:
    """Reps to compare, team by team. row: their places; team: number of each one's team; first: where a team begins."""

    row: Places
    team: Places
    first: Places

    @property
    def size(self) -> Places:
        """Reps by team."""
        return np.bincount(self.team)

    def sums(self, values: Floats) -> Floats:
        """Sums over each team's reps (of the first axis)."""
        return np.asarray(np.add.reduceat(values, self.first, axis=0) if len(self.first) else values, dtype=np.float64)

    def total(self, values: Floats) -> Floats:
        """The sums of each rep's team."""
        return self.sums(values)[self.team]


def _peers(team_id: np.ndarray, keep: np.ndarray) -> _Peers:
    """Those to keep whose team has three of them at least; a missing team is none."""
    row = np.flatnonzero(keep)
    team = pd.factorize(team_id[row])[0]
    size = np.bincount(team[team >= 0], minlength=1)
    enough = (team >= 0) & (size[team] >= MIN_PEERS)
    order = np.argsort(team[enough], kind="stable")
    team = np.unique(team[enough][order], return_inverse=True)[1]
    return _Peers(row[enough][order], team, np.flatnonzero(np.diff(team, prepend=-1)))


def _dispersion(counts: Floats, worked: Floats, peers: _Peers) -> tuple[Floats, Floats]:
    """By team: long-run variance of weekly counts as a multiple of their mean, and its degrees of freedom.

    Residuals are taken from rep level times the team's week; their autocorrelations carry persistence.
    """
    expected = (counts.sum(axis=1) / worked.sum(axis=1))[:, None] * worked
    usual, weeks = peers.sums(expected), counts.shape[1]
    mean = expected * np.where(usual > 0, peers.sums(counts) / np.maximum(usual, 1e-9), 1.0)[peers.team]
    scaled = np.where(mean > 0, (counts - mean) / np.sqrt(np.maximum(mean, 1e-9)), 0.0)
    cells = peers.sums(np.count_nonzero(mean > 0, axis=1).astype(np.float64))
    # Rep levels and week factors were fitted: that many degrees of freedom are gone.
    freedom = np.maximum(cells - peers.size - weeks + 1, 1.0)
    square = peers.sums((scaled**2).sum(axis=1))
    # Flat-top weights (Politis & Romano 1995): full to four lags, then down to none at ten.
    reach = min(10, weeks // 5)
    weight = np.clip((reach - np.arange(1, reach)) / max(reach - min(4, reach), 1), 0, 1)
    lagged = np.array([(scaled[:, lag:] * scaled[:, :-lag]).sum(axis=1) for lag in range(1, reach)])
    rho = peers.sums(weight @ lagged) / np.maximum(square, 1e-9)
    # Residuals about a fitted level look less persistent than the counts: each autocorrelation by long_run / weeks.
    long_run = np.maximum((1 + 2 * rho) / max(1 - 2 * weight.sum() / weeks, 0.3), 1.0)
    return np.maximum(square / freedom * long_run, 1.0), np.maximum(freedom / long_run**2, 3.0)


def meaningful_gaps(panel: RepWeeks, last: int, window: int = RATE_WEEKS) -> pd.DataFrame:
    """Gap in the meaningful share of attempts, each rep's mix of kinds held fixed; see `rate_gaps`.

    peers: the share the other reps of the team would have reached with this rep's mix of kinds.
    """
    if panel.meaningful is None or not panel.counts:
        return pd.DataFrame()
    span = slice(max(last - window + 1, 0), last + 1)
    tried, good = (
        np.stack([of_kind[kind][:, span] for kind in panel.counts], axis=1)
        for of_kind in (panel.counts, panel.meaningful)
    )
    peers = _peers(panel.team_id, tried.sum(axis=(1, 2)) >= 30)
    tried, good = tried[peers.row], good[peers.row]  # reps x kinds x weeks
    g, n = good.sum(axis=2), tried.sum(axis=2)
    others_n = peers.total(n) - n
    share = (peers.total(g) - g + 0.5) / (others_n + 1)
    expected, total = (n * share).sum(axis=1), n.sum(axis=1)
    spread = share * (1 - share)
    own = (g / np.maximum(n, 1))[:, :, None]
    chi = peers.sums(((good - tried * own).sum(axis=1) ** 2).sum(axis=1))
    design = np.maximum(chi / np.maximum(peers.sums((tried * own * (1 - own)).sum(axis=(1, 2))), 1e-9), 1.0)
    variance = (n * spread).sum(axis=1) + (n**2 * spread / np.maximum(others_n, 1)).sum(axis=1)
    error = np.sqrt(design[peers.team] * variance / total**2)
    return _judged(panel.rep_id[peers.row], panel.team_id[peers.row], g.sum(axis=1) / total, expected / total, error)


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
    peers = _peers(people.teams[team], np.ones(len(team), dtype=bool))
    share, n = share[peers.row], n[peers.row]
    wins = share * n
    others_n = peers.total(n) - n
    mean = (peers.total(wins) - wins) / others_n
    # Agresti & Caffo (2000): one success and one failure more in each group keep the interval honest at small n.
    p1, p2 = (wins + 1) / (n + 2), (mean * others_n + 1) / (others_n + 2)
    error = np.sqrt(p1 * (1 - p1) / (n + 2) + p2 * (1 - p2) / (others_n + 2))
    who = people.reps[rep[peers.row]], people.teams[team[peers.row]]
    return _judged(*who, share, mean, error, centre=p1 - p2)


def _judged(
    rep_id: np.ndarray,
    team_id: np.ndarray,
    value: Floats,
    peers: Floats,
    error: Floats,
    freedom: float | Floats = np.inf,
    centre: Floats | None = None,
) -> pd.DataFrame:
    """Every rep's gap with its interval and the one-sided p-value for behind the peers; empty without a rep.

    centre: the gap that the interval is built around, if it is not the plain one.
    """
    if not len(value):
        return pd.DataFrame()
    centre = value - peers if centre is None else centre
    half = t_quantile(0.975, freedom) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        behind = t_upper(-centre / error, freedom)
    who = {"rep_id": rep_id, "team_id": team_id, "value": value, "peers": peers, "gap": value - peers}
    return pd.DataFrame({**who, "conf_low": centre - half, "conf_high": centre + half, "p_behind": behind})
