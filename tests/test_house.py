"""The house: its files agree with each other, its floors hold, and the repository holds only what belongs there."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib

import pytest


def load_tool(root, name):
    spec = importlib.util.spec_from_file_location(name, root / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def texts(root):
    return {
        name: (root / name).read_text()
        for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock", "environment.yml")
    }


def tracked(root):
    listing = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / line for line in listing.splitlines() if (root / line).is_file()]


def test_environment_yml_is_what_pyproject_and_the_lock_say(root, texts):
    tool = load_tool(root, "environment")
    assert texts["environment.yml"] == tool.environment(texts["pyproject.toml"], texts["requirements.lock"])


def test_a_changed_pin_is_seen(root, texts):
    tool = load_tool(root, "environment")
    other = re.sub(r"^pandas==\S+", "pandas==3.0.0", texts["requirements.lock"], flags=re.MULTILINE)
    assert other != texts["requirements.lock"]
    assert texts["environment.yml"] != tool.environment(texts["pyproject.toml"], other)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_requirement_is_locked_within_its_bounds_and_hashed(root, texts, lock):
    from packaging.requirements import Requirement

    pins = load_tool(root, "environment").locked(texts[lock])
    project = tomllib.loads(texts["pyproject.toml"])
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    if lock == "requirements-dev.lock":
        wanted += project["dependency-groups"]["dev"]
        wanted += [line for extra in project["project"]["optional-dependencies"].values() for line in extra]
    for line in wanted:
        need = Requirement(line)
        for pin in pins[need.name.lower()]:
            version = pin.split("==")[1].split(" ")[0]
            assert need.specifier.contains(version, prereleases=True), f"{pin} against {line}"
    assert texts[lock].count("--hash=sha256:") >= sum(map(len, pins.values()))


def test_the_development_lock_holds_the_same_versions_as_the_run_time_lock(root, texts):
    locked = load_tool(root, "environment").locked
    run_time, development = locked(texts["requirements.lock"]), locked(texts["requirements-dev.lock"])
    differing = {
        name
        for name in run_time
        if {p.split(" ")[0] for p in run_time[name]} - {p.split(" ")[0] for p in development.get(name, [])}
    }
    assert not differing


def test_locks_name_no_address(texts):
    for name in ("requirements.lock", "requirements-dev.lock", "environment.yml"):
        assert not re.search(r"[a-z]+://|--index|--find-links|-f ", texts[name]), name


def test_import_floors_hold(root):
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_outgrows_its_room(root):
    too_long = {
        str(p.relative_to(root)): n for p in (root / "src").rglob("*.py") if (n := p.read_text().count("\n")) > 400
    }
    assert not too_long


def test_notebooks_are_stripped_documents(root):
    import ast

    for path in tracked(root):
        if path.suffix != ".ipynb":
            continue
        cells = json.loads(path.read_text())["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        assert not any(c.get("outputs") or c.get("execution_count") for c in cells), f"{path.name} holds outputs"
        assert "".join(cells[0]["source"]).startswith("# "), f"{path.name} starts with its question"
        assert max(len(source.splitlines()) for source in code) <= 12, f"{path.name} has a long cell"
        nodes = [
            node for source in code for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)))
        ]
        assert not any(isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.For)) for node in nodes), (
            f"{path.name} defines things"
        )


def test_nothing_of_this_machine_is_written_down(root):
    registry = re.compile(r"pypi\.org/simple|files\.python" + r"hosted|registry\.npm" + r"js")
    place = re.compile(r"(?<![\w.])/(work|farm|root)" + "/")
    for path in tracked(root):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        assert not registry.search(text) and not place.search(text), path
        assert path.stat().st_size < 2_000_000, f"{path} is too large for a repository"
