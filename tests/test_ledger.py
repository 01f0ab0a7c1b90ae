"""The ledger: earlier claims are scored on later weeks only."""

from dataclasses import replace

import pytest
from evidence_tools import panel_of

from analysis.errors import DataError
from analysis.evidence import run_study, write_study
from analysis.evidence.ledger import read_ledger, score, score_table


@pytest.fixture(scope="module")
def panel():
    return panel_of("demo", seed=5, teams=8, weeks=130)[0]


@pytest.fixture(scope="module")
def ledger(panel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    weeks = sorted(panel.frame["week"].unique())
    early = replace(panel, frame=panel.frame[panel.frame["week"] < weeks[90]].reset_index(drop=True))
    write_study(run_study(early), folder / "spring")
    return folder


def test_true_claims_hold_on_the_weeks_since(panel, ledger):
    table = score_table(panel, ledger)
    assert len(table) >= 2
    assert set(table["verdict"]) <= {"held", "not confirmed", "weaker than claimed", "stronger than claimed"}
    assert (table["verdict"] == "held").mean() >= 0.5
    assert "claims that can be scored held" in score(panel, ledger)[-1]


def test_a_claim_is_contradicted_when_the_sign_of_the_world_turns(panel, ledger):
    """The planted fault: after the study's last week every result is set against the opposite activity."""
    last = max(read_ledger(ledger)["spring"][1]["last_week"], "2000")
    frame = panel.frame.copy()
    kinds = [k for k in panel.activities if k != "proposal"]
    after = frame["week"] > last
    top = frame.groupby("rep_id")[kinds].transform("max")
    frame.loc[after, kinds] = (top - frame[kinds])[after]
    turned = score_table(replace(panel, frame=frame), ledger)
    assert not (turned["verdict"] == "held").all()
    assert turned["since"].mean() < score_table(panel, ledger)["since"].mean()


def test_too_few_new_weeks_are_too_early(panel, ledger):
    weeks = sorted(panel.frame["week"].unique())
    short = replace(panel, frame=panel.frame[panel.frame["week"] < weeks[95]].reset_index(drop=True))
    assert score_table(short, ledger)["verdict"].str.startswith("too early").all()


def test_an_empty_or_damaged_ledger_is_named(panel, tmp_path):
    with pytest.raises(DataError, match=r"no study\.json"):
        score(panel, tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(DataError, match="not readable as a study"):
        score(panel, tmp_path)
