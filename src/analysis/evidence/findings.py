"""The findings table: one row per scope and activity, the study's result in the form that others read.

Its columns are a stable interface, which `COLUMNS` states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import DataError
from analysis.words import spreadsheet_text

COLUMNS = (
    "scope",
    "team_id",
    "activity",
    "outcome",
    "n_reps",
    "n_weeks",
    "n_wins",
    "effective_clusters",
    "lag_from",
    "lag_to",
    "effect",
    "conf_low",
    "conf_high",
    "effect_relative",
    "relative_low",
    "relative_high",
    "p_value",
    "q_value",
    "mean_lag_weeks",
    "placebo_p",
    "reverse_p",
    "oos_gain",
    "oos_p",
    "mde_relative",
    "own_share",
    "grade",
    "reason",
    "sentence",
)
"""In order; texts/*.toml has the unit and the meaning of each under codebook.findings."""

INTEGERS = ("n_reps", "n_weeks", "n_wins", "lag_from", "lag_to")
TEXTS = ("scope", "team_id", "activity", "outcome", "grade", "reason", "sentence")


def tabulate(rows: Sequence[Mapping[Any, Any]]) -> pd.DataFrame:
    """Rows as the findings table: these columns, this order, these types; numbers unrounded."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in COLUMNS:
        if name in INTEGERS:
            table[name] = table[name].astype("Int64")
        elif name in TEXTS:
            table[name] = table[name].astype("object").fillna("").astype("str")
        else:
            table[name] = table[name].astype("float64")
    return table


def findings_csv(findings: pd.DataFrame) -> bytes:
    """findings.csv: the table's own headings, unrounded numbers; text that a spreadsheet would run is quoted."""
    texts = {name: findings[name].map(spreadsheet_text) for name in findings.columns if findings[name].dtype == "str"}
    return findings.assign(**texts).to_csv(index=False, lineterminator="\n").encode()


def read_findings(path: Path) -> pd.DataFrame:
    """findings.parquet or findings.csv as written. Raises DataError when it is not a findings table."""
    texts = dict.fromkeys(TEXTS, "str")
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(
            path, dtype=texts, keep_default_na=False, na_values={c: [""] for c in COLUMNS if c not in TEXTS}
        )
    if missing := sorted(set(COLUMNS) - set(table.columns)):
        raise DataError(
            f"{path}: not a findings table, {', '.join(missing)} missing; write it again with `workbench study`."
        )
    return tabulate(table.to_dict("records"))
