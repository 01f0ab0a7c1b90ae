"""The research notebooks are documents, and every one of them runs from the top on a small company."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from analysis.crm.simulate import simulate
from analysis.reporting.parameters import declared

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
RESEARCH = [NOTEBOOKS / "start.ipynb", *sorted((NOTEBOOKS / "research").glob("*.ipynb"))]
EIGHT = ("1_data_health", "2_activities_and_results", "3_how_long_until_revenue", "4_what_predicts_revenue",
         "5_can_we_trust_it", "6_targets_from_quota", "7_leads_and_marketing", "8_coaching_and_ramp")  # fmt: skip

research = pytest.mark.parametrize("path", RESEARCH, ids=lambda path: path.stem)


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def sources(path, kind):
    return ["".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == kind]


def faults_of(notebook):
    """What is wrong with a notebook as a document; empty when nothing is."""
    cells, found = notebook["cells"], []
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    text = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    if not re.match(r"# .+\?", text[0]) or cells[0]["cell_type"] != "markdown":
        found.append("the title is no question")
    if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
        found.append("holds outputs")
    if max(len(source.splitlines()) for source in code) > 12:
        found.append("a code cell is too long")
    if len(text) < len(code) - 2:
        found.append("more code than text")
    banned = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda)
    if any(isinstance(node, banned) for source in code for node in ast.walk(ast.parse(source))):
        found.append("defines or loops")
    if any(sum(isinstance(line, ast.Expr) for line in ast.parse(source).body) > 1 for source in code):
        found.append("a cell displays twice")
    if typed := [number for source in text for number in typed_numbers(source)]:
        found.append(f"numbers typed in the text: {typed}")
    if [cell.get("id") for cell in cells] != list(dict.fromkeys(cell.get("id") for cell in cells)):
        found.append("cell ids are missing or double")
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        found.append("another kernel than python3")
    return found


def typed_numbers(text):
    """Digits in prose: links, code and headings' own numbering apart."""
    bare = re.sub(r"`[^`]*`|\]\([^)]*\)|^\s*\d+\. ", "", text, flags=re.MULTILINE)
    return re.findall(r"\d+(?:[.,]\d+)*", bare)


@research
def test_a_notebook_is_a_document(path):
    assert faults_of(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("for x in []:\n    x", "defines or loops"),
        ("def f():\n    pass", "defines or loops"),
        ("1\n2", "a cell displays twice"),
        ("\n".join(f"x = {i}" for i in range(13)), "a code cell is too long"),
    ],
)
def test_a_planted_fault_in_the_code_is_seen(source, fault):
    notebook = json.loads(RESEARCH[0].read_text(encoding="utf-8"))
    notebook["cells"].append({"cell_type": "code", "id": "new", "source": source, "outputs": []})
    assert fault in faults_of(notebook)


def test_a_number_typed_in_the_text_is_seen():
    notebook = json.loads(RESEARCH[0].read_text(encoding="utf-8"))
    notebook["cells"].append({"cell_type": "markdown", "id": "new", "source": "It rose by 3.4 points."})
    assert faults_of(notebook) == ["numbers typed in the text: ['3.4']"]


@research
def test_the_parameters_are_typed_and_say_what_they_are(path):
    found = declared(json.loads(path.read_text(encoding="utf-8")))
    assert found
    assert all(parameter.help for parameter in found)


def test_the_start_page_leads_to_the_eight_notebooks():
    linked = re.findall(r"\(research/(.+?)\.ipynb\)", "\n".join(sources(NOTEBOOKS / "start.ipynb", "markdown")))
    assert tuple(linked) == EIGHT
    assert {path.stem for path in RESEARCH[1:]} <= set(EIGHT)


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """A folder as a user has it: notebooks/ and a small data/demo."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, home / "notebooks")
    simulate(home / "data" / "demo", "demo", teams=6, reps_per_team=6, weeks=80)
    return home


def run_notebook(home, path):
    """Run one notebook by nbval as `pytest --nbval-lax` does; (exit code, cells run, cells failed, what it said)."""
    report = home / f"{path.stem}.xml"
    own = {
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p", "no:cacheprovider",
         f"--junitxml={report}", str(path)],
        cwd=home, env={**os.environ, **own}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    suite = next(ET.parse(report).iter("testsuite"))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    return done.returncode, int(suite.get("tests")), failed, done.stdout[-3000:]


@research
def test_a_notebook_runs_from_the_top(company, path):
    place = company / path.relative_to(NOTEBOOKS.parent)
    code, ran, failed, said = run_notebook(company, place)
    assert (code, failed) == (0, 0), said
    assert ran == len(sources(path, "code"))


def test_a_cell_that_fails_is_seen(company):
    place = company / "notebooks" / "broken.ipynb"
    text = (NOTEBOOKS / "start.ipynb").read_text(encoding="utf-8")
    place.write_text(text.replace("rs.overview(data)", "rs.overview(dta)"), encoding="utf-8")
    code, ran, failed, said = run_notebook(company, place)
    assert (code, failed) == (1, 1)
    assert "NameError" in said and ran == len(sources(place, "code"))
