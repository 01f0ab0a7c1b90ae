"""What a team's goal needs in one or two sentences, from the numbers of management.targets."""

from __future__ import annotations

from analysis import words
from analysis.management.targets import Targets

LIKELY = 0.7  # the chance from which a goal is likely reached


def goal_sentence(found: Targets, currency: str, *, locale: str = "en") -> str:
    """What is missing, the chance at the present pace, and what would make it likely beside what averages would say."""
    say = words.Voice("goal", locale)
    values = {
        "amount": words.money(found.goal.missing, currency, short=True, locale=locale),
        "weeks": say.count(round(found.goal.weeks_left), "week"),
        "chance": words.chance(found.chance_as_is, locale=locale),
    }
    if found.goal.missing <= 0:
        return say.text("reached", values)
    said = [say.text("missing", values)]
    lever = found.levers.iloc[0]
    if found.chance_as_is < LIKELY and words.is_known(lever["per_week_70"]):
        values = {"n": say.number(lever["per_week_70"], decimals=1), "likely": say.share(LIKELY)}
        said.append(say.text("more", values))
        known = words.is_known(lever["naive_chance"])
        naive = {"n": say.number(lever["naive_per_week"], decimals=1), "share": say.share(lever["naive_chance"])}
        if words.is_known(lever["naive_per_week"]):
            said.append(say.text("averages_reach" if known else "averages", naive))
    return " ".join(said)
