"""Pipedrive: times are UTC without saying so; an empty text means none; a duration is the planned length.

The day of a done activity is its due day unless it was ticked off soon after; ticking may come years late.
"""

from analysis.crm.importers.mappings import Mapping, Object

LIVE = ("update_time",)
ACTIVITY = Object(
    "activities", "activities", ("activity", "activities"),
    ("id", "user_id=assigned_to_user_id,owner_id", "created_by_user_id=creator_user_id", "type", "type_name", "done", "due_date", "due_time",
     "duration", "marked_as_done_time", "add_time", "deal_id", "lead_id", "org_id", "person_id", "active_flag=active,is_deleted", "subject",
     "note", "rec_master_activity_id", *LIVE),
    {
        "prefix": "'pd:'", "id": "{id}", "rep": "{user_id}", "creator": "{created_by_user_id}", "created": "{add_time}",
        "clock": "CASE WHEN yes({done}) THEN {marked_as_done_time} END",
        "due_at": "CASE WHEN {due_date} IS NOT NULL AND {due_time} IS NOT NULL THEN concat({due_date}, ' ', {due_time}) END",
        "day": "{due_date}",
        "status": "CASE WHEN yes({done}) THEN 'done' ELSE 'planned' END",
        "duration": "{duration}", "unit": "'hh:mm'", "planned_length": "true",
        "opportunity": "{deal_id}", "lead": "{lead_id}", "account": "{org_id}", "contact": "{person_id}",
        "linked": "coalesce({deal_id}, {lead_id}, {org_id}, {person_id}) IS NOT NULL",
        "deleted": "coalesce(NOT yes({active_flag}), false)",
        "kind_name": "{type}",
        "system_clock": "true",
    },
    LIVE,
)  # fmt: skip
DEAL = Object(
    "deals", "opportunities", ("deal",),
    ("id", "user_id=owner_id", "org_id", "title", "value", "currency", "status", "deleted=is_deleted", "won_time", "first_won_time", "lost_time",
     "close_time", "stage_id", "pipeline_id", "probability", "expected_close_date", "add_time", "label", "channel", *LIVE),
    {
        "id": "{id}", "rep": "{user_id}", "account": "{org_id}", "name": "{title}", "amount": "{value}", "currency": "{currency}",
        "stage": "{stage_id}", "pipeline": "{pipeline_id}", "created": "{add_time}", "deleted": "yes({deleted})",
        "probability": "try_cast({probability} AS DOUBLE) / 100",
        "state": "CASE lower({status}) WHEN 'won' THEN 'won' WHEN 'lost' THEN 'lost' WHEN 'open' THEN 'open' END",
        "deleted_state": "lower({status}) = 'deleted'",
        "won_at": "{won_time}", "first_won_at": "{first_won_time}",
        "closed": "coalesce({won_time}, {lost_time}, {close_time})",
    },
    LIVE,
)  # fmt: skip
FLOW = Object(
    "dealflow", "deal_history", ("dealflow", "dealfield", "dealchange"),
    ("id", "item_id=deal_id", "field_key", "old_value", "new_value", "log_time", "is_bulk_update_flag"),
    {
        "id": "{id}", "deal": "{item_id}", "clock": "{log_time}", "old": "{old_value}", "new": "{new_value}",
        "field": "CASE {field_key} WHEN 'stage_id' THEN 'stage' WHEN 'user_id' THEN 'owner' END",
        "bulk": "yes({is_bulk_update_flag})",
    },
)  # fmt: skip
USER = Object(
    "users", "users", ("user",), ("id", "name", "email", "active_flag", "timezone_name", "role_id", "team_id"),
    {"id": "{id}", "name": "{name}", "email": "{email}", "login": "{email}", "timezone": "{timezone_name}", "team": "{team_id}"},
)  # fmt: skip
STAGES = Object(
    "stages", "stages", ("stage",), ("id", "name", "order_nr", "pipeline_id", "deal_probability"),
    {"id": "{id}", "label": "{name}", "order": "{order_nr}", "pipeline": "{pipeline_id}", "probability": "{deal_probability}"},
)  # fmt: skip
PIPELINES = Object("pipelines", "pipelines", ("pipeline",), ("id", "name"), {"id": "{id}", "label": "{name}"})
TEAM = Object("teams", "teams", ("team", "legacyteam"), ("id", "name"), {"id": "{id}", "name": "{name}"})
GOAL = Object(
    "goals", "quotas", ("goal",), ("id", "assignee_id=owner_id", "duration_start", "duration_end", "expected_outcome_target", "type_name"),
    {"id": "{id}", "owner": "{assignee_id}", "level": "'rep'", "start": "{duration_start}", "end": "{duration_end}",
     "amount": "{expected_outcome_target}", "type": "{type_name}"},
)  # fmt: skip
LEAD = Object(
    "leads", "leads", ("lead",), ("id", "owner_id", "source_name", "is_archived", "add_time", "person_id", "channel", "status", *LIVE),
    {"id": "{id}", "created": "{add_time}", "rep": "{owner_id}", "source": "{source_name}", "contact": "{person_id}", "status": "{status}"},
    LIVE,
)  # fmt: skip

MAPPING = Mapping("pipedrive", (ACTIVITY, DEAL, FLOW, USER, STAGES, PIPELINES, TEAM, GOAL, LEAD))
