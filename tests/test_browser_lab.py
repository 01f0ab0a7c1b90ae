"""JupyterLab in a real browser: every research notebook is run through its menu, and none shows an error."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from test_browser import browser  # noqa: F401 - the fixture

from analysis.crm.simulate import simulate

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from labdesk import choose, run_all, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
RESEARCH = sorted(path.stem for path in (NOTEBOOKS / "research").glob("*.ipynb"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder as a user has it: the notebooks, and a small company as the demo."""
    place = tmp_path_factory.mktemp("desk")
    shutil.copytree(NOTEBOOKS, place / "notebooks")
    simulate(place / "data" / "demo", "demo", teams=6, reps_per_team=6, weeks=80)
    return place


@pytest.fixture(scope="module")
def server(home):
    """JupyterLab as `workbench lab` starts it, on that folder; its address."""
    with served(home, home / "data" / "demo") as address:
        yield address


def run_and_save(browser, address, path):  # noqa: F811
    """Run a notebook through its menu and save it; addresses outside this machine that were asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    run_all(page, address, path)
    with page.expect_response(lambda r: r.request.method == "PUT" and "/api/contents/" in r.url and r.ok):
        choose(page, "File", "Save Notebook")
    context.close()
    return [url for url in asked if not url.startswith((address, "data:", "blob:", address.replace("http", "ws")))]


def outcome(place):
    """Code cells, those that were run, and the errors shown in a saved notebook."""
    code = [c for c in json.loads(place.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    errors = [
        f"{output['ename']}: {output['evalue']}" for cell in code for output in cell["outputs"]
        if output["output_type"] == "error"
    ]  # fmt: skip
    return len(code), sum(cell["execution_count"] is not None for cell in code), errors


@pytest.mark.parametrize("name", RESEARCH)
def test_a_research_notebook_runs_through_the_menu(browser, server, home, name):  # noqa: F811
    path = f"notebooks/research/{name}.ipynb"
    outside = run_and_save(browser, server, path)
    cells, ran, errors = outcome(home / path)
    assert errors == [] and ran == cells
    assert outside == []


def test_a_cell_that_fails_is_seen(browser, server, home):  # noqa: F811
    path = "notebooks/research/broken.ipynb"
    notebook = json.loads((NOTEBOOKS / "start.ipynb").read_text(encoding="utf-8"))
    broken = {
        "cell_type": "code",
        "id": "broken",
        "metadata": {},
        "source": "1 / 0",
        "outputs": [],
        "execution_count": None,
    }
    notebook["cells"] = [*notebook["cells"][:1], broken]
    (home / path).write_text(json.dumps(notebook), encoding="utf-8")
    run_and_save(browser, server, path)
    assert outcome(home / path)[2] == ["ZeroDivisionError: division by zero"]
