"""The front page of a run: every team, worst first, with its status, its answer and where to read on.

Sorting and searching need no script: the same list is written in three orders that link to each other, the status
filter is plain CSS, and an alphabetical list jumps to a team's row. A team without a new report is listed with the
reason; one whose old report still stands is marked out of date.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis import words
from analysis.reporting import html
from analysis.reporting.blocks import MIME, Mark, Summary, status_mark
from analysis.reporting.figures.spark import spark, spark_alt, with_unit
from analysis.reporting.publish import Store

SUMMARY = "summary.json"
LEADERSHIP = "leadership"
ORDERS = {"worst_first": "index.html", "by_name": "index-by-name.html", "by_evidence": "index-by-evidence.html"}
WHY = {  # kind of failure, as the manifest records it -> the text that a leader reads
    **dict.fromkeys(("killed", "lost", "exited"), "index.why_cut_short"),
    **dict.fromkeys(("raised", "incomplete"), "index.why_computed"),
    **{
        kind: f"index.why_{kind}"
        for kind in ("time", "memory", "export", "disk", "unpublished", "broken", "not_reached")
    },
}
_SEVERITY = ("failed", "refused", "behind", "watch", "unknown", "on_track")


@dataclass(frozen=True, slots=True)
class Entry:
    """One team on the index. status: a key of blocks.STATUS_SHAPES; links: (label, href); note: why failed or stale."""

    slug: str
    name: str
    status: str
    summary: Summary | None = None
    links: tuple[tuple[str, str], ...] = ()
    stale: bool = False
    note: str = ""


def summary_bytes(nb: Mapping[str, Any]) -> bytes | None:
    """The summary block of an executed notebook as the bytes of summary.json; None when it displays none."""
    found = _summary_in(nb)
    return None if found is None else (json.dumps(asdict(found), ensure_ascii=False, sort_keys=True) + "\n").encode()


def _summary_in(nb: Mapping[str, Any]) -> Summary | None:
    for cell in nb["cells"]:
        for output in cell.get("outputs", ()):
            data = (output.get("data") or {}).get(MIME)
            if data and data["block"] == Summary.name:
                return _summary(data)
    return None


def _summary(data: Mapping[str, Any]) -> Summary:
    known = {k: v for k, v in data.items() if k in Summary.__dataclass_fields__ and k != "name"}
    return Summary(**(known | {"trend": tuple(known.get("trend", ()))}))


def write(manifest: Mapping[str, Any], store: Store, *, title: str = "", locale: str = "en") -> None:
    """Write the index of a batch in all orders. manifest: manifest.json; store: the output folder it describes."""
    entries = [_entry(team, store, locale) for team in manifest["teams"]]
    shown = _content(entries, title, _about_company(manifest.get("company", ()), store, locale), locale)
    for order, name in ORDERS.items():
        store.write(name, _rendered(entries, shown, order, locale).encode("utf-8"))


def _about_company(rows: Iterable[Mapping[str, Any]], store: Store, locale: str) -> list[tuple[str, str, str]]:
    """(label, href, note) of each report about the company; without a page the href is blank and the note says why."""
    ordered = sorted(rows, key=lambda row: row["slug"] != LEADERSHIP)  # the whole company before a part of it
    found = []
    for row in ordered:
        href = f"{row['slug']}/report.html" if "report.html" in (row.get("outputs") or {}) else ""
        fresh = row.get("status", "done") in ("done", "unchanged")
        note = "" if fresh else _note(row, read_summary(store, row["slug"]) if href else None, locale)
        if href or note:
            found.append((row["name"], href, note))
    return found


def _entry(team: Mapping[str, Any], store: Store, locale: str) -> Entry:
    summary = read_summary(store, team["slug"])
    fresh = team["status"] in ("done", "unchanged")
    has_report = fresh or bool(team.get("stale"))
    status = (summary.status if summary else "unknown") if has_report else _failure(team["status"])
    files = [f for f in ("report.html", "report.pdf") if f in (team.get("outputs") or {})] if has_report else []
    if has_report and not files:
        files = [f for f in ("report.html", "report.pdf") if store.read(f"{team['slug']}/{f}") is not None]
    labels = {
        "report.html": words.text("index.page", locale=locale),
        "report.pdf": words.text("index.print", locale=locale),
    }
    return Entry(
        slug=team["slug"],
        name=team["name"],
        status=status,
        summary=summary if has_report else None,
        links=tuple((labels[f], f"{team['slug']}/{f}") for f in files),
        stale=bool(team.get("stale")),
        note="" if fresh else _note(team, summary, locale),
    )


def _failure(status: str) -> str:
    return "refused" if status == "refused" else "failed"


def _note(team: Mapping[str, Any], summary: Summary | None, locale: str) -> str:
    reason = for_leaders(team, locale)
    if team.get("stale"):
        as_of = summary.as_of if summary and summary.as_of else None
        values = {"date": words.date(as_of, locale=locale), "reason": reason}
        return words.text("index.stale", values, locale=locale)
    return words.text("index.failed", {"reason": reason}, locale=locale)


def for_leaders(team: Mapping[str, Any], locale: str = "en") -> str:
    """Why a team of the manifest has no report, without the words of whoever runs the batch; `error` keeps those."""
    return team.get("said") or words.text(WHY.get(team.get("failure", ""), "index.why_unknown"), locale=locale)


def read_summary(store: Store, slug: str) -> Summary | None:
    """What the published report says of itself: summary.json, or the notebook where that file was not written."""
    content = store.read(f"{slug}/{SUMMARY}")
    if content is not None:
        return _summary(json.loads(content))
    notebook = store.read(f"{slug}/report.ipynb")
    return _summary_in(json.loads(notebook)) if notebook is not None else None


def page(
    entries: Sequence[Entry],
    *,
    order: str = "worst_first",
    title: str = "",
    also: Sequence[tuple[str, str, str]] = (),
    locale: str = "en",
) -> str:
    """The index as one HTML page. also: (label, href, note) of reports about the whole company."""
    return _rendered(entries, _content(entries, title, also, locale), order, locale)


def _content(entries: Sequence[Entry], title: str, also: Sequence[tuple[str, str, str]], locale: str) -> dict[str, Any]:
    """What the template needs whatever the order; rows by slug."""
    high = max((v for e in entries if e.summary for v in e.summary.trend), default=1.0)
    return {
        "title": title or words.text("index.title", locale=locale),
        "lang": locale.replace("_", "-"),
        "rows": {e.slug: _shown(e, high, locale) for e in entries},
        "names": sorted(((e.name, e.slug) for e in entries), key=lambda n: n[0].casefold()),
        "also": also,
        "filters": _filters(entries, locale),
        "lead": _lead(entries, sum(not e.links for e in entries), locale),
        "scale": _scale(entries, high, locale),
    }


def _rendered(entries: Sequence[Entry], content: Mapping[str, Any], order: str, locale: str) -> str:
    rows = [content["rows"][e.slug] for e in sorted(entries, key=_KEYS[order])]
    orders = [(words.text(f"index.{o}", locale=locale), f, o == order) for o, f in ORDERS.items()]
    values = {**content, "rows": rows, "orders": orders}
    return html.environment(locale).get_template("index.html.j2").render(values)


def _severity(entry: Entry) -> tuple[int, int, float, str]:
    attained = entry.summary.attainment if entry.summary else None
    return (
        _SEVERITY.index(entry.status),
        -entry.stale,
        attained if attained is not None else 9.0,
        entry.name.casefold(),
    )


_KEYS = {
    "worst_first": _severity,
    "by_name": lambda e: (e.name.casefold(), e.slug),
    "by_evidence": lambda e: (-(e.summary.claims if e.summary else -1), *_severity(e)),
}


def _shown(entry: Entry, high: float, locale: str) -> dict[str, Any]:
    """One row as the template needs it."""
    summary = entry.summary
    marks: list[Mark] = [status_mark(entry.status, locale=locale)]
    if entry.stale:
        marks.append(status_mark("stale", locale=locale))
    trend = summary.trend if summary else ()
    alt = spark_alt(trend, summary.trend_unit if summary else "", locale=locale)
    return {
        "slug": entry.slug,
        "name": entry.name,
        "status": entry.status,
        "marks": marks,
        "answer": summary.answer if summary else "",
        "evidence": words.text("mail.evidence", {"evidence": summary.evidence}, locale=locale)
        if summary and summary.evidence
        else "",
        "result": summary.result if summary else "",
        "note": entry.note,
        "links": entry.links,
        "spark": html.drawing(spark(trend, high=high), alt) if trend else "",
    }


def _filters(entries: Iterable[Entry], locale: str) -> list[tuple[str, str, int]]:
    """(status, word, number of teams) of every status that occurs, worst first."""
    counts = {s: sum(e.status == s for e in entries) for s in _SEVERITY}
    return [(s, words.text(f"status.{s}", locale=locale), n) for s, n in counts.items() if n]


def _lead(entries: Sequence[Entry], missing: int, locale: str) -> str:
    fresh = sum(bool(e.links) and not e.stale for e in entries)
    said = words.text("index.summary", {"done": fresh, "total": len(entries)}, locale=locale)
    counts = {"stale_count": sum(e.stale and bool(e.links) for e in entries), "failed_count": missing}
    more = [words.plural(f"index.{name}", n, {"n": n}, locale=locale) for name, n in counts.items() if n]
    return " ".join([said, *more])


def _scale(entries: Sequence[Entry], high: float, locale: str) -> str:
    units = {e.summary.trend_unit for e in entries if e.summary and e.summary.trend}
    if not units:
        return ""
    shown = with_unit(high, units.pop() if len(units) == 1 else "", locale=locale)
    return words.text("index.trend_scale", {"high": shown}, locale=locale)
