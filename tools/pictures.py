"""Make the pictures of README.md and docs/ from the demo's own reports: `make reports`, then `make pictures`.

Drawings are taken out of the executed notebooks as SVG; pages, and JupyterLab with an executed research notebook, are
photographed by Debian's chromium where it is installed. Nothing is drawn by hand, so a picture always shows what the
present code makes. Each is kept small by reducing its colours.
"""

import argparse
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labdesk import choose, run_all, served
from PIL import Image

from analysis.reporting.blocks import MIME
from analysis.reporting.svg import checked, standalone
from analysis.reporting.theme import LIGHT

ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
NOTEBOOK = Path("notebooks/research/4_what_predicts_revenue.ipynb")
ANSWER = "The answer"
COLOURS = 224
WANTED = {"effects": "change in revenue per extra", "delay": "after the activity", "funnel": "Deals still open"}


def main() -> int:
    """Write the pictures; 2 when there are no reports to take them from."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=Path("reports/demo"), help="folder of a finished batch")
    parser.add_argument("out", nargs="?", type=Path, default=Path("docs/pictures"), help="where the pictures go")
    parser.add_argument("--data", type=Path, default=Path("data/demo"), help="what JupyterLab is opened on")
    chosen = parser.parse_args()
    manifest = chosen.run / "manifest.json"
    if not manifest.exists():
        print(f"{chosen.run} holds no finished batch; run `make reports` first", file=sys.stderr)
        return 2
    chosen.out.mkdir(parents=True, exist_ok=True)
    slug = best_team(chosen.run, json.loads(manifest.read_text(encoding="utf-8")))
    for name in drawings(chosen.run / slug / "report.ipynb", chosen.out):
        print(chosen.out / name)
    if found_chromium() is None:
        print("no chromium: pages are not photographed", file=sys.stderr)
        return 0
    for name in photographs(chosen.run, slug, chosen.out):
        print(chosen.out / name)
    for name in photograph_of_lab(NOTEBOOK, chosen.data, chosen.out):
        print(chosen.out / name)
    return 0


def best_team(run: Path, manifest: dict[str, Any]) -> str:
    """The team whose report claims most; of equals the first by name."""
    made = [team for team in manifest["teams"] if team["status"] in ("done", "unchanged")]
    if not made:
        raise SystemExit(f"{run}: no team has a report")

    def claims(team: dict[str, Any]) -> int:
        return int(json.loads((run / team["slug"] / "summary.json").read_text(encoding="utf-8"))["claims"])

    return str(min(made, key=lambda team: (-claims(team), team["name"]))["slug"])


def drawings(notebook: Path, out: Path) -> Iterator[str]:
    """The wanted figures of a report as files of their own, on white."""
    found = list(figures(json.loads(notebook.read_text(encoding="utf-8"))))
    for name, sign in WANTED.items():
        figure = next((f for f in found if sign in f["svg"] or sign in f["note"]), None)
        if figure is not None:
            (out / f"{name}.svg").write_text(on_paper(figure["svg"]), encoding="utf-8")
            yield f"{name}.svg"


def figures(nb: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every figure block a notebook displays, also those in groups."""
    for cell in nb["cells"]:
        for output in cell.get("outputs", ()):
            block = (output.get("data") or {}).get(MIME)
            if block:
                yield from (
                    b for b in (block, *block.get("items", ())) if isinstance(b, dict) and b.get("block") == "figure"
                )


def on_paper(svg: str) -> str:
    """A drawing that can be seen on any background."""
    alone = standalone(checked(svg), "'DejaVu Sans',Verdana,sans-serif")
    return alone.replace("</style>", f'</style><rect width="100%" height="100%" style="fill:{LIGHT["paper"]}"/>', 1)


def photographs(run: Path, slug: str, out: Path) -> Iterator[str]:
    """Index and reports as a reader sees them: light, dark and on a phone."""
    views = {
        "index": ("index.html", 1100, 900, "light"),
        "report": (f"{slug}/report.html", 1100, 1250, "light"),
        "report-dark": (f"{slug}/report.html", 1100, 1250, "dark"),
        "report-phone": (f"{slug}/report.html", 390, 1400, "light"),
    }
    for row in json.loads((run / "manifest.json").read_text(encoding="utf-8"))["company"]:
        if row["status"] in ("done", "unchanged"):
            name = row["slug"].rpartition("/")[2]
            views[name] = (f"{row['slug']}/report.html", 1100, 1250, "light")
    with chromium() as browser:
        for name, (file, width, height, scheme) in views.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto((run / file).resolve().as_uri())
            keep(page.screenshot(), out / f"{name}.png")
            page.close()
            yield f"{name}.png"


def photograph_of_lab(notebook: Path, data: Path, out: Path) -> Iterator[str]:
    """JupyterLab with a research notebook run through its menu, at its answer."""
    with tempfile.TemporaryDirectory() as own:
        home = Path(own)
        shutil.copytree(notebook.parents[1], home / "notebooks")
        with served(home, data.resolve()) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            run_all(page, address, f"notebooks/research/{notebook.name}")
            choose(page, "View", "File Browser")  # which it hides
            for _ in range(2):  # cells out of sight take their height only when they are first seen
                page.locator("h2", has_text=ANSWER).evaluate("heading => heading.scrollIntoView({block: 'start'})")
                page.wait_for_timeout(1000)
            keep(page.screenshot(), out / "lab.png")
            yield "lab.png"


@contextmanager
def chromium() -> Iterator[Any]:
    """Debian's chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


def found_chromium() -> str | None:
    """Where it is installed; None where it is not."""
    path = Path("/usr/bin/chromium")
    return str(path) if path.exists() else shutil.which("chromium")


def keep(picture: bytes, path: Path) -> None:
    """Write a photograph with as many colours as a page has, not as a camera has."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(colors=COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
