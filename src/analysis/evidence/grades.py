"""A grade is the weakest link of what was measured, never an average; every grade carries its reason.

A predicts; B likely predicts; C moves together, direction unclear; D cannot tell; E no material effect; X refused.
The order of the questions is the rule: refusals first, then whether there is anything, then what could explain it away,
then how strongly it is supported. docs/methods.md has the rule in words and its measured error rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis import words
from analysis.evidence.plan import Limits

SAY = words.Voice("evidence.reasons")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a grade may turn on for one activity in one scope; probabilities 0..1, effects on the log scale per one extra.

    p_value: cluster-robust t(G-1). p_bootstrap: restricted bootstrap, None where not run. q_value: over all activities.
    veto_p: adjusted p of each veto, {"placebo": .., "reverse": .., "drift": ..}; small = failed. confounded_p: the same for the scope as a whole.
    few_events: too few wins for the smooth delays, so only the plain average over the window was estimated. useful: smallest effect
    worth acting on. same_sign: revenue agrees with the headline outcome (None where there is one outcome only). veto_p None: they could not be run.
    """

    estimate: float
    conf_low: float
    conf_high: float
    p_value: float
    q_value: float
    p_bootstrap: float | None
    veto_p: dict[str, float] | None
    confounded_p: float
    forecast_p: float | None
    same_sign: bool | None
    sign_stable: bool
    effective_clusters: float
    max_rep_share: float
    persistence: float
    mde: float
    useful: float
    volume: float
    elasticity: float
    late_share: float = 0.0
    is_marker: bool = False
    few_events: bool = False
    own_share: float = 1.0


def reason(key: str, **values: str) -> str:
    """The reason's words, as one sentence; the numbers in it as finished texts."""
    return SAY.text(key, values)


def _share(effect: float) -> str:
    """An effect on the log scale as the sentence beside the reason writes it: 1.6%."""
    return SAY.share(words.significant(math.expm1(effect)))


def refusal(m: Measured, limits: Limits) -> tuple[str, str] | None:
    """X: the data cannot carry any answer about this activity."""
    if m.late_share > limits.late_share:
        return "X", reason("late", share=SAY.share(m.late_share, decimals=0))
    if m.max_rep_share > limits.max_rep_share:
        return "X", reason("one_rep", share=SAY.share(m.max_rep_share, decimals=0))
    if m.mde * m.volume > limits.refuse_mde_share and m.q_value > limits.hint_q:
        return "X", reason("undetectable")
    return None


def is_claim(m: Measured, limits: Limits) -> bool:
    """Whether both measures of uncertainty, with every test counted, say that there is something."""
    confirmed = m.p_bootstrap is None or m.p_bootstrap <= limits.claim_q
    return m.q_value <= limits.claim_q and m.p_value <= limits.claim_q and confirmed


def doubt(m: Measured, limits: Limits) -> str | None:
    """What could explain the link away, the most damaging first; None when nothing does."""
    if m.veto_p is None:
        return reason("unchecked")
    for name in ("placebo", "reverse", "drift"):
        if m.veto_p.get(name, 1.0) <= limits.veto_level:
            return reason(f"vetoed_{name}")
    if m.confounded_p <= limits.confounded_level:
        return reason("confounded")
    if m.is_marker:
        return reason("marker")
    if m.same_sign is False:
        return reason("sign")
    if not m.sign_stable:
        return reason("one_out")
    if abs(m.elasticity) > limits.elasticity_suspect:
        return reason("too_good")
    return None


def strength(m: Measured, limits: Limits) -> tuple[str, str]:
    """A or B for a claim that nothing explains away; D when too few reps carry it."""
    if m.effective_clusters < limits.weak_clusters:
        return "D", reason("clusters", effective=SAY.number(m.effective_clusters, decimals=1))
    if m.effective_clusters < limits.strong_clusters:
        return "B", reason("clusters", effective=SAY.number(m.effective_clusters, decimals=1))
    if m.forecast_p is None or m.forecast_p > limits.forecast_p:
        return "B", reason("forecast")
    if m.own_share < 0.5:
        return "A", reason("borrowed", own=SAY.share(m.own_share, decimals=0))
    return "A", reason("all")


def no_claim(m: Measured, limits: Limits) -> tuple[str, str]:
    """C, D or E where the tests do not add up to a claim."""
    if m.q_value <= limits.hint_q:
        confirmed = m.p_bootstrap is None or m.p_bootstrap <= limits.claim_q
        return "C", reason("hint") if confirmed else reason("bootstrap")
    if -m.useful < m.conf_low and m.conf_high < m.useful:
        return "E", reason("small", useful=_share(m.useful))
    if m.mde > m.useful:
        return "D", reason("unclear", mde=_share(m.mde))
    return "D", reason("none_but_possible")


def grade(m: Measured, limits: Limits) -> tuple[str, str]:
    """The grade letter and the one sentence that says why, naming the weakest link."""
    if refused := refusal(m, limits):
        return refused
    if m.few_events and m.q_value <= limits.hint_q:
        return "D", reason("few_events")
    if not is_claim(m, limits):
        return no_claim(m, limits)
    if doubtful := doubt(m, limits):
        return "C", doubtful
    return strength(m, limits)
