"""Targets from quota: how many opportunities or asks a week reach the quota, with what probability.

Quota -> deals -> asks -> opportunities -> attempts, simulated from the team's own conversions, deal sizes and lags
(deal_model), beside the product of averages that is usually used. Activities are levers only where the evidence says
that they predict or likely predict revenue (grade A or B).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from analysis import words
from analysis.errors import ParameterError, Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.closings import rest_of_period
from analysis.management.deal_model import Columns, DealModel, deal_model
from analysis.management.deals import timed_asks, timed_deals
from analysis.management.intervals import Floats
from analysis.management.levers import NO_STUDY, UNTESTED, levers
from analysis.management.plan import ChanceCurve, Goal, Outlook, activity_curve, chance_curve
from analysis.management.records import attempt_places, won_credit
from analysis.management.roster import Places, places, roster
from analysis.management.survival import EVENT, OPEN

SAY = words.Voice("management.targets")
CHANCES = (0.5, 0.7, 0.9)
PACE_WEEKS = 13
DRAWS = 500
PIPELINE, EVIDENCE = "own conversions", "study"


def asks_for_chance(closed: int, asked: int, deals_needed: int, chance: float = 0.5, most: int = 1000) -> int:
    """Smallest number of asks that would give `deals_needed` deals with this chance, given `closed` of `asked`.

    The rate is unknown, not closed/asked: beta-binomial with a uniform prior. Raises Refused when `most` asks do not.
    """
    if asked < 0 or not 0 <= closed <= asked:
        raise ParameterError(f"closed {closed} of {asked}: closed must lie between 0 and asked")
    number = np.arange(deals_needed, most + 1)
    reach = _beta_binomial_reach(deals_needed, number, closed + 1, asked - closed + 1)
    enough = number[reach >= chance - 1e-12]
    if not len(enough):
        values = {"asks": most, "deals": deals_needed, "chance": SAY.share(chance, decimals=0)}
        raise Refused(SAY.text("not_with_asks", values))
    return int(enough[0])


def _beta_binomial_reach(needed: int, number: NDArray[np.int64], a: float, b: float) -> Floats:
    """P(at least `needed` of each `number` asks succeed) where the chance of one is Beta(a, b)."""
    n, k = number[:, None], np.arange(needed)
    ways = -np.log(n + 1) - special.betaln(n - k + 1, k + 1)
    return 1 - np.exp(ways + special.betaln(k + a, n - k + b) - special.betaln(a, b)).sum(axis=1)


def hindsight(closed: int, asked: int, deals_needed: int, chance: float = 0.5) -> str:
    """One sentence: what number of asks would have given the deals that were needed."""
    number = asks_for_chance(closed, asked, deals_needed, chance)
    counts = {"closed": closed, "asked": asked, "needed": deals_needed, "n": number}
    return SAY.text("hindsight", {**{name: SAY.number(n) for name, n in counts.items()}, "chance": SAY.share(chance)})


@dataclass(frozen=True, slots=True)
class Targets:
    """What a team's goal needs. levers: one row per lever (see `targets`); curves: lever -> ChanceCurve.

    chance_as_is: probability of reaching the quota at the present pace of new opportunities, with no change.
    """

    team_id: str
    goal: Goal
    chance_as_is: float
    levers: pd.DataFrame
    curves: dict[str, ChanceCurve]


def team_goal(book: Book, team_id: str) -> Goal | NotRecorded:
    """The quota that runs today (the team's own, else the sum of its reps'), what is booked, what is still open."""
    if gap := book.need("quotas"):
        return gap
    people, running = roster(book), book.shared("running_quotas", lambda: _running_quotas(book))
    team = np.searchsorted(people.teams, team_id)
    members = people.now == (team if team < len(people.teams) and people.teams[team] == team_id else -2)
    is_team, owner = running["level"] == "team", running["owner_id"]
    mine = is_team & (owner == team_id)
    if not mine.any():
        mine = ~is_team & np.isin(owner, people.reps[members])
    if not mine.any():
        return NotRecorded((SAY.text("none_runs", {"team": team_id, "day": book.as_of.date()}),))
    amount, start, end = (running[name][mine] for name in ("amount", "period_start", "period_end"))
    return _goal(book, members, float(amount.sum()), pd.Timestamp(start.min()), pd.Timestamp(end.max()))


def _running_quotas(book: Book) -> dict[str, NDArray[Any]]:
    """The quotas of today, column by column."""
    quotas = book.frame("quotas")
    today = quotas.loc[(quotas["period_start"] <= book.as_of) & (quotas["period_end"] > book.as_of)]
    texts = {name: today[name].to_numpy(dtype=object) for name in ("level", "owner_id")}
    return texts | {name: today[name].to_numpy() for name in ("amount", "period_start", "period_end")}


def _goal(book: Book, mine: NDArray[np.bool_], quota: float, start: pd.Timestamp, end: pd.Timestamp) -> Goal:
    """mine: which reps of the roster are the team's."""
    won, running = book.shared("won_columns", lambda: _won(book)), book.shared("running_deals", lambda: _running(book))
    booked = won["credit"][(won["closed_on"] >= start) & (won["closed_on"] < end) & _of(mine, won["rep"])]
    weeks = max((end - book.as_of).days - 1, 0) / 7
    elapsed = ((book.as_of - start).days + 1) / max((end - start).days, 1)
    ours = _of(mine, running["rep"])
    ages, amounts = running["days"][ours] / 7, running["amount"][ours]
    return Goal(quota, float(booked.sum()), weeks, ages, amounts, elapsed)


def _won(book: Book) -> Columns:
    won = won_credit(book)
    rep = places(won["rep_id"], roster(book).reps)
    return {"rep": rep, **{name: won[name].to_numpy() for name in ("closed_on", "credit")}}


def _running(book: Book) -> Columns:
    cases = timed_deals(book)
    still = cases["end"].to_numpy() == OPEN
    return {name: cases[name].to_numpy()[still] for name in ("rep", "days", "amount")}


def _of(mine: NDArray[np.bool_], rep: Places) -> NDArray[np.bool_]:
    return (rep >= 0) & mine[rep] if len(mine) else rep >= 0


def targets(book: Book, team_id: str, *, draws: int = DRAWS, seed: int = 0) -> Targets | NotRecorded:
    """Probability of reaching the running quota per plan of each lever.

    levers: lever (`opportunities`, `asks`, or an activity kind), basis (`own conversions`: arithmetic that holds if
    further cases turn out as past ones; `study`: the finding's effect per extra activity), admitted, refusal (why
    not), now_per_week (last 13 weeks), naive_per_week (product of averages), naive_chance (what the simulation says
    of that plan), per_week_50, per_week_70, per_week_90 (blank = not reached by any number tried), warning (blank, or
    what it extrapolates from).
    Raises Refused when the team won fewer than five deals.
    """
    goal = team_goal(book, team_id)
    if isinstance(goal, NotRecorded):
        return goal
    cases, model = team_cases(book, team_id)[0], team_model(book, team_id, goal.weeks_left, draws, seed)
    starts = weekly(cases["start"], book.as_of)
    season = rest_of_period(book, goal.elapsed, draws, seed)
    curve = chance_curve(model, goal, _tries(starts, model, goal), factor=season, seed=seed)
    rows = [_lever_row("opportunities", curve, model, goal, starts)]
    curves = {"opportunities": curve}
    asks = _ask_curve(book, team_id, goal, season, seed)
    if asks is not None:
        curves["asks"] = asks[0]
        rows.append(_lever_row("asks", *asks))
    as_is = curve.at(pace(starts) * goal.weeks_left)
    kinds = _activity_rows(book, team_id, Outlook(model, goal, pace(starts), season, seed))
    rows += [row for row, _ in kinds]
    curves |= {str(row["lever"]): tried for row, tried in kinds if tried is not None}
    columns = dict.fromkeys(name for row in rows for name in row)
    levers = pd.DataFrame({name: [row.get(name, np.nan) for row in rows] for name in columns})
    return Targets(team_id, goal, as_is, levers, curves)


def team_cases(book: Book, team_id: str) -> tuple[Columns, Floats]:
    """The team's deals as cases (see `deals.timed_deals`), column by column, and the amounts of those won."""
    cases = _of_team(book, "deals", timed_deals(book), team_id)
    return cases, cases["amount"][cases["end"] == EVENT]


def team_model(book: Book, team_id: str, weeks_left: float, draws: int, seed: int) -> DealModel:
    """How the team's deals turn out over the weeks left, from `team_cases`; raises Refused where too few are won."""
    cases, sizes = team_cases(book, team_id)
    return book.shared(
        f"model of {team_id!r}: {weeks_left!r} weeks, {draws} draws, seed {seed}",
        lambda: deal_model(cases, sizes, horizon_weeks=max(weeks_left, 1.0), draws=draws, seed=seed),
    )


def _of_team(book: Book, name: str, cases: pd.DataFrame, team_id: str) -> Columns:
    teams = roster(book).teams
    columns, bounds = book.shared(f"{name} by team", lambda: _by_team(cases, len(teams)))
    team = int(np.searchsorted(teams, team_id))
    rows = slice(*bounds[team : team + 2]) if team < len(teams) and teams[team] == team_id else slice(0)
    return {name: values[rows] for name, values in columns.items()}


def _by_team(cases: pd.DataFrame, teams: int) -> tuple[Columns, Places]:
    """The columns in the order of their teams, and where each team's begin (those without a team come first)."""
    order = np.argsort(cases["team"].to_numpy(), kind="stable")
    columns = {str(name): values.to_numpy()[order] for name, values in cases.items()}
    return columns, np.searchsorted(columns["team"], np.arange(teams + 1))


def _ask_curve(
    book: Book, team_id: str, goal: Goal, season: Floats, seed: int
) -> tuple[ChanceCurve, DealModel, Goal, Floats] | None:
    """The curve over new asks; None where asks are not recorded or too few were won."""
    cases = timed_asks(book)
    if isinstance(cases, NotRecorded):
        return None
    frame = _of_team(book, "asks", cases, team_id)
    days, end, amount = (frame[name] for name in ("days", "end", "amount"))
    ask_goal = replace(goal, open_ages=days[end == OPEN] / 7, open_amounts=amount[end == OPEN])
    sizes = amount[end == EVENT]
    try:
        model = deal_model(frame, sizes, horizon_weeks=max(goal.weeks_left, 1.0), draws=len(season), seed=seed)
    except Refused:
        return None
    starts = weekly(frame["start"], book.as_of)
    curve = chance_curve(model, ask_goal, _tries(starts, model, ask_goal), factor=season, seed=seed)
    return curve, model, ask_goal, starts


def weekly(starts: NDArray[np.datetime64], as_of: pd.Timestamp) -> Floats:
    """Counts by week, the last seven days first."""
    ago = (_today(as_of) - starts.astype("datetime64[D]").astype(np.int64)) // 7
    return np.bincount(ago[ago >= 0], minlength=PACE_WEEKS).astype(np.float64)


def _today(as_of: pd.Timestamp) -> int:
    return int(as_of.to_datetime64().astype("datetime64[D]").astype(np.int64))


def pace(counts: Floats) -> float:
    """Cases a week over the last 13 weeks."""
    return float(counts[:PACE_WEEKS].mean())


def _best(counts: Floats) -> float:
    """Highest 13-week average pace on record."""
    return float(np.convolve(counts, np.ones(PACE_WEEKS), "valid").max()) / PACE_WEEKS


def kind_weeks(book: Book) -> Floats:
    """Attempts by team (place in the roster), kind (place among the kinds) and week before today (0 = last seven days)."""
    return book.shared("kind_weeks", lambda: _kind_weeks(book))


def _kind_weeks(book: Book) -> Floats:
    tried, teams = attempt_places(book), roster(book).teams
    ago, team, kind, kinds = (_today(book.as_of) - tried.day) // 7, tried.team, tried.kind, tried.kinds
    known = (team >= 0) & (kind >= 0)
    weeks = max(int(ago.max(initial=0)) + 1, PACE_WEEKS)
    cell = (team[known] * len(kinds) + kind[known]) * weeks + ago[known]
    counts = np.bincount(cell, minlength=len(teams) * len(kinds) * weeks)
    return counts.reshape(len(teams), len(kinds), weeks).astype(np.float64)


def _naive(model: DealModel, goal: Goal) -> float:
    """The product of averages: cases needed if every one brought win share x mean size, whatever the time left."""
    return goal.missing / model.mean_size / model.win_share


def _tries(starts: Floats, model: DealModel, goal: Goal) -> int:
    """How many new cases to try: three times the fastest pace on record, the naive plan, and at least thirty."""
    wide = max(3 * _best(starts) * goal.weeks_left, 1.2 * _naive(model, goal), 30)
    return int(np.clip(np.ceil(wide), 30, 3000))


def _lever_row(lever: str, curve: ChanceCurve, model: DealModel, goal: Goal, starts: Floats) -> dict[str, object]:
    weeks = max(goal.weeks_left, 1 / 7)
    naive = _naive(model, goal)
    needed = {f"per_week_{int(100 * p)}": curve.needed(p) / weeks for p in CHANCES}
    warning = _warning(lever, list(needed.values()), _best(starts), goal.weeks_left)
    row: dict[str, object] = {"lever": lever, "basis": PIPELINE, "admitted": True, "refusal": ""}
    row |= {"now_per_week": pace(starts), "naive_per_week": naive / weeks}
    return {**row, "naive_chance": curve.at(naive), **needed, "warning": warning}


def _warning(lever: str, needed: list[float], fastest: float, weeks_left: float) -> str:
    """What a plan extrapolates from; blank when all of it has been done before."""
    known = [rate for rate in needed if rate == rate]
    if known and max(known) > fastest:
        return SAY.text("never_done", {"fastest": SAY.number(fastest, decimals=1), "activities": SAY.kinds(lever)})
    if len(known) < len(needed):
        return SAY.text("out_of_reach", {"weeks": SAY.count(round(weeks_left), "week")})
    return ""


def _activity_rows(book: Book, team_id: str, outlook: Outlook) -> list[tuple[dict[str, object], ChanceCurve | None]]:
    """One row per activity kind of the team: a lever where it is graded A or B, else refused with the reason."""
    rows: list[tuple[dict[str, object], ChanceCurve | None]] = []
    effects, goal = levers(book, team_id), outlook.goal
    known = kind_weeks(book)[roster(book).teams == team_id]
    if not len(known):
        return rows
    for kind, counts in zip(attempt_places(book).kinds, known[0], strict=True):
        if not counts.any():
            continue
        now, fastest = pace(counts), _best(counts)
        row: dict[str, object] = {"lever": str(kind), "basis": EVIDENCE, "now_per_week": now, "naive_per_week": np.nan}
        effect = effects.get(str(kind), UNTESTED if book.findings is not None else NO_STUDY)
        if isinstance(effect, str):
            rows.append(({**row, "admitted": False, "refusal": effect, "warning": ""}, None))
            continue
        curve = activity_curve(outlook, effect, max(3 * fastest - now, 1.0))
        weeks = max(goal.weeks_left, 1 / 7)
        needed = {f"per_week_{int(100 * p)}": now + curve.needed(p) / weeks for p in CHANCES}
        warning = _warning(str(kind), list(needed.values()), fastest, goal.weeks_left)
        rows.append(({**row, "admitted": True, "refusal": "", **needed, "warning": warning}, curve))
    return rows
