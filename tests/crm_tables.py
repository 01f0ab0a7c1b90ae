"""Small data folders for tests: a company one can check by hand, written as CSV or parquet."""

from pathlib import Path

import numpy as np
import pandas as pd

DATES = {
    "hired_on",
    "left_on",
    "occurred_on",
    "created_on",
    "closed_on",
    "valid_from",
    "valid_to",
    "from_date",
    "to_date",
}
DATES |= {"date", "period_start", "period_end", "invoiced_on", "paid_on"}
INSTANTS = {"occurred_at", "logged_at", "changed_at", "created_at", "qualified_at", "handed_off_at", "first_touch_at"}


def reps(count: int = 4, teams: int = 2) -> pd.DataFrame:
    """Reps 007, 008, ... spread over teams a, b, ..."""
    return pd.DataFrame(
        {"rep_id": [f"{7 + i:03d}" for i in range(count)], "team_id": [chr(97 + i % teams) for i in range(count)]}
    )


def activities(rows: list[tuple], columns: str = "rep_id kind occurred_on") -> pd.DataFrame:
    """Activities a0, a1, ... with the columns named."""
    frame = pd.DataFrame(rows, columns=columns.split())
    frame.insert(0, "activity_id", [f"a{i}" for i in range(len(frame))])
    return frame


def opportunities(rows: list[tuple], columns: str = "rep_id created_on status closed_on amount") -> pd.DataFrame:
    """Deals o0, o1, ... in stage `s`."""
    frame = pd.DataFrame(rows, columns=columns.split())
    frame.insert(0, "opportunity_id", [f"o{i}" for i in range(len(frame))])
    return frame.assign(stage="s")


def write(folder: Path, form: str = "csv", **tables: pd.DataFrame) -> Path:
    """Write tables into the folder, dates as dates and instants as UTC instants where the form knows types."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if form == "csv":
            table.to_csv(folder / f"{name}.csv", index=False)
        else:
            _typed(table).to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    typed = {name: pd.to_datetime(table[name]).dt.date for name in table if name in DATES}
    typed |= {name: pd.to_datetime(table[name], utc=True) for name in table if name in INSTANTS}
    return table.assign(**typed)


def company(folder: Path, form: str = "csv", seed: int = 0, **more: pd.DataFrame) -> Path:
    """A plausible small company: 4 reps, 2 teams, 26 weeks from Monday 2024-01-01; `more` replaces or adds tables."""
    rng = np.random.default_rng(seed)
    people = reps()
    days = pd.date_range("2024-01-01", periods=26 * 7 - 2).strftime("%Y-%m-%d").to_numpy()
    n, m = 800, 60
    acts = activities(
        list(zip(rng.choice(people["rep_id"], n), rng.choice(["call", "email"], n), rng.choice(days, n), strict=True))
    ).assign(
        duration_s=pd.array(rng.integers(0, 900, n), dtype="Int64").copy(),
        account_id=rng.choice([f"c{i}" for i in range(30)], n),
        is_meaningful=rng.random(n) < 0.3,
    )
    created, length = rng.integers(0, 100, m), rng.integers(1, 70, m)
    status = rng.choice(["open", "won", "lost"], m)
    closed = np.where(status == "open", None, days[created + length])
    deals = opportunities(
        list(
            zip(
                rng.choice(people["rep_id"], m),
                days[created],
                status,
                closed,
                rng.integers(1, 99, m) * 100.0,
                strict=True,
            )
        )
    )
    teams = pd.DataFrame({"team_id": ["a", "b"], "name": ["North", "South"], "currency": ["EUR", "EUR"]})
    tables = {"reps": people, "teams": teams, "activities": acts, "opportunities": deals, **more}
    return write(folder, form, **tables)
