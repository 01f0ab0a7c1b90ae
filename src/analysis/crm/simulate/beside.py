"""Tables no CRM holds, written beside its export under the contract's names: memberships, absences, coaching, hires ..."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.crm.simulate.export import Csv, constant, day, truth, where, whole

Ids = Callable[[Any], Any]


def write(contract: Path, folder: Path, user: Ids, team: Ids) -> None:
    """Write them with the CRM's own ids of users and teams."""
    _memberships(contract, folder, user, team)
    _absences(contract, folder, user)
    _holidays(contract, folder, team)
    _coaching(contract, folder, user)
    _team_quotas(contract, folder, team)
    _hires(contract, folder, user)


def _memberships(contract: Path, folder: Path, user: Ids, team: Ids) -> None:
    spells = whole(contract, "memberships")
    with Csv(folder / "memberships.csv") as file:
        file.append(
            {
                "rep_id": user(spells["rep_id"]),
                "team_id": team(spells["team_id"]),
                "manager_id": user(spells["manager_id"]),
                "valid_from": day(spells["valid_from"]),
                "valid_to": day(spells["valid_to"]),
            }
        )


def _absences(contract: Path, folder: Path, user: Ids) -> None:
    away = whole(contract, "absences")
    if away.empty:
        return
    with Csv(folder / "absences.csv") as file:
        file.append(
            {"rep_id": user(away["rep_id"]), "from_date": day(away["from_date"]), "to_date": day(away["to_date"])}
        )


def _holidays(contract: Path, folder: Path, team: Ids) -> None:
    closed = whole(contract, "holidays")
    if closed.empty:
        return
    with Csv(folder / "holidays.csv") as file:
        file.append({"date": day(closed["date"]), "team_id": team(closed["team_id"])})


def _coaching(contract: Path, folder: Path, user: Ids) -> None:
    sessions = whole(contract, "coaching")
    if sessions.empty:
        return
    met = pa.array(sessions["focus_met"], pa.bool_(), from_pandas=True)
    with Csv(folder / "coaching.csv") as file:
        file.append(
            {
                "coaching_id": pa.array(sessions["coaching_id"], pa.string()),
                "manager_id": user(sessions["manager_id"]),
                "rep_id": user(sessions["rep_id"]),
                "kind": pa.array(sessions["kind"], pa.string()),
                "occurred_on": day(sessions["occurred_on"]),
                "duration_s": pa.array(sessions["duration_s"], pa.int64()),
                "focus": pa.array(sessions["focus"], pa.string()),
                "focus_met": where(met.is_valid(), truth(met)),
            }
        )


def _team_quotas(contract: Path, folder: Path, team: Ids) -> None:
    """Quotas of teams; those of reps are in the CRM."""
    quotas = whole(contract, "quotas")
    own = quotas[quotas["level"] == "team"]
    if own.empty:
        return
    with Csv(folder / "quotas.csv") as file:
        file.append(
            {
                "owner_id": team(own["owner_id"]),
                "level": constant("team", own),
                "period_start": day(own["period_start"]),
                "period_end": day(own["period_end"]),
                "amount": pa.array(own["amount"], pa.float64()),
            }
        )


def _hires(contract: Path, folder: Path, user: Ids) -> None:
    reps = whole(contract, "reps")
    known: pd.DataFrame = reps[reps["hired_on"].notna() | reps["left_on"].notna()]
    with Csv(folder / "hris.csv") as file:
        file.append(
            {"rep_id": user(known["rep_id"]), "hire_date": day(known["hired_on"]), "leave_date": day(known["left_on"])}
        )
