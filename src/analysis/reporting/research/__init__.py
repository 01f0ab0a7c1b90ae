"""The analyst's research notebooks: each function takes the opened book and returns what one cell displays."""

from analysis.reporting.places import data_folder
from analysis.reporting.research import plots
from analysis.reporting.research.assumptions import assumptions, baselines, deal_size, quality
from analysis.reporting.research.book import Book, open_book
from analysis.reporting.research.calibration import calibration, calibration_reading, power_frame, rotated_p_values
from analysis.reporting.research.carry import carry_over, carry_over_reading, scan, scan_reading
from analysis.reporting.research.delays import (
    correlation_reading,
    correlations,
    delay_answer,
    delays,
    projection_reading,
    projections,
    window,
)
from analysis.reporting.research.findings import (
    cards,
    effects,
    findings_answer,
    findings_table,
    other_outcomes,
    other_outcomes_reading,
    plan,
)
from analysis.reporting.research.sample import limits, notes, overview, sample
from analysis.reporting.research.shapes import shape_curves, shape_reading
from analysis.reporting.research.specifications import specification_reading, specification_test, specifications
from analysis.reporting.research.teams import team_links, team_reading, team_table
from analysis.reporting.research.trust import (
    change_mind,
    check_matrix,
    check_reading,
    detectable,
    forecasts,
    one_rep_out,
    one_rep_out_reading,
    trust_answer,
)

__all__ = [
    "Book",
    "assumptions",
    "baselines",
    "calibration",
    "calibration_reading",
    "cards",
    "carry_over",
    "carry_over_reading",
    "change_mind",
    "check_matrix",
    "check_reading",
    "correlation_reading",
    "correlations",
    "data_folder",
    "deal_size",
    "delay_answer",
    "delays",
    "detectable",
    "effects",
    "findings_answer",
    "findings_table",
    "forecasts",
    "limits",
    "notes",
    "one_rep_out",
    "one_rep_out_reading",
    "open_book",
    "other_outcomes",
    "other_outcomes_reading",
    "overview",
    "plan",
    "plots",
    "power_frame",
    "projection_reading",
    "projections",
    "quality",
    "rotated_p_values",
    "sample",
    "scan",
    "scan_reading",
    "shape_curves",
    "shape_reading",
    "specification_reading",
    "specification_test",
    "specifications",
    "team_links",
    "team_reading",
    "team_table",
    "trust_answer",
    "window",
]
