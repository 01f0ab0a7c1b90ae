"""The package as it is installed elsewhere: what `workbench batch` needs is inside the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted(path.stem for path in (ROOT / "notebooks" / "reports").glob("*.ipynb"))


def test_an_installed_wheel_finds_its_report_templates(tmp_path: Path) -> None:
    builders = pytest.importorskip("hatchling.builders.wheel", reason="the build backend is not installed")
    wheel = next(builders.WheelBuilder(str(ROOT)).build(directory=str(tmp_path / "dist"), versions=["standard"]))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert TEMPLATES and not (tmp_path / "notebooks").exists()
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from analysis.reporting import template\n"
        "assert template.__file__.startswith(sys.argv[1]), template.__file__\n"
        "print(*(template.read_template(name).name for name in sys.argv[2:]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "site"), *TEMPLATES]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.split() == TEMPLATES, done.stderr


def test_the_checkout_finds_the_same_templates() -> None:
    from analysis.reporting.template import read_template

    for name in TEMPLATES:
        assert read_template(name).text == (ROOT / "notebooks" / "reports" / f"{name}.ipynb").read_text(
            encoding="utf-8"
        )
