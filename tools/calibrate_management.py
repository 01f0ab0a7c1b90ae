"""Do the management numbers hold on whole simulated companies whose truth is known?

One draw simulates a company with every planted truth and one with none, reads both as a user's folder would be read, and
compares every answer with the truth: how often 95 % intervals cover, how often an absent effect is claimed, how much of
what was planted is found, and whether stated chances of reaching quota come true. `make calibrate` repeats it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.crm import read
from analysis.crm.simulate import simulate
from analysis.errors import AnalysisError
from analysis.management.book import Book, NotRecorded, book_from
from analysis.management.coaching import one_thing
from analysis.management.coaching_effect import coaching_effect
from analysis.management.dark import dark_accounts
from analysis.management.funnel import funnel
from analysis.management.ramp import BINS, ramp
from analysis.management.response import response_effect
from analysis.management.targets import targets

SIZE = {"teams": 12, "reps_per_team": 8, "weeks": 104}
PLANTED, ABSENT = "demo", "null_management"
GAP_METRIC = {"created_to_won": "opportunity_to_won", "meaningful_calls": "meaningful_share"}
FILLED_WEEKS = 13  # the longest delay between an activity and a win in the simulated companies
BANDS = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def company(world: str, seed: int) -> tuple[Book, dict[str, Any]]:
    """A simulated company as a book, with the study's truth standing in for its findings, and its management truth."""
    with tempfile.TemporaryDirectory() as folder:
        truth = simulate(Path(folder) / world, world, seed, **SIZE)
        crm = read(Path(folder) / world)
        book = book_from(crm, findings=_findings(truth["activities"]))
    return book, truth["management"]


def _findings(activities: dict[str, Any]) -> pd.DataFrame:
    """What a perfect study would say: A for what matters, D for the rest."""
    rows = [
        {
            "scope": "company",
            "team_id": "",
            "activity": kind,
            "grade": "A" if known["role"] == "matters" else "D",
            "reason": "planted",
            "effect": known["effect_revenue"],
            "conf_low": 0.5 * known["effect_revenue"],
            "conf_high": 1.5 * known["effect_revenue"],
            "lag_from": 1,
            "lag_to": 8,
            "mean_lag_weeks": known["mean_lag_weeks"],
        }
        for kind, known in activities.items()
    ]
    return pd.DataFrame(rows)


Outcome = tuple[str, str, str, float]
"""question, world, measure, 1 or 0 (or a number to average)."""


def one_draw(seed: int) -> list[Outcome]:
    """Every measured outcome of one pair of companies."""
    rows: list[Outcome] = []
    for world in (PLANTED, ABSENT):
        book, truth = company(world, seed)
        rows += _funnel(book, truth, world) + _response(book, truth, world) + _coaching(book, truth, world)
        rows += _ramp(book, truth, world) + _dark(book, truth, world)
        if world == PLANTED:
            rows += _things(book, truth) + _chances(book, truth)
    return rows


def _funnel(book: Book, truth: dict[str, Any], world: str) -> list[Outcome]:
    steps = funnel(book, weeks=104).steps
    steps = steps[steps["step"] == "opportunity_to_won"].set_index(["scope", "team_id"])
    days = truth["funnel"]["days_to_won"]
    rows: list[Outcome] = []
    for team, known in truth["funnel"]["created_to_won"]["teams"].items():
        found = steps.loc[("team", team)]
        # A conversion is "within so many days": the truth is what is won by then.
        in_time = stats.norm.cdf(np.log((found["horizon_days"] + 0.5) / days["median"]) / days["log_sd"])
        true = known["probability"] * in_time
        inside = float(found["conf_low"] <= true <= found["conf_high"])
        rows.append(("funnel", world, "team interval covers", inside))
        rows.append(("funnel", world, "bias, points", 100 * (found["conversion"] - true)))
        rows.append(("funnel", world, "bias of open as lost, points", 100 * (found["naive_open_as_lost"] - true)))
    return rows


def _response(book: Book, truth: dict[str, Any], world: str) -> list[Outcome]:
    found = response_effect(book)
    if isinstance(found, NotRecorded):
        return []
    planted = truth["sla"]["log_odds_per_doubling"]
    rows: list[Outcome] = [
        ("response time", world, "interval covers", float(found.conf_low <= planted <= found.conf_high))
    ]
    rows.append(("response time", world, "claimed", float(found.p_value < 0.05)))
    return [*rows, ("response time", world, "raw slope, log odds", found.naive_per_doubling)]


def _coaching(book: Book, truth: dict[str, Any], world: str) -> list[Outcome]:
    known = truth["coaching"]["managers"]
    skill = pd.Series({manager: float(entry["skilled"]) for manager, entry in known.items()})
    rows: list[Outcome] = []
    try:
        given, proxy = coaching_effect(book, skill), coaching_effect(book)
    except AnalysisError:
        return rows
    if isinstance(given, NotRecorded) or isinstance(proxy, NotRecorded) or given.by_skill is None:
        return rows
    effect = truth["coaching"]["log_rate_of_focus_per_session"]
    gap = effect["skilled"] - effect["others"]
    rows.append(
        ("coaching", world, "skill interval covers", float(given.by_skill.conf_low <= gap <= given.by_skill.conf_high))
    )
    rows.append(("coaching", world, "skill claimed", float(given.by_skill.p_value < 0.05)))
    if proxy.by_skill is not None:
        rows.append(("coaching", world, "skill claimed by the recorded proxy", float(proxy.by_skill.p_value < 0.05)))
    rows.append(("coaching", world, "placebo claimed", float(proxy.placebo.p_value < 0.05)))
    truths = proxy.by_manager["manager_id"].map(
        {manager: entry["log_rate_per_session"] for manager, entry in known.items()}
    )
    inside = (proxy.by_manager["shrunk_low"] <= truths) & (truths <= proxy.by_manager["shrunk_high"])
    return [*rows, *(("coaching", world, "manager interval covers", float(hit)) for hit in inside)]


def _ramp(book: Book, truth: dict[str, Any], world: str) -> list[Outcome]:
    found = ramp(book)
    if isinstance(found, NotRecorded):
        return []
    start, constant = truth["ramp"]["starting_share"], truth["ramp"]["time_constant_weeks"] or 1.0
    rows: list[Outcome] = []
    ends = [*BINS[1:], 75.0]
    level = [
        float((1 - (1 - start) * np.exp(-np.linspace(a, b, 40) / constant)).mean())
        for a, b in zip(BINS, ends, strict=True)
    ]
    for share, row in zip(level[:-1], found.curve.iloc[:-1].to_dict("records"), strict=True):
        # Before that even a rep without any ramp wins less: there is no earlier activity of theirs for deals to follow.
        if row["conf_low"] == row["conf_low"] and row["from_week"] >= FILLED_WEEKS:
            known = share / level[-1]
            rows.append(("ramp", world, "curve interval covers", float(row["conf_low"] <= known <= row["conf_high"])))
    return rows


def _dark(book: Book, truth: dict[str, Any], world: str) -> list[Outcome]:
    found = dark_accounts(book)
    if isinstance(found, NotRecorded):
        return []
    planted = {entry["account_id"] for entry in truth["dark"]}
    called = set(found.accounts.loc[found.accounts["dark"], "account_id"])
    rows: list[Outcome] = [("dark accounts", world, "found", float(account in called)) for account in sorted(planted)]
    rows += [
        ("dark accounts", world, "called and not planted", float(account not in planted)) for account in sorted(called)
    ]
    quiet = found.accounts[~found.accounts["account_id"].isin(planted)]
    return [*rows, ("dark accounts", world, "chance at most 5 % in rhythm", float((quiet["chance"] <= 0.05).mean()))]


def _things(book: Book, truth: dict[str, Any]) -> list[Outcome]:
    found = one_thing(book, months=3)
    rows: list[Outcome] = []
    for gap in truth["gaps"]:
        wanted = GAP_METRIC.get(gap["what"], gap["what"])
        named = set(found.loc[found["rep_id"] == gap["rep_id"], "thing"])
        rows.append(("one thing", PLANTED, "planted gap named within three months", float(wanted in named)))
        rows.append(("one thing", PLANTED, "rep with a planted gap has a thing", float(bool(named - {""}))))
    two = found[found["thing"] != ""].duplicated(["rep_id", "month"]).mean()
    return [*rows, ("one thing", PLANTED, "two at once", float(two))]


def _chances(book: Book, truth: dict[str, Any]) -> list[Outcome]:
    """In the middle of every complete quarter of the second year: stated chance against what happened."""
    rows: list[Outcome] = []
    quotas = pd.DataFrame(truth["quotas"]).query("level == 'team' and complete")
    starts = sorted(quotas["period_start"].unique())[-4:]
    for start in starts:
        then = book.rewind(pd.Timestamp(start) + pd.Timedelta(days=45))
        for known in quotas[quotas["period_start"] == start].to_dict("records"):
            try:
                found = targets(then, known["owner_id"], draws=400)
            except AnalysisError:
                continue
            if isinstance(found, NotRecorded):
                continue
            band = min(int(np.digitize(found.chance_as_is, BANDS)) - 1, len(BANDS) - 2)
            name = f"{100 * BANDS[band]:.0f} to {100 * BANDS[band + 1]:.0f} %"
            rows.append(("quota chance", PLANTED, f"stated, {name}", found.chance_as_is))
            rows.append(("quota chance", PLANTED, f"reached, {name}", float(known["reached"])))
    return rows


def summed_up(outcomes: list[Outcome]) -> pd.DataFrame:
    """question, world, measure, n, value, low, high (95 % Monte Carlo, exact for shares)."""
    frame = pd.DataFrame(outcomes, columns=["question", "world", "measure", "outcome"])
    rows = []
    for (question, world, measure), mine in frame.groupby(["question", "world", "measure"], sort=True):
        value, n = float(mine["outcome"].mean()), len(mine)
        low, high = _interval(mine["outcome"].to_numpy(), value, n)
        rows.append(
            {"question": question, "world": world, "measure": measure, "n": n, "value": value, "low": low, "high": high}
        )
    return pd.DataFrame(rows)


def _interval(outcome: np.ndarray, value: float, n: int) -> tuple[float, float]:
    if set(np.unique(outcome)) <= {0.0, 1.0}:
        won = outcome.sum()
        low = stats.beta.ppf(0.025, won, n - won + 1) if won else 0.0
        high = stats.beta.ppf(0.975, won + 1, n - won) if won < n else 1.0
        return float(low), float(high)
    half = 1.96 * float(outcome.std(ddof=1)) / np.sqrt(n) if n > 1 else float("nan")
    return value - half, value + half


def page(outcomes: list[Outcome], companies: int) -> str:
    """The section of docs/calibration.md on the management numbers."""
    head = [
        "## Managing by activity",
        "",
        f"{companies} pairs of simulated companies ({SIZE['teams']} teams x {SIZE['reps_per_team']} reps x {SIZE['weeks']} weeks): one with every "
        "truth planted (demo), one with none of them",
        "(null_management). `n` counts teams, reps, accounts or companies, which within a company are not independent; `low` and `high` are the",
        "95 % Monte Carlo interval as if they were. A nominal interval covers 95 %, an absent effect is claimed in 5 %. Stated chances of",
        "reaching quota are compared with how many did, in bands of the stated chance, at the middle of each quarter.",
        "",
        "| question | world | measure | n | value | low | high |",
        "|---|---|---|---|---|---|---|",
    ]
    lines = [
        f"| {r.question} | {r.world} | {r.measure} | {r.n} | {r.value:.3f} | {r.low:.3f} | {r.high:.3f} |"
        for r in summed_up(outcomes).itertuples()
    ]
    return "\n".join([*head, *lines, ""])
