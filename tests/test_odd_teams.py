"""Teams that hardly are teams, through a real `workbench batch` on a data folder: each still gets a useful page."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from test_words import JARGON

from analysis.crm.simulate import simulate

CLI = "from analysis.cli import main; main()"
ODD = {"Leeds": "no deals", "Denver": "one rep", "Île-de-France": "two weeks old", "São Paulo": "no activities"}


def odd_company(place: Path) -> Path:
    """Six teams: two like any other; one each without deals, with one rep, begun two weeks ago, without activities."""
    simulate(place, "demo", teams=6, reps_per_team=5, weeks=40, seed=4)
    tables = {path.stem: pd.read_parquet(path) for path in place.glob("*.parquet") if path.stem != "credits"}
    (place / "credits.parquet").unlink()
    names = dict(zip(tables["teams"]["team_id"], tables["teams"]["name"], strict=True))
    home = {rep: names[team] for rep, team in zip(tables["reps"]["rep_id"], tables["reps"]["team_id"], strict=True)}
    done = tables["activities"]["status"].fillna("done").eq("done")
    today = pd.to_datetime(tables["activities"].loc[done, "occurred_on"]).max()
    lone = next(rep for rep, team in home.items() if team == "Denver")
    tables = {
        name: rows[~rows["rep_id"].map(home).eq("Denver") | rows["rep_id"].eq(lone)] if "rep_id" in rows else rows
        for name, rows in tables.items()
    }
    for table, column, without in (
        ("activities", "occurred_on", "São Paulo"),
        ("opportunities", "created_on", "Leeds"),
    ):
        rows = tables[table]
        team, day = rows["rep_id"].map(home), pd.to_datetime(rows[column])
        early = team.eq("Île-de-France") & (day < today - pd.Timedelta(weeks=2))
        tables[table] = rows[~early & team.ne(without)]
    known = set(tables["opportunities"]["opportunity_id"])
    tables["stage_changes"] = tables["stage_changes"][tables["stage_changes"]["opportunity_id"].isin(known)]
    for name, rows in tables.items():
        rows.to_parquet(place / f"{name}.parquet", index=False)
    return place


def batch(data: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CLI, "batch", str(data), "--out", str(out), "--summary"]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(exit code and output, the folder)."""
    home = tmp_path_factory.mktemp("odd")
    return batch(odd_company(home / "data"), home / "out"), home / "out"


def pages(out):
    """Name -> (folder, page) of every team in the manifest."""
    rows = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["teams"]
    return {row["name"]: (out / row["slug"], row) for row in rows}


def said(folder):
    return BeautifulSoup((folder / "report.html").read_text(encoding="utf-8"), "html.parser").get_text(" ", strip=True)


def test_every_team_has_a_report_and_the_run_is_clean(run):
    told, out = run
    rows = pages(out)
    assert told.returncode == 0, told.stderr
    assert set(ODD) < set(rows) and {row["status"] for _, row in rows.values()} == {"done"}
    assert all((folder / "report.pdf").read_bytes().startswith(b"%PDF") for folder, _ in rows.values())


@pytest.mark.parametrize("name", ODD)
def test_its_page_claims_nothing_and_says_what_is_missing(run, name):
    folder, _ = pages(run[1])[name]
    page, text = (folder / "report.html").read_text(encoding="utf-8"), said(folder)
    doc = BeautifulSoup(page, "html.parser")
    assert "No activity predicts revenue here" in doc.select_one(".answer").get_text(" ")
    assert len(doc.find_all("h2")) == 10 and len(page.encode()) < 150_000
    assert "opportunities.amount" not in text and "None" not in text and "nan" not in text.split()
    for part in doc.select("h1, .answer, .tiles, .note"):
        assert not JARGON.search(part.get_text(" ")), part.get_text(" ")


def test_each_kind_of_team_is_told_what_it_lacks(run):
    rows = pages(run[1])
    assert "Record the team's calls, meetings" in said(rows["São Paulo"][0])
    assert "No activity of this team is recorded" in said(rows["São Paulo"][0])
    assert "Nothing to show yet" in said(rows["Île-de-France"][0])
    assert "too small to compare its reps" in said(rows["Denver"][0])
    assert "1 rep" in said(rows["Denver"][0])


def test_index_and_mail_tell_a_missing_quota_from_too_few_deals(run):
    _, out = run
    rows = pages(out)
    index = BeautifulSoup((out / "index.html").read_text(encoding="utf-8"), "html.parser")
    for name in ("Leeds", "Île-de-France"):
        row = index.select_one(f"#t-{rows[name][1]['slug']}").get_text(" ", strip=True)
        assert "Not known" in row and "too few deals to judge" in row and "no quota" not in row
        mail = (rows[name][0] / "mail.txt").read_text(encoding="utf-8")
        assert "too few deals to judge" in mail and len(mail.splitlines()) == 7
    assert "6 of 6 reports are up to date." in index.get_text(" ", strip=True)


def test_infinite_values_end_the_run_before_it_begins_with_one_sentence(tmp_path):
    data = odd_company(tmp_path / "data")
    deals = pd.read_parquet(data / "opportunities.parquet")
    infinite = deals["amount"].astype(float).where(np.arange(len(deals)) % 4 > 0, np.inf)
    deals.assign(amount=infinite).to_parquet(data / "opportunities.parquet", index=False)
    told = batch(data, tmp_path / "out")
    assert told.returncode == 2 and "Traceback" not in told.stderr
    assert "opportunities" in told.stderr and "mend the export" in told.stderr
    assert not (tmp_path / "out" / "index.html").exists()
