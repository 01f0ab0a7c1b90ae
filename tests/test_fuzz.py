"""Any bytes to the readers: seeds that once broke them, and, where atheris is installed, what coverage guidance finds."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fuzz_targets import SEEDS, TARGETS

RUNS = {"export_csv": 8_000, "contract_csv": 200, "config_file": 5_000, "config_value": 5_000}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read_or_refused(name: str, tmp_path: Path):
    for seed in SEEDS[name]:
        TARGETS[name](seed, tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_what_coverage_guidance_finds_is_read_or_refused(name: str, tmp_path: Path):
    """A bounded number of inputs; one that takes longer than ten seconds counts as a hang and fails."""
    if find_spec("atheris") is None:
        pytest.skip("coverage-guided fuzzing needs atheris (pip install atheris)")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"{number:03d}").write_bytes(seed)
    script = Path(__file__).with_name("fuzz_targets.py")
    options = [f"-runs={RUNS[name]}", "-seed=1", "-timeout=10", "-max_len=2000", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, str(script), name, str(corpus), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"Done {RUNS[name]} runs" in done.stderr, done.stderr[-1000:]
