"""The report in an e-mail: five lines of plain text, and the same as HTML that any mail program shows.

Nothing is sent from here. The HTML has no script, no picture and no style sheet, only inline styles, since many
mail programs drop the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis import words
from analysis.reporting import theme
from analysis.reporting.blocks import Summary, status_mark
from analysis.reporting.html import environment
from analysis.reporting.index import read_summary
from analysis.reporting.publish import Store
from analysis.reporting.svg import plain

TEXT, HTML = "mail.txt", "mail.html"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message ready for any mailer: subject (one line), five lines of text, the same as HTML."""

    subject: str
    text: str
    html: str


def mail(summary: Summary, link: str, *, locale: str = "en") -> Mail:
    """The message about one team's report; `link` is where the report can be opened."""
    unknown = words.text("number.unknown", locale=locale)
    status = status_mark(summary.status, locale=locale).word
    subject = words.text("mail.subject", {"team": plain(summary.team), "status": status}, locale=locale)
    parts = {
        "result": summary.result or unknown,
        "answer": summary.answer,
        "evidence": summary.evidence or unknown,
        "next": summary.next_step or words.text("mail.no_next", locale=locale),
    }
    lines = [
        f"{subject}. {_said('result', parts, locale)}",
        parts["answer"],
        _said("evidence", parts, locale),
        _said("next", parts, locale),
        words.text("mail.link", {"link": link}, locale=locale),
    ]
    values = {"lines": [plain(line) for line in lines[1:4]], "subject": subject, "link": link, "c": theme.LIGHT}
    values |= {
        "lang": summary.lang,
        "result": plain(_said("result", parts, locale)),
        "open": words.text("mail.open", locale=locale),
    }
    html = environment(locale).from_string(_TEMPLATE).render(values)
    return Mail(plain(subject), "\n".join(plain(line) for line in lines) + "\n", html)


def _said(key: str, parts: Mapping[str, str], locale: str) -> str:
    return words.text(f"mail.{key}", {key: parts[key]}, locale=locale)


def write(manifest: Mapping[str, Any], store: Store, *, base_url: str = "", locale: str = "en") -> int:
    """Write mail.txt and mail.html beside every report of a batch; the number of teams written.

    base_url: where the output folder is served; empty leaves links relative to it.
    """
    written = 0
    for team in manifest["teams"]:
        summary = read_summary(store, team["slug"])
        if summary is None or (team["status"] not in ("done", "unchanged") and not team.get("stale")):
            continue
        link = f"{base_url.rstrip('/')}/{team['slug']}/report.html".lstrip("/")
        message = mail(summary, link, locale=locale)
        store.write(f"{team['slug']}/{TEXT}", f"{message.subject}\n\n{message.text}".encode())
        store.write(f"{team['slug']}/{HTML}", message.html.encode())
        written += 1
    return written


_TEMPLATE = """<!doctype html>
<html lang="{{ lang }}"><head><meta charset="utf-8"><title>{{ subject }}</title></head>
<body style="margin:0;padding:16px;background:{{ c.paper }};color:{{ c.ink }};font:16px/1.5 Arial,sans-serif;overflow-wrap:anywhere">
<main><h1 style="font-size:20px;margin:0 0 4px">{{ subject }}</h1>
<p style="margin:0 0 12px;color:{{ c.mute }}">{{ result }}</p>
<p style="margin:0 0 12px;font-size:18px;font-weight:bold">{{ lines[0] }}</p>
<p style="margin:0 0 4px">{{ lines[1] }}</p><p style="margin:0 0 16px">{{ lines[2] }}</p>
<p style="margin:0"><a href="{{ link }}" style="color:{{ c.accent }}">{{ open }}</a></p></main>
</body></html>
"""
