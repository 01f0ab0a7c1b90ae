"""The figures of the reports: each takes finished numbers (findings, result frames) and returns a Figure block.

None fits, resamples or smooths anything. Titles are findings in words, at most 60 characters; the interval is always
drawn; the same numbers stand in the alternative text and in the table below the figure.
"""

from analysis.reporting.figures.amounts import pipeline, volume
from analysis.reporting.figures.delay import delay
from analysis.reporting.figures.effects import effects, teams
from analysis.reporting.figures.funnel import funnel
from analysis.reporting.figures.rates import rates
from analysis.reporting.figures.result import result
from analysis.reporting.figures.spark import spark

__all__ = ["delay", "effects", "funnel", "pipeline", "rates", "result", "spark", "teams", "volume"]
