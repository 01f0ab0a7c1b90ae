"""The scorecard: every metric with its class, meaning, unit, value, interval, objective and trend, or "not recorded"."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.management.book import COMPANY, Book
from analysis.management.intervals import trend
from analysis.management.measures import KEYS, measure, quota_by_period
from analysis.management.metrics import BY_KEY, METRICS, Metric, kind_metric
from analysis.management.periods import periods
from analysis.management.records import won_credit

DEFAULT_LAST = {"day": 28, "week": 26, "month": 13, "quarter": 8}
RISING, FALLING, FLAT, UNKNOWN = "rising", "falling", "no clear trend", "too few periods"


def scorecard(book: Book, freq: str = "month", last: int | None = None) -> pd.DataFrame:
    """One row per metric, team (blank = company) and period, newest period last.

    Columns: metric, title, metric_class, timing, unit, definition, team_id, period_start, period_end, complete,
    value, conf_low, conf_high (95 %; blank for counts and sums, which are facts), n (deals, leads or reps it rests
    on), objective (quota, for revenue), recorded, missing ("table.column" names when not recorded).
    A metric that the data cannot give has one row per team with recorded False and a blank value.
    """
    opening = book.frame("activities")["occurred_on"].min()
    table = periods(freq, book.as_of, last or DEFAULT_LAST.get(freq, 0), fiscal=book.rules.fiscal, opening=opening)
    if table.empty:
        return _unrecorded(book, [*METRICS], table)
    values = measure(book, table)
    if book.has("quotas"):
        values = pd.concat([_with_quota(book, values, table), _coverage(book, values, table)], ignore_index=True)
    else:
        values = values.assign(objective=np.nan)
    values = values.merge(table, on="period", how="left").assign(recorded=True, missing="")
    present = set(values["metric"])
    absent = [metric for metric in METRICS if metric.key not in present]
    frame = pd.concat([_describe(values), _unrecorded(book, absent, table)], ignore_index=True)
    order = {metric.key: place for place, metric in enumerate(METRICS)}
    frame = frame.assign(rank=frame["metric"].map(order).fillna(len(order)))
    frame = frame.sort_values(["team_id", "rank", "metric", "period_start"], kind="stable")
    return frame.drop(columns=["rank", "period"]).reset_index(drop=True)


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


def _with_quota(book: Book, values: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    quota = quota_by_period(book, table)
    values = values.merge(quota.rename(columns={"quota": "objective"}), on=KEYS, how="left")
    values["objective"] = values["objective"].where(values["metric"] == "revenue")
    share = values.loc[values["objective"].notna()].copy()
    share["value"] = share["value"] / share["objective"]
    share["objective"] = 1.0
    return pd.concat([values, share.assign(metric="quota_attainment")], ignore_index=True)


def _coverage(book: Book, values: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Open pipeline over what is missing to the quotas that run today; a quota already met has no coverage."""
    newest = table["period"].max()
    stock = values.loc[(values["metric"] == "open_pipeline") & (values["period"] == newest)]
    missing = still_missing(book).set_index("team_id")["missing_to_quota"]
    gap = stock["team_id"].map(missing)
    value = (stock["value"] / gap).where(gap > 0)
    return stock.assign(metric="coverage", value=value, n=np.nan, objective=np.nan).dropna(subset=["value"])


def still_missing(book: Book) -> pd.DataFrame:
    """Per team and company, over the quotas whose period holds today: team_id, quota, booked, missing_to_quota."""
    quotas = book.frame("quotas")
    running = quotas.loc[(quotas["period_start"] <= book.as_of) & (quotas["period_end"] > book.as_of)]
    if running.empty:
        return pd.DataFrame({"team_id": [], "quota": [], "booked": [], "missing_to_quota": []})
    span = pd.DataFrame({"period": [0], "period_start": running["period_start"].min()})
    span["period_end"] = running["period_end"].max() - pd.Timedelta(days=1)
    cut = Book({**book.tables, "quotas": running}, book.as_of, book.currency, policy=book.policy, rules=book.rules)
    quota = quota_by_period(cut, span).drop(columns="period")
    won = won_credit(book)
    won = won.loc[won["closed_on"] >= span["period_start"].iloc[0]]
    team = won["rep_id"].map(book.frame("reps").set_index("rep_id")["team_id"])
    booked = won["credit"].groupby(team).sum()
    quota["booked"] = quota["team_id"].map(booked).fillna(0.0)
    quota.loc[quota["team_id"] == COMPANY, "booked"] = float(won["credit"].sum())
    return quota.assign(missing_to_quota=(quota["quota"] - quota["booked"]).clip(lower=0.0))


def _describe(values: pd.DataFrame) -> pd.DataFrame:
    known = {key: BY_KEY.get(key) or kind_metric(key.removeprefix("kind:")) for key in values["metric"].unique()}
    for name in ("title", "metric_class", "timing", "unit", "definition"):
        values[name] = values["metric"].map({key: getattr(metric, name) for key, metric in known.items()})
    front = ["metric", "title", "metric_class", "timing", "unit", "definition", "team_id"]
    return values[[*front, *[c for c in values if c not in front]]]


def _unrecorded(book: Book, absent: list[Metric], table: pd.DataFrame) -> pd.DataFrame:
    teams = [COMPANY, *sorted(book.frame("reps")["team_id"].dropna().unique())]
    rows = []
    for metric in absent:
        tables = [need.partition(".") for need in metric.needs]
        gaps = [book.need(name, *([column] if column else [])) for name, _, column in tables]
        missing = ", ".join(part for gap in gaps if gap for part in gap.missing)
        rows += [(metric.key, team, missing) for team in teams]
    frame = pd.DataFrame(rows, columns=["metric", "team_id", "missing"]).assign(recorded=False)
    frame["missing"] = frame["missing"].where(frame["missing"] != "", "no case in these periods")
    return _describe(frame)
