"""Every benchmark in turn, into docs/performance.md's measured part: `make bench` (about 45 minutes on two quiet cores)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
START = "<!-- measured by make bench -->"
ROOMS = {
    "The panel engine": ["benchmarks.engine", "--rounds", "3"],
    "Studies": ["benchmarks.study"],
    "Management": ["benchmarks.management"],
    "Lag scan and forecasts": ["benchmarks.series"],
    "The panel from events, ten million activities": ["benchmarks.panel", "--rows", "10000000"],
    "Reports for many teams": ["benchmarks.batch", "--teams", "12", "--rounds", "5", "--many", "1000"],
}


def measured(page: str) -> dict[str, str]:
    """The measured sections already on the page, by title."""
    sections = page.split(START)[1].split("\n### ")[1:]
    return {section.partition("\n")[0]: f"### {section.strip()}\n" for section in sections}


def main() -> None:
    """Run all, or those named on the command line, and write what they print; sections not run stay as they are."""
    wanted = sys.argv[1:]
    page = PAGE.read_text(encoding="utf-8")
    parts = measured(page)
    for title, command in ROOMS.items():
        if wanted and command[0].split(".")[1] not in wanted:
            continue
        print(f"{title} ...", flush=True)
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
        said = done.stdout.strip() if done.returncode == 0 else f"failed: {done.stderr.strip().splitlines()[-1:]}"
        call = " ".join(command)
        parts[title] = f"### {title}\n\n`python -m {call}`\n\n```\n{said}\n```\n"
    ordered = [parts.pop(title) for title in ROOMS if title in parts] + list(parts.values())
    PAGE.write_text(page.split(START)[0] + START + "\n\n" + "\n".join(ordered), encoding="utf-8")


if __name__ == "__main__":
    main()
