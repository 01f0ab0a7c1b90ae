"""Fixtures every test may use."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data sets with published numbers beside the checkout; tests that need them skip without."""
    folder = ROOT.parent / "shared"
    if not (folder / "truth" / "cases.json").exists():
        pytest.skip("the reference folder shared/ is not beside this checkout")
    return folder
