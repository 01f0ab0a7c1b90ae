"""What this company calls things in Salesforce, and the import configuration that says so."""

from analysis.crm.simulate import configs, export

TASKS = ("call", "email", "proposal")
DISPOSITIONS = {
    "connected": "Connected",
    "voicemail": "Left Voicemail",
    "no_answer": "No Answer",
    "busy": "Busy",
    "wrong_number": "Wrong Number",
}
STAGES = {
    "qualification": "Prospecting",
    "discovery": "Needs Analysis",
    "proposal": "Proposal/Price Quote",
    "negotiation": "Negotiation/Review",
    "won": "Closed Won",
    "lost": "Closed Lost",
}
SOURCES = {"inbound": "Web", "outbound": "Prospecting", "partner": "Partner Referral", "referral": "Customer Referral"}
LEAD_SOURCES = {name: name.capitalize() for name in ("website", "webinar", "event", "content", "partner")}
FEEDBACK = {"accepted": "Working", "rejected": "Unqualified", "recycled": "Nurture"}
LEVELS = {"vp_or_above": "VP Operations", "manager": "Purchasing Manager", "user": "Engineer", "unknown": ""}

_MONEY = """[money]
field = "Amount"
list_field = "List_Amount__c"
units_field = "Units__c"
margin_field = "Margin__c"
won_date = "history"
credit = "splits"
[contacts]
vp_or_above = ["VP%"]
manager = ["%Manager"]
user = ["Engineer"]
"""
_TASK_RULES = (
    ("sequence", "email", ('when = [{ field = "Subject", prefix = "[Sequence]" }]', 'automated = "sequence"')),
    ("bulk", "email", ('when = [{ field = "TaskSubtype", eq = "ListEmail" }]', 'automated = "bulk"')),
    (
        "call",
        "call",
        (
            'when = [{ field = "Type", eq = "Call" }]',
            'meaningful = { all = [{ field = "CallDurationInSeconds", gt = 120 }] }',
        ),
    ),
    (
        "answer",
        "email",
        (
            'when_all = [{ field = "Type", eq = "Email" }, { field = "Subject", prefix = "Re:" }]',
            'direction = "in"',
            'meaningful = { all = [{ field = "Subject", prefix = "Re:" }] }',
        ),
    ),
    (
        "email",
        "email",
        (
            'when = [{ field = "Type", eq = "Email" }]',
            'direction = "out"',
            'meaningful = { all = [{ field = "Subject", prefix = "Re:" }] }',
            'outcomes = { bounced = { any = [{ field = "Subject", prefix = "Undeliverable:" }] } }',
        ),
    ),
    (
        "proposal",
        "proposal",
        (
            'when = [{ field = "Type", eq = "Proposal" }]',
            'meaningful = { all = [{ field = "Type", eq = "Proposal" }] }',
        ),
    ),
)


def text(kinds: list[str], as_of: str) -> str:
    """The configuration of an export with these kinds of activity whose first day after the data is `as_of`."""
    canonical = {label: name for name, label in SOURCES.items()}
    canonical |= {label: "partner" if name == "partner" else "inbound" for name, label in LEAD_SOURCES.items()}
    feedback = {label: name for name, label in FEEDBACK.items()}
    parts = configs.head("salesforce", "api_json", "camel", export.day_before(as_of), feedback, canonical)
    parts += 'handoff = { history_field = "Owner", from_prefix = "00G" }\n'
    parts += 'qualified = { history_field = "Status", to = ["Qualified"] }\n'
    parts += _MONEY + configs.stages(STAGES) + configs.coaching(kinds)
    for name, kind, lines in _TASK_RULES:
        parts += configs.rule(name, kind, lines)
    for kind in kinds:
        if kind not in TASKS:
            label = kind.replace("_", " ").title()
            held = 'meaningful = { all = [{ field = "no_show__c", eq = false }] }'
            when = f'when_all = [{{ field = "Type", eq = {export.quoted(label)} }}]'
            parts += configs.rule(kind, kind, ('when_object = "Event"', when, held))
    return parts
