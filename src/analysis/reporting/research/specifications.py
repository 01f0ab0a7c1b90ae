"""Would other, equally defensible choices have said the same? One activity's link under each of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.estimate import check_vcov
from analysis.evidence.sample import Sample
from analysis.models.design import lag_basis, lag_terms, make_cells
from analysis.models.inference import contrast
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml
from analysis.reporting.blocks import Note
from analysis.reporting.research.book import Book

COLUMNS = ["activity", "outcome", "model", "effects", "window", "terms", "estimate", "low", "high", "headline"]
EFFECTS = ("team_week", "week")


def specifications(book: Book, activity: str = "") -> pd.DataFrame:
    """The link of one activity (default the surest) under every combination of equivalent choices, smallest first.

    Varied: outcome and model (wins and revenue multiplicative, revenue additive), week effects by team or for all,
    window (half, as planned, one and a half times), smooth terms (one, three). Columns: COLUMNS; estimate, low, high as a share of
    the usual outcome per one extra; headline marks the study's own choice. Empty when the company was refused.
    """
    chosen = activity or (book.shown[0] if book.shown else "")
    if not book.answered or chosen not in book.company.activities:
        return pd.DataFrame(columns=COLUMNS)
    longest = book.plan.max_lag
    windows = sorted({max(1, longest // 2), longest, min(longest + longest // 2, book.company.n_periods // 4)})
    rows = []
    for effects, window, terms in product(EFFECTS, windows, sorted({1, book.company.plan.terms})):
        rows += _refits(book, chosen, effects, window, min(terms, window))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.sort_values("estimate", kind="stable", ignore_index=True)


def _refits(book: Book, activity: str, effects: str, window: int, terms: int) -> list[tuple[object, ...]]:
    sample, k = book.company, book.company.activities.index(activity)
    basis = lag_basis(window, terms=terms)
    columns = np.hstack([lag_terms(sample.cells, sample.counts, basis, range(1, window + 1)), sample.controls])
    weights = np.zeros(columns.shape[1])
    weights[k * terms : (k + 1) * terms] = basis.sum(axis=0)
    cells = _cells(book, sample, effects)
    out = []
    for outcome, model in _models(book):
        y = sample.outcomes[outcome]
        keep = sample.keep & np.isfinite(y) & np.isfinite(columns).all(axis=1)
        y = y[keep] if model == "additive" else np.maximum(y[keep], 0.0)
        try:
            fit = (fit_ols if model == "additive" else fit_ppml)(y, columns[keep], cells.take(keep))
        except AnalysisError:
            continue
        found = contrast(fit, weights, check_vcov(fit))
        values = np.array([found.estimate, found.conf_low, found.conf_high])
        shares = values / y.mean() if model == "additive" else np.expm1(values)
        own = (outcome, model, effects, window, terms) == (
            book.plan.outcome,
            "multiplicative",
            "team_week",
            book.plan.max_lag,
            sample.plan.terms,
        )
        out.append((activity, outcome, model, effects.replace("_", " by "), window, terms, *shares, own))
    return out


def _models(book: Book) -> list[tuple[str, str]]:
    found = [(book.plan.outcome, "multiplicative")]
    if "revenue" in book.panel.outcomes:
        found += [("revenue", "multiplicative")] if book.plan.outcome != "revenue" else []
        found += [("revenue", "additive")]
    return found


def _cells(book: Book, sample: Sample, effects: str):  # type: ignore[no-untyped-def]
    if effects == "team_week":
        return sample.cells
    period = "week" if book.panel.period == "week" else "month"
    plain = make_cells(book.panel.frame, effects="week", cluster="rep", period=period)  # type: ignore[arg-type]
    return replace(plain, unit=sample.cells.unit)


def specification_reading(frame: pd.DataFrame) -> Note:
    """How many of the choices point the same way, and their middle."""
    if frame.empty:
        return Note("No other choices can be tried: the company's regression was refused.")
    middle = float(frame["estimate"].median())
    same = int((np.sign(frame["estimate"]) == np.sign(middle)).sum())
    clear = int(((frame["low"] > 0) | (frame["high"] < 0)).sum())
    kinds = words.kinds_name(str(frame["activity"].iloc[0]))
    return Note(
        f"For {kinds}, {same} of {len(frame)} equivalent choices point the same way; the middle one is "
        f"{words.share(words.significant(middle))} per extra one, and {clear} are clear on their own."
    )
