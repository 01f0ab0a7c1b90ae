"""D30 to D40: people, teams, deals, money and files spoiled one by one."""

import pytest
from defect_cases_activities import from_csv, sales, spreadsheets, touches
from import_worlds import D, U, deal, history, salesforce, task, user, write_csv

from analysis.crm.importers.defects import DefectRefused
from analysis.errors import DataError

CASES = {}
TEAMS = {"UserRole": [{"Id": "00E1", "Name": "North"}, {"Id": "00E2", "Name": "South"}]}


def case(code):
    def keep(function):
        assert code not in CASES
        CASES[code] = function
        return function

    return keep


def in_teams(n=4, **changes):
    return [user(i, UserRoleId=f"00E{1 + i % 2}") | changes for i in range(n)]


@case("D30")
def an_integration_user(run, src):
    users = [user(n) for n in range(6)]
    tasks = [task(n, OwnerId=U[5] if n % 10 < 7 else U[n // 10 % 5], CreatedById="") for n in range(300)]
    salesforce(src, User=users, Task=tasks)
    with pytest.raises(
        DefectRefused, match=rf"D30 user {U[5]} looks like an integration: 210 of 300 activities \(70%\)"
    ):
        run(src)
    report = run(src, extra='[people]\nexclude_users = ["person5@"]\n')
    assert report.rows("excluded_user", "dropped") == 211 and len(run.table("activities")) == 90
    report = run(src, extra=f'[people]\nallow_integration_users = ["{U[5]}"]\n')
    assert len(run.table("activities")) == 300


@case("D31")
def one_person_two_ids(run, src):
    short = [task(n, OwnerId=U[n % 4][:15]) for n in range(40)]
    report = run(salesforce(src, Task=short, User=[user(n, Id=U[n][:15]) for n in range(4)]))
    assert report.rows("D31", "fixed") == 40 and run.table("reps").shape[0] == 4
    users = [*(user(n) for n in range(4)), user(4, EmployeeNumber="E0", Email="rehired@corp.example")]
    report = run(salesforce(src, Task=[task(n, OwnerId=U[4 if n == 8 else n % 4]) for n in range(40)], User=users))
    acts = run.table("activities")
    assert report.rows("D31", "fixed") == 1 and acts["rep_id"].nunique() == 4  # the rehired rep is one person
    users = [*(user(n) for n in range(4)), user(4, EmployeeNumber="", Name="Secret Person 3")]
    report = run(
        salesforce(src, User=users, Task=[task(n, OwnerId=U[n % 3]) for n in range(40)] + [task(41, OwnerId=U[4])])
    )
    quarantine = run.table("quarantine")
    assert (quarantine["table"] == "reps").sum() == 2 and report.rows("D31", "quarantined") == 3


@case("D32")
def teams_only_as_of_today(run, src):
    salesforce(src, User=in_teams(), **TEAMS)
    with pytest.raises(
        DefectRefused, match="D32 membership history missing: per-team comparison before 2026-03-28 is not possible"
    ):
        run(src)
    report = run(src, extra="[people]\nteams_known_since = 2026-03-10\n")
    assert report.rows("D32", "warned") == 18 and set(run.table("memberships")["valid_from"].astype(str)) == {
        "2026-03-10"
    }
    spells = [
        {"rep_id": U[n], "team_id": "00E1", "valid_from": "2025-01-01", "valid_to": "" if n else "2026-02-01"}
        for n in range(4)
    ]
    write_csv(src / "memberships.csv", [*spells, {"rep_id": U[0], "team_id": "00E2", "valid_from": "2026-02-01"}])
    assert run(src).rows("D32") == 0 and len(run.table("memberships")) == 5


@case("D33")
def overlapping_memberships(run, src):
    salesforce(src, User=in_teams(), **TEAMS)
    write_csv(src / "memberships.csv", [
        {"rep_id": U[0], "team_id": "00E1", "valid_from": "2026-01-01", "valid_to": "2026-03-15"},
        {"rep_id": U[0], "team_id": "00E2", "valid_from": "2026-03-01", "valid_to": ""},
    ])  # fmt: skip
    with pytest.raises(
        DefectRefused, match=r"D33 r_[a-z2-7]{16} is in two teams at once from 2026-03-01 to 2026-03-14"
    ) as caught:
        run(src)
    assert U[0] not in str(caught.value)


@case("D34")
def go_live_is_no_hire_date(run, src):
    users = [user(n) for n in range(4)]
    hires = [{"employee_number": f"E{n}", "hire_date": "2019-11-11"} for n in range(12)]
    extra = [
        user(0, Id=f"0050000000001{n:02d}AAA", Name=f"More {n}", Email=f"more{n}@corp.example", EmployeeNumber=f"E{n}")
        for n in range(4, 12)
    ]
    write_csv(src / "hris.csv", hires)
    report = run(salesforce(src, User=users + extra))
    assert report.rows("D34", "fixed") == 12 and report.disabled["ramp"].startswith("D34 no hire dates")
    assert "hired_on" not in run.table("reps")
    write_csv(src / "hris.csv", [{"employee_number": f"E{n}", "hire_date": f"202{n}-02-01"} for n in range(4)])
    assert "ramp" not in run(src).disabled and run.table("reps")["hired_on"].notna().all()


@case("D35")
def deals_of_the_successor(run, src):
    deals = [deal(n, OwnerId=U[3]) for n in range(3)]
    salesforce(src, Opportunity=deals, Task=[task(n, OwnerId=U[n % 3]) for n in range(30)])
    with pytest.raises(
        DefectRefused, match=r"D35 3 of 3 won deals \(100%\) now belong to somebody who did not win them"
    ):
        run(src)
    changes = [
        {
            "Id": f"h{n}",
            "OpportunityId": D[n],
            "CreatedDate": "2026-05-02T08:00:00Z",
            "Field": "Owner",
            "OldValue": U[n],
            "NewValue": U[3],
        }
        for n in range(3)
    ]
    write_csv(
        src / "OpportunityFieldHistory.csv",
        [*changes, {**changes[0], "Id": "h9", "OldValue": "Secret Person 0", "NewValue": "Secret Person 3"}],
    )
    report = run(src)
    assert report.rows("D35", "fixed") == 3 and run.table("opportunities")["rep_id"].nunique() == 3
    (src / "OpportunityFieldHistory.csv").unlink()
    report = run(src, extra='[money]\ncredit = "owner_now"\n')
    assert report.rows("D35", "warned") == 3 and run.table("opportunities")["rep_id"].nunique() == 1


@case("D36")
def splits_that_do_not_sum(run, src):
    def split(n, owner, share, kind="Revenue"):
        return {
            "Id": f"s{n}{owner}",
            "OpportunityId": D[n],
            "SplitOwnerId": U[owner],
            "SplitPercentage": share,
            "SplitTypeId": kind,
        }

    splits = [split(0, 0, "60"), split(0, 1, "60"), split(1, 0, "70"), split(1, 1, "30"), split(1, 2, "100", "Overlay")]
    report = run(salesforce(src, OpportunitySplit=splits), extra='[money]\nsplit_type = "Revenue"\n')
    credits = run.table("credits")
    assert report.rows("D36", "quarantined") == 2 and report.rows("other_type", "dropped") == 1
    assert set(credits["opportunity_id"]) == {D[1]} and credits["share"].sum() == pytest.approx(1)
    assert any(f"deal {D[0]}: revenue splits sum to 1.20" in d["text"] for d in report.defects)


@case("D37")
def a_typed_closing_date(run, src):
    deals = [deal(n, CloseDate="2026-03-31") for n in range(2)] + [deal(2, CloseDate="2026-01-03")]
    changes = [history(0, "Prospecting", "2026-01-06T08:00:00Z"), history(3, "Closed Won", "2026-04-08T23:30:00Z")]
    report = run(salesforce(src, Opportunity=deals, OpportunityHistory=changes))
    won = run.table("opportunities").set_index("opportunity_id")
    assert str(won.loc[D[0], "closed_on"])[:10] == "2026-04-09"  # 23:30 UTC is the next day in Berlin
    assert report.rows("D37", "fixed") == 1 and report.rows("D37", "quarantined") == 1 and D[2] not in won.index
    assert any(
        d["code"] == "D37" and "1 closing dates are as typed, 1 of the won ones" in d["text"] for d in report.defects
    )


@case("D38")
def stage_rows_and_unmapped_stages(run, src):
    changes = [history(0, "Prospecting", "2026-01-06T08:00:00Z"), history(3, "Prospecting", "2026-01-09T08:00:00Z"),
               history(6, "Closed Won", "2026-03-02T08:00:00Z"), history(9, "Prospecting", "2026-03-05T08:00:00Z"),
               history(12, "Closed Won", "2026-04-02T08:00:00Z")]  # fmt: skip
    report = run(salesforce(src, OpportunityHistory=changes))
    steps = run.table("stage_changes")
    assert report.rows("D38", "dropped") == 1 and list(steps.sort_values("changed_at")["to_stage"]) == [
        "prospecting",
        "won",
        "prospecting",
        "won",
    ]
    assert str(run.table("opportunities").set_index("opportunity_id").loc[D[0], "closed_on"])[:10] == "2026-03-02"
    run(src, extra='[money]\nwin_of_reopened = "last"\n')
    assert str(run.table("opportunities").set_index("opportunity_id").loc[D[0], "closed_on"])[:10] == "2026-04-02"
    salesforce(src, Opportunity=[deal(0), deal(1), deal(2, StageName="Propsal")], OpportunityHistory=changes)
    with pytest.raises(
        DefectRefused,
        match=r"D38 stage \"Propsal\" is not mapped \(1 deals\). Add it to \[stages\]. Did you mean 'Proposal'",
    ):
        run(src)


@case("D39")
def unusable_amounts(run, src):
    amounts = ["", "0", "1", "-5", "1.234,50", "1,234.50"]
    report = run(salesforce(src, Opportunity=[deal(n, Amount=a) for n, a in enumerate(amounts)]))
    assert report.rows("D39", "quarantined") == 5 and list(run.table("opportunities")["amount"]) == [1234.5]
    run(src, extra='[money]\ndecimal = ","\n')
    assert 1234.5 in set(run.table("opportunities")["amount"])
    many = [deal(0, Id=f"006{n:012d}AAA", Amount=str(900 + n)) for n in range(20)] + [
        deal(1, Id="006999999999999AAA", Amount="24120000")
    ]
    assert run(salesforce(src, Opportunity=many)).rows("D39", "quarantined") == 1
    salesforce(src, Opportunity=[deal(0, Amount="€500"), deal(1, Amount="$700"), deal(2, Amount="€50")])
    with pytest.raises(DefectRefused, match=r"D39 two currencies and no code column: EUR \(2\), USD \(1\)"):
        run(src)
    salesforce(
        src,
        Opportunity=[
            deal(0, CurrencyIsoCode="EUR"),
            deal(1, CurrencyIsoCode="USD", Amount="700"),
            deal(2, CurrencyIsoCode="EUR"),
        ],
    )
    with pytest.raises(DefectRefused, match="D39 no rate from USD to EUR for 1 deals"):
        run(src)
    run(src, extra='[money]\nfx = "fixed"\nrates = { USD = 0.5 }\n')
    assert 350.0 in set(run.table("opportunities")["amount"])


@case("D40")
def damaged_merged_and_drifted(run, src):
    salesforce(src)
    with pytest.raises(DataError, match=r"D40 Task\.csv: 40 of 45,211 expected rows"):
        run(src, extra='[source.expect."Task.csv"]\nrows = 45211\n')
    with pytest.raises(DataError, match=r"D40 Task\.csv: the checksum is not the expected one"):
        run(src, extra=f'[source.expect."Task.csv"]\nsha256 = "{"0" * 64}"\n')
    for damage, words in (
        (b"Id\rOwnerId\r1\r2", "lone carriage return"),
        (b'"""Id""",OwnerId\n1,2\n', "quoted twice"),
        (b"Id,OwnerId\n1,2\n3", "1 fields where"),
    ):
        (src / "Task.csv").write_bytes(damage)
        with pytest.raises(DataError, match=rf"Task.csv:\d+: .*{words}.*D40"):
            run(src)
    deals = [deal(0), deal(1), deal(2), deal(3, Name="Testing Opp Close")]
    report = run(salesforce(src, Opportunity=deals, Task=[task(n) for n in range(40)]))
    assert report.rows("D40", "dropped") == 1 and len(run.table("opportunities")) == 3
    quota = [
        {"QuotaOwnerId": U[0], "StartDate": day, "QuotaAmount": "1000"}
        for day in ("2026-05-31", "2026-08-31", "2026-12-01")
    ]
    write_csv(src / "ForecastingQuota.csv", quota)
    report = run(src)
    assert [str(d)[:10] for d in run.table("quotas")["period_start"]] == ["2026-06-01", "2026-09-01", "2026-12-01"]
    assert report.rows("D40", "fixed") == 2
    write_csv(src / "ForecastingQuota.csv", [{**quota[0], "StartDate": "2026-05-16"}])
    with pytest.raises(DefectRefused, match="D40 quota dates 2026-05-16 are more than 5 days from any fiscal start"):
        run(src)
    merged_deals(run)


def merged_deals(run):
    """HubSpot's merge map is followed: the survivor keeps the touches of the deals merged into it."""
    source = run.tmp / "hubspot"
    spreadsheets(source, touches(3))
    for file in source.iterdir():
        file.unlink()
    write_csv(
        source / "deal.csv",
        [
            {
                "deal_id": d,
                "owner_id": "11",
                "property_amount": "50",
                "property_createdate": "2026-01-01 10:00:00",
                "deal_pipeline_stage_id": "open",
            }
            for d in ("1", "2")
        ],
    )
    write_csv(source / "merged_deal.csv", [{"deal_id": "1", "merged_deal_id": "2"}])
    write_csv(source / "owner.csv", [{"owner_id": "11", "email": "a@corp.example"}])
    write_csv(
        source / "engagement_call.csv",
        [{"engagement_id": "7", "property_hs_timestamp": "2026-02-01 10:00:00", "property_hubspot_owner_id": "11"}],
    )
    write_csv(source / "engagement_deal.csv", [{"engagement_id": "7", "deal_id": "2"}])
    text = 'schema = 1\n[source]\ncrm = "hubspot"\n[stages.default]\n"open" = { as = "open" }\n[[activity]]\nid = "call"\nwhen_object = "calls"\nkind = "call"\n'
    run.out = run.tmp / "merged"
    report = run(source, text=text, crm="hubspot")
    assert list(run.table("activities")["opportunity_id"]) == ["1"] and list(
        run.table("opportunities")["opportunity_id"]
    ) == ["1"]
    assert report.rows("D40", "dropped") == 1


UNUSED = (from_csv, sales)
