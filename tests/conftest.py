"""Fixtures every test may use."""

import os
from pathlib import Path

# Before anything imports numpy: the package asks for one BLAS thread itself, but only where it is imported first, and with a
# test process on each core more threads wait for each other ten times longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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
