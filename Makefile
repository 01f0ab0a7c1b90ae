# Everything a user needs: `make reports` and `make test` on a bare machine with python3 (3.11+), pip, git and make.
# Nothing outside this folder is touched: uv goes to .tools/, the packages to .venv/.
PYTHON ?= python3
UV_VERSION := 0.13.9
export UV_PYTHON_DOWNLOADS := never
export PYTHONDONTWRITEBYTECODE :=
UV := .tools/bin/uv
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup dev reports test lint types lab calibrate bench lock pictures clean

help:
	@echo "make reports    simulate the demo company and render every team's report into reports/demo/"
	@echo "make test       set up the developer's environment and run all fast tests"
	@echo "make lab        open JupyterLab with the notebooks, the kernel and the demo data ready"
	@echo "make calibrate  slow Monte Carlo: false claims, coverage and power into docs/calibration.md"
	@echo "make bench      speed and memory against the peers into docs/performance.md"
	@echo "make lock       rebuild the locks after a change in pyproject.toml"

$(UV):
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; this is %d.%d. Name one: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools "uv==$(UV_VERSION)"

# A stamp per lock: a second run sees that nothing has changed and starts at once.
.venv/.runtime: $(UV) requirements.lock pyproject.toml
	test -x $(BIN)/python || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .venv
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode -r requirements-dev.lock
	touch $@

setup: .venv/.runtime
dev: .venv/.dev

data/demo/reps.parquet: .venv/.runtime
	$(BIN)/workbench simulate data/demo --world demo

reports: data/demo/reps.parquet
	$(BIN)/workbench batch data/demo --out reports/demo

lab: data/demo/reps.parquet
	$(BIN)/workbench lab data/demo

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.dev
	$(BIN)/mypy

test: lint types
	$(BIN)/pytest

calibrate: .venv/.dev
	$(BIN)/python tools/calibrate.py

bench: .venv/.dev
	$(BIN)/python -m benchmarks

pictures: .venv/.dev
	$(BIN)/python tools/pictures.py

lock: $(UV)
	tools/lock.sh

clean:
	rm -rf .venv .tools data/demo reports/demo
