"""Dynamics 365 Sales: one table a kind of activity, polymorphic links, option-set numbers, minutes as durations.

Lookups appear as `ownerid`, `_ownerid_value` or `ownerid_id` depending on who landed them; states as numbers or labels.
"""

from analysis.crm.importers.mappings import Mapping, Object

LIVE = ("modifiedon",)


def lookup(name: str) -> str:
    """A lookup column and the spellings of the Web API and the lake export."""
    return f"{name}=_{name}_value,{name}_id,{name}_guid"


ACTIVITY = (
    "activityid", "activitytypecode", lookup("ownerid"), lookup("createdby"), "createdon", "actualstart", "actualend", "actualdurationminutes",
    "scheduledstart", "scheduledend", "directioncode", "statecode=statecodename", "subject", "description",
    lookup("regardingobjectid"),
    "regardingobjecttypecode=regardingobjectid_entitytype,_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname,"
    "regardingobjectidtype,regardingobjectid_lookuplogicalname",
    "isdeleted=isdelete", "ismapiprivate", *LIVE,
)  # fmt: skip


def regarding(entity: str, code: int) -> str:
    """The linked row's id where the link is of this entity (its name or its type code)."""
    return f"CASE WHEN lower({{regardingobjecttypecode}}) IN ('{entity}', '{code}') THEN {{regardingobjectid}} END"


VALUES = {
    "prefix": "'d365:'",
    "id": "{activityid}",
    "rep": "{ownerid}",
    "creator": "{createdby}",
    "created": "{createdon}",
    "clock": "coalesce({actualstart}, {actualend}, {scheduledstart})",
    "status": "CASE WHEN {statecode} = '1' OR lower({statecode}) = 'completed' THEN 'done' WHEN {statecode} = '2' "
    "OR lower({statecode}) IN ('canceled', 'cancelled') THEN 'cancelled' WHEN {statecode} IS NULL THEN 'by_time' ELSE 'planned' END",
    "duration": "{actualdurationminutes}",
    "unit": "'min'",
    "direction": "CASE WHEN yes({directioncode}) THEN 'out' WHEN {directioncode} IS NOT NULL THEN 'in' END",
    "opportunity": regarding("opportunity", 3),
    "account": regarding("account", 1),
    "lead": regarding("lead", 4),
    "contact": regarding("contact", 2),
    "linked": "{regardingobjectid} IS NOT NULL",
    "deleted": "yes({isdeleted})",
    "private": "yes({ismapiprivate})",
}


def activity(name: str, *names: str, meeting: bool = False) -> Object:
    """One activity table; closing a deal writes an `opportunityclose` row, which is no activity of a rep."""
    own = {"kind_name": f"coalesce({{activitytypecode}}, '{name}')"}
    if meeting:
        own |= {"meeting": "true", "planned_length": "{actualstart} IS NULL"}
    return Object(name, "activities", (name, *names), ACTIVITY, {**VALUES, **own}, LIVE)


OPPORTUNITY = Object(
    "opportunity", "opportunities", ("opportunity", "opportunitie"),
    ("opportunityid", "name", lookup("ownerid"), lookup("customerid"), lookup("parentaccountid"), "estimatedvalue", "estimatedvalue_base",
     "actualvalue", "actualvalue_base", "actualclosedate", "estimatedclosedate", "statecode=statecodename", "stepname", "closeprobability",
     "createdon", lookup("transactioncurrencyid"), "exchangerate", "isdeleted=isdelete", lookup("originatingleadid"), *LIVE),
    {
        "id": "{opportunityid}", "rep": "{ownerid}", "account": "coalesce({parentaccountid}, {customerid})", "name": "{name}",
        # The *_base columns are already in the organisation's currency.
        "amount": "CASE WHEN {statecode} = '1' OR lower({statecode}) = 'won' THEN coalesce({actualvalue_base}, {actualvalue}) "
        "ELSE coalesce({estimatedvalue_base}, {estimatedvalue}) END",
        "currency": "CASE WHEN coalesce({actualvalue_base}, {estimatedvalue_base}) IS NULL THEN {transactioncurrencyid} END",
        "closed": "coalesce({actualclosedate}, {estimatedclosedate})", "created": "{createdon}", "stage": "{stepname}",
        "state": "CASE WHEN {statecode} = '1' OR lower({statecode}) = 'won' THEN 'won' WHEN {statecode} = '2' OR lower({statecode}) = 'lost' "
        "THEN 'lost' ELSE 'open' END",
        "probability": "try_cast({closeprobability} AS DOUBLE) / 100", "deleted": "yes({isdeleted})", "lead": "{originatingleadid}",
    },
    LIVE,
)  # fmt: skip
USER = Object(
    "systemuser", "users", ("systemuser",),
    ("systemuserid", "fullname", "internalemailaddress", "domainname", "isdisabled", lookup("parentsystemuserid"), lookup("businessunitid"),
     "employeeid", "title", "accessmode"),
    {
        "id": "{systemuserid}", "name": "{fullname}", "email": "{internalemailaddress}", "login": "{domainname}",
        "manager": "{parentsystemuserid}", "team": "{businessunitid}", "employee": "{employeeid}", "title": "{title}",
        "is_person": "coalesce({accessmode} NOT IN ('4', 'Non-interactive'), true)",
    },
    LIVE,
)  # fmt: skip
UNIT = Object(
    "businessunit", "teams", ("businessunit",), ("businessunitid", "name"), {"id": "{businessunitid}", "name": "{name}"}
)
LEAD = Object(
    "lead", "leads", ("lead",),
    ("leadid", "createdon", lookup("ownerid"), "leadsourcecode=leadsourcecodename", "statuscode=statuscodename", lookup("qualifyingopportunityid"),
     lookup("campaignid"), lookup("contactid"), "isdeleted", *LIVE),
    {"id": "{leadid}", "created": "{createdon}", "rep": "{ownerid}", "source": "{leadsourcecode}", "status": "{statuscode}",
     "opportunity": "{qualifyingopportunityid}", "campaign": "{campaignid}", "contact": "{contactid}", "deleted": "yes({isdeleted})"}, LIVE,
)  # fmt: skip
CAMPAIGN = Object(
    "campaign", "campaigns", ("campaign",), ("campaignid", "name", "typecode=typecodename", "totalactualcost", *LIVE),
    {"id": "{campaignid}", "name": "{name}", "channel": "{typecode}", "cost": "{totalactualcost}"}, LIVE,
)  # fmt: skip
CONTACT = Object(
    "contact", "contacts", ("contact",), ("contactid", "jobtitle", lookup("parentcustomerid"), "isdeleted", *LIVE),
    {"id": "{contactid}", "title": "{jobtitle}", "account": "{parentcustomerid}", "deleted": "yes({isdeleted})"}, LIVE,
)  # fmt: skip
STAGE_HISTORY = Object(
    "opportunitysalesprocess", "deal_history", ("opportunitysalesprocess", "opportunitystagehistory"),
    ("businessprocessflowinstanceid", lookup("opportunityid"), lookup("activestageid"), "activestagestartedon", "stepname"),
    {"deal": "{opportunityid}", "clock": "{activestagestartedon}", "field": "'stage'", "new": "coalesce({stepname}, {activestageid})"},
)  # fmt: skip

MAPPING = Mapping(
    "dynamics365",
    (activity("phonecall"), activity("appointment", meeting=True), activity("email"), activity("task"),
     activity("activitypointer", "activity"), OPPORTUNITY, USER, UNIT, LEAD, CAMPAIGN, CONTACT, STAGE_HISTORY),
)  # fmt: skip
