"""The team report for many teams: ours beside papermill, ploomber-engine and plain functions, in one run.

    .venv/bin/python -m benchmarks.batch                     # twelve teams, three rounds, about fifteen minutes
    .venv/bin/python -m benchmarks.batch --teams 4 --rounds 1 --only ours-2,functions
    .venv/bin/python -m benchmarks.batch --many 1000         # also: 1,000 teams in one run, and again unchanged

Simulates a company, studies it and cuts its packs once; every method then makes the same pages from the same packs
with the same template and exporter (the two commands: nbconvert's own). Each runs in a process of its own, in turns. Prints medians of wall and CPU
seconds a report (once its process is warm; getting warm is a line of its own) and their ratios to ours, memory
(proportional set size) of one more worker, and whether memory stays flat. Nothing else isolates one team from another.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

FAST = ("ours-1", "ours-2", "ours-1-pdf", "ours-2-pdf", "papermill-pool-2", "ploomber", "functions", "functions-saved",
        "functions-2", "functions-saved-2")  # fmt: skip
METHODS = ("papermill-command", *FAST)
COLD_TEAMS = 3  # of the method that pays for everything anew each time


def prepare(folder: Path, teams: int) -> None:
    """One pack a team, as files: folder/packs/<number>."""
    from analysis.crm.simulate import simulate
    from analysis.reporting.sources import DataFolder

    simulate(folder / "data", "demo", seed=0, teams=teams, reps_per_team=8, weeks=104)
    source = DataFolder(folder / "data")
    source.study_files(lambda _: None)
    for number, team in enumerate(source.teams()):
        for name, content in source.pack(team).items():
            path = folder / "packs" / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    source.close()


def read_packs(folder: Path) -> list[dict[str, bytes]]:
    """The packs as the batch would hold them."""
    homes = sorted((folder / "packs").iterdir(), key=lambda path: int(path.name))
    return [{p.relative_to(h).as_posix(): p.read_bytes() for p in h.rglob("*") if p.is_file()} for h in homes]


def template() -> Any:
    """The project's own team report."""
    from analysis.reporting.template import read_template

    return read_template("team_report")


# --- the methods: each gives (seconds to get warm, a function that makes the reports) ---------------------------------


def ours(folder: Path, slots: int, formats: tuple[str, ...]) -> Callable[[], None]:
    from analysis.reporting.jobs import ReportJob
    from analysis.reporting.pool import WarmPool

    pool, chosen = WarmPool(slots, rehearse=True), template()
    jobs = [
        ReportJob(f"t{n}", chosen.text, chosen.bind({}), pack, formats) for n, pack in enumerate(read_packs(folder))
    ]
    pool.submit(ReportJob("first", chosen.text, chosen.bind({}), jobs[0].pack, formats)).result()

    def work() -> None:
        waiting, running = list(jobs), []
        while waiting or running:
            while waiting and len(running) < pool.slots:  # as the batch does
                running.append(pool.submit(waiting.pop(0)))
            done = running.pop(0).result()
            assert done.failure is None, done.failure
            (folder / "out.html").write_bytes(done.files["report.html"])

    work.close = pool.close  # type: ignore[attr-defined]
    return work


def papermill_command(folder: Path) -> Callable[[], None]:
    path = folder / "template.ipynb"
    path.write_text(template().text)

    def work() -> None:
        for home in sorted((folder / "packs").iterdir())[:COLD_TEAMS]:
            out = folder / "command.ipynb"
            run([sys.executable, "-m", "papermill", str(path), str(out), "-p", "pack", str(home), "-k", "python3",
                 "--no-progress-bar"])  # fmt: skip
            run([sys.executable, "-m", "nbconvert", "--to", "html", "--no-input", str(out)])

    return work


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def papermill_one(arguments: tuple[str, str, str]) -> int:
    """In a pool's worker: papermill with its own engine, then the page with an exporter that is kept."""
    import papermill

    path, pack, out = arguments
    nb = papermill.execute_notebook(path, out, {"pack": pack}, kernel_name="python3", progress_bar=False)
    return len(page(nb))


def papermill_pool(folder: Path) -> Callable[[], None]:
    path = folder / "template.ipynb"
    path.write_text(template().text)
    homes = sorted((folder / "packs").iterdir())
    pool = ProcessPoolExecutor(2)
    jobs = [(str(path), str(home), str(folder / f"pool-{home.name}.ipynb")) for home in homes]
    list(pool.map(papermill_one, jobs[:2]))

    def work() -> None:
        assert all(size > 1000 for size in pool.map(papermill_one, jobs))

    return work


def ploomber(folder: Path) -> Callable[[], None]:
    from ploomber_engine import execute_notebook

    path = folder / "template.ipynb"
    path.write_text(template().text)

    def one(home: Path) -> None:
        out = str(folder / "ploomber.ipynb")
        nb = execute_notebook(str(path), out, parameters={"pack": str(home)}, progress_bar=False)
        (folder / "ploomber.html").write_text(page(nb))

    homes = sorted((folder / "packs").iterdir())
    one(homes[0])
    return lambda: [one(home) for home in homes] and None


def functions(folder: Path, *, saved: bool) -> Callable[[], None]:
    """The template's cells as plain code in this process, no isolation. saved: whether it writes what ours writes."""
    one, homes = plain(folder, saved=saved), sorted((folder / "packs").iterdir())
    one(homes[0])
    return lambda: [one(home) for home in homes] and None


def functions_pool(folder: Path, *, saved: bool) -> Callable[[], None]:
    """The same in two processes that stay."""
    homes = sorted((folder / "packs").iterdir())
    pool = ProcessPoolExecutor(2, initializer=be_plain, initargs=(folder, saved))
    list(pool.map(plain_one, homes[:4]))

    def work() -> None:
        assert len(list(pool.map(plain_one, homes))) == len(homes)

    return work


_plain: list[Callable[[Path], None]] = []


def be_plain(folder: Path, saved: bool) -> None:
    """In a pool's worker: get warm with a first report."""
    _plain.append(plain(folder, saved=saved))
    _plain[0](min((folder / "packs").iterdir()))


def plain_one(home: Path) -> None:
    """In a pool's worker: one report."""
    _plain[0](home)


def plain(folder: Path, *, saved: bool) -> Callable[[Path], None]:
    """A function that runs the template's cells on one pack and makes the page."""
    import nbformat

    from analysis.reporting.rehearsal import run_cell

    source, out = nbformat.reads(template().text, as_version=4), folder / f"functions-{os.getpid()}"

    def one(home: Path) -> None:
        nb, space = nbformat.from_dict(json.loads(json.dumps(source))), {"__name__": "__main__"}
        for cell in nb.cells:
            if cell.cell_type == "code":
                value = run_cell(cell.source, space)
                if "parameters" in cell.metadata.get("tags", []):
                    space["pack"] = str(home)
                if hasattr(value, "_repr_mimebundle_"):
                    # without nbformat's check of each output, which ours does not pay either
                    output = {"output_type": "execute_result", "data": value._repr_mimebundle_(), "metadata": {}}
                    cell.outputs = [nbformat.from_dict({**output, "execution_count": 1})]
        shown = page(nb)
        if saved:
            out.with_suffix(".ipynb").write_text(nbformat.writes(nb))
            out.with_suffix(".html").write_text(shown)

    return one


_exporter: list[Any] = []


def page(nb: Any) -> str:
    """The page, by the exporter that all methods use, built once a process."""
    from analysis.reporting.page import PageExporter

    if not _exporter:
        _exporter.append(PageExporter())
    return _exporter[0].export(nb)


def build(method: str, folder: Path) -> Callable[[], None]:
    """A method, warm."""
    if method.startswith("ours"):
        formats = ("html", "pdf") if method.endswith("pdf") else ("html",)
        return ours(folder, int(method.split("-")[1]), formats)
    makers = {"papermill-command": papermill_command, "papermill-pool-2": papermill_pool, "ploomber": ploomber}
    if method in makers:
        return makers[method](folder)
    return (functions_pool if method.endswith("2") else functions)(folder, saved="saved" in method)


def measure_here(method: str, folder: Path) -> dict[str, float]:
    """Wall and CPU seconds a report of one method, in this process and its children."""
    began = time.perf_counter()
    work = build(method, folder)
    warm = time.perf_counter() - began
    count = COLD_TEAMS if method == "papermill-command" else len(list((folder / "packs").iterdir()))
    cpu, start = cpu_seconds(), time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    getattr(work, "close", lambda: None)()
    return {"warm": warm, "seconds": seconds / count, "cpu": (cpu_seconds() - cpu) / count}


def cpu_seconds() -> float:
    """This process, its dead children, and its living descendants with their dead children."""
    total = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    ticks = os.sysconf("SC_CLK_TCK")
    for pid in descendants(os.getpid()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15]) / ticks
    return total


def descendants(pid: int) -> list[int]:
    """Living children and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found += below
        queue += below
    return found


# --- memory ---------------------------------------------------------------------------------------------------------


def pss_mb(pids: list[int]) -> float:
    """Proportional set size of processes: shared pages counted once among those who share them."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024


@contextmanager
def sampled(samples: list[float], read: Callable[[], float], every: float = 0.05) -> Iterator[None]:
    """Fill samples while the block runs."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(every):
            samples.append(read())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def measure_memory(folder: Path) -> dict[str, float]:
    """Peak PSS of all our processes with one, two and four workers; what one more costs."""
    peaks = {}
    for slots in (1, 2, 4):
        work, samples = ours(folder, slots, ("html", "pdf")), []
        with sampled(samples, lambda: pss_mb(descendants(os.getpid()))):
            work()
        work.close()  # type: ignore[attr-defined]
        peaks[slots] = statistics.quantiles(samples, n=20)[-1]
    return {"one": peaks[1], "two": peaks[2], "four": peaks[4], "one more": (peaks[4] - peaks[1]) / 3}


class Repeated:
    """Many teams from few packs: the same rows under other names."""

    def __init__(self, packs: list[dict[str, bytes]], count: int) -> None:
        self.packs, self.count, self.key = packs, count, f"{count} teams"

    def teams(self) -> Mapping[str, str]:
        return {f"t{n:04}": f"Team {n}" for n in range(self.count)}

    def study_files(self, kept: object) -> Mapping[str, bytes]:
        return {"findings.csv": b"scope\n"}

    def pack(self, team_id: str) -> Mapping[str, bytes]:
        return self.packs[int(team_id[1:]) % len(self.packs)]

    def as_of(self) -> str:
        return "2026-11-09"

    def close(self) -> None:
        return None


def measure_many(folder: Path, count: int) -> dict[str, Any]:
    """One run of many teams on two workers, its memory early and late, and the same run again unchanged."""
    from analysis.reporting.batch import run_batch

    source, memory = Repeated(read_packs(folder), count), []
    started = time.perf_counter()
    with sampled(memory, lambda: pss_mb([os.getpid(), *descendants(os.getpid())]), 1.0):
        result = run_batch("-", folder / "many", source=source, jobs=2, progress=False)
    seconds = time.perf_counter() - started
    assert result.exit_code == 0
    code = (
        "import sys, time; from pathlib import Path; from benchmarks.batch import Repeated\n"
        "began = time.perf_counter(); from analysis.reporting.batch import run_batch\n"
        f"run_batch('-', sys.argv[1], source=Repeated([], {count}), progress=False); print(time.perf_counter() - began)"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, str(folder / "many")], check=True, capture_output=True, text=True
    )
    early, late = memory[len(memory) // 10 : len(memory) // 5], memory[-len(memory) // 10 :]
    return {
        "teams": count,
        "seconds": seconds,
        "per report": seconds / count,
        "MB early": statistics.median(early),
        "MB late": statistics.median(late),
        "unchanged again, seconds": float(again.stdout),
    }


# --- the run --------------------------------------------------------------------------------------------------------


def in_turns(folder: Path, methods: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Medians over rounds; in each round every method once, in a process of its own."""
    seen: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    for _ in range(rounds):
        for method in methods:
            command = [sys.executable, "-m", "benchmarks.batch", "--method", method, "--folder", str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seen[method].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"  {method}: {seen[method][-1]}", file=sys.stderr)
    return {m: {key: statistics.median(each[key] for each in runs) for key in runs[0]} for m, runs in seen.items()}


def table(medians: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: seconds, CPU seconds, and how many times ours (two workers, page only)."""
    ours = medians.get("ours-2") or next(iter(medians.values()))
    lines = ["| method | s a report | CPU s a report | times ours | warm after s |", "|---|---|---|---|---|"]
    for method, row in medians.items():
        ratio = row["seconds"] / ours["seconds"]
        lines.append(f"| {method} | {row['seconds']:.2f} | {row['cpu']:.2f} | {ratio:.2f} | {row['warm']:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teams", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(METHODS))
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    if chosen.method:
        print(json.dumps(measure_here(chosen.method, chosen.folder)))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.folder or Path(made)
        if not (folder / "packs").exists():
            prepare(folder, chosen.teams)
        if methods := [method for method in chosen.only.split(",") if method]:
            print(table(in_turns(folder, methods, chosen.rounds)))
        if chosen.memory:
            print("PSS, MB:", json.dumps(measure_memory(folder)))
        if chosen.many:
            print(json.dumps(measure_many(folder, chosen.many)))


if __name__ == "__main__":
    main()
