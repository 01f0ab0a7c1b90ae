"""The company as a HubSpot landing in the shape Fivetran gives it: engagements, deals and the tables that link them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.crm.simulate import beside, configs, export
from analysis.crm.simulate.deal_owners import passed_on
from analysis.crm.simulate.export import (
    SLOT_MINUTES,
    Csv,
    batches,
    constant,
    hubspot_id,
    truth,
    utc,
    where,
    whole,
    words,
)

OWNER, USER, TEAM, CALL, DEAL, COMPANY, CONTACT, LEAD = 1, 2, 3, 4, 5, 6, 7, 8
DISPOSITIONS = {
    "connected": "f240bbac-87c9-4f6e-bf70-924b57d47db7",
    "voicemail": "b2cf5968-551e-4856-9783-52b3da59a7d0",
    "no_answer": "73a0d17f-1163-4015-bdd5-ec830791da20",
    "busy": "9d9162e7-6cf3-4944-bf63-4dff82258764",
    "wrong_number": "17b47fee-58de-441e-a44c-c6300d46f273",
}
STAGES = {
    "qualification": "appointmentscheduled",
    "discovery": "qualifiedtobuy",
    "proposal": "presentationscheduled",
    "negotiation": "contractsent",
    "won": "closedwon",
    "lost": "closedlost",
}
CHANCES = {"qualification": 0.15, "discovery": 0.22, "proposal": 0.4, "negotiation": 0.6, "won": 1.0, "lost": 0.0}
SOURCES = {"inbound": "ORGANIC_SEARCH", "outbound": "OFFLINE", "partner": "REFERRALS", "referral": "DIRECT_TRAFFIC"}
LEAD_SOURCES = {name: name.upper() for name in ("website", "webinar", "event", "content", "partner")}
FEEDBACK = {"accepted": "CONNECTED", "rejected": "UNQUALIFIED", "recycled": "NURTURE"}
LEVELS = {"vp_or_above": "VP Operations", "manager": "Purchasing Manager", "user": "Engineer", "unknown": ""}


def write(contract: Path, out: Path, as_of: str) -> None:
    """Write export/*.csv, import.toml and teams/*.toml into `out` from a folder of contract tables."""
    folder = out / "export"
    folder.mkdir()
    owners = passed_on(whole(contract, "reps"), whole(contract, "opportunities"))
    _engagements(contract, folder)
    _contacts(contract, folder)
    _deals(contract, folder, owners)
    _stage_history(contract, folder)
    _people(contract, folder)
    _leads(contract, folder)
    _goals_and_splits(contract, folder)
    beside.write(contract, folder, owner, team)
    teams = whole(contract, "teams")
    export.team_files(out, teams, team(teams["team_id"]).to_pylist())
    (out / "import.toml").write_text(_configuration(contract, as_of), encoding="utf-8")


def owner(ids: Any) -> Any:
    """Owner ids of reps (R...) and managers (M...)."""
    text = pc.cast(export.plain(ids), pa.string())
    return where(pc.starts_with(text, "M"), hubspot_id(9, text), hubspot_id(OWNER, text))


def team(ids: Any) -> Any:
    """Team ids."""
    return hubspot_id(TEAM, ids)


def _engagements(contract: Path, folder: Path) -> None:
    files = {
        name: Csv(folder / f"engagement_{name}.csv")
        for name in ("call", "email", "meeting", "task", "deal", "company", "contact")
    }
    try:
        for rows in batches(contract, "activities"):
            kind = rows["kind"]
            call, email, task = (rows.filter(pc.equal(kind, name)) for name in ("call", "email", "proposal"))
            meeting = rows.filter(pc.invert(pc.is_in(kind, pa.array(["call", "email", "proposal"]))))
            files["call"].append(_common(call, "CALL") | _call(call))
            files["email"].append(_common(email, "EMAIL") | _email(email))
            files["task"].append(_common(task, "TASK") | _task(task))
            files["meeting"].append(_common(meeting, "MEETING") | _meeting(meeting))
            files["deal"].append(_link(rows, "deal_id", hubspot_id(DEAL, rows["opportunity_id"])))
            files["company"].append(_link(rows, "company_id", hubspot_id(COMPANY, rows["account_id"])))
            files["contact"].append(_link(rows, "contact_id", _contact(rows["account_id"], rows["contact_level"])))
    finally:
        for file in files.values():
            file.close()


def _common(rows: Any, kind: str) -> dict[str, Any]:
    source = words(rows["origin"], {"human": "CRM_UI", "sequence": "SEQUENCE", "bulk": "IMPORT"})
    return {
        "engagement_id": hubspot_id(CALL, rows["activity_id"]),
        "type": constant(kind, rows),
        "property_hs_timestamp": utc(rows["occurred_at"]),
        "property_hs_createdate": utc(rows["logged_at"]),
        "property_hubspot_owner_id": owner(rows["rep_id"]),
        "property_hs_engagement_source": source,
    }


def _call(rows: Any) -> dict[str, Any]:
    return {
        "property_hs_call_duration": pc.multiply(rows["duration_s"], 1000),
        "property_hs_call_disposition": words(rows["outcome"], DISPOSITIONS),
        "property_hs_call_direction": words(rows["direction"], {"out": "OUTBOUND", "in": "INBOUND"}),
        "property_hs_call_status": constant("COMPLETED", rows),
    }


def _email(rows: Any) -> dict[str, Any]:
    return {
        "property_hs_email_direction": words(rows["direction"], {"out": "EMAIL", "in": "INCOMING_EMAIL"}),
        "property_hs_email_status": where(pc.equal(rows["outcome"], "bounced"), "BOUNCED", "SENT"),
        "property_hs_email_sent_via": where(pc.equal(rows["origin"], "sequence"), "SEQUENCE"),
    }


def _task(rows: Any) -> dict[str, Any]:
    return {
        "property_hs_task_type": constant("TODO", rows),
        "property_hs_task_subject": constant("Proposal", rows),
        "property_hs_task_status": constant("COMPLETED", rows),
        "property_hs_task_completion_date": utc(rows["occurred_at"]),
    }


def _meeting(rows: Any) -> dict[str, Any]:
    end = pc.add(rows["occurred_at"], pa.scalar(SLOT_MINUTES * 60_000_000, pa.duration("us")))
    outcome = where(pc.equal(rows["outcome"], "no_show"), "NO_SHOW", "COMPLETED")
    outcome = where(pc.equal(rows["status"], "cancelled"), "CANCELED", outcome)
    return {
        "property_hs_activity_type": words(rows["kind"], _types(rows)),
        "property_hs_meeting_start_time": utc(rows["occurred_at"]),
        "property_hs_meeting_end_time": utc(end),
        "property_hs_meeting_outcome": where(pc.equal(rows["status"], "planned"), "SCHEDULED", outcome),
    }


def _types(rows: Any) -> dict[str, str]:
    return {kind: kind.replace("_", " ").title() for kind in pc.unique(rows["kind"]).to_pylist()}


def _link(rows: Any, column: str, target: Any) -> dict[str, Any]:
    table = pa.table({"engagement_id": hubspot_id(CALL, rows["activity_id"]), column: target})
    known = table.filter(pc.is_valid(table[column]))
    return {name: known[name] for name in known.column_names}


def _contact(accounts: Any, levels: Any) -> Any:
    """Four contacts a company, one a level of seniority."""
    number = words(levels, {level: str(place + 1) for place, level in enumerate(LEVELS)})
    return pc.binary_join_element_wise(str(CONTACT), number, pc.utf8_lpad(export.digits(accounts), 9, "0"), "")


def _contacts(contract: Path, folder: Path) -> None:
    accounts = export.account_ids(contract)
    with Csv(folder / "contact.csv") as file:
        for level, title in LEVELS.items():
            file.append(
                {
                    "id": _contact(accounts, constant(level, accounts)),
                    "property_jobtitle": constant(title or None, accounts),
                }
            )


def _deals(contract: Path, folder: Path, owners: pd.DataFrame) -> None:
    created, now = export.created_at(contract), owners.set_index("opportunity_id")["new"]
    with Csv(folder / "deal.csv") as file, Csv(folder / "deal_company.csv") as links:
        for rows in batches(contract, "opportunities"):
            ids = rows["opportunity_id"].to_pandas()
            deal = hubspot_id(DEAL, rows["opportunity_id"])
            file.append(
                {
                    "deal_id": deal,
                    "deal_pipeline_id": constant("default", rows),
                    "deal_pipeline_stage_id": words(rows["stage"], STAGES),
                    "owner_id": owner(ids.map(now).fillna(rows["rep_id"].to_pandas())),
                    "is_deleted": constant("false", rows),
                    "property_dealname": pc.binary_join_element_wise("Deal", rows["opportunity_id"], " "),
                    "property_amount": rows["amount"],
                    "property_list_amount": rows["list_amount"],
                    "property_units": rows["units"],
                    "property_margin": rows["margin"],
                    "property_closedate": utc(rows["closed_on"]),
                    "property_createdate": utc(ids.map(created)),
                    "property_deal_currency_code": constant("EUR", rows),
                    "property_hs_deal_stage_probability": rows["probability"],
                    "property_hs_analytics_source": words(rows["source"], SOURCES),
                }
            )
            links.append({"deal_id": deal, "company_id": hubspot_id(COMPANY, rows["account_id"])})
    _owner_history(contract, folder, owners)


def _owner_history(contract: Path, folder: Path, owners: pd.DataFrame) -> None:
    """Who owned the deals that were passed on, from their creation on."""
    if owners.empty:
        return
    first = owners["opportunity_id"].map(export.created_at(contract))
    when = pd.concat([first, owners["on"].dt.tz_localize("UTC")], ignore_index=True)
    with Csv(folder / "deal_property_history.csv") as file:
        file.append(
            {
                "deal_id": hubspot_id(DEAL, pd.concat([owners["opportunity_id"]] * 2, ignore_index=True)),
                "name": constant("hubspot_owner_id", when),
                "timestamp": utc(when),
                "source": constant("CRM_UI", when),
                "value": owner(pd.concat([owners["old"], owners["new"]], ignore_index=True)),
            }
        )


def _stage_history(contract: Path, folder: Path) -> None:
    with Csv(folder / "deal_stage.csv") as file:
        for rows in batches(contract, "stage_changes"):
            file.append(
                {
                    "deal_id": hubspot_id(DEAL, rows["opportunity_id"]),
                    "value": words(rows["to_stage"], STAGES),
                    "date_entered": utc(rows["changed_at"]),
                    "source": where(rows["is_bulk"], "BATCH_UPDATE", "CRM_UI"),
                }
            )
    with Csv(folder / "deal_pipeline.csv") as file:
        file.append({"pipeline_id": pa.array(["default"]), "label": pa.array(["Sales pipeline"])})
    with Csv(folder / "deal_pipeline_stage.csv") as file:
        names = list(STAGES)
        file.append(
            {
                "stage_id": pa.array(STAGES.values()),
                "pipeline_id": pa.array(["default"] * len(names)),
                "label": pa.array([name.capitalize() for name in names]),
                "display_order": pa.array([str(place) for place in range(len(names))]),
                "probability": pa.array([CHANCES[name] for name in names]),
                "is_closed": truth(pa.array([name in ("won", "lost") for name in names])),
                "closed_won": truth(pa.array([name == "won" for name in names])),
            }
        )


def _people(contract: Path, folder: Path) -> None:
    reps, teams = whole(contract, "reps"), whole(contract, "teams")
    split = reps["name"].astype("str").str.partition(" ")
    with Csv(folder / "owner.csv") as file:
        file.append(
            {
                "owner_id": owner(reps["rep_id"]),
                "active_user_id": hubspot_id(USER, reps["rep_id"]),
                "email": pa.array([f"{name.lower()}@example.com" for name in reps["rep_id"]], pa.string()),
                "first_name": pa.array(split[0], pa.string()),
                "last_name": pa.array(split[2], pa.string()),
                "manager_id": owner(reps["manager_id"]),
            }
        )
    with Csv(folder / "owner_team.csv") as file:
        primary = constant("true", reps)
        file.append({"owner_id": owner(reps["rep_id"]), "team_id": team(reps["team_id"]), "is_team_primary": primary})
    with Csv(folder / "team.csv") as file:
        file.append({"id": team(teams["team_id"]), "name": pa.array(teams["name"], pa.string())})


def _leads(contract: Path, folder: Path) -> None:
    with Csv(folder / "lead.csv") as file:
        for rows in batches(contract, "leads"):
            known = where(pc.is_valid(rows["qualified_at"]), "QUALIFIED", "NEW")
            file.append(
                {
                    "id": hubspot_id(LEAD, rows["lead_id"]),
                    "property_hs_createdate": utc(rows["created_at"]),
                    "property_hubspot_owner_id": owner(rows["assigned_rep_id"]),
                    "property_hs_lead_source": words(rows["source"], LEAD_SOURCES),
                    "property_hs_pipeline_stage": pc.coalesce(words(rows["feedback"], FEEDBACK), known),
                    "property_hs_associated_deal_id": hubspot_id(DEAL, rows["opportunity_id"]),
                }
            )


def _goals_and_splits(contract: Path, folder: Path) -> None:
    quotas = whole(contract, "quotas")
    own = quotas[quotas["level"] == "rep"].reset_index(drop=True)
    with Csv(folder / "goal_target.csv") as file:
        file.append(
            {
                "id": pa.array([str(place + 1) for place in range(len(own))], pa.string()),
                "property_hs_target_amount": pa.array(own["amount"], pa.float64()),
                "property_hs_start_datetime": utc(own["period_start"]),
                "property_hs_end_datetime": utc(own["period_end"]),
                "property_hs_assignee_user_id": hubspot_id(USER, own["owner_id"]),
            }
        )
    splits = whole(contract, "credits")
    if splits.empty:
        return
    with Csv(folder / "deal_split.csv") as file:
        file.append(
            {
                "id": pa.array([str(place + 1) for place in range(len(splits))], pa.string()),
                "property_hs_deal_id": hubspot_id(DEAL, splits["opportunity_id"]),
                "property_hubspot_owner_id": owner(splits["rep_id"]),
                "property_hs_deal_split_percentage": pa.array(splits["share"], pa.float64()),
            }
        )


_SECTIONS = """[money]
field = "amount"
list_field = "list_amount"
units_field = "units"
margin_field = "margin"
won_date = "history"
credit = "splits"
[contacts]
vp_or_above = ["VP%"]
manager = ["%Manager"]
user = ["Engineer"]
"""
_RULES = (
    ("call", "call", ('when_object = "calls"', 'meaningful = { all = [{ field = "hs_call_duration", gt = 120000 }] }')),
    (
        "email",
        "email",
        ('when_object = "emails"', 'meaningful = { all = [{ field = "hs_email_direction", eq = "INCOMING_EMAIL" }] }'),
    ),
    (
        "proposal",
        "proposal",
        (
            'when_object = "tasks"',
            'when = [{ field = "hs_task_subject", prefix = "Proposal" }]',
            'meaningful = { all = [{ field = "hs_task_subject", prefix = "Proposal" }] }',
        ),
    ),
)


def _configuration(contract: Path, as_of: str) -> str:
    kinds = export.kinds(contract)
    sources = {label: name for name, label in SOURCES.items()}
    sources |= {label: "partner" if name == "partner" else "inbound" for name, label in LEAD_SOURCES.items()}
    text = configs.head(
        "hubspot",
        "fivetran",
        "snake",
        export.day_before(as_of),
        {label: name for name, label in FEEDBACK.items()},
        sources,
    )
    text += _SECTIONS + configs.stages(STAGES) + configs.coaching(kinds)
    for name, kind, lines in _RULES:
        text += configs.rule(name, kind, lines)
    for kind in kinds:
        if kind not in ("call", "email", "proposal"):
            label = export.quoted(kind.replace("_", " ").title())
            when = f'when_all = [{{ field = "hs_activity_type", eq = {label} }}]'
            held = 'meaningful = { all = [{ field = "hs_meeting_outcome", eq = "COMPLETED" }] }'
            text += configs.rule(kind, kind, ('when_object = "meetings"', when, held))
    return text
