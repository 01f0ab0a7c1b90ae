"""Leads: counts by hand, business hours on both sides, partners, response time confounded by source, inbound."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from management_world import activities_table, book, days, deals_table, reps_table
from scipy import special

from analysis.errors import Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.handoff import hand_off, lead_clock, no_feedback, no_feedback_by_partner
from analysis.management.leads import ALL, campaigns, inbound, lead_conversion, lead_volume
from analysis.management.response import response_effect

AS_OF = 200  # a Friday


def at(number: float, hour: float = 9.0) -> pd.Timestamp:
    return days([number])[0].tz_localize("UTC") + pd.Timedelta(hours=hour)


def base(leads: pd.DataFrame | None, deals: pd.DataFrame, **tables: pd.DataFrame) -> Book:
    rows = activities_table(["r0", "r1"], ["call", "call"], [0, AS_OF])
    held = {"reps": reps_table(1, 2), "activities": rows, "opportunities": deals, **tables}
    return book(held if leads is None else {**held, "leads": leads}, AS_OF)


def five_leads() -> pd.DataFrame:
    """Handed off on Monday (day 140) at 9; touched after 1, 7 and 12 business hours, never, and never by a partner."""
    frame = pd.DataFrame({"lead_id": list("abcde"), "source": ["web", "web", "event", "web", "partner"]}).astype("str")
    frame["created_at"] = [at(139, 20)] * 5
    frame["qualified_at"] = [at(140, 9)] * 5
    frame["handed_off_at"] = [at(140, 9)] * 5
    frame["first_touch_at"] = pd.to_datetime([at(140, 10), at(140, 16), at(141, 13), pd.NaT, pd.NaT], utc=True)
    frame["feedback_at"] = pd.to_datetime([at(144, 9), pd.NaT, at(160, 9), pd.NaT, pd.NaT], utc=True)
    frame["assigned_rep_id"] = ["r0", "r0", "r1", "r1", None]
    frame["partner_id"] = [None, None, None, None, "P1"]
    frame["opportunity_id"] = ["o0", None, "o1", None, None]
    frame["campaign_id"] = ["c1", "c1", "c1", "c2", None]
    return frame


def two_deals() -> pd.DataFrame:
    deals = deals_table(["r0", "r1", "r0"], [142, 145, 100], [160, 999, 150], [1, 1, 1], [800.0, 500.0, 200.0], AS_OF)
    return deals.assign(source=["inbound", "unknown", "outbound"])


def held() -> Book:
    spend = pd.DataFrame({"campaign_id": ["c1", "c2"], "name": ["Fair", "Ads"], "cost": [600.0, 100.0]})
    return base(five_leads(), two_deals(), campaigns=spend)


def test_business_hours_are_counted_by_hand() -> None:
    clock = lead_clock(held())
    assert not isinstance(clock, NotRecorded)
    hours = clock.set_index("lead_id")
    assert hours["first_touch_h"].tolist()[:3] == pytest.approx([1.0, 7.0, 12.0])
    assert hours.loc["a", "feedback_h"] == pytest.approx(32.0)
    assert hours.loc["a", "marketing_h"] == 0.0
    # Monday day 140 nine o'clock to the end of Friday day 200: eight weeks and five days of eight hours.
    assert hours.loc["d", "waited_h"] == pytest.approx(45 * 8)


def test_time_zones_and_holidays_move_the_clock() -> None:
    teams = pd.DataFrame({"team_id": ["t0"], "name": ["T"], "timezone": ["America/New_York"]})
    free = pd.DataFrame({"date": days([141]), "team_id": pd.Series([None], dtype="str")})
    found = lead_clock(base(five_leads(), two_deals(), teams=teams, holidays=free))
    assert not isinstance(found, NotRecorded)
    hours = found.set_index("lead_id")["first_touch_h"]
    # Nine in the morning UTC is five in New York: the first business hour begins four hours later; day 141 is free.
    assert hours.tolist()[:3] == pytest.approx([0.0, 3.0, 8.0])


def test_both_sides_partners_and_lateness() -> None:
    found = hand_off(held())
    assert not isinstance(found, NotRecorded)
    touch = found[found["side"] == "first_touch"].set_index("group")
    assert touch.loc["everybody", ["n", "reached", "running", "late"]].tolist() == [5, 2, 0, 3]
    assert touch.loc["everybody", "within"] == pytest.approx(0.4)
    assert touch.loc["everybody", "naive"] == pytest.approx(2 / 3) and "too high" in touch.loc["everybody", "bias"]
    assert touch.loc["t0", "n"] == 4 and touch.loc["P1", "within"] == 0.0
    assert touch["conf_high"].notna().all()
    feedback = found[found["side"] == "feedback"].set_index("group")
    assert feedback.loc["everybody", "within"] == pytest.approx(1 / 5)


def test_a_young_lead_is_not_late_yet() -> None:
    young = (
        five_leads()
        .iloc[:1]
        .assign(
            lead_id="y",
            handed_off_at=at(AS_OF, 14),
            first_touch_at=pd.NaT,
            feedback_at=pd.NaT,
            qualified_at=at(AS_OF, 13),
        )
    )
    leads = pd.concat([five_leads(), young], ignore_index=True)
    for name in ("first_touch_at", "feedback_at"):
        leads[name] = pd.to_datetime(leads[name], utc=True)
    found = hand_off(base(leads, two_deals()))
    assert not isinstance(found, NotRecorded)
    row = found[(found["side"] == "first_touch") & (found["group"] == "everybody")].iloc[0]
    assert (row["n"], row["running"], row["late"]) == (6, 1, 3)
    assert row["within"] > 2 / 6 + 0.01


def test_no_feedback_list_and_partners() -> None:
    silent = no_feedback(held())
    assert not isinstance(silent, NotRecorded)
    assert set(silent["lead_id"]) == {"b", "d", "e"}
    partners = no_feedback_by_partner(held())
    assert not isinstance(partners, NotRecorded)
    assert partners.iloc[0][["partner_id", "due", "without", "never"]].tolist() == ["P1", 1, 1, True]


def test_campaigns_by_hand() -> None:
    found = campaigns(held())
    assert not isinstance(found, NotRecorded)
    row = found.set_index("campaign_id").loc["c1"]
    assert row[["leads", "qualified", "opportunities", "won", "closed"]].tolist() == [3, 3, 2, 1, 800]
    assert row["cost_per_qualified"] == 200 and row["cost_per_opportunity"] == 300
    assert row["cost_per_qualified_low"] < 200 < row["cost_per_qualified_high"]
    assert row["return_closed"] == pytest.approx(800 / 600) and np.isnan(row["return_closed_low"])
    none = found.set_index("campaign_id").loc["c2"]
    assert np.isnan(none["cost_per_opportunity"]) and none["cost_per_opportunity_low"] > 0


def test_volume_conversion_and_definition() -> None:
    volume = lead_volume(held(), "month")
    assert not isinstance(volume, NotRecorded)
    assert volume.groupby("source")["qualified"].sum().to_dict() == {"event": 1, "partner": 1, "web": 3}
    found = lead_conversion(held())
    assert not isinstance(found, NotRecorded)
    first = found.iloc[0]
    assert first["source"] == ALL and first["reached"] == 2 and first["naive"] == pytest.approx(0.4)
    assert "agreed definition" in first["definition"]


def test_inbound_by_hand() -> None:
    found = inbound(held(), "quarter", last=2)
    assert not isinstance(found, NotRecorded)
    row = found[found["period_start"] == pd.Timestamp("2025-04-01")].iloc[0]  # days 85 to 175
    assert row["created_inbound"] == 2  # one says so, one has no source but a lead
    assert (row["closed"], row["closed_inbound"], row["share"]) == (1000, 800, 0.8)
    deals = two_deals().drop(columns="source")
    assert "opportunities.source" in str(inbound(base(None, deals)))


def test_without_leads_everything_says_so() -> None:
    bare = base(None, two_deals())
    for answer in (lead_volume, lead_conversion, hand_off, no_feedback, no_feedback_by_partner, response_effect):
        assert answer(bare) == NotRecorded(("leads",)), answer.__name__
    assert campaigns(bare) == NotRecorded(("campaigns",))


def answered(slope: float, seed: int, *, leads: int = 3000, reps: int = 20) -> Book:
    """Hot sources are answered faster and convert better; each doubling of the response moves the log odds by slope."""
    rng = np.random.default_rng(seed)
    rep, source = rng.integers(0, reps, leads), rng.integers(0, 3, leads)
    slow = 0.4 * rng.standard_normal(reps)
    hours = np.clip(np.array([1.5, 5.0, 12.0])[source] * np.exp(slow[rep] + 0.8 * rng.standard_normal(leads)), 0.1, 70)
    never = rng.random(leads) < 0.08
    odds = np.array([0.3, -0.7, -1.6])[source] + slope * np.log2(hours / 4) - 0.3 * slow[rep]
    won = (rng.random(leads) < special.expit(odds)) & ~never
    start = days(rng.integers(0, 18, leads) * 7).dt.tz_localize("UTC") + pd.Timedelta(hours=9)
    # Response in business hours from Monday nine o'clock: eight hours a day, five days a week.
    whole = (hours // 8).astype(int)
    touch = start + pd.to_timedelta(whole + 2 * (whole // 5), unit="D") + pd.to_timedelta(hours - 8 * whole, unit="h")
    frame = pd.DataFrame({"lead_id": [f"l{n}" for n in range(leads)], "source": np.array(["a", "b", "c"])[source]})
    frame = frame.astype("str").assign(created_at=start, qualified_at=start, handed_off_at=start)
    frame["first_touch_at"] = touch.where(~never)
    frame["assigned_rep_id"] = [f"r{n}" for n in rep]
    frame["opportunity_id"] = np.where(won, [f"o{n}" for n in range(leads)], None)
    rows = activities_table(["r0"], ["call"], [0])
    deals = deals_table(["r0"], [1], [5], [1], [1.0], AS_OF)
    reps_frame = reps_table(1, reps)
    return book({"reps": reps_frame, "activities": rows, "opportunities": deals, "leads": frame}, AS_OF)


def test_response_time_is_freed_from_source_and_rep() -> None:
    found = response_effect(answered(-0.25, 1))
    assert not isinstance(found, NotRecorded)
    assert found.conf_low <= -0.25 <= found.conf_high and found.conf_high < 0
    assert found.naive_per_doubling < -0.4
    never = found.bins.set_index("response").loc["never contacted"]
    assert never["n"] > 150 and never["converted"] == 0
    assert found.bins["n"].sum() == found.n


def test_an_absent_response_effect_is_not_claimed() -> None:
    answers = [response_effect(answered(0.0, 20 + seed)) for seed in range(20)]
    claims = [found.p_value < 0.05 for found in answers if not isinstance(found, NotRecorded)]
    assert np.mean(claims) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20)
    naive = [found.naive_per_doubling for found in answers if not isinstance(found, NotRecorded)]
    assert np.mean(naive) < -0.15


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, -0.25])
def test_response_intervals_cover_at_the_nominal_rate(slope: float) -> None:
    inside = []
    for seed in range(200):
        found = response_effect(answered(slope, 300 + seed, leads=1500, reps=12))
        assert not isinstance(found, NotRecorded)
        inside.append(found.conf_low <= slope <= found.conf_high)
    assert 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200) <= np.mean(inside)


def test_few_conversions_are_refused() -> None:
    with pytest.raises(Refused, match="30 are needed"):
        response_effect(answered(-0.25, 2, leads=60))
    thin = answered(-0.25, 2)
    blank = thin.frame("leads").assign(opportunity_id=None)
    assert "leads.opportunity_id" in str(response_effect(replace(thin, tables={**thin.tables, "leads": blank})))
