"""JupyterLab on the start page, with this environment's kernel and a data folder handed over.

Nothing of the user's own Jupyter or IPython configuration is read, nothing is asked of the network, and what JupyterLab
writes for itself (settings, workspaces) goes to a temporary folder that is removed when it ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.errors import InputError
from analysis.reporting.places import DATA_VARIABLE

START = Path("notebooks") / "start.ipynb"
PROJECT = Path(__file__).parents[3]
QUIET = (
    "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
NO_NEWS = Path("lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings")


def open_lab(data: Path | None = None, *, arguments: Sequence[str] = ()) -> int:
    """Open JupyterLab and wait until it is closed; returns its exit code.

    data: the folder the notebooks work on, default the demo. arguments: further options of `jupyter lab`, such as
    ``--no-browser``. Raises InputError when the data folder or the notebooks are not there.
    """
    home = notebooks_home()
    folder = None if data is None else data.resolve()
    if folder is not None and not folder.is_dir():
        raise InputError(f"There is no data folder {data}: name one, or leave it out for the demo.")
    with TemporaryDirectory(prefix="workbench-lab-") as own:
        ask_for_no_news(Path(own))
        process = subprocess.Popen(lab_command(home, arguments), cwd=home, env=lab_environment(own, folder))
        return _wait(process)


def ask_for_no_news(own: Path) -> None:
    """Answer JupyterLab's question about its news, with no, in the folder of settings that it will read."""
    answer = own / NO_NEWS
    answer.parent.mkdir(parents=True)
    answer.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8")


def notebooks_home() -> Path:
    """The folder that holds notebooks/: the project's own, else the working directory or one above it."""
    here = Path.cwd()
    for place in (PROJECT, here, *here.parents):
        if (place / START).is_file():
            return place
    raise InputError(f"There is no {START.as_posix()} here or in a folder above: run this in the project's folder.")


def lab_command(home: Path, arguments: Sequence[str] = ()) -> list[str]:
    """The command line of JupyterLab, run by this very Python."""
    # Jupyter refuses the superuser unless told; in a container there is often no other user.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        START.as_posix(),
        f"--ServerApp.root_dir={home}",
        *QUIET,
        *root,
        *arguments,
    ]


def lab_environment(own: str, data: Path | None) -> dict[str, str]:
    """This process's environment with Jupyter's and IPython's folders set to `own`, and the data folder named."""
    places = {"JUPYTER_CONFIG_DIR": own, "IPYTHONDIR": f"{own}/ipython", "JUPYTER_PREFER_ENV_PATH": "1"}
    named = {} if data is None else {DATA_VARIABLE: str(data)}
    return {**os.environ, **places, **named}


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # JupyterLab has heard the same Ctrl-C and asks before it stops
