"""The scorecard: every metric with its class, meaning, unit, value, interval, objective and trend, or "not recorded"."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import COMPANY, Book
from analysis.management.intervals import Part, trend
from analysis.management.measures import COLUMNS, Grid, Parts, grid_of, measure, quota_by_period
from analysis.management.metrics import BY_KEY, METRICS, Metric, kind_metric
from analysis.management.periods import periods
from analysis.management.records import won_credit
from analysis.management.roster import numbered, places, texts

FACTS = ("title", "metric_class", "timing", "unit", "definition")
NUMBERS = ("value", "conf_low", "conf_high", "n", "objective")
CARD = ("metric", *FACTS, "team_id", *NUMBERS, "period_start", "period_end", "complete", "recorded", "missing")
DEFAULT_LAST = {"day": 28, "week": 26, "month": 13, "quarter": 8}
RISING, FALLING, FLAT, UNKNOWN = "rising", "falling", "no clear trend", "too few periods"


def scorecard(book: Book, freq: str = "month", last: int | None = None) -> pd.DataFrame:
    """One row per metric, team (blank = company) and period, newest period last.

    Columns: metric, title, metric_class, timing, unit, definition, team_id, period_start, period_end, complete,
    value, conf_low, conf_high (95 %; blank for counts and sums, which are facts), n (deals, leads or reps it rests
    on), objective (quota, for revenue), recorded, missing ("table.column" names when not recorded).
    A metric that the data cannot give has one row per team with recorded False and a blank value.
    """
    days = (book.frame("activities")["occurred_on"].min(), book.frame("opportunities")["created_on"].min())
    opening = next((day for day in days if pd.notna(day)), book.as_of)  # deals where no activity is recorded at all
    table = periods(freq, book.as_of, last or DEFAULT_LAST.get(freq, 0), fiscal=book.rules.fiscal, opening=opening)
    if table.empty:
        return _unrecorded(book, [*METRICS], table).reindex(columns=list(CARD))
    grid = grid_of(book, table)
    parts = measure(book, grid)
    if book.has("quotas"):
        parts = _with_quota(book, parts, grid)
    values = _stacked(parts)
    absent = [metric for metric in METRICS if metric.key not in parts]
    frame = pd.concat([_described(values, grid), *([_unrecorded(book, absent, table)] if absent else [])])
    order = {metric.key: place for place, metric in enumerate(METRICS)}
    (metric, names), (team, _) = numbered(frame["metric"]), numbered(frame["team_id"])
    rank = np.array([order.get(name, len(order)) for name in names], dtype=np.int64)[metric]
    return frame.iloc[np.lexsort((frame["period_start"].to_numpy(), metric, rank, team))].reset_index(drop=True)


def _stacked(parts: Parts) -> pd.DataFrame:
    """All metrics in one frame: metric, cell, value, conf_low, conf_high, n, objective."""
    size = [len(part["cell"]) for part in parts.values()]
    columns = {name: np.concatenate([part[name] for part in parts.values()]) for name in COLUMNS}
    goals = [part.get("objective", np.full(len(part["cell"]), np.nan)) for part in parts.values()]
    metric = pd.Categorical.from_codes(np.repeat(np.arange(len(size)), size), pd.Index(list(parts), dtype="str"))
    return pd.DataFrame({"metric": metric, **columns, "objective": np.concatenate(goals)})


def trends(card: pd.DataFrame) -> pd.DataFrame:
    """One row per metric and team: the latest complete value, the one before, and the trend over complete periods.

    Columns: metric, team_id, period_start, value, conf_low, conf_high, previous, slope, slope_low, slope_high (per
    period, 95 %), direction (`rising`, `falling`, `no clear trend`, `too few periods`), periods.
    """
    whole = card.loc[card["recorded"] & card["complete"].fillna(False).astype(bool)].dropna(subset=["value"])
    if whole.empty:
        return pd.DataFrame(columns=["metric", "team_id", "value", "direction"])
    wide = whole.pivot_table(index=["metric", "team_id"], columns="period_start", values="value")
    slope, low, high = _slopes(wide)
    latest = whole.groupby(["metric", "team_id"], observed=True).tail(1).set_index(["metric", "team_id"])
    before = whole.groupby(["metric", "team_id"], observed=True)["value"].nth(-2)
    out = latest[["period_start", "value", "conf_low", "conf_high"]].reindex(wide.index)
    keyed = whole.loc[before.index, ["metric", "team_id"]].assign(previous=before.to_numpy())
    out["previous"] = keyed.set_index(["metric", "team_id"])["previous"].reindex(wide.index)
    out = out.assign(slope=slope, slope_low=low, slope_high=high, periods=wide.notna().sum(axis=1))
    out["direction"] = np.select([np.isnan(slope), low > 0, high < 0], [UNKNOWN, RISING, FALLING], FLAT)
    return out.reset_index()


def _slopes(wide: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trend of each row over its last unbroken run of values; rows of equal length go through together."""
    values = wide.to_numpy(dtype=float)
    run = (np.cumprod(~np.isnan(values[:, ::-1]), axis=1)).sum(axis=1)
    out = np.full((3, len(values)), np.nan)
    for length in np.unique(run[run >= 5]):
        rows = run == length
        out[:, rows] = trend(values[rows][:, -length:])
    return out[0], out[1], out[2]


def _with_quota(book: Book, parts: Parts, grid: Grid) -> Parts:
    """Adds the objective of revenue, attainment and coverage."""
    quota, both = quota_by_period(book.frame("quotas"), grid), dict(parts)
    if "revenue" in parts:
        goal = quota[parts["revenue"]["cell"]]
        both["revenue"] = {**parts["revenue"], "objective": goal}
        share = {name: values[~np.isnan(goal)] for name, values in parts["revenue"].items()}
        goal = goal[~np.isnan(goal)]
        both["quota_attainment"] = {**share, "value": share["value"] / goal, "objective": np.ones(len(goal))}
    if "open_pipeline" in parts:
        both["coverage"] = _coverage(book, parts["open_pipeline"], grid)
    return {metric: part for metric, part in both.items() if len(part["cell"])}


def _coverage(book: Book, stock: Part, grid: Grid) -> Part:
    """Open pipeline over what is missing to the quotas that run today; a quota already met has no coverage."""
    last = stock["cell"] % len(grid.table) == len(grid.table) - 1
    cell, worth = stock["cell"][last], stock["value"][last]
    gap = np.full(len(grid.people.teams) + 1, np.nan)
    found = still_missing(book)
    gap[places(found["team_id"], grid.people.teams) + 1] = found["missing_to_quota"]
    missing = gap[cell // len(grid.table)]
    known = (missing > 0) & ~np.isnan(worth)
    blank = np.full(int(known.sum()), np.nan)
    value = worth[known] / missing[known]
    return {"cell": cell[known], "value": value, "conf_low": blank, "conf_high": blank, "n": blank}


def still_missing(book: Book) -> pd.DataFrame:
    """Per team and company, over the quotas whose period holds today: team_id, quota, booked, missing_to_quota."""
    return book.shared("still_missing", lambda: _still_missing(book))


def _still_missing(book: Book) -> pd.DataFrame:
    quotas = book.frame("quotas")
    running = quotas.loc[(quotas["period_start"] <= book.as_of) & (quotas["period_end"] > book.as_of)]
    if running.empty:
        return pd.DataFrame({"team_id": [], "quota": [], "booked": [], "missing_to_quota": []})
    start, end = running["period_start"].min(), running["period_end"].max() - pd.Timedelta(days=1)
    grid = grid_of(book, pd.DataFrame({"period_start": [start], "period_end": [end]}))
    quota, won = quota_by_period(running, grid), won_credit(book)
    rep = places(won["rep_id"], grid.people.reps)
    team = np.where(rep >= 0, grid.people.now[rep], -1)
    cell = grid.twice(team, np.where(won["closed_on"] >= start, 0, -1))
    here = cell >= 0
    booked = np.bincount(cell[here], np.tile(won["credit"].to_numpy(dtype=float), 2)[here], grid.size)
    known = np.flatnonzero(~np.isnan(quota))
    out = {
        "team_id": texts(known - 1, grid.people.teams).fillna(COMPANY),
        "quota": quota[known],
        "booked": booked[known],
    }
    return pd.DataFrame({**out, "missing_to_quota": np.maximum(quota[known] - booked[known], 0.0)})


def _described(values: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Numbers of metric, team and period written out."""
    code, names = values["metric"].cat.codes, list(values["metric"].cat.categories)
    known = [BY_KEY.get(key) or kind_metric(key.removeprefix("kind:")) for key in names]
    team, period = np.divmod(values["cell"].to_numpy(), len(grid.table))
    columns: dict[str, object] = {"metric": texts(code.to_numpy(), np.array(names, dtype=object))}
    for name in FACTS:
        columns[name] = texts(code.to_numpy(), np.array([getattr(metric, name) for metric in known], dtype=object))
    columns["team_id"] = texts(team - 1, grid.people.teams).fillna(COMPANY)
    columns |= {name: values[name].to_numpy() for name in NUMBERS}
    columns |= {name: grid.table[name].to_numpy()[period] for name in ("period_start", "period_end")}
    complete = grid.table["complete"].to_numpy()[period].astype(object)
    return pd.DataFrame(
        {**columns, "complete": complete, "recorded": True, "missing": pd.Series("", values.index, "str")}
    )


def _unrecorded(book: Book, absent: list[Metric], table: pd.DataFrame) -> pd.DataFrame:
    teams = [COMPANY, *sorted(book.frame("reps")["team_id"].dropna().unique())]
    rows = []
    for metric in absent:
        tables = [need.partition(".") for need in metric.needs]
        gaps = [book.need(name, *([column] if column else [])) for name, _, column in tables]
        missing = ", ".join(part for gap in gaps if gap for part in gap.missing)
        rows += [(metric.key, team, missing) for team in teams]
    frame = pd.DataFrame(rows, columns=["metric", "team_id", "missing"]).assign(recorded=False)
    frame["missing"] = frame["missing"].where(frame["missing"] != "", words.text("management.scorecard.no_case"))
    known = {metric.key: metric for metric in absent}
    for name in FACTS:
        frame[name] = frame["metric"].map({key: getattr(metric, name) for key, metric in known.items()})
    return frame[["metric", *FACTS, *[column for column in frame if column not in ("metric", *FACTS)]]]
