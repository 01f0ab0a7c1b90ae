"""The pages in a real browser: nothing runs, nothing is fetched, everybody can read them."""

import re
import shutil
from pathlib import Path

import company_samples as company
import pytest
import report_samples as samples
import test_index

from analysis.reporting import index, mail
from analysis.reporting.page import PageExporter

pytestmark = pytest.mark.browser
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
COMPANY = ("leadership", "alignment")
REPORTS = ("report", "team", "team-thin", *COMPANY)
PAGES = (*REPORTS, "report-hostile", "report-foreign", "index", "mail", "data-health")


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium; skipped with a message where there is none."""
    path = Path("/usr/bin/chromium")
    found = str(path) if path.exists() else shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium: install Debian's package `chromium` to test the pages in a real browser")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every kind of page as a file."""
    home = tmp_path_factory.mktemp("pages")
    exporter = PageExporter()
    hostile, foreign = samples.HOSTILE, samples.FOREIGN
    entries = [
        *test_index.ENTRIES,
        *(index.Entry(f"n{i}", n, "failed", note=n) for i, n in enumerate(hostile + foreign)),
    ]
    made = {
        "report": exporter.export(samples.notebook()),
        "report-hostile": exporter.export(samples.notebook(hostile[0], hostile)),
        "report-foreign": exporter.export(samples.notebook(foreign[0], foreign)),
        "index": index.page(entries, also=[("Leadership report", "company/report.html", "")]),
        "mail": mail.mail(test_index.summary(hostile[0]), "report.html").html,
    }
    strange = company.renamed("whole", [*hostile[:3], *foreign[:2], foreign[-1]], home / "pack")
    for name in COMPANY:
        made[name] = exporter.export(company.carried_out(f"reports/{name}_report", f"pack = {str(strange)!r}"))
    for name, kind in (("team", "whole"), ("team-thin", "two reps")):
        made[name] = exporter.export(company.carried_out("reports/team_report", f"data = {str(company.data(kind))!r}"))
    made["data-health"] = exporter.export(
        company.carried_out("research/1_data_health", f"data = {str(company.data('whole'))!r}")
    )
    for name, html in made.items():
        (home / f"{name}.html").write_text(html, encoding="utf-8")
    return home


class Visit:
    """A page opened with everything it says and asks for written down."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"file://{path}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_said_asked_for_or_run(browser, folder, name):
    with Visit(browser, folder / f"{name}.html") as visit:
        assert visit.said == []
        assert [url for url in visit.asked if not url.startswith("data:")] == [f"file://{folder}/{name}.html"]
        assert visit.page.evaluate("document.scripts.length") == 0
        assert visit.page.title() != "taken"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_violation_of_accessibility_rules(browser, folder, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with Visit(browser, folder / f"{name}.html", color_scheme=scheme, bypass_csp=True) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = axe.Axe().run(visit.page).response["violations"]
        assert [(v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found] == []


def test_those_rules_can_fail(browser, folder):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    bad = (folder / "report.html").read_text().replace('role="img" aria-label', 'role="img" data-label')
    (folder / "bad.html").write_text(bad.replace("--mute:#586273", "--mute:#a0a0a0"))
    with Visit(browser, folder / "bad.html", bypass_csp=True) as visit:
        found = {v["id"] for v in axe.Axe().run(visit.page).response["violations"]}
        assert {"svg-img-alt", "color-contrast"} <= found


@pytest.mark.parametrize(
    "view",
    [{"viewport": {"width": 390, "height": 844}}, {"viewport": {"width": 320, "height": 640}},
     {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}],
    ids=["phone", "small phone", "zoom 200 %"],
)  # fmt: skip
@pytest.mark.parametrize("name", PAGES)
def test_narrow_and_zoomed_pages_do_not_scroll_sideways(browser, folder, name, view):
    with Visit(browser, folder / f"{name}.html", **view) as visit:
        wide = visit.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_light(folder, name):
    assert (folder / f"{name}.html").stat().st_size < 150_000


@pytest.mark.parametrize("name", [*REPORTS, "index", "data-health"])
def test_the_keyboard_is_enough(browser, folder, name):
    with Visit(browser, folder / f"{name}.html") as visit:
        page = visit.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == ("teams" if name == "index" else "report")
        summary = page.locator("summary").first
        if not summary.count():
            return  # nothing is folded away
        summary.focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.querySelector('details').open")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


@pytest.mark.parametrize("name", PAGES)
def test_every_link_and_scrolling_table_can_be_reached(browser, folder, name):
    with Visit(browser, folder / f"{name}.html") as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        wanted = visit.page.evaluate("document.querySelectorAll('a, summary, .table .scroll').length")
        reached = set()
        for _ in range(wanted + 5):
            visit.page.keyboard.press("Tab")
            reached.add(visit.page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        assert len(reached) >= wanted


def test_the_filter_of_the_index_needs_no_script(browser, folder):
    with Visit(browser, folder / "index.html") as visit:
        shown = "[...document.querySelectorAll('tbody tr')].filter(r => r.offsetParent !== null).map(r => r.className)"
        assert len(visit.page.evaluate(shown)) > 6
        visit.page.locator("#f-behind").check()
        assert visit.page.evaluate(shown) == ["behind", "behind"]
        visit.page.locator(".find summary").click()
        visit.page.locator(".find a", has_text="Zeta").click()
        assert visit.page.url.endswith("#t-zeta")


def test_an_injected_script_is_blocked(browser, folder):
    attack = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    html = (folder / "report.html").read_text()
    (folder / "attacked.html").write_text(html.replace("</main>", attack + "</main>"))
    with Visit(browser, folder / "attacked.html") as visit:
        visit.page.wait_for_timeout(200)
        assert visit.page.title() == "North & Baltics: what predicts revenue"
        assert any("Content Security Policy" in line for line in visit.said)
    without = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    (folder / "open.html").write_text(without.replace("</main>", attack + "</main>"))
    with Visit(browser, folder / "open.html") as visit:
        visit.page.wait_for_timeout(200)
        assert visit.page.title() == "taken"  # the attack is real: only the policy stops it


@pytest.mark.parametrize("name", ["report-hostile", "index", *COMPANY])
def test_hostile_names_stay_text_without_the_policy(browser, folder, name):
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", (folder / f"{name}.html").read_text())
    (folder / f"{name}-open.html").write_text(html)
    with Visit(browser, folder / f"{name}-open.html") as visit:
        visit.page.wait_for_timeout(200)
        assert visit.page.title() != "taken"
        assert visit.page.evaluate("document.scripts.length + document.images.length") == 0
        assert len(visit.asked) == 1


def test_print_shows_what_screens_fold_away(browser, folder, tmp_path):
    import pypdf

    with Visit(browser, folder / "report.html") as visit:
        visit.page.emulate_media(media="print")
        visit.page.pdf(path=str(tmp_path / "print.pdf"), format="A4")
    text = "".join(p.extract_text() for p in pypdf.PdfReader(tmp_path / "print.pdf").pages)
    assert "Forecasts of weeks not yet seen" in text
    assert "182,000" in text


PAPER = {"viewport": {"width": 680, "height": 1000}}  # A4 without its margins, CSS pixels
BEYOND = """[...document.querySelectorAll('table, .tiles li, .card, .answer')].map(e => {
  const room = (e.closest('.group > div') || document.querySelector('main')).getBoundingClientRect();
  const own = e.getBoundingClientRect();
  return own.width && own.right > room.right + 1 ? e.innerText.slice(0, 60) : '';
}).filter(Boolean)"""


@pytest.mark.parametrize("name", [*REPORTS, "report-hostile", "report-foreign", "index", "data-health"])
def test_on_paper_nothing_runs_into_its_neighbour(browser, folder, name):
    with Visit(browser, folder / f"{name}.html", **PAPER) as visit:
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate(BEYOND) == []
        hidden = visit.page.evaluate("[...document.querySelectorAll('.orders, .filters, .find, .contents, summary')]"
                                     ".filter(e => e.offsetParent !== null).length")  # fmt: skip
        assert hidden == 0


def test_dark_pages_have_no_white_boxes(browser, folder):
    from io import BytesIO

    from PIL import Image

    with Visit(browser, folder / "report.html", color_scheme="dark") as visit:
        picture = Image.open(BytesIO(visit.page.screenshot(full_page=True))).convert("L")
    light = sum(picture.histogram()[200:]) / (picture.width * picture.height)
    assert light < 0.06
