"""The warm process before any report: its rehearsal, the memory it copies ahead, the templates it makes ready."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from batch_tools import notebook, start

from analysis.reporting.child import AT_WORK
from analysis.reporting.jobs import ReportJob
from analysis.reporting.pool import WarmPool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A simulated team's pack, with a study that was really made."""
    from analysis.crm.simulate import simulate
    from analysis.reporting.sources import DataFolder

    folder = tmp_path_factory.mktemp("team")
    simulate(folder, "demo", seed=3, teams=2, reps_per_team=6, weeks=60)
    source = DataFolder(folder)
    source.study_files(lambda _: None)
    return dict(source.pack(min(source.teams())))


@pytest.fixture(scope="module")
def cold() -> Iterator[WarmPool]:
    with WarmPool(1, warm=False) as made:
        yield made


def show(*cells: str, name: str = "t") -> ReportJob:
    return ReportJob(name, notebook(*cells), {"pack": "pack"}, {"pack.json": b"{}"}, ())


def outputs(files: Any) -> list[str]:
    cells = nbformat.reads(files["report.ipynb"].decode(), 4).cells
    return [out["data"]["text/plain"] for cell in cells for out in cell.get("outputs", []) if "data" in out]


def test_a_report_after_a_rehearsal_is_that_of_a_cold_process(pack: dict[str, bytes], cold: WarmPool) -> None:
    from analysis.reporting.template import read_template

    template = read_template("team_report")
    job = ReportJob("north", template.text, template.bind({}), pack)
    expected = cold.submit(job).result()
    with WarmPool(1, rehearse=True) as pool:
        made = [pool.submit(job).result() for _ in range(2)]  # the second began as a process that stood by
        log = (pool.root / "warm.log").read_text()
        left = sorted(path.name for path in pool.root.iterdir())
    assert [rendered.failure for rendered in (expected, *made)] == [None] * 3
    assert "rehearsal" not in log and "rehearsal" not in left
    for rendered in made:
        assert rendered.files.keys() == expected.files.keys()
        assert [name for name in rendered.files if rendered.files[name] != expected.files[name]] == []


# What no team's report needs; each would be copied, or its tables of pages, at every fork.
HEAVY = ("scipy.stats", "scipy.optimize", "scipy.sparse", "statsmodels", "seaborn", "duckdb", "analysis.models.linear")


def in_a_process(code: str, folder: Path) -> Any:
    process = start("import json, os, sys\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n" + code, folder)
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return json.loads(said)


def test_a_rehearsal_shows_every_section_and_leaves_nothing_behind(tmp_path: Path) -> None:
    found = in_a_process(
        "import warnings\n"
        "from analysis.reporting import rehearsal, warm\n"
        "warm.get_ready()\n"
        "def threads(): return sorted(Path(f'/proc/self/task/{n}/comm').read_text().strip() for n in os.listdir('/proc/self/task'))\n"
        "seen, before, filters = [], threads(), list(warnings.filters)\n"
        "kept = warm.exporter('html')\n"
        "warm.exporter = lambda name: lambda nb: seen.append(nb) or kept(nb)\n"
        "runs = warm.rehearse(folder / 'rehearsal')\n"
        "from analysis.reporting.document import read_document\n"
        "page = read_document(seen[0])\n"
        "kinds = {b['block'] for b in page.blocks} | {i['block'] for b in page.blocks for i in b.get('items', ()) if isinstance(i, dict)}\n"
        "print(json.dumps([before == threads(), filters == list(warnings.filters), sum(n for _, n in runs),\n"
        "  sorted(kinds), [text for _, text in page.contents], (folder / 'rehearsal').exists(), os.listdir(folder),\n"
        f"  [name for name in {HEAVY} if name in sys.modules]]))",
        tmp_path,
    )
    same_threads, same_filters, written, kinds, sections, still_there, left, heavy = found
    assert heavy == []
    assert same_threads and same_filters and not still_there and left == []
    assert {"answer", "tiles", "figure", "table", "card"} <= set(kinds)
    assert len(sections) >= 7  # the report has no more than these where everything is recorded
    assert 1e6 < written < 2e8


def test_pages_copied_ahead_are_not_copied_again(tmp_path: Path) -> None:
    code = (
        "import resource\n"
        "from analysis.reporting import pages\n"
        "held = bytearray(40 << 20)\n"
        "held[::4096] = bytes([1]) * (len(held) // 4096)\n"
        "def work():\n"
        "    for at in range(0, 16 << 20, 8192): held[at] = 2\n"
        "def faults(before):\n"
        "    reading, writing = os.pipe()\n"
        "    if (pid := os.fork()) == 0:\n"
        "        before()\n"
        "        seen = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "        work()\n"
        "        os.write(writing, str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - seen).encode())\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "    return int(os.read(reading, 99))\n"
        "runs = pages.written_by(work, folder / 'runs')\n"
        "print(json.dumps([faults(lambda: None), faults(lambda: pages.copy_now(runs)), sum(n for _, n in runs), held[8192]]))"
    )
    without, ahead, written, untouched = in_a_process(code, tmp_path)
    assert without >= 2000 and ahead < 200  # 2,048 pages are written to
    assert 2048 * 4096 <= written < 36 << 20  # and what looking took
    assert untouched == 1


def test_the_next_cells_run_while_a_page_is_made_and_never_beside_others(cold: WarmPool) -> None:
    clock = "import time\nbegan = time.monotonic()\ntime.sleep(0.2)\n(began, time.monotonic())"
    long = show(clock, "'x' * 60_000_000", name="long")  # takes longer to write than the next one to run
    jobs = [cold.submit(job) for job in (long, show(clock, name="short"))]
    while not jobs[1].done():
        time.sleep(0.01)
        assert not jobs[0].done()
    spans = sorted(
        tuple(json.loads(outputs(job.result().files)[0].replace("(", "[").replace(")", "]"))) for job in jobs
    )
    assert spans[0][1] <= spans[1][0]


def test_the_pack_is_open_when_the_cells_begin(cold: WarmPool, pack: dict[str, bytes]) -> None:
    look = "from analysis.reporting import pack as packs\nopened = len(packs._ahead)\nteam = packs.load_pack(pack)\n"
    wanted = ReportJob("t", notebook(look + "(opened, len(packs._ahead), team.name)"), {"pack": "pack"}, pack, ())
    jobs = [cold.submit(job) for job in (show("import time\ntime.sleep(3)"), wanted)]  # it waits, and looks ahead
    name = json.loads(pack["pack.json"])["name"]
    assert [outputs(job.result().files) for job in jobs] == [[], [str((1, 0, name))]]


def test_a_cell_that_gives_up_its_place_too_early_harms_nobody(cold: WarmPool) -> None:
    rendered = cold.submit(show(f"import os\nos.close({AT_WORK})", "1 + 1")).result()
    assert rendered.failure is None and outputs(rendered.files) == ["2"]


@pytest.mark.parametrize("library", ["matplotlib.pyplot", "seaborn"])
def test_what_a_template_plots_with_is_there_before_its_cells_run(cold: WarmPool, library: str) -> None:
    job = show(f"import sys\n'{library}' in sys.modules", f"import {library}")
    found = [outputs(cold.submit(job).result().files) for _ in range(2)]  # one may have stood by before it was met
    assert found[1] == ["True"]


def test_a_template_that_cannot_be_made_ready_fails_alone(cold: WarmPool) -> None:
    broken = ReportJob("broken", '{"cells": 7}', {"pack": "pack"}, {"pack.json": b"{}"}, ())
    assert cold.submit(broken).result().failure is not None
    assert outputs(cold.submit(show("2 + 2")).result().files) == ["4"]
