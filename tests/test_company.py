"""The company's pack: the team pack's format, nothing personal in it, and earlier claims scored."""

import json
from dataclasses import replace

import company_samples as samples
import pandas as pd
import pytest

from analysis.errors import DataError, InputError
from analysis.evidence.ledger import write_study
from analysis.evidence.study import run_study
from analysis.management.book import NotRecorded
from analysis.reporting import company
from analysis.reporting.company_desk import CompanyDesk, by_name
from analysis.reporting.pack import pack_files, with_previous


@pytest.fixture(scope="module")
def whole():
    return samples.pack("whole")


def test_it_holds_every_team_in_the_format_of_a_team_pack(whole):
    crm, panel, study = samples.studied("whole")
    assert whole.team_id == "" and whole.name == "The whole company"
    pd.testing.assert_frame_equal(whole.panel.frame, panel.frame)
    assert len(whole.findings) == len(study.findings) and set(whole.tables) == set(crm.tables())
    for name in crm.tables():
        assert len(whole.tables[name]) == len(crm.frame(name))


def test_equal_data_give_equal_bytes():
    crm, panel, study = samples.studied("whole")
    again = company.company_pack(panel, study.findings, study.details, crm, as_of=str(panel.frame["week"].max().date()))
    assert again == samples.files("whole")


def test_no_name_of_a_person_is_in_it():
    crm, panel, study = samples.studied("whole")
    canary = "Canary Q. Person"

    class Named:
        capabilities = crm.capabilities
        tables, files, columns = crm.tables, crm.files, crm.columns

        def frame(self, name):
            frame = crm.frame(name)
            return frame.assign(name=canary) if name == "reps" else frame

    made = company.company_pack(panel, study.findings, study.details, Named(), as_of="2026-11-16")
    assert all(canary.encode() not in content for content in made.values())
    assert "name" not in samples.pack("whole").tables["reps"]


def test_details_name_no_rep_and_no_single_team(whole):
    reps = set(whole.panel.frame["rep_id"])
    text = json.dumps(whole.details)
    assert not [rep for rep in reps if rep in text]
    assert set(whole.details["scopes"]) == {""} and whole.details["averages_over_teams"]


def test_a_teams_pack_still_refuses_rows_of_others(whole):
    with pytest.raises(DataError, match="another team"):
        pack_files(replace(whole, team_id="T001"), {})
    with pytest.raises(DataError, match="another team"):
        pack_files(whole, {})


def test_the_report_before_can_be_added():
    files = dict(samples.files("whole"))
    published = {"findings.parquet": b"other", "receipt.json": b'{"as_of": "2026-11-09"}'}
    assert json.loads(with_previous(files, published)["previous.json"]) == {"as_of": "2026-11-09"}


def test_it_opens_from_its_folder_and_from_data(tmp_path):
    opened, claims = company.open_company(str(samples.folder("two reps")))
    assert claims is None and opened.team_id == ""
    made, _ = company.open_company(data=str(samples.data("two reps")))
    pd.testing.assert_frame_equal(made.findings, opened.findings)
    with pytest.raises(DataError, match="not a team's pack"):
        company.open_company(str(tmp_path))
    with pytest.raises(InputError, match="no data folder"):
        company.open_company(data=str(tmp_path / "nowhere"))


def earlier(panel, weeks):
    """The panel as it was so many weeks ago."""
    cut = panel.frame["week"].max() - pd.Timedelta(weeks=weeks)
    return replace(panel, frame=panel.frame[panel.frame["week"] <= cut].reset_index(drop=True))


def test_earlier_claims_are_scored_and_travel_with_the_pack(tmp_path):
    crm, panel, study = samples.studied("whole")
    write_study(run_study(earlier(panel, 20)), tmp_path / "ledger" / "before")
    made = company.company_pack(
        panel, study.findings, study.details, crm, as_of="2026-11-16", ledger=tmp_path / "ledger"
    )
    _, claims = company.open_company(str(samples.written(made, tmp_path / "pack")))
    assert len(claims) and claims["since"].notna().all() and set(claims["study"]) == {"before"}


def test_a_ledger_that_cannot_be_read_says_so(tmp_path):
    _, panel, _ = samples.studied("whole")
    assert company.scored(panel, None) is None
    claims = company.scored(panel, tmp_path)
    assert len(claims) == 1 and claims["activity"].isna().all() and "no study.json" in claims["verdict"][0]


def test_a_ready_panel_has_no_book():
    desk = CompanyDesk(samples.pack("ready panel"))
    assert isinstance(desk.book, NotRecorded) and isinstance(desk.card, NotRecorded)
    assert desk.metric("revenue").empty and desk.now("open_pipeline") is None
    assert desk.min_group == 5


def test_a_range_names_its_unit_once(whole):
    desk = CompanyDesk(whole)
    assert desk.ranged(16_400, 15_200, 17_500, desk.money) == "EUR 16.4K (15.2K to 17.5K)"
    assert desk.ranged(43, 41, 45, lambda n: f"{n} days") == "43 days (41 to 45)"
    assert desk.ranged(0.26, 0.24, 0.28, desk.share) == "26% (24% to 28%)"
    assert desk.ranged(0.26, None, None, desk.share) == "26%" and desk.ranged(None, 0, 1, desk.share) == "–"


def test_names_are_ordered_as_people_read_them():
    assert by_name(["Zürich", "Île-de-France", "berlin", "Évry", "Aachen"]) == [
        "Aachen", "berlin", "Évry", "Île-de-France", "Zürich",
    ]  # fmt: skip
