"""The research notebooks on the least a company may have: reps, activities and opportunities, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import papermill
import pytest

from analysis.crm.simulate import simulate

RESEARCH = Path(__file__).parents[1] / "notebooks" / "research"
TABLES = ("reps", "activities", "opportunities")
LACKING = {
    "2_activities_and_results": "quotas",
    "6_targets_from_quota": "quotas",
    "7_leads_and_marketing": "leads",
    "8_coaching_and_ramp": "coaching",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with three tables."""
    folder = tmp_path_factory.mktemp("bare")
    simulate(folder, "demo", seed=3, teams=2, reps_per_team=6, weeks=60)
    for path in folder.iterdir():
        if path.stem not in TABLES:
            path.unlink()
    yield folder


@pytest.mark.parametrize("name", LACKING)
def test_a_notebook_says_what_is_not_recorded(bare: Path, tmp_path: Path, name: str) -> None:
    done = papermill.execute_notebook(
        RESEARCH / f"{name}.ipynb",
        tmp_path / "ran.ipynb",
        {"data": str(bare)},
        engine_name="workbench",
        progress_bar=False,
    )
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    said = "\n".join(
        "".join(output.get("data", {}).get("text/html", "")) for cell in code for output in cell.outputs
    ).lower()
    assert "not recorded" in said and LACKING[name] in said
