"""The company as a Salesforce export: CSV files under API names, with the tables of one's own that no CRM holds."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.crm.simulate import beside, export, salesforce_config
from analysis.crm.simulate.deal_owners import passed_on
from analysis.crm.simulate.export import (
    SLOT_MINUTES,
    Csv,
    batches,
    constant,
    day,
    salesforce_id,
    truth,
    utc,
    where,
    whole,
    words,
)
from analysis.crm.simulate.salesforce_config import DISPOSITIONS, FEEDBACK, LEAD_SOURCES, LEVELS, SOURCES, STAGES, TASKS

QUEUE = "00G000000000001EAA"


def write(contract: Path, out: Path, as_of: str) -> None:
    """Write export/*.csv, import.toml and teams/*.toml into `out` from a folder of contract tables."""
    folder = out / "export"
    folder.mkdir()
    owners = passed_on(whole(contract, "reps"), whole(contract, "opportunities"))
    _activities(contract, folder, as_of)
    _opportunities(contract, folder, owners)
    _histories(contract, folder, owners)
    _people(contract, folder)
    _leads(contract, folder)
    _quotas_and_splits(contract, folder)
    beside.write(contract, folder, user, team)
    teams = whole(contract, "teams")
    export.team_files(out, teams, team(teams["team_id"]).to_pylist())
    text = salesforce_config.text(export.kinds(contract), as_of)
    (out / "import.toml").write_text(text, encoding="utf-8")


def user(ids: Any) -> Any:
    """User ids of reps (R...) and managers (M...)."""
    text = pc.cast(export.plain(ids), pa.string())
    manages = pc.starts_with(text, "M")
    return where(manages, salesforce_id("005", text, lead="9"), salesforce_id("005", text))


def team(ids: Any) -> Any:
    """UserRole ids of teams."""
    return salesforce_id("00E", ids)


def _activities(contract: Path, folder: Path, as_of: str) -> None:
    old = pd.Timestamp(as_of) - pd.Timedelta(days=365)
    with (
        Csv(folder / "Task.csv") as tasks,
        Csv(folder / "Event.csv") as events,
        Csv(folder / "Contact.csv") as contacts,
    ):
        for rows in batches(contract, "activities"):
            is_task = pc.is_in(rows["kind"], pa.array(TASKS))
            tasks.append(_common(rows.filter(is_task), "00T", old) | _task(rows.filter(is_task)))
            events.append(
                _common(rows.filter(pc.invert(is_task)), "00U", old) | _event(rows.filter(pc.invert(is_task)))
            )
        accounts = export.account_ids(contract)
        for level, title in LEVELS.items():
            contacts.append(
                {
                    "Id": _contact(accounts, constant(level, accounts)),
                    "AccountId": salesforce_id("001", accounts),
                    "Title": constant(title or None, accounts),
                    "IsDeleted": constant("false", accounts),
                }
            )


def _contact(accounts: Any, levels: Any) -> Any:
    """Four contacts an account, one a level of seniority."""
    lead = words(levels, {level: str(number + 1) for number, level in enumerate(LEVELS)})
    body = pc.utf8_lpad(export.digits(accounts), 11, "0")
    return pc.binary_join_element_wise("003", lead, body, export.check_letters("003"), "")


def _common(rows: Any, prefix: str, old: pd.Timestamp) -> dict[str, Any]:
    account = salesforce_id("001", rows["account_id"])
    deal = salesforce_id("006", rows["opportunity_id"])
    lead = salesforce_id("00Q", rows["lead_id"])
    cancelled = pc.equal(rows["status"], "cancelled")
    return {
        "Id": salesforce_id(prefix, rows["activity_id"]),
        "OwnerId": user(rows["rep_id"]),
        "CreatedById": user(rows["rep_id"]),
        "CreatedDate": utc(rows["logged_at"]),
        "WhatId": pc.coalesce(deal, account),
        "WhoId": pc.coalesce(lead, where(pc.is_valid(account), _contact(rows["account_id"], rows["contact_level"]))),
        "AccountId": account,
        "ActivityDate": day(rows["occurred_on"]),
        "IsDeleted": truth(cancelled),
        "IsArchived": truth(pc.less(rows["occurred_on"], pa.scalar(old.date(), pa.date32()))),
        "IsRecurrence": constant("false", rows),
        "SystemModstamp": utc(rows["logged_at"]),
    }


def _task(rows: Any) -> dict[str, Any]:
    kind, origin = rows["kind"], rows["origin"]
    call, email = pc.equal(kind, "call"), pc.equal(kind, "email")
    answer, bounced = pc.equal(rows["direction"], "in"), pc.equal(rows["outcome"], "bounced")
    subject = where(pc.and_(email, answer), "Re: Email", words(kind, {name: name.capitalize() for name in TASKS}))
    subject = where(pc.and_(email, bounced), "Undeliverable: Email", subject)
    subject = where(pc.equal(origin, "sequence"), "[Sequence] Email", subject)
    subtype = words(kind, {"call": "Call", "email": "Email", "proposal": "Task"})
    done = pc.equal(rows["status"], "done")
    return {
        "Subject": subject,
        "Type": words(kind, {name: name.capitalize() for name in TASKS}),
        "TaskSubtype": where(pc.equal(origin, "bulk"), "ListEmail", subtype),
        "Status": where(done, "Completed", "Not Started"),
        "IsClosed": truth(done),
        "CompletedDateTime": where(done, utc(rows["occurred_at"])),
        "CallType": where(call, words(rows["direction"], {"out": "Outbound", "in": "Inbound"})),
        "CallDurationInSeconds": rows["duration_s"],
        "CallDisposition": where(call, words(rows["outcome"], DISPOSITIONS)),
    }


def _event(rows: Any) -> dict[str, Any]:
    kinds = {name: name.replace("_", " ").title() for name in pc.unique(rows["kind"]).to_pylist()}
    end = pc.add(rows["occurred_at"], pa.scalar(SLOT_MINUTES * 60_000_000, pa.duration("us")))
    known = pc.is_in(rows["outcome"], pa.array(["held", "no_show"]))
    return {
        "Subject": words(rows["kind"], kinds),
        "Type": words(rows["kind"], kinds),
        "EventSubtype": constant("Event", rows),
        "StartDateTime": utc(rows["occurred_at"]),
        "EndDateTime": utc(end),
        "DurationInMinutes": constant(str(SLOT_MINUTES), rows),
        "IsChild": constant("false", rows),
        "IsPrivate": constant("false", rows),
        "no_show__c": where(known, truth(pc.equal(rows["outcome"], "no_show"))),
    }


def _opportunities(contract: Path, folder: Path, owners: pd.DataFrame) -> None:
    created = export.created_at(contract)
    now = owners.set_index("opportunity_id")["new"]
    with Csv(folder / "Opportunity.csv") as file:
        for rows in batches(contract, "opportunities"):
            ids = rows["opportunity_id"].to_pandas()
            status = rows["status"]
            planned = pc.add(rows["created_on"].cast(pa.timestamp("s")), pa.scalar(90 * 86400, pa.duration("s")))
            closes = pc.coalesce(rows["closed_on"], planned.cast(pa.date32()))
            file.append(
                {
                    "Id": salesforce_id("006", rows["opportunity_id"]),
                    "Name": pc.binary_join_element_wise("Deal", rows["opportunity_id"], " "),
                    "AccountId": salesforce_id("001", rows["account_id"]),
                    "OwnerId": user(ids.map(now).fillna(rows["rep_id"].to_pandas())),
                    "Amount": rows["amount"],
                    "List_Amount__c": rows["list_amount"],
                    "Units__c": rows["units"],
                    "Margin__c": rows["margin"],
                    "CloseDate": day(closes),
                    "StageName": words(rows["stage"], STAGES),
                    "IsClosed": truth(pc.not_equal(status, "open")),
                    "IsWon": truth(pc.equal(status, "won")),
                    "CreatedDate": utc(ids.map(created)),
                    "Type": constant("New Business", rows),
                    "LeadSource": words(rows["source"], SOURCES),
                    "Probability": pc.multiply(rows["probability"], 100.0),
                    "CurrencyIsoCode": constant("EUR", rows),
                    "IsDeleted": constant("false", rows),
                    "SystemModstamp": utc(ids.map(created)),
                }
            )


def _histories(contract: Path, folder: Path, owners: pd.DataFrame) -> None:
    """Stage history, with the rows an edit of the amount adds; owner changes, written twice as Salesforce does."""
    with Csv(folder / "OpportunityHistory.csv") as file:
        written = 0
        for rows in batches(contract, "stage_changes"):
            edited = rows.take(pa.array(range(0, len(rows), 20)))
            later = pc.add(edited["changed_at"], pa.scalar(60_000_000, pa.duration("us")))
            edited = edited.set_column(edited.schema.get_field_index("changed_at"), "changed_at", later)
            both = pa.concat_tables([rows, edited])
            number = pa.array([f"H{written + place + 1}" for place in range(len(both))])
            written += len(both)
            file.append(
                {
                    "Id": salesforce_id("008", number),
                    "OpportunityId": salesforce_id("006", both["opportunity_id"]),
                    "CreatedDate": utc(both["changed_at"]),
                    "StageName": words(both["to_stage"], STAGES),
                }
            )
    if owners.empty:
        return
    names = whole(contract, "reps").set_index("rep_id")["name"]
    twice = pd.concat([owners.assign(field="Owner"), owners.assign(field="Owner", as_name=True)], ignore_index=True)
    spoken = pa.array(twice["as_name"].fillna(False).astype(bool)) if "as_name" in twice else None
    with Csv(folder / "OpportunityFieldHistory.csv") as file:
        file.append(
            {
                "Id": salesforce_id("017", pd.Series([f"H{n + 1}" for n in range(len(twice))])),
                "OpportunityId": salesforce_id("006", twice["opportunity_id"]),
                "CreatedDate": utc(twice["on"].dt.tz_localize("UTC")),
                "Field": pa.array(twice["field"], pa.string()),
                "OldValue": where(spoken, pa.array(twice["old"].map(names), pa.string()), user(twice["old"])),
                "NewValue": where(spoken, pa.array(twice["new"].map(names), pa.string()), user(twice["new"])),
            }
        )


def _people(contract: Path, folder: Path) -> None:
    reps, teams = whole(contract, "reps"), whole(contract, "teams")
    zone = teams.set_index("team_id")["timezone"]
    managers = sorted(reps["manager_id"].unique())
    ids = pd.concat([reps["rep_id"], pd.Series(managers)], ignore_index=True).astype("str")
    number = len(managers)
    with Csv(folder / "User.csv") as file:
        file.append(
            {
                "Id": user(ids),
                "Name": pa.array([*reps["name"], *(f"Manager {name}" for name in managers)], pa.string()),
                "Email": pa.array([f"{name.lower()}@example.com" for name in ids], pa.string()),
                "Username": pa.array([f"{name.lower()}@crm.example.com" for name in ids], pa.string()),
                "IsActive": truth(pa.array([*reps["left_on"].isna(), *([True] * number)])),
                "ManagerId": user(pd.Series([*reps["manager_id"], *([None] * number)], dtype="str")),
                "UserRoleId": team(pd.Series([*reps["team_id"], *([None] * number)], dtype="str")),
                "Title": pa.array(
                    [
                        *reps["role"].map({"ae": "Account Executive", "am": "Account Manager"}),
                        *(["Sales Manager"] * number),
                    ]
                ),
                "TimeZoneSidKey": pa.array([*reps["team_id"].map(zone), *(["UTC"] * number)], pa.string()),
                "UserType": constant("Standard", ids),
                "EmployeeNumber": pa.array(ids, pa.string()),
            }
        )
    with Csv(folder / "UserRole.csv") as file:
        file.append({"Id": team(teams["team_id"]), "Name": pa.array(teams["name"], pa.string())})


def _leads(contract: Path, folder: Path) -> None:
    with Csv(folder / "Lead.csv") as leads, Csv(folder / "LeadHistory.csv") as history:
        for rows in batches(contract, "leads"):
            converted = pc.is_valid(rows["opportunity_id"])
            owner = pc.coalesce(user(rows["assigned_rep_id"]), pa.scalar(QUEUE))
            status = pc.coalesce(
                words(rows["feedback"], FEEDBACK), where(pc.is_valid(rows["qualified_at"]), "Qualified", "Open")
            )
            leads.append(
                {
                    "Id": salesforce_id("00Q", rows["lead_id"]),
                    "CreatedDate": utc(rows["created_at"]),
                    "OwnerId": owner,
                    "LeadSource": words(rows["source"], LEAD_SOURCES),
                    "Status": status,
                    "IsConverted": truth(converted),
                    "ConvertedOpportunityId": salesforce_id("006", rows["opportunity_id"]),
                    "CampaignId": salesforce_id("701", rows["campaign_id"], skip=2),
                    "IsDeleted": constant("false", rows),
                    "SystemModstamp": utc(rows["created_at"]),
                }
            )
            lead = salesforce_id("00Q", rows["lead_id"])
            history.append(_moment(lead, rows["qualified_at"], "Status", "Open", "Qualified"))
            history.append(_moment(lead, rows["handed_off_at"], "Owner", QUEUE, user(rows["assigned_rep_id"])))
            history.append(_moment(lead, rows["feedback_at"], "Status", "Qualified", words(rows["feedback"], FEEDBACK)))
    with Csv(folder / "Campaign.csv") as file:
        for rows in batches(contract, "campaigns"):
            file.append(
                {
                    "Id": salesforce_id("701", rows["campaign_id"], skip=2),
                    "Name": rows["name"],
                    "Type": rows["channel"],
                    "ActualCost": rows["cost"],
                    "IsDeleted": constant("false", rows),
                }
            )


def _moment(lead: Any, when: Any, field: str, old: str, new: Any) -> dict[str, Any]:
    """Rows of a lead's history: those leads for which the moment is known."""
    text = constant(new, lead) if isinstance(new, str) else new
    table = pa.table(
        {
            "LeadId": lead,
            "CreatedDate": utc(when),
            "Field": constant(field, lead),
            "OldValue": constant(old, lead),
            "NewValue": text,
        }
    )
    known = table.filter(pc.and_(pc.is_valid(table["CreatedDate"]), pc.is_valid(table["NewValue"])))
    return {name: known[name] for name in known.column_names}


def _quotas_and_splits(contract: Path, folder: Path) -> None:
    quotas = whole(contract, "quotas")
    own = quotas[quotas["level"] == "rep"]
    with Csv(folder / "ForecastingQuota.csv") as file:
        file.append(
            {
                "Id": salesforce_id("0J9", pd.Series([f"Q{n + 1}" for n in range(len(own))])),
                "QuotaOwnerId": user(own["owner_id"]),
                "StartDate": day(own["period_start"]),
                "EndDate": day(pd.to_datetime(own["period_end"])),
                "QuotaAmount": pa.array(own["amount"]),
                "CurrencyIsoCode": constant("EUR", own),
            }
        )
    splits = whole(contract, "credits")
    if splits.empty:
        return
    with Csv(folder / "OpportunitySplit.csv") as file:
        file.append(
            {
                "Id": salesforce_id("0kw", pd.Series([f"S{n + 1}" for n in range(len(splits))])),
                "OpportunityId": salesforce_id("006", splits["opportunity_id"]),
                "SplitOwnerId": user(splits["rep_id"]),
                "SplitPercentage": pa.array(splits["share"] * 100.0),
                "SplitTypeId": constant("Revenue", splits),
                "IsDeleted": constant("false", splits),
            }
        )
