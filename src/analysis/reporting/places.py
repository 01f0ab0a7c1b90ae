"""Where the data of a notebook lie: JupyterLab starts a notebook in its own folder, a terminal anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from analysis.errors import InputError

DATA_VARIABLE = "WORKBENCH_DATA"  # set by `workbench lab DATA`
DEMO = "data/demo"


def data_folder(data: str = "") -> Path:
    """The data folder a notebook works on.

    data: a path, looked for from the working directory upwards. Empty: the folder `workbench lab` was opened with,
    else the demo. Raises InputError when there is no such folder, with the command that makes the demo.
    """
    wanted = data or os.environ.get(DATA_VARIABLE, "") or DEMO
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / wanted).is_dir():
            return place / wanted
    remedy = "run `workbench simulate data/demo`" if wanted == DEMO else "check `data` in the parameters cell"
    raise InputError(f"There is no data folder {wanted} here or in a folder above: {remedy}.")
