"""What the tests of the batch share: tiny templates, teams that need no data, and runs in processes of their own."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

HERE = Path(__file__).parent
PARAMETERS = 'pack: str = "pack"  # the folder of the team\'s pack\npause_s: float = 0.0  # seconds [0..600]'
READ = "import json, time\nfacts = json.load(open(pack + '/pack.json'))\ntime.sleep(pause_s)"
SHOW = "facts['team'] + ': ' + str(facts['value'])"


def notebook(*cells: str, parameters: str = PARAMETERS) -> str:
    """A template: a title, a parameters cell, then these code cells."""
    code = [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(cells)]
    tagged = new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]})
    title = new_markdown_cell("# A report", id="title")
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    return writes(new_notebook(cells=[title, tagged, *code], metadata=kernel))


def template(folder: Path, *cells: str, parameters: str = PARAMETERS) -> Path:
    """The template as a file."""
    path = folder / "template.ipynb"
    path.write_text(notebook(*(cells or (READ, SHOW)), parameters=parameters), encoding="utf-8")
    return path


class Teams:
    """A source of made-up teams: each pack is one number. values: team_id -> value; names: where they differ."""

    def __init__(self, values: Mapping[str, int], names: Mapping[str, str] | None = None, key: str = "") -> None:
        self.values, self.names = dict(values), dict(names or {})
        self.key = key or json.dumps(self.values, sort_keys=True)
        self.packed: list[str] = []

    def teams(self) -> Mapping[str, str]:
        """team_id -> name."""
        return {team: self.names.get(team, team) for team in self.values}

    def study_files(self, kept: object) -> Mapping[str, bytes]:
        """A study of its own kind."""
        return {"findings.csv": b"scope\n", "study.json": b"{}\n"}

    def pack(self, team_id: str) -> Mapping[str, bytes]:
        """One number, and findings that are the same number."""
        self.packed.append(team_id)
        value = self.values[team_id]
        facts = json.dumps({"team": team_id, "value": value}).encode()
        return {"pack.json": facts, "findings.parquet": f"findings {value}".encode()}

    def as_of(self) -> str:
        """A day."""
        return "2026-11-16"

    def close(self) -> None:
        """Nothing to let go of."""


def start(code: str, *arguments: object, **environment: str) -> subprocess.Popen:
    """Run Python code in a process of its own that can import these tools; stdout is captured."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
        start_new_session=True,
    )


def wait_for(condition: object, seconds: float = 60.0) -> None:
    """Until the condition holds; fails when it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def living(marker: str) -> list[int]:
    """Processes whose command line or working folder names the marker (ours are told by their private folder)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                folder = str((entry / "cwd").readlink())
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and (marker in command or marker in folder):
                found.append(int(entry.name))
    return found


def texts_of(path: Path) -> Iterator[str]:
    """Every text a published file holds: as it is, inside base64, inside PDF streams, in the cells of a table."""
    content = path.read_bytes()
    if content.startswith(b"PAR1"):
        import pandas as pd

        yield pd.read_parquet(path).to_csv()
        return
    yield content.decode("utf-8", errors="replace")
    if path.suffix == ".pdf":
        yield from _pdf_texts(path)
        return
    unescaped = content.replace(b"\\n", b"").replace(b"\\/", b"/")
    for block in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", unescaped):
        yield base64.b64decode(block[: len(block) // 4 * 4]).decode("utf-8", errors="replace")


def _pdf_texts(path: Path) -> Iterator[str]:
    from pypdf import PdfReader
    from pypdf.generic import StreamObject

    reader = PdfReader(path)
    yield json.dumps({key: str(value) for key, value in (reader.metadata or {}).items()})
    yield from (page.extract_text() for page in reader.pages)
    for number in range(1, len(reader.xref[0]) if 0 in reader.xref else 10_000):
        try:
            found = reader.get_object(number)
        except Exception:
            break
        if isinstance(found, StreamObject):
            try:
                yield found.get_data().decode("latin-1")
            except Exception:
                yield found._data.decode("latin-1")
        elif found is not None:
            yield str(found)


def end(pids: Iterable[int]) -> None:
    """Kill what a failed test left behind."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
