"""Small exports the import tests write themselves: a sane Salesforce company that each test spoils in one place."""

import csv
import json
from pathlib import Path

from analysis.crm.importers import import_crm

U = [f"00500000000000{n}AAA" for n in range(1, 9)]  # 18-character user ids
D = [f"00600000000000{n}AAA" for n in range(1, 10)]

CONFIG = """
schema = 1
[source]
crm = "{crm}"
includes_archived = "yes"
[team]
id = "north"
timezone = "Europe/Berlin"
reporting_currency = "EUR"
[stages.default]
"Prospecting" = {{ order = 1, as = "open" }}
"Proposal" = {{ order = 2, as = "proposal" }}
"Closed Won" = {{ order = 9, as = "won" }}
"Closed Lost" = {{ order = 9, as = "lost" }}
[[activity]]
id = "tracking"
when = [{{ field = "Subject", like = "%clicked on link%" }}]
kind = "email"
automated = "tracking"
[[activity]]
id = "call"
when = [{{ field = "Type", in = ["Call"] }}, {{ field = "TaskSubtype", in = ["Call"] }}]
kind = "call"
meaningful = {{ any = [{{ field = "CallDurationInSeconds", gt = 120 }}] }}
duration_from_text = {{ field = "Description", pattern = '(?:(?P<m>\\d+) minute )?(?P<s>\\d+) second' }}
[[activity]]
id = "email"
when = [{{ field = "Type", in = ["Email"] }}, {{ field = "TaskSubtype", in = ["Email", "ListEmail"] }}]
kind = "email"
[[activity]]
id = "meeting"
when_object = "Event"
kind = "meeting"
"""


def write_csv(path: Path, rows: list[dict]) -> None:
    """Rows as CSV; the columns are the union of the rows' keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def user(n, **changes):
    row = {
        "Id": U[n],
        "Name": f"Secret Person {n}",
        "Email": f"person{n}@corp.example",
        "EmployeeNumber": f"E{n}",
        "UserType": "Standard",
    }
    return row | changes


def task(n, **changes):
    day = f"2026-03-{1 + n % 28:02d}"
    row = {
        "Id": f"00T{n:012d}AAA", "OwnerId": U[n % 4], "CreatedById": U[n % 4], "CreatedDate": f"{day}T16:{n % 60:02d}:00.000Z",
        "WhoId": f"003{n:012d}AAA", "WhatId": D[n % 3], "Subject": "Call the customer", "Type": "Call", "TaskSubtype": "Call", "ActivityDate": day,
        "CompletedDateTime": f"{day}T09:{n % 60:02d}:00.000Z", "IsClosed": "true", "CallDurationInSeconds": str(60 + 10 * n),
        "CallDisposition": "Connected" if n % 2 else "No Answer", "CallType": "Outbound", "Description": "", "IsDeleted": "false",
    }  # fmt: skip
    return row | changes


def deal(n, **changes):
    row = {
        "Id": D[n], "AccountId": f"001{n:012d}AAA", "OwnerId": U[n % 4], "Name": f"Deal {n}", "Amount": str(1000.5 * (n + 1)),
        "CloseDate": f"2026-04-{10 + n}", "StageName": "Closed Won", "IsWon": "true", "IsClosed": "true", "CreatedDate": "2026-01-05T08:00:00.000Z",
        "Type": "New", "LeadSource": "Web", "IsDeleted": "false",
    }  # fmt: skip
    return row | changes


def event(n, **changes):
    day = f"2026-03-{1 + n % 28:02d}"
    row = {
        "Id": f"00U{n:012d}AAA", "OwnerId": U[n % 4], "CreatedDate": f"{day}T06:00:00.000Z", "StartDateTime": f"{day}T12:00:00.000Z",
        "ActivityDate": day, "DurationInMinutes": "30", "Subject": "Meet", "Type": "Meeting", "WhoId": f"003{n:012d}AAA", "WhatId": D[n % 3],
        "IsChild": "false", "IsRecurrence": "false", "IsPrivate": "false", "no_show__c": "false",
    }  # fmt: skip
    return row | changes


def history(n, stage, at, **changes):
    return {"Id": f"008{n:012d}AAA", "OpportunityId": D[n % 3], "StageName": stage, "CreatedDate": at} | changes


def salesforce(folder: Path, **tables: list[dict]) -> Path:
    """A Salesforce export in a folder; tables replace the sane ones by name (Task, Event, Opportunity, User, ...)."""
    sane = {
        "User": [user(n) for n in range(4)],
        "Task": [task(n) for n in range(40)],
        "Opportunity": [deal(n) for n in range(3)],
    }
    for name, rows in (sane | tables).items():
        if rows:
            write_csv(folder / f"{name}.csv", rows)
    return folder


class Importer:
    """Import with a configuration built from CONFIG: `extra` is appended, `swap` replaces pieces of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp = tmp_path
        self.out = tmp_path / "data"
        self.key = tmp_path / "keys" / "pseudonym.key"

    def config(self, extra="", swap=None, crm="salesforce", text=None) -> Path:
        content = text if text is not None else CONFIG.format(crm=crm)
        for old, new in (swap or {}).items():
            assert old in content, old
            content = content.replace(old, new)
        path = self.tmp / "crm.toml"
        path.write_text(content + extra, encoding="utf-8")
        return path

    def __call__(self, source, extra="", swap=None, crm="salesforce", text=None, **options):
        return import_crm(crm, source, self.out, self.config(extra, swap, crm, text), key_file=self.key, **options)

    def table(self, name):
        import pandas as pd

        return pd.read_parquet(self.out / f"{name}.parquet")

    def report(self):
        return json.loads((self.out / "import_report.json").read_text())
