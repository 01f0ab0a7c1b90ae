"""The company as a CRM export: what the importer makes of it is the company, rep by rep and week by week."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import crm
from analysis import panel as panels
from analysis.crm.simulate import simulate
from analysis.crm.simulate.export import check_letters, salesforce_id, words

COMPANY = {"world": "turnover", "seed": 6, "teams": 4, "reps_per_team": 5, "weeks": 44}
USER_IDS = {"salesforce": "005{number:012d}AAA", "hubspot": "1{number:010d}"}


def files(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "contract"
    simulate(folder, **COMPANY)
    return folder


@pytest.fixture(scope="module", params=["salesforce", "hubspot"])
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """The CRM, the export's folder and the data folder made from it."""
    from analysis.crm.importers import import_crm

    base = tmp_path_factory.mktemp(request.param)
    simulate(base / "company", shape=request.param, **COMPANY)
    config = base / "company" / "import.toml"
    import_crm(
        request.param, base / "company" / "export", base / "data", config, key_file=base / "key" / "pseudonym.key"
    )
    return request.param, base / "company", base / "data"


def pseudonyms(name: str, folder: Path, reps: pd.Series) -> dict[str, str]:
    """Pseudonym -> rep of the contract folder."""
    from analysis.crm.importers.privacy import load_key, pseudonym

    key = load_key(folder.parent / "key" / "pseudonym.key")
    return {pseudonym(key, USER_IDS[name].format(number=int(rep[1:]))): rep for rep in reps}


def test_an_import_of_the_export_is_the_company_week_by_week(contract: Path, imported: tuple[str, Path, Path]) -> None:
    name, company, data = imported
    direct, through = panels.build(crm.read(contract)), panels.build(crm.read(data))
    names = pseudonyms(name, company, direct.frame["rep_id"].unique())
    other = through.frame.assign(rep_id=through.frame["rep_id"].map(names))
    both = direct.frame.merge(other, on=["rep_id", "week"], how="outer", suffixes=("", "_through"), indicator=True)
    assert both["_merge"].eq("both").all()
    assert through.activities == direct.activities and through.currency == direct.currency
    assert through.cycle_days_p75 == direct.cycle_days_p75
    assert dict(through.advanced) == pytest.approx(dict(direct.advanced))
    assert (both["team_id"] == both["team_id_through"]).all()
    kinds = [f"{kind}{part}" for kind in direct.activities for part in ("", "__late", "__meaningful", "__senior")]
    for column in (*kinds, "wins", "revenue", "units", "margin", "worked_share", "talk_time_min", "accounts"):
        ours, theirs = both[column].astype(float), both[f"{column}_through"].astype(float)
        np.testing.assert_allclose(ours, theirs, atol=0.01, equal_nan=True, err_msg=column)


def test_nothing_of_the_export_is_quarantined(imported: tuple[str, Path, Path]) -> None:
    data = crm.read(imported[2])
    assert data.quarantine.empty
    assert {"memberships", "absences", "holidays", "coaching", "quotas", "credits", "leads"} <= set(data.tables())


def test_deals_of_leavers_are_with_a_colleague_now_and_the_history_gives_them_back(
    contract: Path, imported: tuple[str, Path, Path]
) -> None:
    name, company, data = imported
    reps = pd.read_parquet(contract / "reps.parquet")
    gone = set(reps.loc[reps["left_on"].notna(), "rep_id"])
    deals = pd.read_parquet(contract / "opportunities.parquet")
    theirs = deals["rep_id"].isin(gone)
    assert theirs.sum() > 10
    table = {"salesforce": ("Opportunity.csv", "OwnerId"), "hubspot": ("deal.csv", "owner_id")}[name]
    now = pd.read_csv(company / "export" / table[0], dtype=str)[table[1]]
    leavers = {USER_IDS[name].format(number=int(rep[1:])) for rep in gone}
    assert now.isin(leavers).sum() < theirs.sum()
    names = pseudonyms(name, company, reps["rep_id"])
    back = crm.read(data).frame("opportunities")["rep_id"].map(names)
    assert back.value_counts().to_dict() == deals["rep_id"].value_counts().to_dict()


@pytest.mark.parametrize("shape", ["salesforce", "hubspot"])
def test_exports_are_the_same_bytes_every_time_and_hold_no_contract_table(shape: str, tmp_path: Path) -> None:
    for place in ("one", "two"):
        simulate(tmp_path / place, "demo", 3, 2, 3, 30, shape)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert not list((tmp_path / "one").rglob("*.parquet"))
    assert {"import.toml", "truth.json", "teams/T001.toml", "teams/T002.toml"} <= set(files(tmp_path / "one"))


def test_ids_look_like_salesforce_ids() -> None:
    ids = salesforce_id("00T", pd.Series(["A00000012", None])).to_pylist()
    assert ids == ["00T000000000012EAA", None]
    assert check_letters("006") == "AAA" and check_letters("00Q") == "EAA"


def test_words_that_a_crm_does_not_have_are_blank() -> None:
    assert words(pd.Series(["won", "lost", None]), {"won": "Closed Won"}).to_pylist() == ["Closed Won", None, None]
