"""What managers do, and what their coaching goes with: activity per manager, attainment by how much they coach."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import Book, NotRecorded
from analysis.management.intervals import Floats, mean_by, poisson
from analysis.management.ramp import suppressed
from analysis.management.records import won_credit, worked_weeks
from analysis.management.roster import SPAN_DAYS, day_numbers, numbered, places, roster

SAY = words.Voice("management.managers")
COACHING = {
    kind: (SAY.text(f"{kind}.title"), SAY.text(f"{kind}.unit"))
    for kind in ("field_day", "call_review", "email_review", "one_to_one", "training")
}
_WEEKS_PER_MONTH = 365.25 / 12 / 7


def manager_weeks(book: Book) -> pd.DataFrame:
    """worked_weeks with `manager_id` of that week (memberships rule over reps.manager_id)."""
    return book.shared("manager_weeks", lambda: _manager_weeks(book))


def _manager_weeks(book: Book) -> pd.DataFrame:
    weeks = worked_weeks(book)
    if book.has("memberships", "manager_id"):
        spells = book.frame("memberships")[["rep_id", "manager_id", "valid_from"]]
        spells = spells.assign(valid_from=spells["valid_from"].astype(weeks["week"].dtype)).sort_values("valid_from")
        return pd.merge_asof(weeks.sort_values("week"), spells, left_on="week", right_on="valid_from", by="rep_id")
    return weeks.assign(manager_id=weeks["rep_id"].map(book.frame("reps").set_index("rep_id")["manager_id"]))


def manager_activity(book: Book, weeks: int = 26) -> pd.DataFrame | NotRecorded:
    """Coaching per manager and kind over the last `weeks` weeks.

    Columns: manager_id, kind, title, unit, sessions, reps, rep_weeks, value, conf_low, conf_high (95 %, exact
    Poisson: the pace behind the count). A kind that a manager never did has value 0: the table is recorded.
    """
    gap = book.need("coaching")
    if gap is None and not (book.has("memberships", "manager_id") or book.has("reps", "manager_id")):
        gap = NotRecorded(("reps.manager_id", "memberships.manager_id"))
    if gap:
        return gap
    since = book.as_of - pd.Timedelta(weeks=weeks)
    base = _led(book, since)
    done = book.frame("coaching")
    counts = done.loc[done["occurred_on"] > since].groupby(["manager_id", "kind"], observed=True).size()
    out = base.merge(pd.DataFrame({"kind": list(COACHING)}), how="cross")
    keys = pd.MultiIndex.from_frame(out[["manager_id", "kind"]])
    out["sessions"] = counts.reindex(keys).fillna(0).to_numpy(dtype=int)
    scale = np.where(out["kind"] == "one_to_one", 1.0, _WEEKS_PER_MONTH)
    exposure: pd.Series = out["rep_weeks"].clip(lower=0.2) / scale
    low, high = poisson(out["sessions"], exposure)
    out = out.assign(value=out["sessions"] / exposure, conf_low=low, conf_high=high)
    titles = {kind: title for kind, (title, _) in COACHING.items()}
    units = {kind: unit for kind, (_, unit) in COACHING.items()}
    out.insert(2, "title", out["kind"].map(titles))
    out.insert(3, "unit", out["kind"].map(units))
    return out


def _led(book: Book, since: pd.Timestamp) -> pd.DataFrame:
    """Reps and rep-weeks by manager since that day: manager_id, reps, rep_weeks."""
    frame = manager_weeks(book)
    frame = frame.loc[(frame["week"] > since) & frame["manager_id"].notna()]
    manager, names = numbered(frame["manager_id"])
    rep, people = numbered(frame["rep_id"])
    pairs = np.unique(manager * max(len(people), 1) + rep) // max(len(people), 1)
    worked = np.bincount(manager, frame["worked_share"].to_numpy(), len(names))
    reps = np.bincount(pairs, minlength=len(names))
    return pd.DataFrame({"manager_id": pd.array(names, dtype="str"), "reps": reps, "rep_weeks": worked})


def attainment(book: Book) -> pd.DataFrame | NotRecorded:
    """Quota attainment of every rep and complete quota period: rep_id, period_start, period_end, quota, booked, share."""
    return book.need("quotas") or book.shared("attainment", lambda: _attainment(book))


def _attainment(book: Book) -> pd.DataFrame | NotRecorded:
    quotas = book.frame("quotas")
    quotas = quotas.loc[(quotas["level"] == "rep") & (quotas["period_end"] <= book.as_of + pd.Timedelta(days=1))]
    opening = book.frame("activities")["occurred_on"].min()
    quotas = quotas.loc[(quotas["period_start"] >= opening) & (quotas["amount"] > 0)].reset_index(drop=True)
    if quotas.empty:
        return NotRecorded((SAY.text("no_period"),))
    booked = booked_within(book, quotas["owner_id"], quotas)
    out = quotas[["owner_id", "period_start", "period_end", "amount"]]
    out = out.rename(columns={"owner_id": "rep_id", "amount": "quota"})
    return out.assign(booked=booked, share=booked / out["quota"])


def booked_within(book: Book, owner: pd.Series, periods: pd.DataFrame) -> Floats:
    """Credit of each owner (rep_id) from its period_start to before its period_end, row by row."""
    people, won = roster(book), won_credit(book)
    mine, rep, day = places(owner, people.reps), places(won["rep_id"], people.reps), day_numbers(won["closed_on"])
    order = np.lexsort((day, rep))
    key, credit = (rep * SPAN_DAYS + day)[order], np.nan_to_num(won["credit"].to_numpy(dtype=float))[order]
    ends = (np.searchsorted(key, mine * SPAN_DAYS + day_numbers(periods[f"period_{end}"])) for end in ("start", "end"))
    sums = [credit[first:last].sum() for first, last in zip(*ends, strict=True)]
    return np.where(mine >= 0, np.asarray(sums, dtype=np.float64), 0.0)


def attainment_by_quartile(book: Book) -> pd.DataFrame | NotRecorded:
    """Quota attainment of the reps of managers who coach least (quartile 1) to most (4).

    Managers are sorted by sessions per rep-week over all recorded time; the manager is the unit of the interval.
    Columns: quartile, managers, reps, sessions_per_rep_month, value (mean of the managers' mean attainment),
    conf_low, conf_high (95 %), note. Quartiles of fewer than `policy.min_group` reps are suppressed. It describes:
    managers may coach more where it goes badly, or have time for it where it goes well.
    """
    shares = attainment(book)
    load = _load(book)
    if isinstance(shares, NotRecorded):
        return shares
    if isinstance(load, NotRecorded):
        return load
    if len(load) < 4:
        return NotRecorded((SAY.plural("quartiles_need", len(load)),))
    frame = manager_weeks(book).dropna(subset=["manager_id"])
    main = frame.groupby(["rep_id", "manager_id"]).size().reset_index(name="weeks")
    main = main.sort_values("weeks", kind="stable").drop_duplicates("rep_id", keep="last")
    rows = shares.merge(main[["rep_id", "manager_id"]], on="rep_id").merge(load, on="manager_id")
    by_manager = rows.groupby(["quartile", "manager_id"], observed=True)["share"].mean().reset_index()
    out = mean_by(by_manager, ["quartile"], "share").rename(columns={"n": "managers"})
    out["reps"] = out["quartile"].map(rows.groupby("quartile", observed=True)["rep_id"].nunique())
    out["sessions_per_rep_month"] = out["quartile"].map(load.groupby("quartile", observed=True)["load"].mean())
    small = out["reps"] < book.policy.min_group
    out.loc[small, ["value", "conf_low", "conf_high", "sessions_per_rep_month"]] = np.nan
    out["note"] = np.where(small, suppressed(book), "")
    return out


def _load(book: Book) -> pd.DataFrame | NotRecorded:
    """Sessions per rep-month by manager, and the quartile among managers."""
    activity = manager_activity(book, weeks=10_000)
    if isinstance(activity, NotRecorded):
        return activity
    sums = activity.groupby("manager_id").agg(sessions=("sessions", "sum"), rep_weeks=("rep_weeks", "first"))
    load = (sums["sessions"] / sums["rep_weeks"].clip(lower=0.2) * _WEEKS_PER_MONTH).rename("load").reset_index()
    rank = load["load"].rank(method="first")
    return load.assign(quartile=np.ceil(4 * rank / len(load)).astype(int))
