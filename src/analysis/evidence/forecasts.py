"""Out of sample: does knowing an activity improve forecasts of weeks not yet seen, and against what one knew already?

Three baselines, each holding the one before: a rep's level and the season; the rep's own recent results; the open and the
probability-weighted pipeline at the start of the week, where recorded. Grades turn on the second. The third asks more: an
activity that works through the pipeline is in it already, so nothing gained there is no reproach, and something gained means
that the activity tells what the pipeline does not.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.estimate import MIN_TEAMS_AS_CLUSTERS
from analysis.evidence.sample import Array, Sample
from analysis.models.forecast import Gain, recent_mean, rolling_origin

Baseline = Literal["rep_season", "own_past", "pipeline"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
SAY = words.Voice("evidence.warnings")
OWN_PAST = 13  # periods of a rep's own results that the baseline knows


def baseline_columns(sample: Sample, baseline: Baseline) -> Array:
    """(n, c) columns known before each period begins, without the activities."""
    columns = [sample.season, sample.controls]
    if baseline != "rep_season":
        y = sample.outcomes[sample.plan.outcome]
        past = recent_mean(y, sample.rep_codes, sample.cells.time, OWN_PAST)
        columns.append(np.nan_to_num(past)[:, None])
    if baseline == "pipeline":
        columns.append(sample.pipeline)
    return np.hstack(columns)


def forecasts(sample: Sample, baseline: Baseline = "own_past") -> tuple[dict[str, Gain], tuple[str, ...]]:
    """Gain by activity, and under "" that of all together; the note says why it could not be done."""
    keep, n_terms = sample.keep, sample.basis.shape[1]
    if baseline == "pipeline" and not sample.pipeline.shape[1]:
        return {}, (SAY.text("no_pipeline"),)
    groups = {name: sample.terms[keep, k * n_terms : (k + 1) * n_terms] for k, name in enumerate(sample.activities)}
    teams = sample.team_codes[keep]
    try:
        out = rolling_origin(
            np.maximum(sample.y, 0.0),
            baseline_columns(sample, baseline)[keep],
            groups,
            sample.rep_codes[keep],
            sample.cells.time[keep],
            within=sample.cells.effect[keep],
            cluster=teams if np.unique(teams).size >= MIN_TEAMS_AS_CLUSTERS else None,
        )
    except AnalysisError as error:
        return {}, (SAY.text("no_forecast", {"why": error}),)
    return {**out.by_group, "": out.together}, ()
