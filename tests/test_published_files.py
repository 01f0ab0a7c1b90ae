"""What one real batch leaves behind, every file of it: the numbers agree everywhere, and nobody is named anywhere."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import company_samples as samples
import pandas as pd
import pyarrow.parquet as pq
import pytest
from batch_tools import texts_of
from bs4 import BeautifulSoup
from reading_back import amounts, disagreements, pdf_text

from analysis.reporting import mail
from analysis.reporting.batch import run_batch
from analysis.reporting.manifest import read_manifest
from analysis.reporting.publish import open_store

PERSON, NOTE = "Canary Q. Person", "canary-note-4711"
ADDRESS = "canary.person@example.org"


def with_canaries(data, place):
    """The data with a name for every rep and free text in columns that the contract does not know."""
    shutil.copytree(data, place)
    for name in ("reps", "activities", "opportunities", "leads", "coaching"):
        path = place / f"{name}.parquet"
        frame = pd.read_parquet(path).assign(notes=NOTE, email=ADDRESS)
        frame.assign(name=PERSON).to_parquet(path, index=False)
    return place


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(data folder, output folder) of a finished batch with everything that can be asked for."""
    home = tmp_path_factory.mktemp("run")
    data, out = with_canaries(samples.data("whole"), home / "data"), home / "out"
    chosen = sorted(pd.read_parquet(data / "teams.parquet")["team_id"])[:3]
    done = run_batch(data, out, jobs=1, teams=chosen, company=True, formats=("html", "pdf", "xlsx"), progress=False)
    assert done.exit_code == 0, done.manifest
    store = open_store(out)
    assert mail.write(read_manifest(store), store) == 3
    return data, out


def said(path):
    """Everything that a file holds, also what only a program sees: the parts of a workbook, the schema of a table."""
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as parts:
            return "\n".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())
    text = "\n".join(texts_of(path))
    return text + str(pq.read_schema(path).metadata) + str(pq.read_schema(path)) if path.suffix == ".parquet" else text


def files(out):
    return sorted(path for path in out.rglob("*") if path.is_file())


def test_every_kind_of_file_is_there_to_be_searched(run):
    kinds = {path.suffix for path in files(run[1])}
    assert kinds >= {".html", ".pdf", ".ipynb", ".xlsx", ".csv", ".parquet", ".json", ".jsonl", ".txt"}


def named(out, canaries=(PERSON, NOTE, ADDRESS)):
    """(file, canary) wherever one is found."""
    texts = {path.relative_to(out): said(path) for path in files(out)}
    return [(str(path), canary) for path, text in texts.items() for canary in canaries if canary in text]


def test_no_name_of_a_person_and_no_free_text_is_in_any_file(run):
    assert named(run[1]) == []


def test_that_search_sees_a_name_in_every_kind_of_file(run, tmp_path):
    """A canary put into a part of each kind of file that a reader does not see is found."""
    out = next(path.parent for path in files(run[1]) if path.name == "mail.txt")
    (tmp_path / "mail.html").write_text((out / "mail.html").read_text().replace("<main>", f"<!-- {PERSON} --><main>"))
    summary = json.loads((out / "summary.json").read_text()) | {"who": PERSON}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with zipfile.ZipFile(tmp_path / "tables.xlsx", "w") as book:
        book.writestr("docProps/core.xml", f"<dc:creator>{PERSON}</dc:creator>")
    table = pq.read_table(out / "findings.parquet")
    pq.write_table(table.replace_schema_metadata({"who": PERSON}), tmp_path / "findings.parquet")
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(out / "report.pdf"))
    writer.add_metadata({"/Author": PERSON})
    writer.write(tmp_path / "report.pdf")
    assert {path for path, _ in named(tmp_path)} == {path.name for path in tmp_path.iterdir()}


def test_no_rep_is_in_what_is_read_about_the_company(run):
    """Not even by pseudonym: leadership and alignment report, index and e-mails."""
    data, out = run
    reps = pd.read_parquet(data / "reps.parquet")
    people = set(reps["rep_id"]) | set(reps["manager_id"].dropna())
    read = [*out.glob("index*.html"), *out.glob("*/mail.*"), *out.glob("*/summary.json")]
    read += [path for name in ("leadership", "alignment") for path in (out / name).glob("report.*")]
    assert len(people) > 30 and len(read) >= 3 + 9 + 6
    for path in read:
        shown = set(re.findall(r"\w+", said(path)))
        assert not people & shown, path
    team = next(path for path in out.glob("*/report.html") if path.parent.name not in ("leadership", "alignment"))
    assert people & set(re.findall(r"\w+", said(team)))  # the search would see one: a team's own report has them


# ---- the numbers ----------------------------------------------------------------------------------------------------


def page_text(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").get_text(" ")


def teams(out):
    return json.loads((out / "manifest.json").read_text())["teams"]


def claimed(findings):
    return findings[findings["grade"].isin(["A", "B"])]


def test_a_teams_files_agree_as_published(run):
    """Page, PDF, workbook, CSV and parquet beside the findings of the run."""
    _, out = run
    whole = pd.read_parquet(out / "findings.parquet")
    claims = 0
    for row in teams(out):
        home = out / row["slug"]
        mine = whole[whole["team_id"] == row["team_id"]].reset_index(drop=True)
        claims += len(claimed(mine))
        texts = {"page": page_text(home / "report.html"), "pdf": pdf_text((home / "report.pdf").read_bytes())}
        tables = {name: pd.read_parquet(home / name) for name in ("findings.parquet", "findings-table.parquet")}
        tables["findings.csv"] = pd.read_csv(home / "findings.csv")
        tables["findings-table.csv"] = pd.read_csv(home / "findings-table.csv", encoding="utf-8-sig")
        book = (home / "report.xlsx").read_bytes()
        assert disagreements(mine, texts, of_team(book, row["team_id"])) == []
        for name, table in tables.items():
            table = table.rename(columns=lambda head: str(head).split(" [")[0])
            table = table[table["team_id"] == row["team_id"]].reset_index(drop=True)
            for number in mine.select_dtypes("number").columns:
                assert table[number].astype("float64").equals(mine[number].astype("float64")), (name, number)
    assert claims


def test_the_company_s_files_agree_as_published(run):
    _, out = run
    home = out / "leadership"
    whole = pd.read_parquet(out / "findings.parquet")
    mine = whole[whole["scope"] == "company"].reset_index(drop=True)
    texts = {"page": page_text(home / "report.html"), "pdf": pdf_text((home / "report.pdf").read_bytes())}
    assert len(claimed(mine)) > 1
    assert disagreements(mine, texts, of_team((home / "report.xlsx").read_bytes(), "")) == []


def of_team(book, team_id):
    """The workbook with the rows of one team only (blank: the company): a team's files hold the company's rows too."""
    import openpyxl

    made = openpyxl.load_workbook(io.BytesIO(book))
    sheet = made.worksheets[0]
    heads = [str(cell.value).split(" [")[0] for cell in sheet[1]]
    for number in range(sheet.max_row, 1, -1):
        if (sheet.cell(number, heads.index("team_id") + 1).value or "") != team_id:
            sheet.delete_rows(number)
    kept = io.BytesIO()
    made.save(kept)
    return kept.getvalue()


def alien(short, page, allowed=frozenset()):
    """Numbers of a summary that its report does not have."""
    return amounts(short) - amounts(page) - set(allowed)


def test_e_mail_and_index_say_what_the_report_says(run):
    _, out = run
    index = BeautifulSoup((out / "index.html").read_text(encoding="utf-8"), "html.parser")
    for row in teams(out):
        home = out / row["slug"]
        page = page_text(home / "report.html")
        line = index.find(id=f"t-{row['slug']}")
        assert line is not None and row["name"] in line.get_text(" ")
        for told in ((home / "mail.txt").read_text(), page_text(home / "mail.html"), line.get_text(" ")):
            assert amounts(told) and alien(told.replace(row["slug"], ""), page) == set()


def test_the_company_s_pdf_has_every_number_of_its_page(run):
    _, out = run
    for name in ("leadership", "alignment"):
        page, pdf = page_text(out / name / "report.html"), pdf_text((out / name / "report.pdf").read_bytes())
        assert len(amounts(page)) > 100 and amounts(page) - amounts(pdf) == set()


def test_one_changed_number_is_seen(run):
    """The search can fail: another amount in a finding, in an e-mail, on the index."""
    _, out = run
    whole_amount = re.compile(r"EUR (\d[\d,]*)(?![\d,KMB])")
    row = next(row for row in teams(out) if whole_amount.search((out / row["slug"] / "mail.txt").read_text()))
    home = out / row["slug"]
    page, told = page_text(home / "report.html"), (home / "mail.txt").read_text().replace(row["slug"], "")
    amount = whole_amount.search(told)[1]
    assert alien(told.replace(amount, "123,457"), page) == {"123,457"}
    whole = pd.read_parquet(out / "findings.parquet")
    mine = whole[whole["team_id"] == row["team_id"]].reset_index(drop=True)
    moved = mine.assign(effect=mine["effect"] * 7.37)
    book = of_team((home / "report.xlsx").read_bytes(), row["team_id"])
    assert disagreements(moved, {"page": page}, book)


def test_a_pdf_says_of_itself_no_more_than_its_page(run):
    from pypdf import PdfReader

    _, out = run
    for path in out.glob("*/report.pdf"):
        about = {key: str(value) for key, value in (PdfReader(path).metadata or {}).items()}
        assert set(about) <= {"/Title", "/Author", "/Creator", "/Producer", "/CreationDate", "/ModDate", "/Keywords"}
        page = page_text(Path(path).with_name("report.html"))
        assert re.search(re.escape(about["/Title"]).replace("□", "."), page) and not about.get("/Author")
