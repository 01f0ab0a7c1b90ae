#!/usr/bin/env bash
# Rebuild both locks from pyproject.toml: `make lock`. Universal (Linux, macOS, Windows; 3.11-3.13), hashed, and free of any address.
# The extra `spark` is left out: nobody who runs `make test` should have to fetch a Spark.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.tools/bin/uv}
common=(--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet "$@")
"$uv" pip compile pyproject.toml --group build "${common[@]}" -o requirements.lock > /dev/null
"$uv" pip compile pyproject.toml --group build --group dev --extra cluster --extra warehouse -c requirements.lock "${common[@]}" -o requirements-dev.lock > /dev/null
"${PYTHON:-python3}" tools/environment.py
