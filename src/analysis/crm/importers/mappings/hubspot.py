"""HubSpot: the engagement objects and deals as the API, Fivetran, Airbyte and Stitch land them.

Durations are milliseconds; owner ids are not user ids; a call's disposition is an id with a label of the portal; the
deal's stage is an internal id. Association tables link engagements to deals, contacts and companies.
"""

from analysis.crm.importers.mappings import Mapping, Object

LIVE = ("hs_lastmodifieddate", "updatedAt")
COMMON = (
    "id=engagement_id,hs_object_id,engagement_idid", "hs_timestamp=timestamp", "hs_createdate=createdAt,created_at,createdate",
    "hubspot_owner_id=owner_id", "hs_created_by_user_id", "hs_engagement_source=source", "hs_activity_type=activity_type", "type",
    "archived=is_deleted", "deal_id=deals,associated_deal_ids,associations_deals,dealids",
    "contact_id=contacts,associated_contact_ids,associations_contacts,contactids",
    "company_id=companies,associated_company_ids,associations_companies,companyids", *LIVE,
)  # fmt: skip
ENGAGEMENT = {
    "prefix": "'hs:'",
    "id": "{id}",
    "rep": "{hubspot_owner_id}",
    "creator": "{hs_created_by_user_id}",
    "created": "{hs_createdate}",
    "clock": "{hs_timestamp}",
    "opportunity": "first_number({deal_id})",
    "account": "first_number({company_id})",
    "contact": "first_number({contact_id})",
    "linked": "coalesce({deal_id}, {company_id}, {contact_id}) IS NOT NULL",
    "deleted": "yes({archived})",
    "origin": "CASE WHEN upper({hs_engagement_source}) IN ('SEQUENCE', 'SEQUENCES') THEN 'sequence' "
    "WHEN upper({hs_engagement_source}) IN ('IMPORT', 'MIGRATION') THEN 'bulk' "
    "WHEN upper({hs_engagement_source}) IN ('WORKFLOW', 'WORKFLOWS', 'AUTOMATION_PLATFORM', 'BOT') THEN 'system' END",
}
CALL = Object(
    "calls", "activities", ("call", "engagementcall", "engagementscall", "objectscall"),
    (*COMMON, "hs_call_duration=duration_milliseconds,durationmilliseconds", "hs_call_disposition=disposition", "hs_call_status=status",
     "hs_call_direction", "hs_call_title=title", "hs_call_body=body"),
    {
        **ENGAGEMENT,
        "duration": "{hs_call_duration}",
        "unit": "'ms'",
        "outcome": "coalesce({hs_call_disposition}, CASE upper({hs_call_status}) WHEN 'NO_ANSWER' THEN 'no answer' WHEN 'BUSY' THEN 'busy' "
        "WHEN 'MISSED' THEN 'no answer' END)",
        "has_outcome": "coalesce({hs_call_disposition}, {hs_call_status}) IS NOT NULL",
        "status": "CASE upper({hs_call_status}) WHEN 'CANCELED' THEN 'cancelled' WHEN 'FAILED' THEN 'cancelled' "
        "WHEN 'QUEUED' THEN 'planned' WHEN 'RINGING' THEN 'planned' ELSE 'done' END",
        "direction": "CASE upper({hs_call_direction}) WHEN 'INBOUND' THEN 'in' WHEN 'OUTBOUND' THEN 'out' END",
        "kind_name": "'CALL'",
    },
    LIVE,
)  # fmt: skip
MEETING = Object(
    "meetings", "activities", ("meeting", "engagementmeeting", "engagementsmeeting", "objectsmeeting"),
    (*COMMON, "hs_meeting_start_time=start_time", "hs_meeting_end_time=end_time", "hs_meeting_outcome=meeting_outcome",
     "hs_i_cal_uid", "hs_meeting_title=title", "hs_internal_meeting_notes"),
    {
        **ENGAGEMENT,
        "clock": "coalesce({hs_meeting_start_time}, {hs_timestamp})",
        "ends": "{hs_meeting_end_time}",
        "planned_length": "true",
        "outcome": "CASE upper({hs_meeting_outcome}) WHEN 'COMPLETED' THEN 'held' WHEN 'NO_SHOW' THEN 'no show' "
        "WHEN 'NO SHOW' THEN 'no show' END",
        "status": "CASE upper({hs_meeting_outcome}) WHEN 'COMPLETED' THEN 'done' WHEN 'NO_SHOW' THEN 'done' WHEN 'NO SHOW' THEN 'done' "
        "WHEN 'CANCELED' THEN 'cancelled' WHEN 'RESCHEDULED' THEN 'cancelled' ELSE 'by_time' END",
        "touch_key": "{hs_i_cal_uid}",
        "meeting": "true",
        "kind_name": "'MEETING'",
    },
    LIVE,
)  # fmt: skip
EMAIL = Object(
    "emails", "activities", ("email", "engagementemail", "engagementsemail", "objectsemail"),
    (*COMMON, "hs_email_direction", "hs_email_status=status", "hs_email_sent_via", "hs_email_message_id", "hs_email_subject=subject"),
    {
        **ENGAGEMENT,
        "direction": "CASE upper({hs_email_direction}) WHEN 'EMAIL' THEN 'out' WHEN 'INCOMING_EMAIL' THEN 'in' "
        "WHEN 'FORWARDED_EMAIL' THEN 'unknown' END",
        "outcome": "CASE upper({hs_email_status}) WHEN 'BOUNCED' THEN 'bounced' END",
        "status": "CASE upper({hs_email_status}) WHEN 'SCHEDULED' THEN 'planned' WHEN 'SENDING' THEN 'planned' "
        "WHEN 'FAILED' THEN 'cancelled' ELSE 'done' END",
        "origin": "CASE WHEN upper({hs_email_sent_via}) LIKE '%SEQUENCE%' THEN 'sequence' "
        "WHEN upper({hs_email_sent_via}) LIKE '%WORKFLOW%' THEN 'system' ELSE " + ENGAGEMENT["origin"] + " END",
        "touch_key": "{hs_email_message_id}",
        "kind_name": "'EMAIL'",
    },
    LIVE,
)  # fmt: skip
TASK = Object(
    "tasks", "activities", ("task", "engagementtask", "engagementstask", "objectstask"),
    (*COMMON, "hs_task_status=status", "hs_task_type=task_type", "hs_task_subject=subject", "hs_task_completion_date=completion_date"),
    {
        **ENGAGEMENT,
        "clock": "coalesce({hs_task_completion_date}, {hs_timestamp})",
        "status": "CASE WHEN upper({hs_task_status}) = 'COMPLETED' THEN 'done' WHEN {hs_task_status} IS NULL "
        "AND {hs_task_completion_date} IS NULL THEN 'planned' WHEN {hs_task_completion_date} IS NOT NULL THEN 'done' ELSE 'planned' END",
        "kind_name": "coalesce({hs_task_type}, 'TASK')",
    },
    LIVE,
)  # fmt: skip
NOTE = Object(
    "notes",
    "activities",
    ("note", "engagementnote", "engagementsnote"),
    COMMON,
    {**ENGAGEMENT, "kind_name": "'NOTE'"},
    LIVE,
)
COMMUNICATION = Object(
    "communications", "activities", ("communication", "engagementcommunication"), (*COMMON, "hs_communication_channel_type"),
    {**ENGAGEMENT, "kind_name": "coalesce({hs_communication_channel_type}, 'COMMUNICATION')"}, LIVE,
)  # fmt: skip
ENGAGEMENTS_V1 = Object(
    "engagements", "activities", ("engagements",),
    ("engagement_id=engagementid,id", "engagement_type=type", "engagement_ownerId=ownerid,engagement_owner_id",
     "engagement_createdAt=engagement_created_at,createdat", "engagement_timestamp=timestamp", "engagement_lastUpdated=lastupdated",
     "engagement_active=active", "metadata_durationMilliseconds=metadata_duration_milliseconds", "metadata_disposition",
     "metadata_startTime=metadata_start_time", "metadata_endTime=metadata_end_time", "metadata_status",
     "associations_dealIds=associations_deal_ids", "associations_contactIds=associations_contact_ids",
     "associations_companyIds=associations_company_ids"),
    {
        "prefix": "'hs:'", "id": "{engagement_id}", "rep": "{engagement_ownerId}", "created": "{engagement_createdAt}",
        "clock": "coalesce({metadata_startTime}, {engagement_timestamp})", "ends": "{metadata_endTime}",
        "duration": "{metadata_durationMilliseconds}", "unit": "'ms'", "outcome": "{metadata_disposition}",
        "has_outcome": "{metadata_disposition} IS NOT NULL",
        "planned_length": "upper({engagement_type}) = 'MEETING'", "meeting": "upper({engagement_type}) = 'MEETING'",
        "direction": "CASE upper({engagement_type}) WHEN 'EMAIL' THEN 'out' WHEN 'INCOMING_EMAIL' THEN 'in' END",
        "status": "CASE WHEN upper({engagement_type}) = 'TASK' AND upper({metadata_status}) <> 'COMPLETED' THEN 'planned' ELSE 'by_time' END",
        "opportunity": "first_number({associations_dealIds})", "contact": "first_number({associations_contactIds})",
        "account": "first_number({associations_companyIds})", "kind_name": "upper({engagement_type})",
        "linked": "coalesce({associations_dealIds}, {associations_contactIds}, {associations_companyIds}) IS NOT NULL",
        "deleted": "coalesce(NOT yes({engagement_active}), false)",
    },
    ("engagement_lastUpdated",),
)  # fmt: skip
BASE = Object(
    "engagement", "engagement_base", ("engagement",), ("id=engagement_id", "owner_id", "type", "timestamp", "created_at", "active"),
    {"id": "{id}", "rep": "{owner_id}", "clock": "{timestamp}", "created": "{created_at}"},
)  # fmt: skip
LINKS = tuple(
    Object(
        f"engagement_{what}", "links", (f"engagement{what}", f"engagements{what}"), ("engagement_id", f"{what}_id"),
        {"activity": "{engagement_id}", "target": f"{{{what}_id}}", "what": f"'{canonical}'"},
    )
    for what, canonical in (("deal", "opportunity"), ("contact", "contact"), ("company", "account"))
)  # fmt: skip
DEAL_COMPANY = Object(
    "deal_company",
    "deal_account",
    ("dealcompany",),
    ("deal_id", "company_id"),
    {"deal": "{deal_id}", "account": "{company_id}"},
)
DEAL = Object(
    "deals", "opportunities", ("deal",),
    ("deal_id=id,hs_object_id,Record ID", "owner_id=hubspot_owner_id,Deal owner", "amount=Amount", "closedate=Close Date", "createdate=Create Date",
     "deal_pipeline_id=pipeline", "deal_pipeline_stage_id=dealstage,Deal Stage", "dealname=Deal Name", "dealtype=Deal Type",
     "deal_currency_code=Currency", "hs_deal_stage_probability=Deal probability", "hs_analytics_source=Original Source", "is_deleted=archived",
     "companies=company_id,associated_company_ids,associatedcompanyid", "hubspot_owner_assigneddate", "amount_in_home_currency", *LIVE),
    {
        "id": "{deal_id}", "rep": "{owner_id}", "amount": "{amount}", "closed": "{closedate}", "created": "{createdate}",
        "pipeline": "{deal_pipeline_id}", "stage": "{deal_pipeline_stage_id}", "name": "{dealname}", "type": "{dealtype}",
        "currency": "{deal_currency_code}", "probability": "try_cast({hs_deal_stage_probability} AS DOUBLE)",
        "source": "{hs_analytics_source}", "deleted": "yes({is_deleted})", "account": "first_number({companies})",
        "assigned": "{hubspot_owner_assigneddate}",
    },
    LIVE,
)  # fmt: skip
DEAL_STAGE = Object(
    "deal_stage", "deal_history", ("dealstage",), ("deal_id", "value=stage_id", "date_entered", "source"),
    {"deal": "{deal_id}", "clock": "coalesce({date_entered}, {_fivetran_start})", "field": "'stage'", "new": "{value}",
     "bulk": "upper({source}) IN ('IMPORT', 'BATCH_UPDATE', 'MIGRATION')"},
)  # fmt: skip
DEAL_HISTORY = Object(
    "deal_property_history", "deal_history", ("dealpropertyhistory", "dealhistory"),
    ("deal_id", "name=property", "value", "timestamp", "source"),
    {
        "deal": "{deal_id}", "clock": "{timestamp}", "new": "{value}",
        "field": "CASE lower({name}) WHEN 'hubspot_owner_id' THEN 'owner' WHEN 'dealstage' THEN 'stage' END",
        "bulk": "upper({source}) IN ('IMPORT', 'BATCH_UPDATE', 'MIGRATION')",
    },
)  # fmt: skip
STAGES = Object(
    "deal_pipeline_stage", "stages", ("dealpipelinestage",),
    ("stage_id=id", "label", "pipeline_id", "display_order", "is_closed", "closed_won", "probability"),
    {"id": "{stage_id}", "label": "{label}", "pipeline": "{pipeline_id}", "order": "{display_order}", "won": "yes({closed_won})",
     "closed": "yes({is_closed})", "probability": "{probability}"},
)  # fmt: skip
PIPELINES = Object(
    "deal_pipeline",
    "pipelines",
    ("dealpipeline", "pipeline"),
    ("pipeline_id=id", "label"),
    {"id": "{pipeline_id}", "label": "{label}"},
)
OWNER = Object(
    "owners", "users", ("owner",),
    ("id=owner_id", "userId=active_user_id,user_id", "email", "firstName", "lastName", "archived=is_deleted", "teams", "manager_id"),
    {
        "id": "{id}", "second_id": "{userId}", "email": "{email}", "login": "{email}",
        "name": "nullif(concat_ws(' ', {firstName}, {lastName}), '')",
        "team": "primary_team({teams})", "manager": "{manager_id}", "employee": "NULL",
    },
    ("updatedAt",),
)  # fmt: skip
USERS = Object(
    "users",
    "user_details",
    ("user",),
    ("id", "primary_team_id", "role_id"),
    {"id": "{id}", "team": "{primary_team_id}"},
)
TEAM = Object("team", "teams", ("team",), ("id=team_id", "name"), {"id": "{id}", "name": "{name}"})
OWNER_TEAM = Object(
    "owner_team", "user_teams", ("ownerteam",), ("owner_id", "team_id", "is_team_primary"),
    {"user": "{owner_id}", "team": "{team_id}", "primary": "coalesce(yes({is_team_primary}), true)"},
)  # fmt: skip
TEAM_USER = Object(
    "team_user", "user_teams", ("teamuser",), ("user_id", "team_id", "is_secondary_user"),
    {"user": "{user_id}", "team": "{team_id}", "primary": "NOT coalesce(yes({is_secondary_user}), false)"},
)  # fmt: skip
MERGED = Object(
    "merged_deal", "merges", ("mergeddeal",), ("deal_id", "merged_deal_id"),
    {"from": "{merged_deal_id}", "to": "{deal_id}", "what": "'deal'"},
)  # fmt: skip
SPLITS = Object(
    "deal_splits", "splits", ("dealsplit",), ("id", "hs_deal_split_percentage", "hs_deal_id=deal_id", "hubspot_owner_id=owner_id", "archived"),
    {"id": "{id}", "deal": "{hs_deal_id}", "rep": "{hubspot_owner_id}", "share": "{hs_deal_split_percentage}", "deleted": "yes({archived})"},
)  # fmt: skip
GOALS = Object(
    "goals", "quotas", ("goal", "goaltarget"),
    ("id", "hs_target_amount", "hs_start_datetime", "hs_end_datetime", "hs_assignee_user_id=hubspot_owner_id,owner_id", "archived"),
    {"id": "{id}", "owner": "{hs_assignee_user_id}", "level": "'rep'", "start": "{hs_start_datetime}", "end": "{hs_end_datetime}",
     "amount": "{hs_target_amount}", "deleted": "yes({archived})"},
)  # fmt: skip
CONTACT = Object(
    "contacts", "contacts", ("contact",), ("id=vid,hs_object_id", "jobtitle=Job Title", "is_deleted=archived"),
    {"id": "{id}", "title": "{jobtitle}", "deleted": "yes({is_deleted})"}, LIVE,
)  # fmt: skip
LEAD = Object(
    "leads", "leads", ("lead",),
    ("id=hs_object_id,lead_id", "hs_createdate=createdate,created_at", "hubspot_owner_id=owner_id", "hs_lead_source=source", "hs_pipeline_stage=status",
     "hs_associated_deal_id=deal_id", "hs_primary_contact_id=contact_id", "campaign_id", "archived"),
    {"id": "{id}", "created": "{hs_createdate}", "rep": "{hubspot_owner_id}", "source": "{hs_lead_source}", "status": "{hs_pipeline_stage}",
     "opportunity": "first_number({hs_associated_deal_id})", "contact": "first_number({hs_primary_contact_id})",
     "campaign": "{campaign_id}", "deleted": "yes({archived})"}, LIVE,
)  # fmt: skip

MAPPING = Mapping(
    "hubspot",
    (CALL, MEETING, EMAIL, TASK, NOTE, COMMUNICATION, ENGAGEMENTS_V1, BASE, *LINKS, DEAL_COMPANY, DEAL, DEAL_STAGE, DEAL_HISTORY, STAGES,
     PIPELINES, OWNER, USERS, TEAM, OWNER_TEAM, TEAM_USER, MERGED, SPLITS, GOALS, CONTACT, LEAD),
    outcomes={  # the six dispositions every portal is born with
        "9d9162e7-6cf3-4944-bf63-4dff82258764": "busy",
        "f240bbac-87c9-4f6e-bf70-924b57d47db7": "connected",
        "a4c4c377-d246-4b32-a13b-75a56a4cd0ff": "voicemail",
        "b2cf5968-551e-4856-9783-52b3da59a7d0": "voicemail",
        "73a0d17f-1163-4015-bdd5-ec830791da20": "no_answer",
        "17b47fee-58de-441e-a44c-c6300d46f273": "wrong_number",
    },
)  # fmt: skip
