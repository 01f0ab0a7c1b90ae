"""What a report may see: its own rows, installed software, a clean environment. Nothing else gets in or out."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from batch_tools import PARAMETERS, READ, SHOW, Teams, start, template, texts_of

from analysis.reporting import sandbox
from analysis.reporting.batch import BatchResult, run_batch
from analysis.reporting.pool import WarmPool
from analysis.reporting.redact import HIDDEN, Redactor

pytestmark = pytest.mark.faults
needs_landlock = pytest.mark.skipif(not sandbox.landlock_version(), reason="this kernel has no Landlock")


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    with WarmPool(2, warm=False) as made:
        yield made


def run(folder: Path, source: Teams, renderer: Any, *cells: str, **options: Any) -> BatchResult:
    path = template(folder, *cells, parameters=options.pop("cell", PARAMETERS))
    options = {"formats": (), "progress": False, **options}
    return run_batch("-", folder / "out", template=path, source=source, scheduler=renderer, **options)


def shown(folder: Path, slug: str) -> list[str]:
    """The text of every output of a published notebook."""
    notebook = json.loads((folder / "out" / slug / "report.ipynb").read_text())
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    return ["".join(out.get("text") or out["data"]["text/plain"]) for out in outputs]


def error(result: BatchResult) -> str:
    return str(result.manifest["teams"][0]["error"])


# --- 26: another team's rows ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Real reports of a simulated company: (its data folder, the output folder)."""
    from analysis.crm.simulate import simulate

    folder = tmp_path_factory.mktemp("company")
    simulate(folder / "data", "demo", seed=5, teams=3, reps_per_team=6, weeks=60)
    result = run_batch(folder / "data", folder / "out", jobs=2, progress=False, company=False)
    assert result.exit_code == 0, result.manifest
    return folder / "data", folder / "out"


def ids_by_team(data: Path) -> dict[str, set[str]]:
    """Every id of a person, deal, account, lead or activity that only one team's rows hold, and the team's name."""
    from analysis.crm.reading import read

    crm = read(data)
    found: dict[str, set[str]] = {}
    for team, name in zip(crm.frame("teams")["team_id"], crm.frame("teams")["name"], strict=True):
        found[name] = {name}
        for table in ("reps", "opportunities", "activities", "leads"):
            frame = crm.frame(table, team_id=team)
            for column in ("rep_id", "opportunity_id", "activity_id", "account_id", "lead_id"):
                if column in frame and table != "leads":
                    found[name] |= set(frame[column].dropna())
    return {name: ids - set().union(*(found[o] for o in found if o != name)) for name, ids in found.items()}


def test_no_artefact_holds_another_teams_rows(company: Any) -> None:
    data, out = company
    rows = json.loads((out / "manifest.json").read_text())["teams"]
    ids = ids_by_team(data)
    assert len(rows) == 3 and all(len(own) > 500 for own in ids.values())
    for row in rows:
        foreign = set().union(*(own for name, own in ids.items() if name != row["name"]))
        files = sorted(path for path in (out / row["slug"]).iterdir())
        assert {path.name for path in files} >= {"report.html", "report.pdf", "report.ipynb", "findings.parquet"}
        for path in files:
            text = "\n".join(texts_of(path))
            held = foreign & set(re.findall(r"\w+", text)) | {
                name for name in ids if name != row["name"] and name in text
            }
            assert not held, f"{path} holds rows of another team: {sorted(held)[:5]}"
        for name in ("report.html", "report.ipynb", "report.pdf"):  # the search would have seen them: it sees its own
            text = "\n".join(texts_of(out / row["slug"] / name))
            assert row["name"] in text and ids[row["name"]] & set(re.findall(r"\w+", text)), name


def test_the_search_itself_finds_a_canary_wherever_it_hides(company: Any, tmp_path: Path) -> None:
    from matplotlib.figure import Figure
    from pypdf import PdfReader, PdfWriter

    _, out = company
    canary, slug = "O9999999", next(path.parent for path in out.glob("*/report.pdf"))
    image = base64.b64encode(b"\x89PNG...." + canary.encode() + b"....").decode()
    notebook = json.loads((slug / "report.ipynb").read_text())
    notebook["metadata"]["papermill"]["note"] = canary
    (tmp_path / "metadata.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "image.html").write_text(f'<img src="data:image/png;base64,{image}">')
    split = "\n".join(image[at : at + 76] for at in range(0, len(image), 76))
    (tmp_path / "output.ipynb").write_text(json.dumps({"data": {"image/png": split}}))
    pd.DataFrame({"note": [canary]}).to_parquet(tmp_path / "table.parquet")
    figure = Figure()
    figure.text(0, 0, canary)
    figure.savefig(tmp_path / "figure.svg", metadata={"Title": canary})
    figure.savefig(tmp_path / "figure.pdf")
    writer = PdfWriter(PdfReader(slug / "report.pdf"))
    writer.add_attachment("rows.csv", canary.encode())
    writer.write(tmp_path / "attachment.pdf")
    for path in sorted(tmp_path.iterdir()):
        assert canary in "\n".join(texts_of(path)), f"the canary in {path.name} was not found"
    assert canary not in "\n".join(texts_of(slug / "report.pdf"))


def test_the_same_company_gives_the_same_bytes(company: Any, tmp_path: Path) -> None:
    """Another folder, another hash seed, time zone and locale of the caller, other processes: the same files."""
    data, out = company
    code = (
        "import sys; from analysis.reporting.batch import run_batch\n"
        "sys.exit(run_batch(sys.argv[1], sys.argv[2], jobs=1, progress=False, company=False).exit_code)"
    )
    process = start(code, data, tmp_path / "out", PYTHONHASHSEED="77", TZ="Pacific/Chatham", LC_ALL="C")
    _, errors = process.communicate(timeout=250)
    assert process.returncode == 0, errors
    for path in out.glob("*/*"):
        same = tmp_path / path.relative_to(out.parent)
        if path.name == "receipt.json":  # its fingerprint also names the code, which may be edited while this runs
            assert json.loads(same.read_text())["outputs"] == json.loads(path.read_text())["outputs"]
        else:
            assert same.read_bytes() == path.read_bytes(), path.name
    for name in ("index.html", "findings.csv", "findings.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (out / name).read_bytes(), name


# --- the sandbox ----------------------------------------------------------------------------------------------------


@needs_landlock
@pytest.mark.parametrize(
    "attempt",
    [
        "open({secret!r}).read()",
        "import os; os.listdir({home!r})",
        "open('/etc/shadow').read()",
        "import os; os.listdir('..')",
        "open({out!r} + '/x', 'w')",
        "import os; os.unlink({secret!r})",
        "import os; os.symlink({secret!r}, 'link'); open('link').read()",
        "import os; os.link({secret!r}, 'link')",
        "import socket; socket.create_connection(('127.0.0.1', {port}), 2)",
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()",
        "import os, signal; os.kill(os.getppid(), 0)",
        "import subprocess; subprocess.run(['cat', {secret!r}], check=True, capture_output=True)",
        "open(f'/proc/{{__import__(\"os\").getppid()}}/environ').read()",
    ],
)
def test_a_report_cannot_reach_beyond_its_folder(tmp_path: Path, pool: WarmPool, attempt: str) -> None:
    import socket

    (tmp_path / "out").mkdir()
    secret = tmp_path / "other team.parquet"
    secret.write_text("rows")
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = {
            "secret": str(secret),
            "out": str(tmp_path / "out"),
            "home": str(Path.home()),
            "port": server.getsockname()[1],
        }
        result = run(tmp_path, Teams({"a": 1}), pool, READ, attempt.format(**facts))
    words = ("PermissionError", "CalledProcessError", "Operation not permitted", "Permission denied", "cross-device")
    assert result.exit_code == 1 and any(word in error(result) for word in words), error(result)
    assert secret.read_text() == "rows"


def test_a_report_may_use_its_own_folder_and_installed_software(tmp_path: Path, pool: WarmPool) -> None:
    cells = (
        "open('note.txt', 'w').write('x'); import tempfile; tempfile.NamedTemporaryFile().write(b'x')",
        "import duckdb, pandas, sqlite3, zoneinfo\nzoneinfo.ZoneInfo('Europe/Berlin')\nduckdb.sql('select 1').fetchall()",
        "import subprocess\nsubprocess.run(['true'], check=True)\nimport os; os.getcwd() == os.path.dirname(os.environ['HOME'])",
    )
    assert run(tmp_path, Teams({"a": 1}), pool, *cells).exit_code == 0
    assert shown(tmp_path, "a")[-1] == "True"


def test_reports_share_no_state(tmp_path: Path, pool: WarmPool) -> None:
    """Variables, options and the global random states of one report are not another's; the same team repeats its own."""
    leave = "import builtins, numpy as np, random\nseen = hasattr(builtins, 'mark'); builtins.mark = 1"
    draw = "(seen, round(random.random(), 12), round(float(np.random.rand()), 12))"
    teams = Teams(dict.fromkeys("abcd", 1))
    assert run(tmp_path, teams, pool, leave, draw).exit_code == 0
    first = {name: shown(tmp_path, name) for name in "abcd"}
    assert all("False" in text[0] for text in first.values()) and len({text[0] for text in first.values()}) == 4
    assert run(tmp_path, teams, pool, leave, draw, resume=False).exit_code == 0
    assert {name: shown(tmp_path, name) for name in "abcd"} == first
    run(tmp_path, teams, pool, leave, draw, seed=1)
    assert shown(tmp_path, "a") != first["a"]


# --- 24, 27: parameters and secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ['"; open("pwned", "w"); "', "'''", "\\", '\\"', "{pack}", "{{0}}", "\n1/0", "$(id)", "__import__('os')"]
)
def test_a_hostile_value_arrives_as_text(tmp_path: Path, pool: WarmPool, value: str) -> None:
    cell = PARAMETERS + '\nnote: str = ""  # any text'
    result = run(
        tmp_path,
        Teams({"a": 1}),
        pool,
        "note",
        "import os; os.path.exists('pwned')",
        cell=cell,
        parameters={"note": value},
    )
    assert result.exit_code == 0 and shown(tmp_path, "a") == [repr(value), "False"]


SECRET = "hunter2-9c1f"


def test_no_secret_of_the_environment_reaches_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("SOMETHING_ELSE", SECRET)
    own = "import os\nopen('/proc/self/environ').read().replace(chr(0), ' ') + repr(dict(os.environ))"
    with WarmPool(1, warm=False) as renderer:
        result = run(tmp_path, Teams({"a": 1}), renderer, own)
    assert result.exit_code == 0 and "OPENBLAS_NUM_THREADS" in shown(tmp_path, "a")[0]
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert SECRET not in "\n".join(texts_of(path)), path


def test_no_secret_of_an_error_reaches_manifest_index_or_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WarmPool, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    text = f"cannot reach postgresql://me:{SECRET}@db/sales, password={SECRET} ({SECRET})"
    result = run(tmp_path, Teams({"a": 1}), pool, f"raise ValueError({text!r})", progress=True)
    assert error(result).count(HIDDEN) == 3 and "cannot reach postgresql://" in error(result)
    assert SECRET not in capsys.readouterr().err
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert SECRET not in path.read_text(errors="replace"), path


def test_redaction_hides_values_and_keeps_the_reason() -> None:
    redact = Redactor({"MY_TOKEN": "abcd1234", "PATH": "/usr/bin"})
    assert redact("401 for abcd1234 at /usr/bin") == f"401 for {HIDDEN} at /usr/bin"
    assert redact('{"api_key": "xyz", "n": 3}') == f'{{"api_key": {HIDDEN}, "n": 3}}'
    assert redact("s3://key:se@cret@bucket/x") == f"s3://{HIDDEN}@bucket/x"
    assert redact("a\x1b[31m\nb\tc") == "a [31m b c" and len(redact("x" * 5000)) == 500


# --- 20-22: names ---------------------------------------------------------------------------------------------------


def test_hostile_team_names_stay_text_and_inside(tmp_path: Path, pool: WarmPool) -> None:
    names = ["<script>alert(1)</script>", "</title><img onerror=x>", "../../x", "CON", "a\x00b", "x" * 400, "North", "north",
             "Orl\u00e9ans", "Orle\u0301ans", "{pack}", "$(id)", "=cmd()"]  # fmt: skip
    source = Teams({f"t{n}": n for n in range(len(names))}, {f"t{n}": name for n, name in enumerate(names)})
    result = run(tmp_path, source, pool)
    assert result.exit_code == 0 and len({line["slug"] for line in result.manifest["teams"]}) == len(names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "template.ipynb"]
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == {line["slug"] for line in result.manifest["teams"]}
    for page in (tmp_path / "out").glob("index*.html"):
        assert "<script" not in page.read_text() and "<img" not in page.read_text()


# --- 30: the user's own files, and no network -----------------------------------------------------------------------

HOSTILE_START = """
import os, sys
from pathlib import Path
from batch_tools import Teams
from analysis.reporting.batch import run_batch
folder = Path(sys.argv[1])
options = {"plain": True} if sys.argv[2] == "plain" else {}
result = run_batch("-", folder / "out", template=folder / "template.ipynb", formats=(), progress=False,
                   source=Teams({"a": 1}), jobs=1, **options)
print(result.manifest["teams"][0]["error"])
sys.exit(result.exit_code)
"""


@pytest.mark.parametrize("engine", ["forked", "plain"])
def test_the_users_own_files_have_no_effect(tmp_path: Path, engine: str) -> None:
    """Start-up files of Python, IPython, Jupyter and matplotlib, and a PYTHONPATH that shadows a library."""
    home = tmp_path / "home"
    planted = {
        home / ".ipython" / "profile_default" / "startup" / "00.py": "planted = 1",
        home
        / ".ipython"
        / "profile_default"
        / "ipython_config.py": "c.InteractiveShellApp.exec_lines = ['planted = 1']",
        home / ".config" / "matplotlib" / "matplotlibrc": "figure.dpi: 31",
        home / ".jupyter" / "jupyter_config.json": '{"KernelManager": {"transport": "tcp"}}',
        home / "shadow" / "wave.py": "raise RuntimeError('shadowed')",
        home / "shadow" / "usercustomize.py": "import builtins; builtins.planted = 1",
    }
    for path, text in planted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cells = (
        "import builtins, wave\n'planted' in globals() or hasattr(builtins, 'planted')",
        "import matplotlib; matplotlib.rcParams['figure.dpi']",
        "import os; [name for name in ('PYTHONPATH', 'PYTHONSTARTUP', 'LD_PRELOAD') if name in os.environ]",
    )
    template(tmp_path, *cells)
    shadow = os.pathsep.join([str(home / "shadow"), str(Path(__file__).parent)])
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": shadow, "PYTHONSTARTUP": str(home / "shadow" / "wave.py"),
                   "IPYTHONDIR": str(home / ".ipython"), "MPLCONFIGDIR": str(home / ".config" / "matplotlib")}  # fmt: skip
    command = [sys.executable, "-c", HOSTILE_START, str(tmp_path), engine]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown(tmp_path, "a") == ["False", "100.0", "[]"]


def test_a_batch_needs_no_network(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network name space of one's own is not allowed here")
    template(tmp_path, READ, SHOW)
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = ["unshare", "-n", sys.executable, "-c", HOSTILE_START, str(tmp_path), "forked"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert signal.SIGKILL.value == 9 and shown(tmp_path, "a") == ["'a: 1'"]
