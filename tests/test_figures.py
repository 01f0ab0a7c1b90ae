"""Figures: the numbers they are given stand in drawing, alternative text and table; intervals always; nothing runs."""

import itertools
import re
import subprocess
import sys
import time
import unicodedata
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import DataError
from analysis.reporting import figures, svg, theme
from analysis.reporting.blocks import Figure
from analysis.reporting.figures import base

NS = "{http://www.w3.org/2000/svg}"


def drawn(block=None):
    return [f for b in samples.report_blocks() for f in ([b] if isinstance(b, Figure) else getattr(b, "items", ())) if
            isinstance(f, Figure)]  # fmt: skip


def texts(figure):
    return [t.text or "" for t in ElementTree.fromstring(figure.svg).iter(f"{NS}text")]


def test_every_figure_has_title_alt_numbers_source_and_is_one_of_ours():
    made = drawn()
    assert len(made) == 6
    for figure in made:
        assert len(figure.title) <= 60
        assert figure.source.startswith("Source:")
        assert figure.table is not None and figure.table.rows
        assert svg.checked(figure.svg) == figure.svg
        assert re.search(r"\d", figure.alt)


def test_text_stays_text_and_no_ids_can_clash():
    for figure in drawn():
        assert texts(figure)
        assert " id=" not in figure.svg and "<path" not in figure.svg.replace('<path class="', "")


def test_effects_show_estimate_interval_and_grade_of_every_activity():
    figure = figures.effects(samples.findings(), currency="EUR")
    assert "Demos EUR 1,900 (EUR 910 to EUR 2,900, predicts)" in figure.alt
    assert "ROI presentations not enough data" in figure.alt
    rows = {row[0]: row for row in figure.table.rows}
    assert rows["Demos"][1:] == ("EUR 1,900", "EUR 910", "EUR 2,900", "Predicts")
    assert rows["ROI presentations"][1:4] == ("–", "–", "–")
    assert "◐ Likely predicts" in texts(figure)
    whiskers = [e for e in ElementTree.fromstring(figure.svg).iter(f"{NS}line") if e.get("stroke-width") == "2.5"]
    assert len(whiskers) == 5


def test_effects_put_claims_first_then_by_size():
    order = [row[0] for row in figures.effects(samples.findings(), currency="EUR").table.rows]
    assert order == ["Proposals", "Demos", "Meetings", "Calls", "E-mails", "ROI presentations"]


def test_without_a_currency_effects_are_shares_of_the_outcome():
    figure = figures.effects(samples.findings())
    assert "Demos 6.2% (3% to 9.5%, predicts)" in figure.alt
    assert "EUR" not in figure.svg


@pytest.mark.parametrize(
    ("grades", "title"),
    [("AB", "Two activities predict or likely predict revenue"), ("A", "Demos predict revenue most clearly"),
     ("B", "Demos likely predict revenue"), ("AA", "Two activities predict revenue"),
     ("D", "No activity predicts revenue clearly yet")],
)  # fmt: skip
def test_the_title_claims_what_the_grades_allow(grades, title):
    frame = samples.findings().head(len(grades)).assign(grade=list(grades))
    assert figures.effects(frame, currency="EUR").title == title


def test_a_negative_claim_is_said_as_less():
    frame = samples.findings().head(1).assign(effect=-500.0, conf_low=-900.0, conf_high=-90.0, effect_relative=-0.02)
    assert figures.effects(frame, currency="EUR").title == "More demos go with less revenue"


def accent(figure):
    return [e for e in ElementTree.fromstring(figure.svg).iter() if re.search(r"[fs]-accent", e.get("class", ""))]


def test_nothing_claimed_nothing_accented():
    frame = samples.findings().assign(grade="D")
    assert not accent(figures.effects(frame, currency="EUR"))
    assert not accent(figures.delay(samples.kernel(), "demo"))
    assert accent(figures.effects(samples.findings(), currency="EUR"))


def test_a_hopeless_interval_does_not_flatten_the_others():
    frame = samples.findings()
    frame.loc[3, ["conf_low", "conf_high"]] = [-9e6, 9e6]
    axis = base.Axis(*figures.effects.__globals__["_limits"](
        [figures.effects.__globals__["_row"]("x", r, ("effect", "conf_low", "conf_high")) for r in base.records(frame)]
    ), 0, 1)  # fmt: skip
    assert axis.high < 10_000
    assert "EUR −9 million to EUR 9 million" in figures.effects(frame, currency="EUR").alt


def test_the_delay_figure_says_when_or_that_it_is_not_established():
    said = figures.delay(samples.kernel(), "demo", currency="EUR", mean_lag=4.1)
    assert said.title == "Demos show in revenue three to five weeks later"
    assert "4.1 weeks on average" in texts(said)
    assert "4 weeks EUR 470 (EUR 260 to EUR 680)" in said.alt
    open_ = figures.delay(samples.kernel(), "demo", currency="EUR")
    assert open_.title == "When demos show in revenue: not established"
    monthly = figures.delay(samples.kernel().head(4), "demo", mean_lag=2.0, period="month")
    assert "months later" in monthly.title and "1 month " in monthly.alt


def test_teams_share_one_scale_and_are_ranked_only_if_the_study_says_so():
    rows = pd.concat([samples.findings(team_id=f"t{i}").head(1).assign(effect=100.0 * i) for i in range(24)])
    names = {f"t{i}": f"Team {i}" for i in range(24)}
    assert figures.teams(rows, names, "demo", currency="EUR").title == "What demos go with, team by team"
    same = figures.teams(rows, names, "demo", currency="EUR", differ=False)
    assert same.title == "Teams cannot be told apart on demos"
    apart = figures.teams(rows, names, "demo", currency="EUR", differ=True)
    assert apart.title.startswith("Teams differ")
    assert [row[0] for row in apart.table.rows][:2] == ["Team 23", "Team 22"]
    assert [row[0] for row in same.table.rows] == sorted(names.values())  # their order by estimate would be chance
    assert len(same.svg) < 20_000


def test_result_says_pace_and_keeps_losses_below_zero():
    frame = pd.DataFrame({"label": ["Q1", "Q2"], "actual": [100e3, -20e3], "objective": [90e3, np.nan]})
    assert (
        figures.result(frame, attainment=0.78, pace=0.86).title
        == "78% of the running quota booked, 8 points behind pace"
    )
    assert figures.result(frame, attainment=0.9, pace=0.89).title.endswith("1 point ahead of pace")
    assert figures.result(frame, attainment=0.9, pace=0.9).title.endswith("on pace")
    assert figures.result(frame).title == "Revenue by period; no objective is recorded"
    below = [float(e.get("y")) for e in ElementTree.fromstring(figures.result(frame).svg).iter(f"{NS}rect")]
    assert max(below) > min(below)


def test_volume_puts_the_largest_gap_first_and_says_when_there_is_none():
    frame = pd.DataFrame({"activity": ["call", "demo"], "actual": [30.0, 1.0], "need": [30.0, 2.0]})
    assert figures.volume(frame).title == "Demos are furthest below what the goal needs"
    assert "Demos 1.0, needed 2.0" in figures.volume(frame).alt
    assert figures.volume(frame.assign(need=[20.0, 1.0])).title.startswith("Every activity")
    assert figures.volume(frame.assign(need=[30.0, 1.004])).title.startswith("Every activity")
    assert "not known" in figures.volume(frame[["activity", "actual"]]).title
    assert "not known" in figures.volume(frame.assign(need=np.nan)).title


def test_pipeline_compares_with_what_is_missing():
    frame = pd.DataFrame({"name": ["Open", "Factored"], "value": [300e3, 100e3]})
    assert figures.pipeline(frame, currency="EUR", gap=100e3).title == "The open pipeline covers the gap 3.0 times"
    assert figures.pipeline(frame, currency="EUR", gap=600e3).title == "The open pipeline covers 50% of the gap"
    assert figures.pipeline(frame, currency="EUR", gap=0.0).title.startswith("Objective reached")
    assert "no objective" in figures.pipeline(frame, currency="EUR").title


def test_funnel_names_the_narrowest_step_and_shows_what_is_not_known():
    frame = pd.DataFrame({"step": ["A", "B"], "rate": [0.3, np.nan], "low": [0.2, np.nan], "high": [0.4, np.nan],
                          "n": [100, 30], "peer": [0.35, 0.5]})  # fmt: skip
    figure = figures.funnel(frame)
    assert figure.title == "Narrowest step: a, 30%"
    assert "A 30% (20% to 40%)" in figure.alt and "B not known" in figure.alt
    assert figures.funnel(frame.assign(rate=np.nan)).title == "Conversion cannot be shown yet"


def test_missing_columns_are_named():
    with pytest.raises(DataError, match="conf_low"):
        figures.delay(pd.DataFrame({"lag": [1], "estimate": [1.0]}), "demo")


@pytest.mark.parametrize("name", [*samples.HOSTILE, *samples.FOREIGN])
def test_names_in_figures_are_text(name):
    frame = samples.findings().assign(activity=name)
    for figure in (
        figures.effects(frame, currency="EUR"),
        figures.teams(frame.head(1), {"north": name}, name, currency="EUR"),
        figures.funnel(pd.DataFrame({"step": [name], "rate": [0.5], "low": [0.4], "high": [0.6], "n": [9]})),
        figures.volume(pd.DataFrame({"name": [name], "actual": [1.0], "need": [2.0]})),
    ):
        root = ElementTree.fromstring(figure.svg)
        assert {e.tag.removeprefix(NS) for e in root.iter()} <= {
            "svg",
            "line",
            "rect",
            "circle",
            "path",
            "text",
            "title",
        }
        assert svg.checked(figure.svg)
        assert len(figure.title) <= 60


def test_labels_fit_their_room():
    for words_, room in itertools.product(["W" * 60, "北" * 40, "a b " * 20, "short"], [40.0, 114.0, 300.0]):
        assert svg.text_width(svg.fit(words_, room)) <= max(room, svg.text_width("…"))


@settings(max_examples=60)
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 8))
def test_ticks_are_round_and_inside(low, span, about):
    marks = svg.ticks(low, low + span, about)
    tolerance = 1e-6 * max(abs(low), span)
    assert all(low - tolerance <= m <= low + span + tolerance for m in marks)
    assert len(marks) <= 2 * about + 2


@pytest.mark.parametrize(
    "bad",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg' onload='x()'></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><a href='javascript:1'><text>x</text></a></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><image href='http://x/y.png'/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><foreignObject/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><style>@import url(x)</style></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><text style='fill:url(http://x)'>x</text></svg>",
        "<!DOCTYPE svg [<!ENTITY x 'y'>]><svg xmlns='http://www.w3.org/2000/svg'><text>&x;</text></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><text>",
        "<html xmlns='http://www.w3.org/1999/xhtml'><p>x</p></html>",
    ],
)
def test_drawings_that_are_not_ours_do_not_reach_a_page(bad):
    with pytest.raises(DataError):
        svg.checked(bad)


def test_control_and_override_characters_are_dropped():
    assert svg.plain("a\x00b\u202ec\x1bd\ne") == "abcd e"
    every = "".join(map(chr, range(0x11000)))
    kept = {letter for letter in every if svg.plain(f"é{letter}") == f"é{letter}"}
    overrides = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
    assert (
        kept == {letter for letter in every if unicodedata.category(letter) not in ("Cc", "Cs", "Cn", "Co")} - overrides
    )


def test_contrast_of_every_text_and_mark_in_both_modes():
    for palette in (theme.LIGHT, theme.DARK):
        for ground in ("paper", "panel"):
            for role in theme.TEXT_ROLES:
                assert theme.contrast(palette[role], palette[ground]) >= 4.5, (role, ground)
            for role in theme.MARK_ROLES:
                assert theme.contrast(palette[role], palette[ground]) >= 3.0, (role, ground)
        assert theme.contrast(palette["accent"], palette["band"]) >= 3.0


def test_accent_and_grey_differ_without_colour():
    for palette in (theme.LIGHT, theme.DARK):
        assert theme.contrast(palette["accent"], palette["grey"]) >= 1.3


def test_contrast_is_the_wcag_ratio():
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert theme.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_same_bytes_under_any_hash_seed():
    code = (
        "import report_samples as s, hashlib, json;"
        "print(hashlib.sha256(json.dumps([b.data() for b in s.report_blocks()]).encode()).hexdigest())"
    )
    here = str(samples.__file__).rsplit("/", 1)[0]
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": here, "TZ": zone, "LC_ALL": "C", "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed, zone in (("0", "UTC"), ("1234", "Asia/Tokyo"))
    }  # fmt: skip
    assert len(seen) == 1


def test_a_figure_costs_little():
    frame = samples.findings()
    figures.effects(frame, currency="EUR")
    best = min(_cpu(lambda: figures.effects(frame, currency="EUR")) for _ in range(5))
    assert best < 0.1


def _cpu(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def test_figures_need_no_plotting_library():
    code = "import sys, analysis.reporting.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def rate_rows(*rows):
    return pd.DataFrame(rows, columns=["name", "value", "low", "high", "n"])


def test_rates_say_every_number_and_accent_only_what_is_clear_of_the_line():
    frame = rate_rows(("Web", 0.5, 0.45, 0.55, 400), ("Fair", 0.3, 0.2, 0.4, 60), ("New", np.nan, np.nan, np.nan, 2))
    made = figures.rates(frame, title="Web leads convert best", first="Source", reference=0.31)
    assert made.alt == "Web leads convert best. Web 50% (45% to 55%); Fair 30% (20% to 40%); New not known."
    assert [row[1:4] for row in made.table.rows] == [("50%", "45%", "55%"), ("30%", "20%", "40%"), ("–", "–", "–")]
    assert made.svg.count('class="f-accent"') == 1
    assert 'class="f-accent"' not in figures.rates(frame, title="t", first="Source").svg


def test_rates_stay_in_the_drawing_beyond_one_hundred_per_cent():
    frame = rate_rows(("Most", 1.08, 0.8, 1.6, 25), ("Least", 0.9, 0.85, 0.95, 26))
    made = figures.rates(frame, title="t", first="Who", reference=1.0)
    places = [float(e.get("cx")) for e in ElementTree.fromstring(made.svg).iter(f"{NS}circle")]
    assert len(places) == 2 and max(places) < 480 and "108%" in made.alt


def test_an_empty_table_of_rates_is_still_a_figure():
    assert figures.rates(rate_rows(), title="Nothing", first="Who").alt


def test_the_last_label_of_a_result_stays_inside():
    frame = pd.DataFrame({"label": [f"Nov {n}, 2026" for n in range(13)], "actual": [1.0] * 13})
    texts = [e for e in ElementTree.fromstring(figures.result(frame).svg).iter(f"{NS}text") if "2026" in (e.text or "")]
    assert texts[-1].get("text-anchor") == "end"


def test_an_estimate_that_nobody_claims_does_not_press_the_claims_into_a_corner():
    rows = samples.findings().query("activity in ('demo', 'proposal')").copy()
    rows.loc[rows["activity"] == "proposal", ["grade", "effect", "conf_low", "conf_high"]] = ["C", 40e3, 20e3, 60e3]
    figure = figures.effects(rows, currency="EUR")
    assert "20,000" not in figure.svg and "Arrow" in figure.note
    near = rows.assign(effect=[1873.0, 2500.0], conf_low=[912.0, 1000.0], conf_high=[2890.0, 4000.0])
    assert "Arrow" in figures.effects(near, currency="EUR").note  # the end of a range may lie outside
    assert "Arrow" not in figures.effects(near.assign(conf_high=[2890.0, 3000.0]), currency="EUR").note


def test_a_refused_activity_shows_no_number_even_where_one_was_computed():
    rows = samples.findings().query("activity == 'demo'").assign(grade="X")
    figure = figures.effects(rows, currency="EUR")
    assert "1,900" not in figure.svg + figure.alt and "Not enough data" in figure.svg


def test_a_long_step_is_told_on_three_lines_and_not_cut():
    name = "Connected accounts with a new opportunity within 90 days"
    frame = pd.DataFrame({"step": [name], "rate": [0.3], "low": [0.2], "high": [0.4], "n": [17]})
    said = re.findall(r">([^<]+)</text>", figures.funnel(frame).svg)
    assert name in " ".join(line for line in said if not re.search(r"%|^of ", line))


def test_needs_that_are_partly_unknown_are_not_called_all_met():
    frame = pd.DataFrame({"activity": ["demo", "call"], "actual": [2.0, 9.0], "need": [2.0, np.nan]})
    assert figures.volume(frame).title == "Where the need is known, enough is done"
    assert figures.volume(frame.iloc[:1]).title == "Every activity is at or above what the goal needs"
    assert "Thin line" not in figures.volume(frame).note
