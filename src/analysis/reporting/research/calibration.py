"""How this very grading behaves where the truth is known: on rotated copies of the data, and with planted effects."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from scipy import special

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.calibrate import Calibration, Desk, calibrate
from analysis.evidence.estimate import check_vcov, fit_headline
from analysis.evidence.sample import make_sample
from analysis.models.inference import contrast
from analysis.reporting.blocks import Note
from analysis.reporting.research.book import SAY, Book


def rotated_p_values(book: Book, copies: int) -> pd.DataFrame:
    """p of every activity in copies whose activities are rotated in time, rep by rep: nothing is there to be found.

    Columns: copy, activity, p_value. Flat between 0 and 1 where the errors are honest. Empty when nothing can be fitted.
    """
    desk = Desk(book.panel, book.plan, book.units, book.seed)
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:  # the desk travels once with each chunk
        drawn = pool.map(partial(_p_values, desk), range(copies), chunksize=-(-copies // cores))
        rows = [row for one in drawn for row in one]
    return pd.DataFrame(rows, columns=["copy", "activity", "p_value"])


def _p_values(desk: Desk, copy: int) -> list[tuple[int, str, float]]:
    """(copy, activity, p) of one rotated copy; none where it cannot be fitted."""
    sample = make_sample(desk.rotated(copy), desk.plan, units=desk.units)
    try:
        fit = fit_headline(sample)
        vcov = check_vcov(fit)
    except AnalysisError:
        return []
    named = enumerate(sample.activities)
    return [(copy, activity, contrast(fit, sample.weights(k), vcov).p_value) for k, activity in named]


def calibration(book: Book, copies: int, planted: int) -> Calibration:
    """False claims of the whole grading in so many rotated copies, and effects found of so many planted ones a size."""
    return calibrate(book.panel, shifts=copies, planted=planted, seed=book.seed, by_team=False)


def power_frame(found: Calibration) -> pd.DataFrame:
    """share (of the outcome behind the planted effect), found, draws, rate, low, high (95 % Clopper-Pearson)."""
    table = found.power.copy()
    if table.empty:
        return table.assign(rate=[], low=[], high=[])
    low, high = exact_interval(table["found"].to_numpy(float), table["draws"].to_numpy(float))
    return table.assign(rate=table["found"] / table["draws"], low=low, high=high)


def exact_interval(count: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share, (k,) counts of (k,) draws. Source: Clopper & Pearson (1934)."""
    low = np.where(count == 0, 0.0, special.betaincinv(np.maximum(count, 1e-9), n - count + 1, 0.025))
    high = np.where(count == n, 1.0, special.betaincinv(count + 1, np.maximum(n - count, 1e-9), 0.975))
    return low, high


def calibration_reading(found: Calibration, say: words.Voice = SAY) -> Note:
    """What the calibration measured, with what so few copies can and cannot tell."""
    if found.refused:
        return Note(say.text("calibration.refused", {"why": found.refused}), tone="warn")
    low, high = exact_interval(np.array([float(found.company_claims)]), np.array([float(found.shifts)]))
    values = {
        "claims": found.company_claims,
        "copies": found.shifts,
        "low": say.share(float(low[0]), decimals=0),
        "high": say.share(float(high[0]), decimals=0),
    }
    return Note(say.text("calibration.said", values))
