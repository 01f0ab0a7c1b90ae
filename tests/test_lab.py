"""`workbench lab`: JupyterLab really starts on the start page, asks nothing of the user's own set-up, and is stopped."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.errors import InputError
from analysis.reporting import lab
from analysis.reporting.places import DATA_VARIABLE, data_folder

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from labdesk import ask, free_port, options, wait_for  # noqa: E402 - a tool, not a package


def test_jupyterlab_starts_with_the_notebooks_and_stops(tmp_path):
    port = free_port()
    code = f"import sys; from pathlib import Path; from analysis.reporting.lab import open_lab; sys.exit(open_lab(Path({str(tmp_path)!r}), arguments={options(port)!r}))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "HOME": str(tmp_path)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        assert wait_for(port, process)["kernels"] == 0
        held = json.loads(ask(port, "/api/contents/notebooks"))
        assert "start.ipynb" in {each["name"] for each in held["content"]}
        assert "python3" in json.loads(ask(port, "/api/kernelspecs"))["kernelspecs"]
        assert b"jupyter-config-data" in ask(port, "/lab")
        ask(port, "/api/shutdown", "POST")
        assert process.wait(timeout=60) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_the_exit_code_is_jupyters_own(tmp_path):
    assert lab.open_lab(tmp_path, arguments=["--no-such-option=1", "--version"]) == 0
    assert lab.open_lab(tmp_path, arguments=["--ServerApp.port=no-port"]) != 0


def test_no_configuration_of_the_user_is_read(tmp_path):
    found = lab.lab_environment(str(tmp_path), Path("/data"))
    assert found["JUPYTER_CONFIG_DIR"] == str(tmp_path)
    assert found["IPYTHONDIR"].startswith(str(tmp_path))
    assert found[DATA_VARIABLE] == "/data"
    command = lab.lab_command(tmp_path)
    assert command[:4] == [sys.executable, "-m", "jupyterlab", "notebooks/start.ipynb"]
    assert {"--LabApp.news_url=", "--LabApp.extension_manager=readonly"} <= set(command)


def test_a_data_folder_that_is_none_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no data folder"):
        lab.open_lab(tmp_path / "nowhere")


def test_notebooks_are_found_above_the_working_directory_and_asked_for_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "PROJECT", tmp_path / "installed")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"start\.ipynb"):
        lab.notebooks_home()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "start.ipynb").write_text("{}")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert lab.notebooks_home() == tmp_path


def test_a_notebook_finds_its_data_from_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    (tmp_path / "data" / "demo").mkdir(parents=True)
    (tmp_path / "data" / "own").mkdir()
    (tmp_path / "notebooks" / "research").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "research")
    assert data_folder() == tmp_path / "data" / "demo"
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data" / "own"))
    assert data_folder() == tmp_path / "data" / "own"
    assert data_folder("data/demo") == tmp_path / "data" / "demo"
    with pytest.raises(InputError, match="data/none"):
        data_folder("data/none")
