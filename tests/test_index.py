"""The index of a run: order, statuses, failures, stale reports, names, and a page for the e-mail."""

import json
import re

import pytest
import report_samples as samples
from bs4 import BeautifulSoup
from test_words import JARGON

from analysis import words
from analysis.reporting import index, mail
from analysis.reporting.blocks import Summary
from analysis.reporting.index import Entry
from analysis.reporting.jobs import Failure
from analysis.reporting.publish import LocalStore

LINKS = (("Web page", "x/report.html"), ("Print (PDF)", "x/report.pdf"))


def summary(team="North", status="watch", **changes):
    fields = {"answer": "Demos predict revenue.", "result": "78% of the objective", "attainment": 0.78, "claims": 1}
    fields |= {"trend": (3.0, 1.0, 2.0), "trend_unit": "EUR thousand", "as_of": "2026-10-26"}
    return Summary(team, status, **(fields | changes))


def entry(name, status, **changes):
    made = summary(name, status, **changes) if status in ("behind", "watch", "unknown", "on_track") else None
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "team"
    return Entry(slug, name, status, made, LINKS if made else ())


ENTRIES = [
    entry("Zeta", "on_track", claims=3),
    entry("Beta", "behind", attainment=0.9),
    entry("Alpha", "behind", attainment=0.5, claims=0),
    entry("Gamma", "failed"),
    entry("Delta", "watch"),
    entry("Eta", "unknown", attainment=None, trend=()),
]


def rows(html):
    return BeautifulSoup(html, "html.parser").select("tbody tr")


def names(html):
    return [row.th.span.get_text() for row in rows(html)]


def test_worst_first_then_by_how_far_behind():
    assert names(index.page(ENTRIES)) == ["Gamma", "Alpha", "Beta", "Delta", "Eta", "Zeta"]


def test_the_other_orders_need_no_script():
    assert names(index.page(ENTRIES, order="by_name")) == sorted(e.name for e in ENTRIES)
    assert names(index.page(ENTRIES, order="by_evidence"))[0] == "Zeta"
    doc = BeautifulSoup(index.page(ENTRIES, order="by_name"), "html.parser")
    assert [a["href"] for a in doc.select(".orders a")] == ["index.html", "index-by-evidence.html"]
    assert doc.select_one("[aria-current=page]").get_text() == "By name"
    assert not doc.find_all("script")


def test_the_filter_counts_every_status_and_hides_the_others():
    doc = BeautifulSoup(index.page(ENTRIES), "html.parser")
    assert [label.get_text(strip=True) for label in doc.select(".filters label")] == [
        "All (6)", "No report (1)", "Behind (2)", "Watch (1)", "Not known (1)", "On track (1)",
    ]  # fmt: skip
    assert "body:has(#f-behind:checked) .teams tbody tr:not(.behind){display:none}" in doc.style.get_text()


def test_every_row_has_status_as_word_and_shape_answer_and_links():
    row = {r["id"]: r for r in rows(index.page(ENTRIES))}["t-alpha"]
    assert "◆ Behind" in row.get_text(" ", strip=True)
    assert "Demos predict revenue." in row.get_text()
    assert [a["href"] for a in row.find_all("a")] == ["x/report.html", "x/report.pdf"]
    assert [a.get_text() for a in row.find_all("a")] == ["Web page Alpha", "Print (PDF) Alpha"]
    assert row.svg["aria-label"] == (
        "3 values from EUR 3 thousand to EUR 2 thousand; lowest EUR 1 thousand, highest EUR 3 thousand"
    )


def test_sparklines_share_a_scale_that_is_stated():
    html = index.page([entry("A", "watch", trend=(0.0, 10.0)), entry("B", "watch", trend=(0.0, 5.0))])
    assert "one scale, 0 to EUR 10 thousand" in html
    ends = [float(re.search(r'<circle[^>]* cy="([\d.]+)"', str(row.svg)).group(1)) for row in rows(html)]
    assert ends[0] < ends[1]


def test_many_teams_can_be_found_by_name():
    many = [entry(f"Team {i}", "watch") for i in range(300)]
    html = index.page(many)
    doc = BeautifulSoup(html, "html.parser")
    targets = {a["href"] for a in doc.select(".find a")}
    assert len(targets) == 300 and targets <= {f"#{r['id']}" for r in rows(html)}
    assert len(html) < 450_000


@pytest.mark.parametrize("name", [*samples.HOSTILE, *samples.FOREIGN])
def test_names_are_text(name):
    doc = BeautifulSoup(index.page([Entry("slug", name, "failed", note=name), entry("B", "watch")]), "html.parser")
    assert not doc.find_all(["script", "img"])
    assert names(str(doc))[0] == name
    assert name in doc.select_one(".why").get_text()


def test_no_teams_is_a_page_too():
    assert "No teams." in index.page([])


@pytest.fixture
def run(tmp_path):
    """A published run: one fresh, one stale with its old report, one failed without any, one of the older layout."""
    store = LocalStore(tmp_path / "out")
    store.prepare(["north", "south", "west", "old"])
    nb = samples.notebook("North")
    from analysis.reporting.index import summary_bytes

    store.publish("north", {"report.html": b"x", "report.pdf": b"x", "summary.json": summary_bytes(nb)})
    stale = json.dumps({**json.loads(summary_bytes(nb)), "team": "South", "as_of": "2026-10-26"}).encode()
    store.publish("south", {"report.html": b"x", "summary.json": stale})
    import nbformat

    store.publish("old", {"report.html": b"x", "report.ipynb": nbformat.writes(samples.notebook("Old")).encode()})
    outputs = {"report.html": "", "report.pdf": ""}
    teams = [
        {"slug": "north", "name": "North", "status": "done", "outputs": outputs, "error": None, "stale": False},
        {"slug": "south", "name": "South", "status": "failed", "outputs": {}, "failure": "refused", "said": "a cell <b>raised</b>", "stale": True},
        {"slug": "west", "name": "West", "status": "refused", "outputs": {}, "failure": "refused", "said": "fewer than 5 reps", "stale": False},
        {"slug": "old", "name": "Old", "status": "unchanged", "outputs": {"report.html": ""}, "error": None, "stale": False},
    ]  # fmt: skip
    return {"teams": teams}, store


def test_a_batch_is_listed_as_its_manifest_says(run):
    manifest, store = run
    index.write(manifest, store)
    html = store.read("index.html").decode()
    by_id = {row["id"]: row for row in rows(html)}
    assert rows(html)[0]["id"] == "t-west"
    assert "Refused" in by_id["t-west"].get_text() and "No report: fewer than 5 reps" in by_id["t-west"].get_text()
    assert not by_id["t-west"].find("a")
    stale = by_id["t-south"].get_text(" ")
    assert "Out of date" in stale and "Oct 26, 2026" in stale and "a cell <b>raised</b>" in stale
    assert [a["href"] for a in by_id["t-south"].find_all("a")] == ["south/report.html"]
    assert "Each extra demo" in by_id["t-old"].get_text()
    assert store.read("index-by-name.html") and store.read("index-by-evidence.html")
    assert "3 of 4" not in html and "2 of 4 reports are up to date. 1 is out of date. 1 team has no report." in html


def test_the_index_has_the_same_bytes_each_time(run):
    manifest, store = run
    index.write(manifest, store)
    first = store.read("index.html")
    index.write(manifest, store)
    assert store.read("index.html") == first


def test_mail_is_five_lines_and_harmless_html(run):
    manifest, store = run
    assert mail.write(manifest, store, base_url="https://reports.example/run/") == 3
    subject, empty, *lines = store.read("north/mail.txt").decode().splitlines()
    assert subject == "North: Behind" and empty == "" and len(lines) == 5
    assert lines[1].startswith("Each extra demo in a week")
    assert lines[4] == "Full report: https://reports.example/run/north/report.html"
    doc = BeautifulSoup(store.read("north/mail.html"), "html.parser")
    assert not doc.find_all(["script", "style", "link", "img"])
    assert [a["href"] for a in doc.find_all("a")] == ["https://reports.example/run/north/report.html"]
    assert store.read("west/mail.txt") is None


@pytest.mark.parametrize("name", [*samples.HOSTILE, "North\r\nBcc: all@example.org"])
def test_a_name_cannot_add_a_header_or_markup_to_a_mail(name):
    message = mail.mail(summary(name), "report.html")
    assert "\n" not in message.subject and "\r" not in message.subject
    assert len(message.text.splitlines()) == 5
    doc = BeautifulSoup(message.html, "html.parser")
    assert not doc.find_all(["script", "img"])
    assert doc.h1.get_text() == message.subject


def test_index_and_mail_speak_plainly(run):
    manifest, store = run
    index.write(manifest, store)
    mail.write(manifest, store)
    for name in (*index.ORDERS.values(), "north/mail.txt", "north/mail.html"):
        said = BeautifulSoup(store.read(name), "html.parser")
        for unread in said.select("style, footer"):
            unread.decompose()
        assert not JARGON.search(said.get_text(" ")), JARGON.search(said.get_text(" "))


def test_a_notebook_without_a_summary_has_none():
    assert index.summary_bytes({"cells": []}) is None


KINDS = (
    "raised",
    "export",
    "incomplete",
    "exited",
    "time",
    "memory",
    "disk",
    "killed",
    "lost",
    "broken",
    "unpublished",
    "not_reached",
)


def test_why_there_is_no_report_is_told_without_an_operators_words():
    """By the recorded kind, whatever the error says; every kind that is documented has its words."""
    assert set(re.findall(r"\w+", Failure.__doc__)) >= set(KINDS) - {"unpublished", "not_reached"}
    assert set(index.WHY) == set(KINDS)
    unknown = words.text("index.why_unknown")
    for kind in KINDS:
        told = index.for_leaders({"failure": kind, "said": "", "error": "cell 4: ZeroDivisionError by SIGKILL"})
        assert told != unknown and not re.search(r"cell \d|Error|SIG|exit code", told) and not JARGON.search(told)
    for row in ({"error": "cell 4: ZeroDivisionError"}, {"failure": "unknown", "error": "x"}, {"failure": "none such"}):
        assert index.for_leaders(row) == unknown
    assert (
        index.for_leaders({"failure": "data", "said": "three reps", "error": "cell 3: DataError: three reps"})
        == "three reps"
    )


def test_a_report_on_the_company_that_failed_is_listed_with_the_reason(run):
    manifest, store = run
    row = {"slug": "leadership", "name": "Leadership report", "status": "failed", "outputs": {}, "failure": "time"}
    index.write(manifest | {"company": [row]}, store)
    also = BeautifulSoup(store.read("index.html"), "html.parser").select_one(".also")
    assert not also.find("a") and "took longer than it may" in also.get_text()
