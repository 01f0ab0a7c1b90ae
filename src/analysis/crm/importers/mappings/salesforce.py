"""Salesforce: API names, report-export headings, and the snake case of its loaders.

ActivityDate is the due date and a date; CompletedDateTime is the preferred clock of a finished task. Owners starting 00G
are queues. An invitee's copy of a group event (IsChild) and a series master are no meetings of their own.
"""

from analysis.crm.importers.mappings import Mapping, Object

LIVE = ("SystemModstamp", "LastModifiedDate")
ACTIVITY = (
    "Id=Activity ID,TaskID,EventID", "OwnerId=Assigned To ID,Assigned ID,Owner ID", "CreatedById=Created By ID",
    "CreatedDate=Created Date,Created Date/Time", "WhatId=Related To ID,Opportunity ID", "WhoId=Name ID,Contact/Lead ID",
    "AccountId=Account ID,Company / Account ID", "Subject", "Type=Activity Type,Event Type,Task Type", "Description=Comments,Full Comments",
    "IsDeleted=Deleted", "IsRecurrence", "IsArchived=Archived", *LIVE,
)  # fmt: skip
LINKS = {
    "id": "{Id}",
    "rep": "{OwnerId}",
    "creator": "{CreatedById}",
    "created": "{CreatedDate}",
    "opportunity": "CASE WHEN starts_with({WhatId}, '006') THEN {WhatId} END",
    "account": "CASE WHEN starts_with({WhatId}, '001') THEN {WhatId} ELSE {AccountId} END",
    "lead": "CASE WHEN starts_with({WhoId}, '00Q') THEN {WhoId} END",
    "contact": "CASE WHEN starts_with({WhoId}, '003') THEN {WhoId} END",
    "linked": "coalesce({WhoId}, {WhatId}, {AccountId}) IS NOT NULL",
    "deleted": "yes({IsDeleted})",
    "series": "yes({IsRecurrence})",
}
CALL_WORDS = "lower({CallDisposition})"

TASK = Object(
    "Task", "activities", ("task", "activity", "activitytask"),
    (*ACTIVITY, "ActivityDate=Due Date,Date", "CompletedDateTime=Completed Date,Completed Date/Time", "IsClosed=Closed",
     "Status", "TaskSubtype=Task Subtype", "CallType", "CallDurationInSeconds=Call Duration,Call Duration (seconds)",
     "CallDisposition=Call Result,Call Disposition"),
    {
        **LINKS,
        "prefix": "'sf:Task:'",
        "clock": "CASE WHEN coalesce(yes({IsClosed}), lower({Status}) = 'completed') THEN {CompletedDateTime} END",
        "day": "{ActivityDate}",
        "status": "CASE WHEN {IsClosed} IS NOT NULL THEN CASE WHEN yes({IsClosed}) THEN 'done' ELSE 'planned' END "
        "WHEN lower({Status}) = 'completed' THEN 'done' WHEN {Status} IS NOT NULL THEN 'planned' ELSE 'done' END",
        "duration": "{CallDurationInSeconds}",
        "direction": "CASE lower({CallType}) WHEN 'inbound' THEN 'in' WHEN 'outbound' THEN 'out' WHEN 'internal' THEN 'internal' END",
        "outcome": "{CallDisposition}",
        "has_outcome": "{CallDisposition} IS NOT NULL",
        "kind_a": "{Type}",
        "kind_b": "{TaskSubtype}",
        "system_clock": "true",
    },
    LIVE,
)  # fmt: skip
EVENT = Object(
    "Event", "activities", ("event", "activityevent"),
    (*ACTIVITY, "StartDateTime=Start,Start Date/Time", "ActivityDateTime", "ActivityDate=Date", "EndDateTime=End",
     "DurationInMinutes=Duration", "IsChild", "IsPrivate", "EventSubtype", "IsAllDayEvent", "no_show__c"),
    {
        **LINKS,
        "prefix": "'sf:Event:'",
        "clock": "CASE WHEN NOT coalesce(yes({IsAllDayEvent}), false) THEN coalesce({StartDateTime}, {ActivityDateTime}) END",
        "day": "coalesce({ActivityDate}, {StartDateTime}, {ActivityDateTime})",
        "status": "'by_time'",
        "duration": "{DurationInMinutes}",
        "unit": "'min'",
        "planned_length": "true",
        "child": "yes({IsChild})",
        "private": "yes({IsPrivate})",
        "outcome": "CASE WHEN yes({no_show__c}) THEN 'no show' WHEN {no_show__c} IS NOT NULL THEN 'held' END",
        "meeting": "true",
        "kind_a": "{Type}",
        "kind_b": "{EventSubtype}",
    },
    LIVE,
)  # fmt: skip
OPPORTUNITY = Object(
    "Opportunity", "opportunities", ("opportunity", "opportunitie", "deal"),
    ("Id=Opportunity ID", "AccountId=Account ID", "OwnerId=Opportunity Owner ID,Owner ID", "Name=Opportunity Name", "Amount",
     "CloseDate=Close Date", "StageName=Stage", "IsClosed=Closed", "IsWon=Won", "CreatedDate=Created Date", "Type", "LeadSource=Lead Source",
     "Probability=Probability (%)", "CampaignId", "IsDeleted", "CurrencyIsoCode=Currency,Amount Currency", *LIVE),
    {
        "id": "{Id}", "rep": "{OwnerId}", "account": "{AccountId}", "name": "{Name}", "amount": "{Amount}", "closed": "{CloseDate}",
        "stage": "{StageName}", "created": "{CreatedDate}", "type": "{Type}", "source": "{LeadSource}",
        "probability": "try_cast(replace({Probability}, '%', '') AS DOUBLE) / 100", "deleted": "yes({IsDeleted})",
        "currency": "{CurrencyIsoCode}",
        "is_won": "yes({IsWon})", "is_closed": "yes({IsClosed})",
    },
    LIVE,
)  # fmt: skip
HISTORY = Object(
    "OpportunityHistory", "deal_history", ("opportunityhistory", "opportunityhistorie", "opportunitystagehistory"),
    ("Id", "OpportunityId=Opportunity ID", "CreatedDate=Last Modified,Edit Date", "StageName=To Stage,Stage", "IsDeleted"),
    {"id": "{Id}", "deal": "{OpportunityId}", "clock": "{CreatedDate}", "field": "'stage'", "new": "{StageName}", "deleted": "yes({IsDeleted})"},
)  # fmt: skip
FIELD_HISTORY = Object(
    "OpportunityFieldHistory", "deal_history", ("opportunityfieldhistory", "opportunityfieldhistorie"),
    ("Id", "OpportunityId", "CreatedDate", "Field", "OldValue", "NewValue", "IsDeleted"),
    {
        "id": "{Id}", "deal": "{OpportunityId}", "clock": "{CreatedDate}",
        # Owner changes are written twice, as names and as ids; only the ids are of use.
        "field": "CASE WHEN lower({Field}) IN ('owner', 'ownerid') AND starts_with({NewValue}, '005') THEN 'owner' "
        "WHEN lower({Field}) = 'stagename' THEN 'stage' END",
        "old": "{OldValue}", "new": "{NewValue}", "deleted": "yes({IsDeleted})",
    },
)  # fmt: skip
USER = Object(
    "User", "users", ("user", "owner"),
    ("Id=User ID", "Name=Full Name", "FirstName", "LastName", "Email", "Username", "IsActive=Active", "ManagerId=Manager ID",
     "UserRoleId=Role ID", "Department", "Title", "TimeZoneSidKey=Time Zone", "UserType", "EmployeeNumber=Employee Number"),
    {
        "id": "{Id}", "name": "coalesce({Name}, nullif(concat_ws(' ', {FirstName}, {LastName}), ''))", "email": "coalesce({Email}, {Username})",
        "login": "{Username}", "manager": "{ManagerId}", "team": "{UserRoleId}", "department": "{Department}", "title": "{Title}",
        "timezone": "{TimeZoneSidKey}", "employee": "{EmployeeNumber}", "is_person": "coalesce({UserType} = 'Standard', true)",
    },
    LIVE,
)  # fmt: skip
ROLE = Object(
    "UserRole", "teams", ("userrole", "role"), ("Id=Role ID", "Name=Role Name,Role"), {"id": "{Id}", "name": "{Name}"}
)
SPLIT = Object(
    "OpportunitySplit", "splits", ("opportunitysplit",),
    ("Id", "OpportunityId", "SplitOwnerId", "SplitPercentage", "SplitTypeId", "IsDeleted"),
    {"id": "{Id}", "deal": "{OpportunityId}", "rep": "{SplitOwnerId}", "share": "{SplitPercentage}", "percent": "true",
     "type": "{SplitTypeId}", "deleted": "yes({IsDeleted})"},
)  # fmt: skip
QUOTA = Object(
    "ForecastingQuota", "quotas", ("forecastingquota",),
    ("Id", "QuotaOwnerId", "StartDate", "EndDate", "QuotaAmount", "CurrencyIsoCode", "ForecastingTypeId"),
    {"id": "{Id}", "owner": "{QuotaOwnerId}", "level": "'rep'", "start": "{StartDate}", "end": "{EndDate}", "amount": "{QuotaAmount}",
     "currency": "{CurrencyIsoCode}", "type": "{ForecastingTypeId}"},
)  # fmt: skip
LEAD = Object(
    "Lead", "leads", ("lead",),
    ("Id=Lead ID", "CreatedDate=Create Date,Created Date", "OwnerId=Lead Owner ID", "LeadSource=Lead Source", "Status=Lead Status",
     "IsConverted=Converted", "ConvertedDate", "ConvertedOpportunityId", "ConvertedAccountId", "ConvertedContactId",
     "MasterRecordId", "IsDeleted", "CampaignId", "Title", *LIVE),
    {
        "id": "{Id}", "created": "{CreatedDate}", "rep": "{OwnerId}", "source": "{LeadSource}", "status": "{Status}",
        "opportunity": "{ConvertedOpportunityId}", "contact": "{ConvertedContactId}", "campaign": "{CampaignId}",
        "merged": "{MasterRecordId}", "deleted": "yes({IsDeleted})",
    },
    LIVE,
)  # fmt: skip
LEAD_HISTORY = Object(
    "LeadHistory",
    "lead_history",
    ("leadhistory", "leadhistorie"),
    ("Id", "LeadId", "CreatedDate", "Field", "OldValue", "NewValue"),
    {
        "id": "{Id}",
        "lead": "{LeadId}",
        "clock": "{CreatedDate}",
        "field": "{Field}",
        "old": "{OldValue}",
        "new": "{NewValue}",
    },
)
CAMPAIGN = Object(
    "Campaign", "campaigns", ("campaign",), ("Id=Campaign ID", "Name=Campaign Name", "Type", "ActualCost=Actual Cost", "IsDeleted", *LIVE),
    {"id": "{Id}", "name": "{Name}", "channel": "{Type}", "cost": "{ActualCost}", "deleted": "yes({IsDeleted})"}, LIVE,
)  # fmt: skip
CONTACT = Object(
    "Contact", "contacts", ("contact",), ("Id=Contact ID", "Title", "AccountId=Account ID", "IsDeleted", *LIVE),
    {"id": "{Id}", "title": "{Title}", "account": "{AccountId}", "deleted": "yes({IsDeleted})"}, LIVE,
)  # fmt: skip
ACCOUNT = Object(
    "Account", "merges", ("account",), ("Id=Account ID", "MasterRecordId", "IsDeleted", *LIVE),
    {"from": "{Id}", "to": "{MasterRecordId}", "what": "'account'"}, LIVE,
)  # fmt: skip

MAPPING = Mapping(
    "salesforce",
    (
        TASK,
        EVENT,
        OPPORTUNITY,
        HISTORY,
        FIELD_HISTORY,
        USER,
        ROLE,
        SPLIT,
        QUOTA,
        LEAD,
        LEAD_HISTORY,
        CAMPAIGN,
        CONTACT,
        ACCOUNT,
    ),
    id_macro="sf_id",
    archives_activities=True,
)
