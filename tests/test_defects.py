"""The forty defects of CRM exports: each on an export spoiled in one place, each with the action it must get."""

import ast
import inspect
import textwrap

import pytest
from import_worlds import Importer

from analysis.crm.importers.defects import DEFECTS

pytest.register_assert_rewrite("defect_cases_activities", "defect_cases_deals")
import defect_cases_activities  # noqa: E402
import defect_cases_deals  # noqa: E402

CASES = {**defect_cases_activities.CASES, **defect_cases_deals.CASES}


def test_every_defect_has_a_case():
    assert sorted(CASES) == sorted(DEFECTS) and len(DEFECTS) == 40


@pytest.mark.parametrize("code", sorted(CASES))
def test_a_case_says_what_must_be_true(code):
    tree = ast.parse(textwrap.dedent(inspect.getsource(CASES[code])))
    said = [n for n in ast.walk(tree) if isinstance(n, ast.Assert) or getattr(n, "attr", "") == "raises"]
    assert said, f"{code} runs an import and looks at nothing"


@pytest.mark.parametrize("code", sorted(CASES))
def test_defect(code, tmp_path, monkeypatch):
    run = Importer(tmp_path)
    arguments = (monkeypatch,) if "monkeypatch" in CASES[code].__code__.co_varnames else ()
    CASES[code](run, tmp_path / "src", *arguments)


def test_the_codes_are_those_of_the_published_list(shared):
    import csv

    with (shared / "landings" / "defects.csv").open() as file:
        assert [row["code"] for row in csv.DictReader(file)] == list(DEFECTS)
