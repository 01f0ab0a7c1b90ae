"""Tables of one's own: spreadsheets with the contract's columns under whatever names people give them.

As the CRM `csv` they are the whole export; beside another CRM's files some of them add what no CRM records (memberships,
absences, coaching, hire dates).
"""

from analysis.crm.importers.mappings import Mapping, Object

ACTIVITIES = Object(
    "activities", "activities", ("activity", "touch", "touche", "task", "call", "meeting"),
    ("activity_id=id,number", "rep_id=owner,owner_id,user,user_id,sales_rep,salesperson,rep,employee", "kind=type,activity,activity_type",
     "occurred_on=date,day,activity_date", "occurred_at=datetime,timestamp,time,start,started_at,done_at", "duration_s=duration,talk_time,length",
     "direction", "outcome=result,disposition", "contact_level=seniority", "is_meaningful=meaningful", "origin", "status",
     "account_id=account,customer_id,company_id", "opportunity_id=opportunity,deal_id,deal", "lead_id=lead", "contact_id=contact",
     "logged_at=created_at,entered_at,created", "subject", "notes=note,comment,comments,description"),
    {
        "prefix": "''", "id": "{activity_id}", "rep": "{rep_id}", "created": "{logged_at}", "clock": "{occurred_at}", "day": "{occurred_on}",
        "status": "CASE WHEN lower({status}) IN ('done', 'completed', 'closed') THEN 'done' WHEN lower({status}) IN ('cancelled', 'canceled') "
        "THEN 'cancelled' WHEN {status} IS NULL THEN 'done' ELSE 'planned' END",
        "duration": "{duration_s}", "unit": "'ask'", "direction": "CASE WHEN lower({direction}) IN ('out', 'outbound') THEN 'out' "
        "WHEN lower({direction}) IN ('in', 'inbound') THEN 'in' WHEN lower({direction}) = 'internal' THEN 'internal' END",
        "outcome": "{outcome}", "has_outcome": "{outcome} IS NOT NULL",
        "opportunity": "{opportunity_id}", "account": "{account_id}", "lead": "{lead_id}", "contact": "{contact_id}",
        "level": "CASE WHEN lower({contact_level}) IN ('vp_or_above', 'manager', 'user') THEN lower({contact_level}) END",
        "origin": "CASE WHEN lower({origin}) IN ('human', 'sequence', 'bulk', 'tracking', 'system') THEN lower({origin}) END",
        "is_meaningful": "CASE WHEN yes({is_meaningful}) THEN true WHEN {is_meaningful} IS NOT NULL THEN false END",
        "linked": "coalesce({opportunity_id}, {account_id}, {lead_id}, {contact_id}) IS NOT NULL",
        "kind_name": "{kind}",
    },
    zone=None,
)  # fmt: skip
OPPORTUNITIES = Object(
    "opportunities", "opportunities", ("opportunity", "opportunitie", "deal", "order", "sale"),
    ("opportunity_id=id,deal_id,order_id", "rep_id=owner,owner_id,user_id,sales_rep,salesperson,rep", "account_id=account,customer_id,company_id",
     "created_on=created,created_at,create_date,opened,opened_on", "stage", "status", "closed_on=closed,closed_at,close_date,won_on,order_date",
     "amount=value,revenue,booked", "list_amount", "units=quantity", "margin", "probability", "lead_id", "source", "partner_id",
     "invoiced_on", "paid_on", "currency", "pipeline", "name=title", "type"),
    {
        "id": "{opportunity_id}", "rep": "{rep_id}", "account": "{account_id}", "created": "{created_on}", "stage": "coalesce({stage}, {status})",
        "closed": "{closed_on}", "amount": "{amount}", "list_amount": "{list_amount}", "units": "{units}", "margin": "{margin}",
        "state": "CASE lower({status}) WHEN 'won' THEN 'won' WHEN 'lost' THEN 'lost' WHEN 'open' THEN 'open' END",
        "probability": "share({probability})", "source": "{source}", "lead": "{lead_id}", "partner": "{partner_id}",
        "invoiced": "{invoiced_on}", "paid": "{paid_on}", "currency": "{currency}", "pipeline": "{pipeline}", "name": "{name}", "type": "{type}",
    },
    zone=None,
)  # fmt: skip
STAGE_CHANGES = Object(
    "stage_changes", "deal_history", ("stagechange", "stagehistory", "stagehistorie"),
    ("opportunity_id=deal_id", "changed_at=date,at", "from_stage", "to_stage=stage", "is_bulk"),
    {"deal": "{opportunity_id}", "clock": "{changed_at}", "field": "'stage'", "old": "{from_stage}", "new": "{to_stage}", "bulk": "yes({is_bulk})"},
    zone=None,
)  # fmt: skip
REPS = Object(
    "reps", "users", ("rep", "user", "owner", "salesperson", "people", "employee", "staff"),
    ("rep_id=id,owner_id,user_id", "name=full_name", "email", "team_id=team", "manager_id=manager", "role=title,job_title",
     "hired_on=hire_date,start_date", "left_on=leave_date,end_date", "timezone", "employee_number"),
    {"id": "{rep_id}", "name": "{name}", "email": "{email}", "login": "{email}", "team": "{team_id}", "manager": "{manager_id}", "title": "{role}",
     "hired": "{hired_on}", "left_day": "{left_on}", "timezone": "{timezone}", "employee": "{employee_number}"},
)  # fmt: skip
TEAMS = Object(
    "teams", "teams", ("team",), ("team_id=id,team", "name", "region", "timezone"),
    {"id": "{team_id}", "name": "{name}", "region": "{region}", "timezone": "{timezone}"},
)  # fmt: skip
LEADS = Object(
    "leads", "leads", ("lead",),
    ("lead_id=id", "created_at=created,date", "source", "campaign_id=campaign", "partner_id=partner", "qualified_at", "handed_off_at",
     "assigned_rep_id=rep_id,owner,owner_id", "first_touch_at", "feedback_at", "feedback=status", "opportunity_id=deal_id"),
    {"id": "{lead_id}", "created": "{created_at}", "source": "{source}", "campaign": "{campaign_id}", "partner": "{partner_id}",
     "qualified": "{qualified_at}", "handed_off": "{handed_off_at}", "rep": "{assigned_rep_id}", "first_touch": "{first_touch_at}",
     "feedback_at": "{feedback_at}", "feedback": "{feedback}", "status": "{feedback}", "opportunity": "{opportunity_id}"},
    zone=None,
)  # fmt: skip
CAMPAIGNS = Object(
    "campaigns", "campaigns", ("campaign",), ("campaign_id=id", "name", "channel=type", "cost=actual_cost"),
    {"id": "{campaign_id}", "name": "{name}", "channel": "{channel}", "cost": "{cost}"},
)  # fmt: skip
MEMBERSHIPS = Object(
    "memberships", "memberships", ("membership", "teammembership", "teamhistory"),
    ("rep_id=user_id,owner_id", "team_id=team", "manager_id=manager", "valid_from=from,start_date", "valid_to=to,until,end_date"),
    {"rep": "{rep_id}", "team": "{team_id}", "manager": "{manager_id}", "start": "{valid_from}", "end": "{valid_to}"},
)  # fmt: skip
QUOTAS = Object(
    "quotas", "quotas", ("quota", "target"),
    ("owner_id=rep_id,team_id", "level", "period_start=start_date,from", "period_end=end_date,to", "amount=quota,target", "currency"),
    {"owner": "{owner_id}", "level": "coalesce(lower({level}), 'rep')", "start": "{period_start}", "end": "{period_end}", "amount": "{amount}",
     "currency": "{currency}"},
)  # fmt: skip
CREDITS = Object(
    "credits", "splits", ("credit", "split"), ("opportunity_id=deal_id", "rep_id=owner_id,user_id", "share=percentage,split"),
    {"deal": "{opportunity_id}", "rep": "{rep_id}", "share": "{share}"},
)  # fmt: skip
COACHING = Object(
    "coaching", "coaching", ("coaching", "coachingsession"),
    ("coaching_id=id", "manager_id=manager,coach_id", "rep_id=user_id", "kind=type", "occurred_on=date", "duration_s=duration", "focus", "focus_met"),
    {"id": "{coaching_id}", "manager": "{manager_id}", "rep": "{rep_id}", "kind": "{kind}", "day": "{occurred_on}", "duration": "{duration_s}",
     "focus": "{focus}", "met": "CASE WHEN yes({focus_met}) THEN true WHEN {focus_met} IS NOT NULL THEN false END"},
)  # fmt: skip
ABSENCES = Object(
    "absences", "absences", ("absence", "leave", "vacation", "timeoff"),
    ("rep_id=user_id,employee", "from_date=from,start_date", "to_date=to,until,end_date"),
    {"rep": "{rep_id}", "start": "{from_date}", "end": "{to_date}"},
)  # fmt: skip
HOLIDAYS = Object(
    "holidays",
    "holidays",
    ("holiday", "publicholiday"),
    ("date=day", "team_id=team"),
    {"day": "{date}", "team": "{team_id}"},
)
HIRES = Object(
    "hris", "hires", ("hri", "hris", "hire", "hiredate"), ("employee_number=employee_id,rep_id,user_id", "hire_date=hired_on", "leave_date=left_on"),
    {"employee": "{employee_number}", "hired": "{hire_date}", "left_day": "{leave_date}"},
)  # fmt: skip

BESIDE = (MEMBERSHIPS, QUOTAS, CREDITS, COACHING, ABSENCES, HOLIDAYS, HIRES)
MAPPING = Mapping("csv", (ACTIVITIES, OPPORTUNITIES, STAGE_CHANGES, REPS, TEAMS, LEADS, CAMPAIGNS, *BESIDE))
