"""Effects with their intervals: all activities of one scope, or all teams on one activity, on one scale."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Figure
from analysis.reporting.figures import base
from analysis.reporting.svg import SMALL, Canvas, text_width

_MONEY = ("effect", "conf_low", "conf_high")
_SHARE = ("effect_relative", "relative_low", "relative_high")


class _Row(NamedTuple):
    name: str
    value: float | None
    low: float | None
    high: float | None
    grade: str


_ROW = 40.0
_LEFT, _RIGHT = 128.0, 142.0
_WIDEST = 188.0  # room that long names of teams may take
_COLUMNS = ("grade", *_MONEY, *_SHARE)
_CLAIMS = ("A", "B")
_FAR = 2.0  # times the widest claim


def effects(
    findings: pd.DataFrame,
    *,
    currency: str | None = None,
    period: str = "week",
    source: str = "",
    locale: str = "en",
) -> Figure:
    """What each activity goes with: estimate, likely range and grade, strongest first.

    findings: rows of one scope with the columns of findings.csv. currency: ISO code of `effect`; None draws the
    effects as shares of the outcome instead. Rows without an estimate are listed with their grade only.
    """
    base.require(findings, ["activity", "outcome", *_COLUMNS], "effects")
    keys = _MONEY if currency and findings["effect"].notna().any() else _SHARE
    found = sorted(base.records(findings[["activity", "outcome", *_COLUMNS]]), key=lambda r: _rank(r, keys[0]))
    rows = [_row(words.capital(words.kinds_name(r["activity"], locale=locale)), r, keys) for r in found]
    outcome = str(found[0]["outcome"]) if found else "revenue"
    return _forest(
        rows,
        title=_effects_title(found, locale),
        axis_title=_unit(keys, currency, outcome, words.text(f"finding.per_{period}", locale=locale), locale),
        note=words.text("figure.effects_note", locale=locale),
        first=words.text("table.activity", locale=locale),
        write=base.amount(currency, as_share=keys is _SHARE, locale=locale),
        as_share=keys is _SHARE,
        source=source,
        locale=locale,
    )


def teams(
    findings: pd.DataFrame,
    names: Mapping[str, str],
    activity: str,
    *,
    differ: bool | None = None,
    currency: str | None = None,
    period: str = "week",
    source: str = "",
    locale: str = "en",
) -> Figure:
    """Teams side by side on one activity and one scale, with intervals; overlapping teams are not ranked.

    findings: team rows of findings.csv; names: team_id -> name shown. differ: the study's own test of whether teams
    differ at all (intervals that do not overlap are no such test: of many equal teams, some never overlap); None
    leaves it open. Only teams that differ stand in the order of their estimates; others in that of the alphabet, since
    their order by estimate would be chance.
    """
    base.require(findings, ["team_id", "activity", "outcome", *_COLUMNS], "teams")
    rows_of = findings.loc[findings["activity"] == activity, ["team_id", "outcome", *_COLUMNS]]
    keys = _MONEY if currency and rows_of["effect"].notna().any() else _SHARE
    found = sorted(base.records(rows_of), key=lambda r: (_descending(r[keys[0]]), r["team_id"]))
    order = "figure.teams_order_size" if differ else "figure.teams_order_alphabet"
    if not differ:
        found.sort(key=lambda r: unicodedata.normalize("NFKD", names.get(r["team_id"], r["team_id"]).casefold()))
    key = {True: "figure.teams_differ", False: "figure.teams_same", None: "figure.teams_open"}[differ]
    return _forest(
        [_row(names.get(r["team_id"], r["team_id"]), r, keys) for r in found],
        title=words.text(key, {"activities": words.kinds_name(activity, locale=locale)}, locale=locale),
        axis_title=_unit(
            keys,
            currency,
            str(found[0]["outcome"]) if found else "revenue",
            words.text(f"finding.per_{period}", locale=locale),
            locale,
        ),
        note=f"{words.text('figure.teams_note', locale=locale)} {words.text(order, locale=locale)}",
        first=words.text("index.team", locale=locale),
        write=base.amount(currency, as_share=keys is _SHARE, locale=locale),
        as_share=keys is _SHARE,
        source=source,
        locale=locale,
        row_height=27.0,
    )


def _unit(keys: Sequence[str], currency: str | None, outcome: str, per: str, locale: str) -> str:
    """The axis in words."""
    key = "figure.effects_axis_share"
    if keys is _MONEY:
        key = "figure.effects_axis_money" if words.currency_code(currency) else "figure.effects_axis_amount"
    values = {"currency": currency, "outcome": words.outcome_name(outcome, locale=locale), "per": per}
    return words.text(key, values, locale=locale)


def _descending(value: Any) -> tuple[bool, float]:
    """A sort key: largest first, what is not known last."""
    return (False, -float(value)) if words.is_known(value) else (True, 0.0)


def _rank(finding: base.Row, key: str) -> tuple[int, tuple[bool, float], str]:
    """Claims first, then by size of the estimate; refused rows last."""
    grade = finding["grade"]
    return (0 if grade in _CLAIMS else 2 if grade == "X" else 1, _descending(finding[key]), finding["activity"])


def _row(name: str, finding: base.Row, keys: Sequence[str]) -> _Row:
    refused = finding["grade"] == "X"  # any number would be a guess
    value, low, high = (float(finding[k]) if words.is_known(finding[k]) and not refused else None for k in keys)
    if finding["grade"] not in _CLAIMS and value is not None and low is not None and high is not None:
        value = words.beside(value, low, high)
    return _Row(name, value, low, high, str(finding["grade"]))


def _effects_title(found: Sequence[base.Row], locale: str) -> str:
    claimed = [r for r in found if r["grade"] in _CLAIMS]
    if not claimed:
        return words.text("figure.effects_none", locale=locale)
    likely = "" if all(r["grade"] == "A" for r in claimed) else "_likely"
    if len(claimed) > 1:
        n = words.in_words(len(claimed), locale=locale)
        return words.text(f"figure.effects_several{likely}", {"n": n}, locale=locale)
    name = words.kinds_name(claimed[0]["activity"], locale=locale)
    less = words.is_known(claimed[0]["effect_relative"]) and claimed[0]["effect_relative"] < 0
    key = f"figure.effects_less{likely}" if less else "figure.effects_likely" if likely else "figure.effects_clear"
    return words.text(key, {"Activities": words.capital(name), "activities": name}, locale=locale)


def _limits(rows: Sequence[_Row]) -> tuple[float, float]:
    """The scale: wide enough for every claim and every estimate, not for the last bit of a hopeless interval."""
    claimed = [abs(v) for r in rows if r.grade in _CLAIMS for v in (r.low, r.high) if v is not None]
    estimates = sorted(1.4 * abs(r.value) for r in rows if r.value is not None)
    if claimed:  # an estimate nobody claims may not press what is claimed into a corner
        estimates = [size for size in estimates if size <= _FAR * max(claimed)]
    widest = max((abs(v) for r in rows for v in r[2:4] if v is not None), default=1.0)
    reach = min(widest, 1.05 * max([*claimed, *estimates], default=widest)) or 1.0
    low = min((v for r in rows for v in r[1:4] if v is not None), default=0.0)
    high = max((v for r in rows for v in r[1:4] if v is not None), default=1.0)
    return min(0.0, max(low, -reach)) * 1.04, max(0.0, min(high, reach)) * 1.04


def _forest(
    rows: Sequence[_Row],
    *,
    title: str,
    axis_title: str,
    note: str,
    first: str,
    write: base.Format,
    as_share: bool,
    source: str,
    locale: str,
    row_height: float = _ROW,
) -> Figure:
    bottom = 6 + row_height * max(len(rows), 1)
    canvas = Canvas(base.WIDTH, bottom + 40)
    left = min(max([_LEFT, *(text_width(row.name) + 18 for row in rows)]), _WIDEST) if row_height < _ROW else _LEFT
    axis = base.Axis(*_limits(rows), left, base.WIDTH - _RIGHT)
    base.draw_axis(canvas, axis, 4, bottom, as_share=as_share, locale=locale)
    canvas.text(left, bottom + 33, axis_title, "mute", size=SMALL, room=base.WIDTH - left)
    for i, row in enumerate(rows):
        _draw_row(canvas, axis, 6 + row_height * (i + 0.5), row, write, locale, tall=row_height >= _ROW)
    numbers = _forest_table(rows, title, first, axis_title, write, locale)
    if any(r.low is not None and r.high is not None and (r.low < axis.low or r.high > axis.high) for r in rows):
        note = f"{note} {words.text('figure.effects_beyond', locale=locale)}"
    return base.finish(canvas, title, alt=_forest_alt(rows, write, locale), numbers=numbers, note=note, source=source)


def _draw_row(
    canvas: Canvas, axis: base.Axis, y: float, row: _Row, write: base.Format, locale: str, *, tall: bool
) -> None:
    name, value, low, high, grade = row
    claimed = grade in _CLAIMS
    role = "accent" if claimed else "grey"
    if tall:
        base.name_label(canvas, axis.start - 12, y, name, axis.start - 14, bold=claimed)
    else:
        canvas.text(axis.start - 12, y + 4.5, name, anchor="end", room=axis.start - 14, bold=claimed)
    word = f"{words.grade_shape(grade)} {words.grade_short(grade, locale=locale)}"
    x, room = base.WIDTH - _RIGHT + 12, _RIGHT - 12
    if value is None or low is None or high is None:
        canvas.text(x, y + 4.5, word, "mute", size=SMALL, room=room)
        return
    base.whisker(canvas, axis, y, low, high, role)
    if axis.low <= value <= axis.high:
        canvas.dot(axis.at(value), y, 5.5 if tall else 4.5, role, hollow=not claimed)
    if tall:
        canvas.text(x, y - 2.5, write(value), "ink" if claimed else "mute", bold=claimed, room=room)
        canvas.text(x, y + 12, word, "mute", size=SMALL, room=room)
    else:
        canvas.text(x, y + 4.5, f"{words.grade_shape(grade)} {write(value)}", "ink" if claimed else "mute", room=room)


def _forest_alt(rows: Sequence[_Row], write: base.Format, locale: str) -> list[str]:
    said = []
    for name, value, low, high, grade in rows:
        word = words.grade_word(grade, locale=locale)
        if value is None or low is None or high is None:
            said.append(base.alt_row(name, word.lower(), locale=locale))
        else:
            said.append(base.alt_row(name, write(value), write(low), write(high), word, locale=locale))
    return said


def _forest_table(rows: Sequence[_Row], caption: str, first: str, unit: str, write: base.Format, locale: str) -> Any:
    headers = [(first, "")] + [(words.text(f"table.{k}", locale=locale), "") for k in ("value", "low", "high", "grade")]
    none = words.text("number.none", locale=locale)
    body = [
        [
            name,
            *(write(v) if v is not None else none for v in (value, low, high)),
            words.grade_word(grade, locale=locale),
        ]
        for name, value, low, high, grade in rows
    ]
    made = base.table(caption, headers, body)
    grades = replace(made.columns[-1], align="left")
    return replace(made, columns=(*made.columns[:-1], grades), note=f"{words.capital(unit)}.")
