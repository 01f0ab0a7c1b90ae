"""The simulated company at event level: bytes, contract, agreement with the weekly process, and the management truths."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from analysis import crm
from analysis import panel as panels
from analysis.crm.simulate import WORLDS, simulate, simulate_panel
from analysis.errors import InputError, ParameterError

SMALL = {"teams": 6, "reps_per_team": 5, "weeks": 60}
WRITE = "import sys; from analysis.crm.simulate import simulate; simulate(sys.argv[1], 'turnover', 4, 3, 4, 40)"


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("simulate") / "demo"
    return folder, simulate(folder, "demo", seed=1)


@pytest.fixture(scope="module")
def tables(demo: tuple[Path, dict]) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in demo[0].glob("*.parquet")}


def test_same_arguments_same_bytes_whatever_the_hash_seed_and_time_zone(tmp_path: Path) -> None:
    simulate(tmp_path / "here", "turnover", 4, 3, 4, 40)
    env = {**os.environ, "PYTHONHASHSEED": "99", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", WRITE, str(tmp_path / "there")], env=env, check=True)
    simulate(tmp_path / "other", "turnover", 5, 3, 4, 40)
    assert len(hashes(tmp_path / "here")) == 14
    assert hashes(tmp_path / "here") == hashes(tmp_path / "there")
    assert hashes(tmp_path / "here")["activities.parquet"] != hashes(tmp_path / "other")["activities.parquet"]


@pytest.mark.parametrize("world", sorted(set(WORLDS) - {"demo"}))
def test_clean_worlds_pass_the_contract_without_a_quarantined_row(world: str, tmp_path: Path) -> None:
    simulate(tmp_path / world, world, seed=2, teams=3, reps_per_team=3, weeks=40)
    data = crm.read(tmp_path / world)
    assert data.quarantine.empty, data.quarantine.head().to_string()
    assert (data.counts["read"] == data.counts["kept"]).all() and data.counts["read"].gt(0).all()


def test_the_demo_fills_everything_the_contract_can_hold(demo: tuple[Path, dict]) -> None:
    data = crm.read(demo[0])
    assert data.quarantine.empty
    assert data.capabilities["available"].all(), data.capabilities.query("not available").to_string()
    assert not data.warnings


@pytest.mark.parametrize("world", ["demo", "turnover", "logging_break", "thin"])
def test_the_events_of_a_week_are_those_of_the_weekly_process(world: str, tmp_path: Path) -> None:
    """The panel made from events equals the panel made without them: both rooms, every rep, every week."""
    truth = simulate(tmp_path / world, world, seed=3, **SMALL)
    drawn, drawn_truth = simulate_panel(world, 3, *SMALL.values())
    built = panels.build(crm.read(tmp_path / world)).frame
    both = drawn.merge(built, on=["rep_id", "week"], how="outer", suffixes=("", "_built"), indicator=True)
    assert both["_merge"].eq("both").all()
    assert (both["team_id"] == both["team_id_built"]).all()
    for kind in truth["activities"]:
        counted = both[f"{kind}_built"] + both[f"{kind}__late"]
        known = counted.notna()
        assert (counted[known] == both.loc[known, kind]).all(), kind
        assert both.loc[~known, kind].eq(0).all(), kind  # not known only before the team's first one
    for column in ("wins", "revenue", "worked_share"):
        np.testing.assert_allclose(both[f"{column}_built"].astype(float), both[column], atol=1e-6, err_msg=column)
    assert truth["activities"] == drawn_truth["activities"]


def test_the_company_does_not_change_with_the_size_of_the_parts_it_is_written_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.crm.simulate.events.SEATS_AT_ONCE", 4)
    simulate(tmp_path / "parts", "demo", 7, 3, 4, 40)
    data = crm.read(tmp_path / "parts")
    assert data.quarantine.empty and not data.warnings
    built = panels.build(data).frame
    drawn, _ = simulate_panel("demo", 7, 3, 4, 40)
    assert built["wins"].sum() == pytest.approx(drawn["wins"].sum())
    assert built["meeting"].sum() + built["meeting__late"].sum() == drawn["meeting"].sum()


def test_times_lie_in_the_business_day_of_the_team(tables: dict[str, pd.DataFrame]) -> None:
    acts = tables["activities"].merge(tables["memberships"][["rep_id", "team_id"]], on="rep_id")
    acts = acts.merge(tables["teams"][["team_id", "timezone"]], on="team_id")
    assert acts["timezone"].nunique() == 6
    for zone, rows in acts.groupby("timezone"):
        local = rows["occurred_at"].dt.tz_convert(ZoneInfo(str(zone)))
        assert (local.dt.date == rows["occurred_on"]).all(), zone
        hour = local.dt.hour + local.dt.minute / 60
        assert hour.between(8.5, 18.01).all(), zone
    assert pd.to_datetime(acts["occurred_on"]).dt.day_of_week.lt(5).mean() > 0.999
    done = acts[acts["status"] == "done"]
    assert (done["logged_at"] >= done["occurred_at"]).all()
    delay = (done["logged_at"] - done["occurred_at"]).dt.total_seconds() / 86400
    assert 0.01 < (delay > 3).mean() < 0.06 and (delay < 0.1).mean() > 0.8


def test_nobody_works_on_holidays_or_while_away(tables: dict[str, pd.DataFrame]) -> None:
    acts = tables["activities"]
    effort = acts[(acts["status"] == "done") & (acts["kind"] != "proposal")].assign(
        day=lambda rows: pd.to_datetime(rows["occurred_on"])
    )
    away = tables["absences"].assign(
        start=lambda rows: pd.to_datetime(rows["from_date"]), stop=lambda rows: pd.to_datetime(rows["to_date"])
    )
    clash = effort.merge(away, on="rep_id")
    assert not ((clash["day"] >= clash["start"]) & (clash["day"] < clash["stop"])).any()
    everybody = tables["holidays"].loc[tables["holidays"]["team_id"].isna(), "date"]
    assert len(everybody) >= 5 and not effort["occurred_on"].isin(everybody).any()


def test_deals_stages_and_amounts_hang_together(tables: dict[str, pd.DataFrame], demo: tuple[Path, dict]) -> None:
    deals, changes = tables["opportunities"], tables["stage_changes"]
    end = pd.Timestamp(demo[1]["as_of"], tz="UTC")
    assert set(deals["status"]) == {"won", "lost", "open"}
    chain = changes.sort_values(["opportunity_id", "changed_at"])
    first = chain.drop_duplicates("opportunity_id", keep="first")
    last = chain.drop_duplicates("opportunity_id", keep="last").set_index("opportunity_id")
    assert set(first["opportunity_id"]) == set(deals["opportunity_id"])
    assert first["from_stage"].isna().all() and (first["to_stage"] == "qualification").all()
    assert (chain["changed_at"] < end + pd.Timedelta(days=1)).all()
    final = deals["opportunity_id"].map(last["to_stage"])
    assert (final == deals["stage"]).all()
    closed = deals[deals["status"] != "open"]
    assert (closed["stage"] == closed["status"]).all()
    assert (deals.loc[deals["status"] == "open", "closed_on"].isna()).all()
    same = chain["opportunity_id"].eq(chain["opportunity_id"].shift())
    assert (chain.loc[same, "from_stage"] == chain["to_stage"].shift()[same]).all()
    assert (deals["list_amount"] >= deals["amount"] - 0.01).all() and deals["amount"].gt(0).all()
    assert tables["credits"].groupby("opportunity_id")["share"].sum().sub(1).abs().max() < 1e-9
    assert set(tables["credits"]["opportunity_id"]) <= set(deals.loc[deals["status"] == "won", "opportunity_id"])


def test_open_deals_are_censored_not_left_out(demo: tuple[Path, dict]) -> None:
    company = demo[1]["management"]["funnel"]["created_to_won"]["company"]
    assert company["still_open"] > 300
    assert abs(company["eventually_won"] - company["probability"]) < 0.012
    assert company["naive_open_as_lost"] < company["probability"] - 0.01


def test_names_are_of_many_alphabets_and_people_have_one_row(tables: dict[str, pd.DataFrame]) -> None:
    text = "".join(tables["reps"]["name"]) + "".join(tables["teams"]["name"])
    assert any("\u4e00" <= letter <= "\u9fff" for letter in text) and "ü" in text and "'" in text
    assert tables["teams"]["name"].is_unique and tables["reps"]["rep_id"].is_unique


def test_leads_answer_after_hand_off_and_link_both_ways(tables: dict[str, pd.DataFrame]) -> None:
    leads, acts, deals = tables["leads"], tables["activities"], tables["opportunities"]
    got = leads.dropna(subset=["first_touch_at"])
    assert (got["first_touch_at"] >= got["handed_off_at"]).all()
    assert (leads["qualified_at"].dropna() >= leads.loc[leads["qualified_at"].notna(), "created_at"]).all()
    assert 0.02 < leads.loc[leads["qualified_at"].notna(), "first_touch_at"].isna().mean() < 0.15
    touch = acts.dropna(subset=["lead_id"]).merge(leads, on="lead_id")
    assert len(touch) > 0.8 * len(got)
    assert (touch["occurred_at"] == touch["first_touch_at"]).all() and (
        touch["rep_id"] == touch["assigned_rep_id"]
    ).all()
    grown = deals.dropna(subset=["lead_id"]).merge(leads, on="lead_id", suffixes=("", "_lead"))
    assert (grown["opportunity_id"] == grown["opportunity_id_lead"]).all()
    assert set(grown["source"]) == {"inbound", "partner"}
    silent = leads[leads["partner_id"] == "P06"]
    assert len(silent) > 50 and silent["feedback_at"].isna().all()


def test_the_response_time_matters_less_than_it_looks(tables: dict[str, pd.DataFrame], demo: tuple[Path, dict]) -> None:
    """With source and rep held fixed an independent logit finds the planted slope; without them it finds far more."""
    import statsmodels.api as sm

    truth = demo[1]["management"]["sla"]
    leads = tables["leads"].dropna(subset=["first_touch_at"])
    hours = (leads["first_touch_at"] - leads["handed_off_at"]).dt.total_seconds() / 3600
    same_day = leads["first_touch_at"].dt.date == leads["handed_off_at"].dt.date
    part = leads[same_day].assign(doubling=np.log2(hours[same_day].clip(lower=0.1)))
    dummies = pd.get_dummies(part[["source", "assigned_rep_id"]], drop_first=True, dtype=float)
    outcome = part["opportunity_id"].notna().astype(float)
    honest = sm.Logit(outcome, sm.add_constant(dummies.assign(doubling=part["doubling"]))).fit(disp=0, maxiter=60)
    assert abs(honest.params["doubling"] - truth["log_odds_per_doubling"]) < 3.5 * honest.bse["doubling"]
    assert truth["naive_log_odds_per_doubling"] < 1.5 * truth["log_odds_per_doubling"] < 0


def test_new_reps_ramp_as_stated(tmp_path: Path) -> None:
    """Early weeks of new reps against their later ones, pooled over companies, follow the stated curve; without it not."""
    found = {}
    for world in ("demo", "null_management"):
        early, late = 0.0, 0.0
        for seed in range(12):
            panel, _ = simulate_panel(world, seed, 12, 8, 104)
            start = panel.groupby("rep_id")["week"].transform("min")
            fresh = panel[start > panel["week"].min()]
            tenure = (fresh["week"] - start[fresh.index]).dt.days // 7
            early += fresh.loc[tenure < 10, "wins"].mean()
            late += fresh.loc[tenure.between(30, 60), "wins"].mean()
        found[world] = early / late
    assert found["demo"] < 0.62
    assert found["null_management"] > 0.75


def test_gaps_are_where_the_truth_says(tables: dict[str, pd.DataFrame], demo: tuple[Path, dict]) -> None:
    gaps = demo[1]["management"]["gaps"]
    assert {gap["what"] for gap in gaps} == {"meeting", "demo", "visit", "created_to_won", "meaningful_calls"}
    acts = tables["activities"].query("status == 'done' and origin == 'human'")
    deals = tables["opportunities"]
    for gap in gaps:
        team = tables["reps"].loc[tables["reps"]["team_id"] == gap["team_id"], "rep_id"]
        peers = [rep for rep in team if rep != gap["rep_id"]]
        if gap["what"] == "created_to_won":
            value = deals[deals["status"] != "open"].groupby("rep_id")["status"].agg(lambda s: (s == "won").mean())
        elif gap["what"] == "meaningful_calls":
            value = acts[acts["kind"] == "call"].groupby("rep_id")["is_meaningful"].mean()
        else:
            weeks = acts.groupby("rep_id")["occurred_on"].agg(
                lambda day: pd.to_datetime(day).dt.to_period("W").nunique()
            )
            value = acts[acts["kind"] == gap["what"]].groupby("rep_id").size() / weeks
        assert value[gap["rep_id"]] < 0.75 * value.reindex(peers).median(), gap


def test_dark_accounts_fall_silent_and_others_do_not(tables: dict[str, pd.DataFrame], demo: tuple[Path, dict]) -> None:
    dark = pd.DataFrame(demo[1]["management"]["dark"])
    acts = tables["activities"].query("status == 'done' and origin == 'human'").dropna(subset=["account_id"])
    real = acts[acts["is_meaningful"]].merge(dark, on="account_id")
    assert len(dark) > 60 and 0.2 < dark["chased"].mean() < 0.6
    late = real[pd.to_datetime(real["occurred_on"]) >= pd.to_datetime(real["silent_since"])]
    assert late["kind"].isin(["proposal"]).all() and len(late) <= 2
    after = acts.merge(dark, on="account_id")
    after = after[pd.to_datetime(after["occurred_on"]) >= pd.to_datetime(after["silent_since"])]
    chased = after.groupby("account_id").size().reindex(dark["account_id"], fill_value=0).gt(0)
    assert chased[dark["chased"].to_numpy()].mean() > 0.9 and chased[~dark["chased"].to_numpy()].mean() < 0.1
    last = pd.to_datetime(acts.groupby("account_id")["occurred_on"].max())
    lively = last[~last.index.isin(dark["account_id"])]
    assert (lively > pd.Timestamp(demo[1]["as_of"]) - pd.Timedelta(weeks=8)).mean() > 0.85


def test_quota_outcomes_are_those_of_the_deals(tables: dict[str, pd.DataFrame], demo: tuple[Path, dict]) -> None:
    truth = pd.DataFrame(demo[1]["management"]["quotas"])
    won = tables["opportunities"].query("status == 'won'")
    shares = tables["credits"].merge(won[["opportunity_id", "amount", "closed_on"]], on="opportunity_id")
    own = won[~won["opportunity_id"].isin(shares["opportunity_id"])].assign(share=1.0)
    credit = pd.concat([own, shares])[["rep_id", "closed_on", "amount", "share"]]
    credit["booked"] = credit["amount"] * credit["share"]
    credit["quarter"] = pd.to_datetime(credit["closed_on"]).dt.to_period("Q")
    booked = credit.groupby(["rep_id", "quarter"])["booked"].sum()
    complete = truth[truth["complete"] & (truth["level"] == "rep") & (truth["period_start"] > "2024-12")]
    assert len(complete) > 500
    key = list(zip(complete["owner_id"], pd.to_datetime(complete["period_start"]).dt.to_period("Q"), strict=True))
    np.testing.assert_allclose(booked.reindex(key, fill_value=0.0), complete["booked"], atol=0.01)
    teams = truth[(truth["level"] == "team") & truth["complete"]].groupby("owner_id")[["booked", "quota"]].sum()
    attained = teams["booked"] / teams["quota"]
    assert attained.min() < 0.9 < 1.05 < attained.max()


def test_coaching_helps_under_skilled_managers_only(tmp_path: Path) -> None:
    """Sessions against the focused activity of the weeks after, rep and kind fixed, pooled over companies."""
    import statsmodels.api as sm

    from analysis.crm.simulate import process
    from analysis.crm.simulate.planted import recent_sessions
    from analysis.crm.simulate.season import LAST_WEEK

    for world, expected in (("demo", (0.08, -0.06)), ("null_management", (0.0, 0.0))):
        rows = []
        for seed in range(3):
            drawn = process.run(WORLDS[world], seed, 12, 8, 104, LAST_WEEK)
            recent = recent_sessions(drawn.plants.sessions, drawn.plants.focus)
            for kind in np.unique(drawn.plants.focus):
                weeks, reps = np.nonzero((drawn.plants.focus == kind) & (drawn.roster.worked > 0.9))
                usual = drawn.counts[:, :, kind].mean(axis=0)[reps]
                skilled = drawn.plants.skilled[drawn.roster.team[weeks, reps]]
                rows.append(np.column_stack([drawn.counts[weeks, reps, kind] / usual, recent[weeks, reps], skilled]))
        data = np.vstack(rows)
        for group, planted in zip((1.0, 0.0), expected, strict=True):
            part = data[data[:, 2] == group]
            fit = sm.GLM(part[:, 0], sm.add_constant(part[:, 1]), family=sm.families.Poisson()).fit(cov_type="HC1")
            assert fit.params[1] == pytest.approx(planted, abs=0.025), (world, group)


def test_effects_can_be_left_out_and_the_truth_says_so(tmp_path: Path) -> None:
    truth = simulate(tmp_path / "none", "demo", 1, **SMALL, without=("coaching", "dark", "gaps", "ramp", "sla"))
    told = truth["management"]
    assert told["dark"] == [] and told["gaps"] == []
    assert not told["ramp"]["present"] and told["sla"]["log_odds_per_doubling"] == 0.0
    assert {entry["log_rate_per_session"] for entry in told["coaching"]["managers"].values()} == {0.0}
    same = simulate(tmp_path / "same", "null_management", 1, **SMALL)
    assert same["management"] == told


def test_truth_json_is_the_truth_returned(demo: tuple[Path, dict]) -> None:
    assert json.loads((demo[0] / "truth.json").read_text(encoding="utf-8")) == demo[1]


def test_nothing_is_left_when_writing_fails_and_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty"):
        simulate(tmp_path / "full", **SMALL)
    with pytest.raises(ParameterError, match="no shape called 'sap'"):
        simulate(tmp_path / "new", shape="sap", **SMALL)
    with pytest.raises(ParameterError, match="no management effect called 'luck'"):
        simulate(tmp_path / "new", without=("luck",), **SMALL)

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("analysis.crm.simulate.people.quotas", broken)
    with pytest.raises(OSError, match="disk full"):
        simulate(tmp_path / "new", **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
